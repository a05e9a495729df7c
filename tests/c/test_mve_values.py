"""Each MVE function of a layer without rows of weights computes what Python does: C, assembler and intrinsics."""

from collections.abc import Callable
from pathlib import Path

import pytest
from mve_cases import differences
from mve_programs import chip_program, host_program, mve_headers, run_emulated, run_on_host, without_assembler
from mve_value_cases import attention_cases, depthwise_cases, normalization_cases, softmax_cases
from test_mve import INTRINSICS_LEVELS, LEVELS, PORTABLE, PROGRAMS, require_all

from edgelstm.device import toolchain

SOURCE = Path(__file__).parent / "mve_values.c"
CASES_BY_HEADER = {
    "depthwise": depthwise_cases(),
    "normalization": normalization_cases(),
    "softmax": softmax_cases(),
    "attention": attention_cases(),
}
CASES = tuple(case for cases in CASES_BY_HEADER.values() for case in cases)

FAULTS = [
    ("depthwise", '"vmullt.s16   q5, q2, q3', '"vmullb.s16   q5, q2, q3'),
    ("depthwise", '"vand         q2, " sums ", q4', '"vmov         q2, q4'),
    ("depthwise", '"vand         q2, " sums ", q4', '"vmov         q2, " sums "'),
    ("depthwise", '"vshl.s32     " sums', '"vrshl.s32    " sums ", " sums ", q4\\n" "vshl.s32     " sums'),
    ("depthwise", "vqadd.s16    q0, q0, lr", "vadd.i16     q0, q0, lr"),
    ("depthwise", "vmax.s16     q0, q0, q1", "vmov         q0, q0"),
    ("depthwise", "vctp.16      %[left]", "vctp.32      %[left]"),
    ("depthwise", '[to_next_row]\\n"', '[distance]\\n"'),
    ("normalization", '"dlstp.8      lr', '"dlstp.16     lr'),
    ("normalization", "vmlava.s8    r4, q0, q0", "vmladavax.s8 r4, q0, q0"),
    ("normalization", "vqrdmulh.s32 q0, q0, q4", "vqdmulh.s32  q0, q0, q4"),
    ("normalization", "vqrdmulh.s32 q0, q0, q1", "vqdmulh.s32  q0, q0, q1"),
    ("normalization", "vsub.i32     q0, q0, q2", "vadd.i32     q0, q0, q2"),
    ("normalization", "vand         q1, q0, q5", "vmov         q1, q0"),
    ("softmax", "vmaxv.s8 ", "vminv.s8 "),
    ("softmax", "vrshr.s32    q2, q2, #12", "vshr.s32     q2, q2, #12"),
    ("softmax", "vpt.s32      lt, q0", "vpt.s32      le, q0"),
    ("softmax", "242,", "243,"),
    ("softmax", 'EL_MVE_EXPONENTIAL_BIT("1", "10")', ""),
    ("softmax", '"vdupt.32     q2', '"vdupt.8      q2'),
    ("softmax", '"vqmovnb.s16  q0, q0', '"vmovnb.i16   q0, q0'),
    ("softmax", "vaddva.u32   r4", "vaddv.u32    r4"),
    ("attention", "vaddva.s8    r6, q1", "vaddva.u8    r6, q1"),
    ("attention", '"dlstp.8      lr, %[size]', '"dlstp.16     lr, %[size]'),
    ("attention", "vshl.s32     q0, q0, q2", "vmov         q0, q0"),
    ("attention", "vand         q1, q0, q3", "vmov         q1, q0"),
    ("attention", "vqadd.s16    q1, q1, %", "vadd.i16     q1, q1, %"),
    ("attention", "vldrb.s32    q7, [%[value], #12]", "vldrb.s32    q7, [%[value], #8]"),
    ("attention", "vctp.32      %[left]", "vctp.16      %[left]"),
    ("depthwise_intrinsics", "&weights[6]", "&weights[5]"),
    ("depthwise_intrinsics", "vandq_s32(product, right)", "product"),
    ("normalization_intrinsics", "vqrdmulhq_n_s32(distance", "vqdmulhq_n_s32(distance"),
    ("normalization_intrinsics", "el_mve_first_of_16(count - k)", "el_mve_first_of_16(16u)"),
    ("softmax_intrinsics", "vcmpgeq_n_s32(difference", "vcmpgtq_n_s32(difference"),
    ("softmax_intrinsics", "7 - bit", "6 - bit"),
    ("attention_intrinsics", "weights[step] + 128", "weights[step] + 127"),
    ("attention_intrinsics", "- query_zero * key_sum", ""),
]  # fmt: skip


@pytest.mark.parametrize("build", PORTABLE)
def test_the_portable_form_equals_python(build: str, require_tool: Callable[[str], None], tmp_path: Path) -> None:
    require_tool(PORTABLE[build][0])
    program = host_program(PORTABLE[build], SOURCE, mve_headers(), tmp_path)
    assert differences(run_on_host(program, CASES, tmp_path), CASES) == []


@pytest.mark.parametrize(
    ("compiler", "level", "assembler"),
    [(*level, True) for level in LEVELS] + [(*level, False) for level in INTRINSICS_LEVELS],
)
def test_vectors_equal_python(
    compiler: str,
    level: str,
    assembler: bool,
    require_tool: Callable[[str], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    require_all(require_tool, PROGRAMS[compiler], "qemu-system-arm")
    monkeypatch.setitem(toolchain.OPTIMIZE_FLAGS, "balanced", level)
    headers = mve_headers() if assembler else without_assembler(mve_headers())
    elf = chip_program(compiler, SOURCE, headers, tmp_path)
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


@pytest.mark.parametrize(("header", "right", "wrong"), FAULTS, ids=[wrong or right for _, right, wrong in FAULTS])
def test_a_planted_fault_is_noticed(
    header: str, right: str, wrong: str, require_tool: Callable[[str], None], tmp_path: Path
) -> None:
    require_all(require_tool, "arm-none-eabi-gcc", "qemu-system-arm")
    name = f"edgelstm_mve_{header}.h"
    text = mve_headers()[name]
    assert right in text
    headers = {**mve_headers(), name: text.replace(right, wrong)}
    cases = CASES_BY_HEADER[header.removesuffix("_intrinsics")]
    elf = chip_program(
        "gcc", SOURCE, without_assembler(headers) if header.endswith("_intrinsics") else headers, tmp_path
    )
    assert differences(run_emulated(elf, cases, tmp_path), cases) != []
