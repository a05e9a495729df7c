"""Firmware for AVR in simavr: what it asks of its host, how it ends, and what is counted."""

import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from edgelstm.device.compilers import Compiler
from edgelstm.device.profile import Region, count_calls
from edgelstm.device.runners import EXIT_FAULT, RunResult, choose_runner
from edgelstm.device.runners.simavr import SimavrRunner
from edgelstm.device.targets import load_target
from edgelstm.errors import DoesNotFitError, TargetError, ToolError, ToolMissingError, ToolTimeoutError

NAMES = ("atmega328p", "atmega2560")
SPIN_DIFFERENCE = 4 * 10_000
Run = Callable[..., RunResult]


@pytest.fixture(params=NAMES)
def lab(request, build, require_tool, tmp_path) -> Run:
    """`lab(*arguments)` runs avr_lab.c."""
    for tool in ("avr-gcc", "gcc", "simavr"):
        require_tool(tool)
    elf = build("avr_lab", request.param, "gcc").elf
    runner = choose_runner(load_target(request.param))

    def run(*arguments: str, timeout_s: float = 20) -> RunResult:
        return runner.run(elf, arguments, cwd=tmp_path, timeout_s=timeout_s)

    return run


def numbers(output: str) -> dict[str, int]:
    return {name: int(value) for name, value in re.findall(r"^(\w+) (\d+)$", output, re.MULTILINE)}


def test_exit_codes_and_arguments(lab):
    assert lab("e00").exit_code == 0
    assert lab("e41").exit_code == 41
    assert lab("p=1,2", "in=a/b.bin", "-x").output == "p=1,2 in=a/b.bin -x\nlength 19\n"
    assert lab().exit_code == 7
    assert lab("p" * 200).exit_code == 7
    assert lab("d").exit_code == 0


@pytest.mark.parametrize("size", [0, 1, 299, 300, 601, 20_000])
def test_files_go_in_and_out(lab, tmp_path, size):
    content = bytes(index * 7 & 0xFF for index in range(size))
    (tmp_path / "input.bin").write_bytes(content)
    assert lab("f").exit_code == 0
    assert (tmp_path / "output.bin").read_bytes() == bytes(255 - byte for byte in content)


def test_a_missing_file_is_reported_to_the_firmware(lab):
    assert lab("f").exit_code == 3


def test_firmware_is_confined_to_its_folder(lab, tmp_path):
    (tmp_path.parent / "secret.txt").write_text("secret")
    (tmp_path / "link.txt").symlink_to(tmp_path.parent / "secret.txt")
    os.mkfifo(tmp_path / "pipe")
    assert lab("q").exit_code == 0
    assert not (tmp_path.parent / "written.txt").exists()
    assert (tmp_path.parent / "secret.txt").read_text() == "secret"


def test_an_endless_loop_is_ended(lab, no_process_left):
    with pytest.raises(ToolTimeoutError, match=r"(?s)ended after 1 s.*looping"):
        lab("l", timeout_s=1)
    assert no_process_left("simavr-")


@pytest.mark.parametrize(
    ("how", "what"),
    [("cn", "left its memory"), ("co", "stack overflow"), ("cz", "asleep"), ("ci", "an interrupt without a handler")],
)
def test_faults_are_reported(lab, how, what):
    result = lab(how)
    assert result.exit_code == EXIT_FAULT
    assert re.search(rf"^fault: .*{what}", result.output, re.MULTILINE)


def test_ticks_are_clocks_and_repeat(lab):
    result = lab("m")
    ticks = numbers(result.output)
    assert ticks["long"] - ticks["short"] == SPIN_DIFFERENCE
    assert result.cycles_per_tick == 1
    assert result.instructions_per_tick is None
    assert lab("m").output == result.output


def test_stack_use_is_measured(lab):
    measured = numbers(lab("m").output)
    assert 200 <= measured["used"] <= 216
    assert measured["nothing"] <= 16


@pytest.mark.parametrize("name", NAMES)
def test_calls_are_counted_to_the_clock(name, build, require_tool, tmp_path):
    for tool in ("avr-gcc", "gcc", "simavr"):
        require_tool(tool)
    elf = build("avr_lab", name, "gcc").elf
    counted = count_calls(elf, load_target(name), [Region("spin", 2)], "app_main", ["m"], cwd=tmp_path)
    (spin,) = counted.regions
    assert counted.tool == "simavr"
    assert spin.clocks[1] - spin.clocks[0] == SPIN_DIFFERENCE
    assert spin.calls[1] - spin.calls[0] == 2 * 10_000
    assert sum(one.executed for one in spin.instructions) == sum(spin.calls)
    assert max(one.taken for one in spin.instructions) == 499 + 10_499


def test_what_is_no_firmware_for_it_is_refused(build, require_tool, tmp_path):
    require_tool("simavr")
    with pytest.raises(ToolError, match="not for atmega328p"):
        choose_runner(load_target("atmega328p")).run(build("lab", "host", "gcc").elf, [], cwd=tmp_path, timeout_s=5)


def test_a_part_that_simavr_does_not_know_is_named(build, require_tool, tmp_path):
    for tool in ("avr-gcc", "simavr"):
        require_tool(tool)
    target = load_target("atmega328p")
    assert target.simavr is not None
    runner = SimavrRunner(replace(target, simavr=replace(target.simavr, mcu="atmega0")))
    with pytest.raises(ToolError, match="simavr does not know atmega0"):
        runner.run(build("avr_lab", "atmega328p", "gcc").elf, [], cwd=tmp_path, timeout_s=5)


@pytest.mark.parametrize("content", ["#!/bin/sh\nexit 127\n", "no program"], ids=["library gone", "damaged"])
def test_a_cached_program_that_cannot_start_is_compiled_again(content, require_tool, monkeypatch, tmp_path):
    for tool in ("gcc", "simavr"):
        require_tool(tool)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    runner = SimavrRunner(load_target("atmega328p"))
    program = runner.program()
    made = program.stat().st_ino
    assert runner.program().stat().st_ino == made
    program.write_text(content)
    assert runner.program() == program
    assert program.read_bytes().startswith(b"\x7fELF")


def test_without_simavr_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(
        "edgelstm.device.compiled.host_compiler", lambda: Compiler("no", "gcc", "1", ("false",), "/nowhere")
    )
    with pytest.raises(ToolMissingError, match="nothing is installed that can run") as caught:
        choose_runner(load_target("arduino-uno"))
    assert "libsimavr-dev" in caught.value.hint


def test_zig_does_not_stand_in_for_avr_gcc(monkeypatch, tmp_path):
    from edgelstm.device.compilers import find_compiler

    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissingError) as caught:
        find_compiler(load_target("atmega328p"))
    assert "gcc-avr" in caught.value.hint
    assert "zig" not in caught.value.hint


def test_constants_beyond_64_kb_are_refused(require_tool, tmp_path: Path):
    from edgelstm.device.compilers import find_compiler
    from edgelstm.device.toolchain import compile_firmware

    require_tool("avr-gcc")
    source = tmp_path / "far.c"
    source.write_text(
        '#include "port.h"\n'
        + "".join(f"static const __flash uint8_t far{k}[30000] = {{{k + 1}}};\n" for k in range(3))
        + "int app_main(void) { volatile int k = 7; return far0[k] + far1[k] + far2[k]; }\n"
    )
    target = load_target("atmega2560")
    with pytest.raises(TargetError, match="behind the first 64 KB"):
        compile_firmware(target, find_compiler(target), [source], [], tmp_path, "far")


def test_an_array_that_avr_gcc_refuses_does_not_fit(require_tool, tmp_path: Path):
    from edgelstm.device.compilers import find_compiler
    from edgelstm.device.toolchain import compile_firmware

    require_tool("avr-gcc")
    target = load_target("atmega2560")
    source = tmp_path / "large.c"
    text = '#include "port.h"\nstatic const __flash uint8_t weights[%d] = {1};\n'
    text += "int app_main(void) { volatile int k = 7; return weights[k]; }\n"
    source.write_text(text % 32767)
    compile_firmware(target, find_compiler(target), [source], [], tmp_path, "large")
    source.write_text(text % 32768)
    with pytest.raises(DoesNotFitError, match="weights would be larger than 32767 bytes") as caught:
        compile_firmware(target, find_compiler(target), [source], [], tmp_path, "large")
    assert str(tmp_path) not in caught.value.message
    assert "several smaller layers" in caught.value.hint
