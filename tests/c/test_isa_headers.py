"""Each instruction set's header computes what numpy does, on the emulated core that it is for."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

import pytest
from cores import GCC, QEMU
from isa_cases import WIDE, KernelCase, bounds_of, kernel_cases, layouts_of
from isa_programs import program, run_program

from edgelstm.codegen.layouts import LAYOUTS, VECTOR_KERNELS
from edgelstm.device.targets import load_target
from edgelstm.resources import templates_dir

TARGETS: Mapping[str, str] = {
    "ref": "cortex-m4",
    "armv7em": "cortex-m4",
    "armv7em wide": "cortex-m4",
    "armv7m": "cortex-m3",
    "armv6m": "cortex-m0",
    "rv32": "rv32imc",
    "avr": "atmega2560",
    "lx106": "esp8266",
}
"""A core for each header. All have el_saturate8, el_saturate16, el_requantize8, el_widen, el_dot1, el_dot_bytes, and
el_dot4 of each of their layouts; every layout but the last has el_gates and el_gates_add too."""

BUILDS = [
    ("gcc", "qemu", "speed", ""),
    ("gcc", "qemu", "size", ""),
    ("gcc", "qemu", "speed", "EL_NO_ASM"),
    ("gcc", "qemu", "speed", "EL_CONSTANT_TIME"),
    ("zig", "qemu", "speed", ""),
    ("zig", "qemu", "size", "EL_NO_ASM"),
    ("gcc", "unicorn", "speed", ""),
    ("gcc", "simavr", "speed", ""),
    ("gcc", "simavr", "speed", "EL_NO_ASM"),
]
"""Compiler, emulator, optimization, macro."""

FEW_WIDTHS = (6, 20, 140)
"""Unicorn takes a minute for what QEMU does in a second, and values lie in the 8 KB of an AVR."""

MOST_CASES = {"lx106": 8}
"""In a program: code lies in the 32 KB of an ESP8266."""


@cache
def header(isa: str) -> str:
    name = isa.removesuffix(WIDE)
    parts = [name, *(f"{name}_{layout.name}" for layout in layouts_of(isa))]
    paths = [templates_dir() / "c" / "isa" / f"{part}.h" for part in parts]
    return "".join(path.read_text() for path in paths if path.is_file())


@cache
def all_cases(isa: str, few: bool) -> Sequence[KernelCase]:
    return tuple(kernel_cases(isa, FEW_WIDTHS) if few else kernel_cases(isa))


def wrong_case(
    isa: str, build: tuple[str, str, str, str], text: str, require_tool: Callable[[str], None], folder: Path
) -> str:
    """The first case that the header gets wrong; "" if none."""
    target = load_target(TARGETS[isa])
    compiler, runner, optimize, choice = build
    if runner not in target.runners or compiler not in target.compiler_flags:
        pytest.skip(f"{compiler} does not build for {target.name}, or it does not run in {runner}")
    for tool in (
        {"gcc": GCC[target.arch], "zig": "ziglang"}[compiler],
        QEMU[target.arch] if runner == "qemu" else runner,
    ):
        require_tool(tool)
    cases = all_cases(isa, runner in ("unicorn", "simavr") or isa == "lx106")
    room = MOST_CASES.get(isa, len(cases))
    for first in range(0, len(cases), room):
        some = cases[first : first + room]
        code = run_program(target, compiler, runner, optimize, text, program(some, choice), folder / str(first))
        names = ["", *(f"{case.packed.layout.name}: {case.name}" for case in some), "elementwise"]
        if code != 0:
            return names[code] if code < len(names) else f"exit code {code}"
    return ""


def test_every_header_has_layouts_and_a_core() -> None:
    headers = {path.stem for path in (templates_dir() / "c" / "isa").glob("*.h")}
    parts = {name for name in headers if name.rpartition("_")[0] in TARGETS}
    assert headers - parts == set(LAYOUTS) - set(VECTOR_KERNELS) == {isa.removesuffix(WIDE) for isa in TARGETS}


@pytest.mark.parametrize("isa", TARGETS)
@pytest.mark.parametrize("build", BUILDS, ids=lambda build: "-".join(map(str, build)))
def test_the_emulated_core_equals_numpy(
    isa: str, build: tuple[str, str, str, str], require_tool: Callable[[str], None], tmp_path: Path
) -> None:
    assert wrong_case(isa, build, header(isa), require_tool, tmp_path) == ""


@pytest.mark.parametrize("isa", [isa for isa in TARGETS if len(layouts_of(isa)) > 1])
def test_the_cases_reach_the_bound_and_use_the_fused_functions(isa: str) -> None:
    cases = all_cases(isa, False)
    bounds = bounds_of(isa)
    reached = [case for case in cases if case.name.startswith("at the bound")]
    past = [case for case in cases if case.name.startswith("past the bound")]
    assert {(case.packed.layout, abs(case.sums).max()) for case in reached} == {
        (within, limit - 1) for limit, (within, _) in bounds.items()
    }
    assert {(case.packed.layout, abs(case.sums).max()) for case in past} == {
        (beyond, limit) for limit, (_, beyond) in bounds.items()
    }
    shifts = {shift for case in cases if case.packed.gate_scales for shift in case.packed.gate_shifts[0]}
    assert min(shifts) == -24
    assert 0 in shifts
    assert max(shifts) >= 5
    assert {case.packed.layout for case in cases} == {layout for pair in bounds.values() for layout in pair}


FAULTS = [
    ("armv7em", "ssat %0, #8", "ssat %0, #7"),
    ("armv7em", "sxtb16 %0, %1, ror #8", "sxtb16 %0, %1, ror #16"),
    ("armv7em", "rsb    r1, r7, r1, lsl #1", "rsb    r1, r7, r1, lsl #2"),
    ("armv7em", "smmlar", "smmla"),
    ("armv7em", "&bytes[k])->word", "&bytes[0])->word"),
    ("armv6m", "sum += bytes[k] * values[k];", "sum += bytes[k] * values[0];"),
    ("armv7em wide", "add    r3, r3, r2, lsl #16", "add    r3, r3, r2, lsl #15"),
    ("armv7em wide", "smlad  r1, r8, r12, r1", "smlad  r1, r8, r11, r1"),
    ("armv7m", 'sbfx   r3, " word ", #8, #16', 'ubfx   r3, " word ", #8, #16'),
    ("armv7m", "sub    r0, r0, r7, lsl #8", "sub    r0, r0, r7, lsl #9"),
    ("armv7m", "mov    r7, #0x80000000", "mov    r7, #0x40000000"),
    ("armv7m", ", lsr #31\\n", ", lsr #30\\n"),
    ("armv7m", "ssat %0, #16", "ssat %0, #15"),
    ("armv6m", "rev16", "rev"),
    ("armv6m", "keeps the carry */", 'keeps the carry */ "adds r7, #0\\n\\t"'),
    ("armv6m", "asrs   r6, r6, #8", "asrs   r6, r6, #7"),
    ("armv6m", "lsls   r6, r5, #24", "lsls   r6, r5, #23"),
    ("armv6m", "+ (1 << 14) +", "+ (1 << 13) +"),
    ("armv6m", "(value >> 31) ^ limit", "limit"),
    ("armv6m", "(0x8080u * (uint32_t)sum)", "(0x8000u * (uint32_t)sum)"),
    ("avr", "subi %[value], 0x80", "subi %[value], 0x81"),
    ("avr", "adc %C[d], %[zero]", "nop"),
    ("avr", "sbrs %C[sum], 7", "sbrc %C[sum], 7"),
    ("avr", "lsl %[low]\\n\\tadc %B[high], r1", "nop"),
    ("avr", "sbrc %C[high], 7", "sbrc %C[high], 6"),
    ("avr", "return sum * -128;", "return sum * -127;"),
    ("lx106", "extui %[m], %[w], 8, 16", "extui %[m], %[w], 8, 15"),
    ("lx106", "add   %[s], %[s], %[h]", "add   %[s], %[s], %[m]"),
    ("lx106", "(uint32_t)correction * 65537u", "(uint32_t)correction * 65536u"),
    ("lx106", "(p - (s << 16) - (uint32_t)a)", "(p - (s << 16))"),
    ("lx106", "(value * halves[0]) >> 12", "(value * halves[0]) >> 13"),
    ("lx106", "value * bytes[1] + low", "value * bytes[1] - low"),
    ("lx106", "+ (sum >> 31)) >> -shift", ") >> -shift"),
    ("lx106", "(1 << (bits - 1u)) + (1 <<", "(1 <<"),
    ("lx106", "((int32_t)word >> 24)", "(int32_t)(word >> 24)"),
    ("lx106", "return (int32_t)(0x8080u", "return (int32_t)(0x8081u"),
]


@pytest.mark.parametrize(("isa", "right", "wrong"), FAULTS, ids=[f"{isa} {wrong}" for isa, _, wrong in FAULTS])
def test_a_planted_fault_is_noticed(
    isa: str, right: str, wrong: str, require_tool: Callable[[str], None], tmp_path: Path
) -> None:
    assert right in header(isa)
    text = header(isa).replace(right, wrong)
    runners = load_target(TARGETS[isa]).runners
    build = next(build for build in BUILDS if build[1] in runners)
    assert wrong_case(isa, build, text, require_tool, tmp_path) != ""
