"""Firmware for the Raspberry Pi Pico in rp2040js: its own memories, its boot code, another core than QEMU's."""

import json
import os
import re
import shutil
import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from reference_models import classifier

from edgelstm.codegen.emit import Options, emit
from edgelstm.device.compilers import find_compiler
from edgelstm.device.doctor import examine_packages
from edgelstm.device.runners import EXIT_FAULT, RunResult, choose_runner
from edgelstm.device.runners.rp2040js import Rp2040jsRunner
from edgelstm.device.target_problems import contradictions
from edgelstm.device.targets import load_target
from edgelstm.device.toolchain import compile_firmware
from edgelstm.errors import ToolError, ToolMissingError, ToolTimeoutError
from edgelstm.numerics.contracts import Contract
from edgelstm.verification.ladder import expectation, run_program

PICO = load_target("rpi-pico")
BOOT_BYTES = 256
Run = Callable[..., RunResult]


@pytest.fixture
def emulator() -> Rp2040jsRunner:
    """The runner, which is optional: npm, that it comes from, need not be there, nor reach a registry."""
    runner = Rp2040jsRunner(PICO)
    if runner.missing() is not None:
        pytest.skip("rp2040js is not installed")
    return runner


@pytest.fixture
def lab(emulator, build, tmp_path) -> Run:
    """`lab(*arguments)` runs lab.c."""
    elf = build("lab", "rpi-pico", "gcc").elf

    def run(*arguments: str, timeout_s: float = 20) -> RunResult:
        return emulator.run(elf, arguments, cwd=tmp_path, timeout_s=timeout_s)

    return run


def numbers(output: str) -> dict[str, int]:
    return {name: int(value) for name, value in re.findall(r"^(\w+) (\d+)$", output, re.MULTILINE)}


def test_exit_codes_and_arguments(lab):
    assert lab("e00").exit_code == 0
    assert lab("e41").exit_code == 41
    assert lab("x").exit_code == 42
    assert lab("p=1,2", "in=a/b.bin", "-x").output == "p=1,2 in=a/b.bin -x\nlength 19\nhost 1\n"
    assert lab().exit_code == 7
    assert lab("p" * 200).exit_code == 7
    assert lab("d").exit_code == 0


@pytest.mark.parametrize("size", [0, 999, 150_001])
def test_files_go_in_and_out(lab, tmp_path, size):
    content = bytes(index * 7 & 0xFF for index in range(size))
    (tmp_path / "input.bin").write_bytes(content)
    assert lab("f").exit_code == 0
    assert (tmp_path / "output.bin").read_bytes() == bytes(255 - byte for byte in content)


def test_firmware_is_confined_to_its_folder(lab, tmp_path):
    (tmp_path.parent / "secret.txt").write_text("secret")
    (tmp_path / "link.txt").symlink_to(tmp_path.parent / "secret.txt")
    assert lab("f").exit_code == 3
    assert lab("q").exit_code == 0
    assert not (tmp_path.parent / "written.txt").exists()
    os.mkfifo(tmp_path / "input.bin")
    assert lab("f").exit_code == 3


def test_an_endless_loop_is_ended(lab, no_process_left):
    with pytest.raises(ToolTimeoutError, match=r"(?s)ended after 1 s.*looping"):
        lab("l", timeout_s=1)
    assert no_process_left("run.cjs")


def test_ctrl_c_ends_a_run(lab, no_process_left):
    timer = threading.Timer(0.9, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        lab("l")
    timer.join()
    assert no_process_left("run.cjs")


@pytest.mark.parametrize(
    ("how", "what"),
    [
        ("cr", "invalid memory address: 2f000000"),
        ("cu", "undefined instruction"),
        ("cw", "write to flash"),
        ("co", "undefined address: 1fff"),
        ("cz", "went to sleep"),
    ],
)
def test_faults_are_reported(lab, how, what):
    result = lab(how)
    assert result.exit_code == EXIT_FAULT
    assert re.fullmatch(rf"fault: .*{what}.*, pc 0x1000[0-9a-f]{{4}}\n", result.output)


def test_ticks_are_instructions_and_repeat(lab):
    result = lab("m")
    ticks = numbers(result.output)
    assert ticks["long"] - ticks["short"] == 99_000
    assert result.instructions_per_tick == 1
    assert 1000 <= ticks["used"] <= 1064
    assert lab("m").output == result.output


def test_it_starts_in_the_boot_code_of_the_flash(emulator, build, tmp_path):
    """Without it the chip's ROM would find nothing to run; its first instruction becomes one that is undefined."""
    elf = build("lab", "rpi-pico", "gcc").elf
    program = elf.read_bytes()
    boot = program.index((0x4B50_1A75).to_bytes(4, "little")) + 4 - BOOT_BYTES
    damaged = tmp_path / "lab.elf"
    damaged.write_bytes(program[:boot] + b"\x00\xde" + program[boot + 2 :])
    result = emulator.run(damaged, ["e00"], cwd=tmp_path, timeout_s=20)
    assert result.exit_code == EXIT_FAULT
    assert result.output == "fault: undefined instruction, pc 0x20041f00\n"


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_a_model_is_exact_and_costs_what_it_does_in_unicorn(kind, emulator, require_tool, tmp_path: Path) -> None:
    require_tool("arm-none-eabi-gcc")
    require_tool("unicorn")
    wanted = expectation(classifier(3, (5,), 3, 6, Contract.LITERT, kind), None, 2)
    for file, text in emit(wanted.model, Options(PICO.isa, "balanced", "0" * 64)).files.items():
        (tmp_path / file).write_text(text)
    sources, folder = sorted(tmp_path.glob("*.c")), tmp_path.with_name(f"{tmp_path.name}-build")
    program = compile_firmware(PICO, find_compiler(PICO, "gcc"), sources, [tmp_path], folder, "firmware").elf
    runs = [
        run_program("rpi-pico", wanted, program, runner, 60, lambda text: None)
        for runner in (emulator, choose_runner(PICO, "unicorn"))
    ]
    assert runs[0].rung.values > 0
    assert runs[0].rung.mismatches == 0
    assert runs[0].stack_bytes == runs[1].stack_bytes
    steps = [run.cost.instructions_per_step or 0 for run in runs]
    assert min(steps) > 0
    assert max(steps) - min(steps) <= 2


def test_what_is_no_firmware_for_the_chip_is_refused(emulator, build, tmp_path):
    for target in ("host", "cortex-m0"):
        with pytest.raises(ToolError, match="not for rpi-pico"):
            emulator.run(build("lab", target, "gcc").elf, [], cwd=tmp_path, timeout_s=5)


def test_without_the_package_it_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissingError, match="nothing is installed that can run") as caught:
        choose_runner(PICO, "rp2040js")
    assert "npm install --prefix" in caught.value.hint
    (finding,) = (one for one in examine_packages() if "rp2040js" in one.found)
    assert not finding.is_there
    assert finding.advice.startswith("`npm install --prefix ")


def other_package(folder: Path) -> None:
    """One of the same name that has no emulator, and leaves a trace where it is run."""
    package = folder / "node_modules" / "rp2040js"
    package.mkdir(parents=True)
    (package / "package.json").write_text(json.dumps({"name": "rp2040js", "version": "0.0.7", "main": "index.js"}))
    (package / "index.js").write_text(f'require("node:fs").writeFileSync({json.dumps(str(folder / "ran"))}, "");\n')


def test_nothing_of_the_current_folder_runs(emulator, build, monkeypatch, tmp_path):
    """Nor of those above it: a project that was got from elsewhere names no program."""
    other_package(tmp_path)
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    elf = build("lab", "rpi-pico", "gcc").elf
    assert emulator.run(elf, ["e00"], cwd=tmp_path / "below", timeout_s=20).exit_code == 0
    assert not (tmp_path / "ran").exists()


def test_the_package_of_the_environment_is_taken(build, monkeypatch, tmp_path):
    """Its version is told, and that it does not run."""
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    other_package(tmp_path)
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    assert "rp2040js 0.0.7" in [one.found for one in examine_packages()]
    elf = build("lab", "rpi-pico", "gcc").elf
    with pytest.raises(ToolError, match="rp2040js did not run"):
        Rp2040jsRunner(PICO).run(elf, [], cwd=tmp_path, timeout_s=20)


def test_another_chip_cannot_name_it():
    assert contradictions(PICO) == []
    (problem,) = contradictions(replace(PICO, boot=""))
    assert "rp2040js" in problem
