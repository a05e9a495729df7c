import os
import re
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from cores import CORES, QEMU

from edgelstm.device.process import run
from edgelstm.device.runners import EXIT_FAULT, Runner, RunResult, choose_runner
from edgelstm.device.targets import load_target
from edgelstm.errors import TargetError, ToolError, ToolMissingError, ToolTimeoutError

CHIP = load_target("cortex-m4")
HOST = load_target("host")
EMULATED = [(compiler, runner, "cortex-m4") for compiler in ("gcc", "zig") for runner in ("qemu", "unicorn")]
EVERYWHERE = [*EMULATED, ("gcc", "host", "host")]
CHIPS = [load_target(name) for name in CORES]
EVERY_CHIP = [
    *EMULATED,
    *(
        (compiler, runner, chip.name)
        for chip in CHIPS
        if chip != CHIP
        for compiler, runner in (("gcc", chip.runners[0]), ("zig", chip.runners[-1]))
        if compiler in chip.compiler_flags
    ),
]


@dataclass(frozen=True)
class Lab:
    """`lab(*arguments)` runs it."""

    name: str
    runner: Runner
    elf: Path
    folder: Path

    def __call__(self, *arguments: str, timeout_s: float = 20) -> RunResult:
        return self.runner.run(self.elf, arguments, cwd=self.folder, timeout_s=timeout_s)


@pytest.fixture
def lab(request, build, require_tool, tmp_path):
    """The lab firmware, built for and run by what the test's parameter says."""
    compiler, runner_name, target_name = request.param
    target = load_target(target_name)
    if runner_name != "host":
        require_tool({"qemu": QEMU[target.arch], "unicorn": "unicorn"}[runner_name])
    return Lab(runner_name, choose_runner(target, runner_name), build("lab", target_name, compiler).elf, tmp_path)


def numbers(output: str) -> dict[str, int]:
    return {name: int(value) for name, value in re.findall(r"^(\w+) (\d+)$", output, re.MULTILINE)}


everywhere = pytest.mark.parametrize("lab", EVERYWHERE, indirect=True, ids="-".join)
emulated = pytest.mark.parametrize("lab", EMULATED, indirect=True, ids="-".join)
on_every_chip = pytest.mark.parametrize("lab", EVERY_CHIP, indirect=True, ids="-".join)


@everywhere
def test_exit_codes(lab):
    assert lab("e00").exit_code == 0
    assert lab("e41").exit_code == 41
    assert lab("x").exit_code == 42


@everywhere
def test_arguments(lab):
    result = lab("p=1,2", "in=a/b.bin", "-x")
    assert result.output == "p=1,2 in=a/b.bin -x\nlength 19\nhost 1\n"
    result = lab()
    assert (result.exit_code, result.output) == (7, "length 0\n")
    too_long = lab("p" * 200)
    assert (too_long.exit_code, numbers(too_long.output)["length"]) == (7, 2**32 - 1)


@everywhere
@pytest.mark.parametrize("words", [["a b"], [""], ["a\nb"], ["a\0b"], ["é"], ["x" * 2000]])
def test_arguments_that_cannot_be_told_apart_are_refused(lab, words):
    with pytest.raises(ToolError):
        lab(*words)


@everywhere
@pytest.mark.parametrize("size", [0, 999, 70_000, 150_001])
def test_files_go_in_and_out(lab, tmp_path, size):
    content = bytes(index * 7 & 0xFF for index in range(size))
    (tmp_path / "input.bin").write_bytes(content)
    assert lab("f").exit_code == 0
    assert (tmp_path / "output.bin").read_bytes() == bytes(255 - byte for byte in content)


@on_every_chip
def test_a_file_goes_through_every_chip(lab, tmp_path):
    content = bytes(index * 11 & 0xFF for index in range(9001))
    (tmp_path / "input.bin").write_bytes(content)
    assert lab("f").exit_code == 0
    assert (tmp_path / "output.bin").read_bytes() == bytes(255 - byte for byte in content)


@everywhere
def test_a_missing_file_is_reported_to_the_firmware(lab):
    assert lab("f").exit_code == 3


@pytest.mark.parametrize("lab", [*EVERY_CHIP, ("gcc", "host", "host")], indirect=True, ids="-".join)
def test_data_is_initialised_at_every_start(lab):
    assert lab("d").exit_code == 0
    assert lab("d").exit_code == 0


@everywhere
def test_an_endless_loop_is_ended(lab, no_process_left):
    started = time.monotonic()
    with pytest.raises(ToolTimeoutError, match=r"(?s)ended after 1 s.*looping"):
        lab("l", timeout_s=1)
    assert time.monotonic() - started < 5
    assert no_process_left(str(lab.elf))


@everywhere
def test_ctrl_c_ends_a_run(lab, no_process_left):
    timer = threading.Timer(0.7, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        lab("l", timeout_s=20)
    timer.join()
    assert no_process_left(str(lab.elf))


@on_every_chip
def test_ticks_count_instructions(lab):
    """Two loops that differ by exactly 99000 instructions."""
    result = lab("m")
    ticks = numbers(result.output)
    exact = (ticks["long"] - ticks["short"]) * result.instructions_per_tick
    assert abs(exact - 99_000) <= (0 if lab.name == "unicorn" else 2 * result.instructions_per_tick)
    overhead = ticks["short"] * result.instructions_per_tick - 1001
    assert 0 <= overhead < 30


@emulated
def test_runs_repeat_exactly(lab):
    assert lab("m").output == lab("m").output


@pytest.mark.parametrize("chip", [chip for chip in CHIPS if len(chip.runners) > 1], ids=lambda chip: chip.name)
def test_both_emulators_count_alike(build, require_tool, tmp_path, chip):
    require_tool(QEMU[chip.arch])
    require_tool("unicorn")
    firmware = build("lab", chip.name, "gcc")
    counts = []
    for name in chip.runners:
        result = choose_runner(chip, name).run(firmware.elf, ["m"], cwd=tmp_path, timeout_s=20)
        ticks = numbers(result.output)
        counts.append((ticks["long"] - ticks["short"]) * result.instructions_per_tick)
    assert abs(counts[0] - counts[1]) < 2


@on_every_chip
def test_stack_use_is_measured(lab):
    """`use_stack` has an array of 1000 bytes; registers that it saves come on top."""
    measured = numbers(lab("m").output)
    assert 1000 <= measured["used"] <= 1064
    assert measured["nothing"] <= 32


@on_every_chip
@pytest.mark.parametrize("how", ["cr", "cn", "cu"])
def test_faults_are_reported(lab, how):
    result = lab(how)
    assert result.exit_code == EXIT_FAULT
    assert "fault" in result.output
    assert re.search(r"pc 0x[0-9a-f]{8}", result.output)


@pytest.mark.parametrize("lab", [e for e in EVERY_CHIP if e[1] == "unicorn"], indirect=True, ids="-".join)
@pytest.mark.parametrize("how", ["cw", "co", "cs", "cz"])
def test_unicorn_also_sees_writes_to_flash_stack_overflow_and_sleep(lab, how):
    result = lab(how)
    assert result.exit_code == EXIT_FAULT
    assert "fault" in result.output


@pytest.mark.parametrize("lab", [e for e in EVERY_CHIP if e[1] == "qemu"], indirect=True, ids="-".join)
def test_a_lost_stack_is_reported_from_a_fresh_one(lab):
    result = lab("cs")
    assert result.exit_code == EXIT_FAULT
    assert "fault: stack overflow" in result.output


@pytest.mark.parametrize("lab", [("gcc", "qemu", "rv32imc"), ("zig", "qemu", "rv32imc")], indirect=True, ids="-".join)
@pytest.mark.parametrize("how", ["cw", "co"])
def test_locked_flash_stops_writes_and_the_stack(lab, how):
    result = lab(how)
    assert result.exit_code == EXIT_FAULT
    assert ("stack overflow" in result.output) == (how == "co")


@pytest.mark.parametrize("compiler", ["gcc", "zig"])
@pytest.mark.parametrize("name", ["cortex-m0", "cortex-m4", "rv32imc"])
def test_firmware_runs_without_a_host(build, require_tool, compiler, name, tmp_path):
    chip = load_target(name)
    require_tool(QEMU[chip.arch])
    firmware = build("alone", name, compiler)
    board = [QEMU[chip.arch], "-M", chip.qemu.machine, "-display", "none", "-monitor", "none", "-no-reboot"]
    board += ["-bios", "none"] if chip.arch == "riscv" else []
    completed = run([*board, "-serial", "stdio", "-kernel", str(firmware.elf)], timeout_s=20, cwd=tmp_path)
    assert completed.output.strip().splitlines() == [
        "no host",
        "open failed",
        "open failed",
        "read failed",
        "write failed",
        "no arguments",
        "still here",
    ]


def test_sanitizers_stop_a_host_program(build, tmp_path):
    firmware = build("lab", "host", "gcc")
    if firmware.sanitizers != ("address", "undefined"):
        pytest.skip("this compiler has no sanitizer libraries")
    runner = choose_runner(HOST)
    for how, report in (("cb", "out of bounds"), ("ci", "signed integer overflow"), ("co", "stack-overflow")):
        result = runner.run(firmware.elf, [how], cwd=tmp_path, timeout_s=20)
        assert result.exit_code == EXIT_FAULT
        assert report in result.output


@pytest.mark.parametrize("lab", [("gcc", "unicorn", "cortex-m4")], indirect=True)
def test_emulated_firmware_is_confined_to_its_folder(lab, tmp_path, monkeypatch):
    (tmp_path.parent / "secret.txt").write_text("secret")
    (tmp_path / "link.txt").symlink_to(tmp_path.parent / "secret.txt")
    assert lab("q").exit_code == 0
    assert not (tmp_path.parent / "written.txt").exists()


def test_the_first_installed_runner_is_chosen(require_tool, monkeypatch, tmp_path):
    require_tool("qemu-system-arm")
    require_tool("unicorn")
    assert choose_runner(CHIP).name == "qemu"
    assert choose_runner(HOST).name == "host"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert choose_runner(CHIP).name == "unicorn"
    with pytest.raises(ToolMissingError, match="nothing is installed") as caught:
        choose_runner(CHIP, "qemu")
    assert "qemu-system-arm" in caught.value.hint
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ToolMissingError) as caught:
        choose_runner(CHIP)
    assert "qemu-system-arm" in caught.value.hint
    assert "edgelstm[emulate]" in caught.value.hint


def test_a_runner_of_another_target_is_refused():
    with pytest.raises(TargetError, match="cannot be run by 'host'"):
        choose_runner(CHIP, "host")


def test_unicorn_refuses_firmware_of_another_memory_map(build, require_tool, tmp_path):
    require_tool("unicorn")
    with pytest.raises(ToolError, match="not for cortex-m4"):
        choose_runner(CHIP, "unicorn").run(build("lab", "host", "gcc").elf, [], cwd=tmp_path, timeout_s=5)


@pytest.mark.parametrize("compiler", ["gcc", "zig"])
def test_a_core_without_mcycle_counts_no_time(compiler, build, require_tool, tmp_path):
    """As the ESP32-C3's: the program reads a register instead that QEMU's core has not."""
    require_tool(QEMU["riscv"])
    program = build("lab", "rv32imc", compiler).elf.read_bytes()
    read_mcycle, read_unknown = (0xB00_02573).to_bytes(4, "little"), (0x7E2_02573).to_bytes(4, "little")
    assert program.count(read_mcycle) == 1
    elf = tmp_path / "lab.elf"
    elf.write_bytes(program.replace(read_mcycle, read_unknown))
    result = choose_runner(load_target("rv32imc"), "qemu").run(elf, ["m"], cwd=tmp_path, timeout_s=20)
    measured = numbers(result.output)
    assert result.exit_code == 0
    assert (measured["short"], measured["long"]) == (0, 0)
    assert measured["used"] > 1000
