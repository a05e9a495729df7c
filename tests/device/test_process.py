import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from edgelstm.device.process import run
from edgelstm.errors import ToolError, ToolMissingError, ToolTimeoutError


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_exit_code_and_both_streams_are_returned():
    completed = run(python("import sys; print('out'); sys.stderr.write('err\\n'); sys.exit(3)"), timeout_s=20)
    assert completed.exit_code == 3
    assert sorted(completed.output.split()) == ["err", "out"]


def test_input_folder_and_environment_reach_the_program(tmp_path):
    code = "import os, sys; print(sys.stdin.read() + os.getcwd() + os.environ['EXTRA'])"
    completed = run(python(code), timeout_s=20, cwd=tmp_path, input_bytes=b"given", environment={"EXTRA": "!"})
    assert completed.output == f"given{tmp_path.resolve()}!\n"


def test_a_signal_is_a_negative_exit_code():
    assert run(python("import os; os.kill(os.getpid(), 9)"), timeout_s=20).exit_code == -signal.SIGKILL


def test_missing_program_and_folder_are_told(tmp_path):
    with pytest.raises(ToolMissingError, match="no-such-program"):
        run(["no-such-program"], timeout_s=5)
    with pytest.raises(ToolError, match="nowhere"):
        run([sys.executable], timeout_s=5, cwd=tmp_path / "nowhere")


def test_output_is_bounded_and_keeps_both_ends():
    code = "print('first'); [print('x' * 999) for _ in range(3000)]; print('last')"
    completed = run(python(code), timeout_s=20, output_limit_bytes=10_000)
    assert completed.output.startswith("first\n")
    assert completed.output.endswith("last\n")
    assert "bytes left out" in completed.output
    assert len(completed.output) < 10_100


def test_control_characters_do_not_reach_the_terminal():
    completed = run(python(r"print('\x1b[31mred\x07\tb')"), timeout_s=20)
    assert completed.output == "\N{REPLACEMENT CHARACTER}[31mred\N{REPLACEMENT CHARACTER}\tb\n"


def test_timeout_ends_children_and_grandchildren(tmp_path, no_process_left):
    marker = f"sleeper-{os.getpid()}"
    inner = f"import time; time.sleep(300)  # {marker}"
    code = "import subprocess, sys; print('hello', flush=True)"
    code += f"; subprocess.run([sys.executable, '-c', {inner!r}])"
    started = time.monotonic()
    with pytest.raises(ToolTimeoutError, match=r"(?s)ended after 1 s.*hello"):
        run(python(code), timeout_s=1)
    assert time.monotonic() - started < 5
    assert no_process_left(marker)


def test_a_background_process_does_not_outlive_the_program(no_process_left):
    marker = f"background-{os.getpid()}"
    inner = f"import time; time.sleep(300)  # {marker}"
    code = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {inner!r}]); print('done')"
    completed = run(python(code), timeout_s=20)
    assert completed.output == "done\n"
    assert no_process_left(marker)


def test_ctrl_c_ends_the_program(no_process_left):
    marker = f"interrupted-{os.getpid()}"
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        run(python(f"import time; time.sleep(300)  # {marker}"), timeout_s=20)
    timer.join()
    assert no_process_left(marker)


def test_nothing_is_left_to_reap():
    process_id = int(run(python("import os; print(os.getpid())"), timeout_s=20).output)
    with pytest.raises(ChildProcessError):
        os.waitpid(process_id, os.WNOHANG)


def test_arguments_are_not_seen_by_a_shell(tmp_path):
    completed = run([*python("import sys; print(sys.argv[1])"), "$(touch x); `touch y`"], timeout_s=20, cwd=tmp_path)
    assert completed.output == "$(touch x); `touch y`\n"
    assert list(Path(tmp_path).iterdir()) == []
