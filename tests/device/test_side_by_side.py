"""Jobs side by side: results in order, and no program or thread left when one fails or on Ctrl-C."""

import os
import signal
import sys
import threading
import time
from functools import partial

import pytest

from edgelstm.device.process import run
from edgelstm.device.runners import choose_runner
from edgelstm.device.side_by_side import side_by_side
from edgelstm.device.targets import load_target
from edgelstm.errors import ToolMissingError
from edgelstm.once import Once

SLEEP = [sys.executable, "-c", "import time; time.sleep(61.5)"]


def _fail() -> int:
    raise ToolMissingError("missing")


def _sleep() -> int:
    return run(SLEEP, timeout_s=90).exit_code


def test_results_come_in_order_of_the_jobs():
    def job(number: int) -> int:
        time.sleep(0.02 * (5 - number))
        return number

    assert side_by_side([partial(job, number) for number in range(5)]) == [0, 1, 2, 3, 4]
    assert side_by_side([]) == []


@pytest.mark.parametrize("jobs", [2, 9])
def test_ctrl_c_ends_the_programs_of_all_threads(jobs, no_process_left):
    timer = threading.Timer(0.7, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        side_by_side([_sleep] * jobs)
    assert time.monotonic() - started < 20
    timer.join()
    assert no_process_left("time.sleep(61.5)")
    assert run([sys.executable, "-c", "print(1)"], timeout_s=20).output == "1\n"


def test_a_job_that_fails_ends_the_others(no_process_left):
    started = time.monotonic()
    with pytest.raises(ToolMissingError):
        side_by_side([_fail, _sleep])
    assert time.monotonic() - started < 20
    assert no_process_left("time.sleep(61.5)")


def test_a_job_that_fails_ends_no_jobs_of_others():
    """Compiling one of several targets fails, which is nothing to the rest."""

    def inner() -> int:
        with pytest.raises(ToolMissingError):
            side_by_side([_fail, _sleep])
        return 1

    def wait() -> int:
        return run([sys.executable, "-c", "import time; time.sleep(2)"], timeout_s=60).exit_code

    assert side_by_side([inner, wait, inner]) == [1, 0, 1]


def test_ctrl_c_reaches_jobs_of_jobs(no_process_left):
    timer = threading.Timer(0.7, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        side_by_side([lambda: len(side_by_side([_sleep, _sleep]))] * 2)
    assert time.monotonic() - started < 20
    timer.join()
    assert no_process_left("time.sleep(61.5)")


def test_every_result_is_told_once_and_alone():
    told: list[int] = []

    def finished(result: int) -> None:
        before = len(told)
        time.sleep(0.01)
        assert len(told) == before
        told.append(result)

    assert side_by_side([partial(int, number) for number in range(9)], finished) == list(range(9))
    assert sorted(told) == list(range(9))


def test_unicorn_ends_too(build, require_tool, tmp_path):
    require_tool("unicorn")
    elf = build("lab", "cortex-m4", "gcc").elf
    runner = choose_runner(load_target("cortex-m4"), "unicorn")

    def fail_later() -> int:
        time.sleep(0.5)
        return _fail()

    def run_for_ever() -> int:
        return runner.run(elf, ["l"], cwd=tmp_path, timeout_s=60).exit_code

    started = time.monotonic()
    with pytest.raises(ToolMissingError):
        side_by_side([fail_later, run_for_ever])
    assert time.monotonic() - started < 20


def test_a_value_is_computed_once_and_its_error_is_everybodys():
    once: Once[int] = Once()
    calls: list[int] = []

    def compute() -> int:
        calls.append(1)
        time.sleep(0.05)
        return 7

    assert side_by_side([lambda: once.get("seven", compute)] * 4) == [7] * 4
    assert len(calls) == 1
    for _ in range(2):
        with pytest.raises(ToolMissingError):
            once.get("none", _fail)
