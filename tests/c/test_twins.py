"""Every C function of the library computes, bit for bit, what its Python twin does, however it is compiled."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from twin_cases import (
    FUNCTIONS,
    Case,
    activation_cases,
    cases,
    differences,
    fixedpoint_cases,
    root_cases,
    softmax_cases,
    window_cases,
)
from twin_programs import SOURCE, build_for_host, library_headers, run_on_host

from edgelstm.codegen.emit import OPTIMIZE
from edgelstm.numerics.contracts import Contract

BUILDS = {
    "gcc -O0": ("gcc", "-O0"),
    "gcc -O2": ("gcc", "-O2"),
    "gcc sanitized": ("gcc", "-O1", "-fsanitize=undefined,address", "-fno-sanitize-recover=all"),
    "clang -O2": ("clang", "-O2"),
    "clang sanitized": ("clang", "-O1", "-fsanitize=undefined", "-fsanitize-trap=undefined"),
}

VARIANTS = [
    (Contract.LITERT, "size"),
    (Contract.LITERT, "balanced"),
    (Contract.LITERT, "speed"),
    (Contract.TFLM, "balanced"),
]

# All variants with and without sanitizers; the other compilers see one or two of them.
PAIRS = [
    *((build, *variant) for build in ("gcc -O2", "gcc sanitized") for variant in VARIANTS),
    ("gcc -O0", *VARIANTS[1]),
    ("clang -O2", *VARIANTS[0]),
    ("clang -O2", *VARIANTS[3]),
    ("clang sanitized", *VARIANTS[1]),
]


def test_the_variants_are_all_there_are() -> None:
    every = {tuple(library_headers(c, o, "ref").items()) for c in Contract for o in OPTIMIZE}
    assert every == {tuple(library_headers(c, o, "ref").items()) for c, o in VARIANTS}


def test_the_functions_are_numbered_alike() -> None:
    names = re.search(r"enum function \{(.*?)\}", SOURCE.read_text(), re.DOTALL)
    assert names is not None
    numbered = [name.strip().lower() for name in names[1].split(",")]
    assert numbered == [name.removesuffix("_q26").removesuffix("_q31") for name in FUNCTIONS]
    tested = {case.name.split()[0] for case in cases(Contract.LITERT)}
    assert tested == set(FUNCTIONS)


@pytest.mark.parametrize(("build", "contract", "optimize"), PAIRS)
def test_c_equals_python(
    build: str, contract: Contract, optimize: str, require_tool: Callable[[str], None], tmp_path: Path
) -> None:
    require_tool(BUILDS[build][0])
    expected = cases(contract)
    program = build_for_host(BUILDS[build], library_headers(contract, optimize, "ref"), tmp_path)
    assert differences(run_on_host(program, expected, tmp_path), expected) == []


@pytest.mark.parametrize("build", ["gcc -O2", "gcc sanitized", "clang -O2", "clang sanitized"])
def test_c_without_branches_equals_python(build: str, require_tool: Callable[[str], None], tmp_path: Path) -> None:
    require_tool(BUILDS[build][0])
    compiler = (*BUILDS[build], "-DEL_CONSTANT_TIME=1")
    expected = (*softmax_cases(), *window_cases())
    program = build_for_host(compiler, library_headers(Contract.LITERT, "size", "ref"), tmp_path)
    assert differences(run_on_host(program, expected, tmp_path), expected) == []


def planted(headers: Mapping[str, str], header: str, right: str, wrong: str) -> dict[str, str]:
    text = headers[f"edgelstm_{header}.h"]
    assert text.count(right) >= 1
    return {**headers, f"edgelstm_{header}.h": text.replace(right, wrong, 1)}


ISA = ("isa", fixedpoint_cases())
FIXEDPOINT = ("fixedpoint", fixedpoint_cases())
ACTIVATIONS = ("activations", activation_cases(Contract.LITERT)[::5])
SOFTMAX = ("softmax", softmax_cases())
ROOT = ("reciprocal_root", root_cases())

FAULTS = [
    (ISA, "value > 127 ? 127", "value > 127 ? 126"),
    (ISA, "value < -32768 ? -32768", "value < -32768 ? -32767"),
    (FIXEDPOINT, "INT64_C(1) << 30", "INT64_C(1) << 29"),
    (FIXEDPOINT, "- ((uint32_t)b >> 31)", ""),
    (FIXEDPOINT, "- (value < 0)", "- (value > 0)"),
    (FIXEDPOINT, "value - (value < 0)", "value"),
    (FIXEDPOINT, "- (product < 0)", ""),
    (FIXEDPOINT, "el_high_multiply(value, multiplier), (unsigned)-shift", "el_high_multiply(value, multiplier), 1u"),
    (ACTIVATIONS, "10923", "10795"),
    (ACTIVATIONS, "e = 28918", "e = 28919"),
    (ACTIVATIONS, "half, -15420", "half, -15421"),
    (ACTIVATIONS, "4435, 600", "4435, 601"),
    (ACTIVATIONS, "step < 3", "step < 2"),
    (ACTIVATIONS, "return 16384 +", "return 16380 +"),
    (SOFTMAX, "1302514674", "1302514675"),
    (SOFTMAX, "242};", "241};"),
    (SOFTMAX, "bit < 7u", "bit < 6u"),
    (SOFTMAX, "1515870810", "1415870810"),
    (ROOT, "high == 0u", "high == 1u"),
    (ROOT, "bits >= 2u", "bits >= 4u"),
    (ROOT, "bits = 16", "bits = 8"),
    (ROOT, "((low >> 1) >> (31u - shift))", "0u"),
    (ROOT, "step < 3", "step < 2"),
    (ROOT, "652298158", "652298159"),
]


@pytest.mark.parametrize(("where", "right", "wrong"), FAULTS, ids=[wrong for *_, wrong in FAULTS])
def test_a_planted_fault_is_noticed(
    where: tuple[str, tuple[Case, ...]], right: str, wrong: str, require_tool: Callable[[str], None], tmp_path: Path
) -> None:
    require_tool("gcc")
    header, expected = where
    headers = planted(library_headers(Contract.LITERT, "size", "ref"), header, right, wrong)
    program = build_for_host(("gcc", "-O0"), headers, tmp_path)
    assert differences(run_on_host(program, expected, tmp_path), expected) != []
