"""Each instruction set's header computes the bits that ref.h defines, on the emulated core that it is for."""

from collections.abc import Callable
from pathlib import Path

import pytest
from twin_cases import activation_cases, cases, differences, dot_cases, fixedpoint_cases
from twin_programs import build_for_chip, build_for_host, library_headers, run_on_chip, run_on_host

from edgelstm.codegen.packing import LAYOUTS
from edgelstm.device.runners import choose_runner
from edgelstm.device.targets import list_targets, load_target
from edgelstm.numerics.contracts import Contract
from edgelstm.resources import templates_dir

TARGETS = {target.isa: target for target in map(load_target, list_targets()) if target.arch != "host"}
PROGRAMS = {"gcc": "arm-none-eabi-gcc", "zig": "ziglang", "qemu": "qemu-system-arm", "unicorn": "unicorn"}

# Every compiler and runner occurs, and in the fast emulator every variant of the headers.
BUILDS = [
    ("gcc", "qemu", Contract.LITERT, "size"),
    ("gcc", "qemu", Contract.LITERT, "balanced"),
    ("zig", "qemu", Contract.TFLM, "balanced"),
    ("gcc", "unicorn", Contract.LITERT, "balanced"),
]

# Unicorn takes a minute for what QEMU does in a second.
LEFT_OUT = {"unicorn": {f"tanh {bits}" for bits in range(7)}}


def test_every_header_has_a_layout_and_a_target() -> None:
    headers = {path.stem for path in (templates_dir() / "c" / "isa").glob("*.h")}
    assert headers == set(LAYOUTS) == {"ref", *TARGETS}


@pytest.mark.parametrize("isa", TARGETS)
@pytest.mark.parametrize(("compiler", "runner", "contract", "optimize"), BUILDS, ids=str)
def test_the_emulated_core_equals_the_host(
    isa: str,
    compiler: str,
    runner: str,
    contract: Contract,
    optimize: str,
    require_tool: Callable[[str], None],
    tmp_path: Path,
) -> None:
    for name in (PROGRAMS[compiler], PROGRAMS[runner], "gcc"):
        require_tool(name)
    target, left_out = TARGETS[isa], LEFT_OUT.get(runner, set())
    expected = [case for case in cases(contract, LAYOUTS[isa]) if case.name not in left_out]
    elf = build_for_chip(target, compiler, library_headers(contract, optimize, isa), tmp_path / "chip")
    found = run_on_chip(choose_runner(target, runner), elf, expected, tmp_path)
    assert differences(found, expected) == []
    portable = [case for case in cases(contract, LAYOUTS["ref"]) if case.name not in left_out]
    program = build_for_host(("gcc", "-O2"), library_headers(contract, optimize, "ref"), tmp_path / "host")
    assert found == run_on_host(program, portable, tmp_path)


FAULTS = [
    ("ssat %0, #8", "ssat %0, #7"),
    ("ssat %0, #16", "ssat %0, #15"),
    ("sxtb16 %0, %1, ror #8", "sxtb16 %0, %1, ror #16"),
    ("smlad %0", "smladx %0"),
    ("INT64_C(1) << 30", "INT64_C(1) << 29"),
    ("narrow[whole + k] : 0", "narrow[whole + k] : 1"),
]


@pytest.mark.parametrize(("right", "wrong"), FAULTS, ids=[wrong for _, wrong in FAULTS])
def test_a_planted_fault_is_noticed(
    right: str, wrong: str, require_tool: Callable[[str], None], tmp_path: Path
) -> None:
    for name in (PROGRAMS["gcc"], "unicorn"):
        require_tool(name)
    headers = dict(library_headers(Contract.LITERT, "size", "armv7em"))
    assert right in headers["edgelstm_isa.h"]
    headers["edgelstm_isa.h"] = headers["edgelstm_isa.h"].replace(right, wrong)
    elf = build_for_chip(TARGETS["armv7em"], "gcc", headers, tmp_path)
    expected = (*fixedpoint_cases(), *dot_cases(LAYOUTS["armv7em"]))
    found = run_on_chip(choose_runner(TARGETS["armv7em"], "unicorn"), elf, expected, tmp_path)
    assert differences(found, expected) != []


def test_the_activations_are_compared_on_every_input() -> None:
    assert [len(case.expected) for case in activation_cases(Contract.LITERT)] == [65536] * 8
