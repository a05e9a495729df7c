"""Each MVE function computes what its Python twin does: portable C; assembler and intrinsics on the emulated core."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mve_cases import Case, activation_cases, differences, rows_cases, step_cases
from mve_native_cases import hard_sigmoid_cases, recurrent_cases
from mve_programs import (
    chip_program,
    host_program,
    mve_headers,
    run_emulated,
    run_on_host,
    without_assembler,
)

from edgelstm.codegen.mve_layout import stored_rows
from edgelstm.device import toolchain

SOURCE = Path(__file__).parent / "mve_functions.c"
CASES_BY_HEADER = {
    "rows": tuple(rows_cases()),
    "activations": activation_cases(),
    "requantize": (*step_cases(), *recurrent_cases()),
    "lstm": step_cases(),
    "recurrent": recurrent_cases(),
    "hard_sigmoid": hard_sigmoid_cases(),
}
CASES = tuple(case for header, cases in CASES_BY_HEADER.items() if header != "lstm" for case in cases)

PORTABLE = {
    "gcc -O2": ("gcc", "-O2"),
    "gcc sanitized": ("gcc", "-O1", "-fsanitize=undefined,address", "-fno-sanitize-recover=all"),
    "clang -O2": ("clang", "-O2"),
    "clang sanitized": ("clang", "-O1", "-fsanitize=undefined", "-fsanitize-trap=undefined"),
}

PROGRAMS = {"gcc": "arm-none-eabi-gcc", "zig": "ziglang"}

# Register allocation differs most at the ends.
LEVELS = [("gcc", "-O0"), ("gcc", "-Os"), ("gcc", "-O3"), ("zig", "-O0"), ("zig", "-O2")]

# Compilers rewrite intrinsics; clang 16 some of them wrongly from -O1 on.
INTRINSICS_LEVELS = [(compiler, level) for compiler in PROGRAMS for level in ("-Os", "-O2", "-O3")]

FAULTS = [
    ("rows", '"vmlava.s8 " sum', '"vmladavax.s8 " sum'),
    ("rows", '"stmia r5!, {r0, r2, r4, r6}', '"stmia r5!, {r0, r2, r4, r5}'),
    ("rows", 'q ", [r0], #16', 'q ", [r0], #8'),
    ("activations", "600,    /* r8", "601,    /* r8"),
    ("activations", "#define EL_MVE_SHORT_SERIES", "#define EL_MVE_SHORT_SERIES EL_MVE_IN_QUARTER(\"5\")"),
    ("activations", '"vneg.s16   q3, q3', '"vmov       q3, q3'),
    ("activations", '"dlstp.16   lr', '"dlstp.8    lr'),
    ("requantize", '"vqdmulh.s32  "', '"vqrdmulh.s32  "'),
    ("requantize", '"vqrdmlah.s32 "', '"vqdmlah.s32 "'),
    ("lstm", "vqadd.s32    q3, q3, q1", "vadd.i32     q3, q3, q1"),
    ("lstm", "vqadd.s16    q3, q3, q2", "vadd.i16     q3, q3, q2"),
    ("requantize", '"vrmulh.u16   "', '"vmulh.u16    "'),
    ("lstm", '"vqrdmulh.s16"', '"vqdmulh.s16"'),
    ("lstm", "vmin.s16     q2, q2, q5", "vmov         q2, q2"),
    ("lstm", "vqshl.s16    q2, r8", "vshl.s16     q2, r8"),
    ("requantize", "vctp.16      r3", "vctp.32      r3"),
    ("requantize", "vqadd.s16    q0, q0, r9", "vadd.i16     q0, q0, r9"),
    ("recurrent", "vqrdmulh.s32 q3, q3, q1", "vqdmulh.s32  q3, q3, q1"),
    ("recurrent", "vadd.i32     q2, q2, q0", "vmov         q2, q2"),
    ("recurrent", "vqmovnt.s32  q2, q3", "vqmovnt.s32  q2, q2"),
    ("recurrent", "vrshl.s32    q3, %[right]", "vshl.s32     q3, %[right]"),
    ("recurrent", "vqdmulh.s32  q1, q3, %[one]", "vqrdmulh.s32 q1, q3, %[one]"),
    ("recurrent", "vrshrnt.i32  q3", "vshrnt.i32   q3"),
    ("recurrent", "vctp.16      %[left]", "vctp.8       %[left]"),
    ("recurrent", "vrshr.s16    q0, q0, #5", "vshr.s16     q0, q0, #5"),
    ("hard_sigmoid", "vqrdmulh.s16 q2", "vqdmulh.s16 q2"),
    ("hard_sigmoid", "vqadd.s16    q0, q0, %", "vadd.i16     q0, q0, %"),
    ("rows_intrinsics", "&weights[48]", "&weights[32]"),
    ("activations_intrinsics", "28918), 28918)", "28918), 28917)"),
    ("activations_intrinsics", "vnegq_s16(error)", "vmvnq_s16(error)"),
    ("activations_intrinsics", "el_mve_first_of_8(count - k)", "el_mve_first_of_8(8u)"),
    ("requantize_intrinsics", "vqdmulhq_n_s32(shifted", "vqrdmulhq_n_s32(shifted"),
    ("requantize_intrinsics", "vqaddq_n_s16(values", "vaddq_n_s16(values"),
    ("lstm_intrinsics", "vqaddq_s32(el_mve", "vaddq_s32(el_mve"),
    ("recurrent_intrinsics", "vqdmulhq_n_s32(sum", "vqrdmulhq_n_s32(sum"),
    ("recurrent_intrinsics", "vrshrntq_n_s32", "vshrntq_n_s32"),
    ("recurrent_intrinsics", "vmovltq_s16(wide", "vmovlbq_s16(wide"),
    ("recurrent_intrinsics", "vqdmulhq_n_s32(product", "vqrdmulhq_n_s32(product"),
    ("hard_sigmoid_intrinsics", "vqaddq_n_s16(product", "vaddq_n_s16(product"),
]  # fmt: skip


def require_all(require_tool: Callable[[str], None], *names: str) -> None:
    for name in names:
        require_tool(name)


def test_gates_with_all_combinations_of_shifts_and_reach_are_compared() -> None:
    """Of input part shifted left, recurrent part shifted left, recurrent part within 16 bits."""
    gates = [np.frombuffer(case.record[:32], "<i4") for case in step_cases() if case.name.startswith("gate inputs")]
    assert {(int(a) > 0, int(b) > 0, bool(fits)) for _, _, fits, _, _, a, _, b in gates} == {
        (a, b, fits) for a in (False, True) for b in (False, True) for fits in (False, True)
    }


def test_every_input_of_every_activation_is_compared() -> None:
    assert [len(case.expected) for case in activation_cases()[:5]] == [65536 + 8] * 5


@pytest.mark.parametrize("build", PORTABLE)
def test_the_portable_form_equals_python(build: str, require_tool: Callable[[str], None], tmp_path: Path) -> None:
    require_tool(PORTABLE[build][0])
    program = host_program(PORTABLE[build], SOURCE, mve_headers(), tmp_path)
    assert differences(run_on_host(program, CASES, tmp_path), CASES) == []


@pytest.mark.parametrize(("compiler", "level"), LEVELS)
def test_the_assembler_equals_python(
    compiler: str, level: str, require_tool: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_all(require_tool, PROGRAMS[compiler], "qemu-system-arm")
    monkeypatch.setitem(toolchain.OPTIMIZE_FLAGS, "balanced", level)
    elf = chip_program(compiler, SOURCE, mve_headers(), tmp_path)
    assert differences(run_emulated(elf, CASES, tmp_path), CASES) == []


@pytest.mark.parametrize(("compiler", "level"), INTRINSICS_LEVELS)
def test_the_intrinsics_equal_python(
    compiler: str, level: str, require_tool: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_all(require_tool, PROGRAMS[compiler], "qemu-system-arm")
    monkeypatch.setitem(toolchain.OPTIMIZE_FLAGS, "balanced", level)
    elf = chip_program(compiler, SOURCE, without_assembler(mve_headers()), tmp_path)
    assert differences(run_emulated(elf, CASES, tmp_path), CASES) == []


@pytest.mark.parametrize(("compiler", "level"), [("gcc", "-O0"), ("gcc", "-O2"), ("zig", "-O2")])
def test_a_frame_pointer_is_left_alone(
    compiler: str, level: str, require_tool: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_all(require_tool, PROGRAMS[compiler], "qemu-system-arm")
    monkeypatch.setitem(toolchain.OPTIMIZE_FLAGS, "balanced", level)
    flags = tuple(flag for flag in toolchain._FREESTANDING_FLAGS if flag != "-fomit-frame-pointer")
    monkeypatch.setattr(toolchain, "_FREESTANDING_FLAGS", (*flags, "-fno-omit-frame-pointer"))
    elf = chip_program(compiler, SOURCE, mve_headers(), tmp_path)
    assert differences(run_emulated(elf, CASES, tmp_path), CASES) == []


@pytest.mark.parametrize(("header", "right", "wrong"), FAULTS, ids=[wrong for _, _, wrong in FAULTS])
def test_a_planted_fault_is_noticed(
    header: str, right: str, wrong: str, require_tool: Callable[[str], None], tmp_path: Path
) -> None:
    require_all(require_tool, "arm-none-eabi-gcc", "qemu-system-arm")
    headers = {**mve_headers()}
    text = headers[f"edgelstm_mve_{header}.h"]
    assert right in text
    headers[f"edgelstm_mve_{header}.h"] = text.replace(right, wrong)
    part, intrinsics = header.removesuffix("_intrinsics"), header.endswith("_intrinsics")
    cases = tuple(case for case in CASES_BY_HEADER[part] if "65536 values" not in case.name or "3 bits" in case.name)
    elf = chip_program("gcc", SOURCE, without_assembler(headers) if intrinsics else headers, tmp_path)
    assert differences(run_emulated(elf, cases, tmp_path), cases) != []


def test_a_flipped_weight_bit_is_noticed(require_tool: Callable[[str], None], tmp_path: Path) -> None:
    require_all(require_tool, "arm-none-eabi-gcc", "qemu-system-arm")
    elf = chip_program("gcc", SOURCE, mve_headers(), tmp_path)
    rng = np.random.default_rng(8)
    without_zeros = list(rows_cases())[1:160:4]
    flipped = [_with_flipped_bit(case, rng) for case in without_zeros]
    assert len(differences(run_emulated(elf, flipped, tmp_path), flipped)) == len(flipped)


def _with_flipped_bit(case: Case, rng: np.random.Generator) -> Case:
    """One bit of the first row's first weight, behind the header and the biases."""
    rows = int(np.frombuffer(case.record[4:8], "<i4")[0])
    record = bytearray(case.record)
    record[16 + 4 * stored_rows(rows)] ^= 1 << int(rng.integers(8))
    return replace(case, record=bytes(record))
