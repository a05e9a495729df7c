"""Each MVE function of int16 layers computes what its Python twin does; portable, in assembler and in intrinsics."""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from mve16_cases import rows_cases, squash_cases, step_cases
from mve_cases import differences
from mve_programs import chip_program, host_program, run_emulated, run_on_host, without_assembler
from random_int16 import random_int16_model

from edgelstm.codegen.emit import Options, emit
from edgelstm.codegen.mve_layout16 import pack_rows16
from edgelstm.codegen.vectors import VectorDense16, VectorLstm16, vector_form
from edgelstm.device import toolchain
from edgelstm.numerics.contracts import Contract
from edgelstm.resources import templates_dir

SOURCE = Path(__file__).parent / "mve_functions16.c"
CASES_BY_HEADER = {"rows16": rows_cases(), "squash16": squash_cases(), "lstm16": step_cases()}
CASES = tuple(case for cases in CASES_BY_HEADER.values() for case in cases)
LIBRARIES = ("mve_rows", "mve_requantize", "mve_rows16", "mve_squash16", "mve_lstm16")

PORTABLE = {
    "gcc -O2": ("gcc", "-O2"),
    "gcc sanitized": ("gcc", "-O1", "-fsanitize=undefined,address", "-fno-sanitize-recover=all"),
    "clang sanitized": ("clang", "-O1", "-fsanitize=undefined", "-fsanitize-trap=undefined"),
}
PROGRAMS = {"gcc": "arm-none-eabi-gcc", "zig": "ziglang"}
ASSEMBLER_LEVELS = [("gcc", "-O0"), ("gcc", "-Os"), ("gcc", "-O3"), ("zig", "-O0"), ("zig", "-O2")]
LEVELS = [
    *((compiler, level, "assembler") for compiler, level in ASSEMBLER_LEVELS),
    *((compiler, level, "intrinsics") for compiler in PROGRAMS for level in ("-Os", "-O2", "-O3")),
]

FAULTS = [
    ("rows16", '"mov          r4, #128', '"mov          r4, #127'),
    ("rows16", '"vshr.s16     q0', '"vrshr.s16    q0'),
    ("rows16", '"vmlava.s8 " low_sum', '"vmlava.u8 " low_sum'),
    ("rows16", '"dlstp.16     lr', '"dlstp.8      lr'),
    ("rows16", "#define EL_MVE_EACH16_3(what) EL_MVE_EACH16_2(what) what(\"q4\", \"q5\")",
     "#define EL_MVE_EACH16_3(what) EL_MVE_EACH16_2(what) what(\"q4\", \"q3\")"),
    ("squash16", "vrhadd.u16   q3", "vhadd.u16    q3"),
    ("squash16", '("vrmulh.u16  ")', '("vmulh.u16   ")'),
    ("squash16", "movw r4, #21759", "movw r4, #21700"),
    ("squash16", '"vrshr.s16    q1, q0, #1', '"vshr.s16     q1, q0, #1'),
    ("squash16", '"dlstp.16     lr', '"dlstp.8      lr'),
    ("lstm16", "vqadd.s16    q4, q4, q5", "vadd.i16     q4, q4, q5"),
    ("lstm16", '"vrshl.s32    q3', '"vshl.s32     q3'),
    ("lstm16", '"vqdmulh.s32  q1', '"vqrdmulh.s32 q1'),
    ("lstm16", "mvn          r9, #13", "mvn          r9, #12"),
    ("lstm16", "vqadd.s16    q0, q0, q4", "vadd.i16     q0, q0, q4"),
    ("lstm16", "vmax.s16     q0, q0, q6", "vmov         q0, q0"),
    ("lstm16", "vctp.16      r10", "vctp.8       r10"),
    ("lstm16", "vctp.16      r3", "vctp.8       r3"),
    ("rows16_intrinsics", "vaddq_n_s16(value, 128)", "vaddq_n_s16(value, 127)"),
    ("squash16_intrinsics", "vdupq_n_u16(21759)", "vdupq_n_u16(21700)"),
    ("squash16_intrinsics", "vrhaddq_u16(low", "vhaddq_u16(low"),
    ("lstm16_intrinsics", "vqaddq_s16(from_input", "vaddq_s16(from_input"),
    ("lstm16_intrinsics", "vqdmulhq_n_s32(vmlaq", "vqrdmulhq_n_s32(vmlaq"),
]  # fmt: skip


@cache
def headers() -> Mapping[str, str]:
    """The portable headers of a model on int16 values, and those for MVE."""
    files = emit(random_int16_model(0), Options("ref", "size", "0" * 64)).files
    own = [f"{name}{form}" for name in LIBRARIES for form in ("", "_intrinsics")]
    portable = {name: text for name, text in files.items() if name.startswith("edgelstm_")}
    return {
        **portable,
        **{f"edgelstm_{name}.h": (templates_dir() / "c" / "lib" / f"{name}.h").read_text() for name in own},
    }


@pytest.mark.parametrize("build", PORTABLE)
def test_the_portable_form_equals_python(build: str, require_tool: Callable[[str], None], tmp_path: Path) -> None:
    require_tool(PORTABLE[build][0])
    program = host_program(PORTABLE[build], SOURCE, headers(), tmp_path)
    assert differences(run_on_host(program, CASES, tmp_path), CASES) == []


@pytest.mark.parametrize(("compiler", "level", "form"), LEVELS)
def test_the_chip_equals_python(
    compiler: str,
    level: str,
    form: str,
    require_tool: Callable[[str], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    require_tool(PROGRAMS[compiler])
    require_tool("qemu-system-arm")
    monkeypatch.setitem(toolchain.OPTIMIZE_FLAGS, "balanced", level)
    chosen = without_assembler(headers()) if form == "intrinsics" else headers()
    elf = chip_program(compiler, SOURCE, chosen, tmp_path)
    assert differences(run_emulated(elf, CASES, tmp_path), CASES) == []


@pytest.mark.parametrize(("header", "right", "wrong"), FAULTS, ids=[wrong for _, _, wrong in FAULTS])
def test_a_planted_fault_is_noticed(
    header: str, right: str, wrong: str, require_tool: Callable[[str], None], tmp_path: Path
) -> None:
    require_tool("arm-none-eabi-gcc")
    require_tool("qemu-system-arm")
    chosen = {**headers()}
    name = f"edgelstm_mve_{header}.h"
    assert right in chosen[name]
    chosen[name] = chosen[name].replace(right, wrong)
    cases = CASES_BY_HEADER[header.removesuffix("_intrinsics")]
    elf = chip_program("gcc", SOURCE, without_assembler(chosen) if "intrinsics" in header else chosen, tmp_path)
    assert differences(run_emulated(elf, cases, tmp_path), cases) != []


def test_the_stream_is_the_documented_one() -> None:
    """2 passes over 8 rows: two groups of 4, 3 vectors behind start values in the first pass and 1 in the second."""
    weights = np.arange(8)[:, None] * 8 + np.arange(64)[None] // 16
    bias = np.arange(8) * 1000
    words = pack_rows16(weights.astype(np.int8), bias)
    for rows, vectors in ((range(4), range(3)), (range(4, 8), range(3)), (range(4), [3]), (range(4, 8), [3])):
        if vectors != [3]:
            starts = words[:8].astype(np.int64).reshape(4, 2)
            assert (256 * starts[:, 0] + starts[:, 1]).tolist() == [
                1000 * row + 128 * int(weights[row].sum()) for row in rows
            ]
            words = words[8:]
        size = 16 * len(vectors)
        firsts = words[:size].astype("<u4").view(np.int8)[::16].tolist()
        assert firsts == [8 * row + vector for vector in vectors for row in rows]
        words = words[size:]
    assert words.size == 0


def test_random_models_have_layers_in_this_form() -> None:
    forms = [vector_form(op, Contract.TFLM) for seed in range(12) for op in random_int16_model(seed).ops]
    lstms = [form for form in forms if isinstance(form, VectorLstm16)]
    assert {form.tanh_bits for form in lstms} == {0, 1, 2, 3}
    assert any(form.cell_excess for form in lstms)
    assert any(isinstance(form, VectorDense16) for form in forms)
