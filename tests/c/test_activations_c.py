"""The C of the activations, in all its forms, equals the definitions on every input, on this machine and emulated."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from activation_programs import (
    CORES,
    SIGMOID,
    SIGMOID_TIMES_TANH,
    Emulated,
    all_rows,
    expected,
    headers,
    row,
    run_here,
)

from edgelstm.codegen import activations as generator
from edgelstm.codegen.activations import activation_headers
from edgelstm.codegen.environment import template_environment
from edgelstm.numerics.contracts import CHOICES, Contract

VARIANTS = [("size", False), ("balanced", False), ("speed", False), ("size", True), ("balanced", True)]
COMPILERS = {
    "gcc": ("gcc", "-O1", "-fsanitize=undefined,address", "-fno-sanitize-recover=all"),
    "clang": ("clang", "-O2", "-fsanitize=undefined", "-fsanitize-trap=undefined"),
}
ROWS = all_rows()
EXPECTED = expected(ROWS)


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize(("optimize", "constant_time"), VARIANTS)
def test_c_is_the_definition_here(
    optimize: str, constant_time: bool, compiler: str, require_tool: Callable[[str], None], tmp_path: Path
) -> None:
    require_tool(compiler)
    found = run_here(COMPILERS[compiler], headers(optimize, constant_time), ROWS, tmp_path)
    assert np.array_equal(found, EXPECTED)


@pytest.mark.parametrize("optimize", ["size", "balanced", "speed"])
def test_avr_computes_them_in_16_bits(optimize: str, require_tool: Callable[[str], None], tmp_path: Path) -> None:
    require_tool("gcc")
    assert np.array_equal(run_here(COMPILERS["gcc"], headers(optimize, False, "avr"), ROWS, tmp_path), EXPECTED)


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize(("optimize", "constant_time"), VARIANTS)
def test_c_is_the_definition_on_cores(
    optimize: str, constant_time: bool, core: str, require_tool: Callable[[str], None], tmp_path: Path
) -> None:
    for tool in (CORES[core].compiler[0], "unicorn"):
        require_tool(tool)
    emulated = Emulated(CORES[core], ["-O2"], headers(optimize, constant_time), tmp_path)
    assert np.array_equal(emulated.results(ROWS), EXPECTED)


@pytest.mark.parametrize("level", ["-O2", "-Os"])
@pytest.mark.parametrize(("optimize", "constant_time"), VARIANTS)
def test_armv7em_assembler_is_the_definition(
    optimize: str, constant_time: bool, level: str, require_tool: Callable[[str], None], tmp_path: Path
) -> None:
    for tool in (CORES["cortex-m4"].compiler[0], "unicorn"):
        require_tool(tool)
    flags = [level, *(("-DEL_CONSTANT_TIME=1",) if constant_time else ())]
    emulated = Emulated(CORES["cortex-m4"], flags, headers(optimize, constant_time, "armv7em"), tmp_path)
    assert np.array_equal(emulated.results(ROWS), EXPECTED)
    if constant_time:
        for function in (SIGMOID, *range(2, 7)):
            assert len(set(emulated.instructions(row(function, np.array(telling_values()))))) == 1, function


ASSEMBLER_FAULTS = [
    ("size", "(25520 - 32768) << 17", "(25521 - 32768) << 17"),
    ("size", "-8192, -30840 << 16", "-8191, -30840 << 16"),
    ("size", "smmla  r3", "smmlar r3"),
    ("size", "#35607", "#35609"),
    ("balanced", "lsl #19", "lsl #18"),
    ("balanced", "8, el_exponential_table", "9, el_exponential_table"),
    ("balanced", "rors   r0, r0, #13", "rors   r0, r0, #12"),
    ("speed", "32756 << 16", "32757 << 16"),
]


@pytest.mark.parametrize(("optimize", "right", "wrong"), ASSEMBLER_FAULTS)
def test_a_planted_fault_in_the_assembler_is_noticed(
    optimize: str, right: str, wrong: str, require_tool: Callable[[str], None], tmp_path: Path
) -> None:
    for tool in (CORES["cortex-m4"].compiler[0], "unicorn"):
        require_tool(tool)
    files = dict(headers(optimize, False, "armv7em"))
    assert right in files["edgelstm_isa_activations.h"]
    files["edgelstm_isa_activations.h"] = files["edgelstm_isa_activations.h"].replace(right, wrong)
    emulated = Emulated(CORES["cortex-m4"], ["-O2"], files, tmp_path)
    assert not np.array_equal(emulated.results(ROWS), EXPECTED)


def telling_values() -> list[int]:
    """0, both signs, each factor of the exponential, its end, saturation."""
    powers = [sign * (1 << bit) + offset for bit in range(1, 15) for sign in (-1, 1) for offset in (0, 1)]
    return [0, -1, 1, *powers, -32768, 32767, 3 << 12, -(3 << 12)]


@pytest.mark.parametrize("flags", ["-O2", "-Os"])
@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("optimize", ["size", "balanced"])
def test_constant_time_runs_the_same_instructions(
    optimize: str, core: str, flags: str, require_tool: Callable[[str], None], tmp_path: Path
) -> None:
    for tool in (CORES[core].compiler[0], "unicorn"):
        require_tool(tool)
    emulated = Emulated(CORES[core], [flags], headers(optimize, True), tmp_path)
    values = telling_values()
    wide = [*values, 32768, -40000, 2**28, -(2**28)]
    for function in (*range(7), SIGMOID, SIGMOID_TIMES_TANH):
        chosen = np.array(wide if function in {3, SIGMOID, SIGMOID_TIMES_TANH} else values)
        assert len(set(emulated.instructions(row(function, chosen, 20000, 15)))) == 1, function


def test_the_other_forms_do_not(require_tool: Callable[[str], None], tmp_path: Path) -> None:
    """So that the test above is known to see a branch."""
    for tool in (CORES["cortex-m4"].compiler[0], "unicorn"):
        require_tool(tool)
    emulated = Emulated(CORES["cortex-m4"], ["-O2"], headers("balanced", False), tmp_path)
    assert len(set(emulated.instructions(row(SIGMOID, np.array(telling_values()))))) > 2


FAULTS = [
    ("size", "28918 + el", "28919 + el"),
    ("size", "23130 +", "23131 +"),
    ("size", "-15420", "-15421"),
    ("size", "600, 11}", "601, 11}"),
    ("size", "step < 3u", "step < 2u"),
    ("size", "32758", "32757"),
    ("size", "(half >> 14)", "(half >> 15)"),
    ("balanced", "8192 - el", "8193 - el"),
    ("balanced", "32767u, 11", "32768u, 12"),
    ("balanced", "4435);", "4436);"),
    ("balanced", "UINT32_C(1) << (shift - 1u)", "UINT32_C(1) << (shift - 2u)"),
    ("speed", "magnitude > 32767u ? 32767u", "magnitude > 32767u ? 31000u"),
    ("speed", "el_tanh_base[(magnitude << shift) >> 7]", "el_tanh_base[(magnitude << shift) >> 8]"),
]


@pytest.mark.parametrize(("optimize", "right", "wrong"), FAULTS)
def test_a_planted_fault_is_noticed(
    optimize: str, right: str, wrong: str, require_tool: Callable[[str], None], tmp_path: Path
) -> None:
    require_tool("gcc")
    files = dict(headers(optimize, False))
    assert right in files["edgelstm_activations.h"]
    files["edgelstm_activations.h"] = files["edgelstm_activations.h"].replace(right, wrong, 1)
    assert not np.array_equal(run_here(("gcc", "-O1"), files, ROWS, tmp_path), EXPECTED)


@pytest.mark.parametrize("contract", CHOICES)
@pytest.mark.parametrize("constant_time", [False, True])
@pytest.mark.parametrize(("optimize", "table_bytes"), [("size", 0), ("balanced", 1024), ("speed", 13464)])
def test_the_tables_cost_what_they_are_said_to(
    contract: Contract, optimize: str, table_bytes: int, constant_time: bool
) -> None:
    made = activation_headers(template_environment(), contract, optimize, constant_time, "ref")
    limit = 1024 if constant_time else 13464
    expected_bytes = 512 if contract is Contract.TFLM else min(table_bytes, limit)
    assert sum(table.values.nbytes for table in made.tables) == expected_bytes
    assert f"({expected_bytes} bytes)" in made.files["edgelstm_tables.h"]
    assert all(table.declaration in made.files["edgelstm_tables.h"] for table in made.tables)


def test_the_instruction_set_may_bring_its_own(
    monkeypatch: pytest.MonkeyPatch, require_tool: Callable[[str], None], tmp_path: Path
) -> None:
    require_tool("gcc")
    monkeypatch.setattr(generator, "_own", lambda contract, isa: "int el_own(void);\n")
    files = dict(headers("size", False))
    files |= activation_headers(template_environment(), Contract.LITERT, "size", False, "ref").files
    assert list(files)[-3:] == ["edgelstm_tables.h", "edgelstm_activations.h", "edgelstm_isa_activations.h"]
    assert files["edgelstm_isa_activations.h"] == "int el_own(void);\n"
    own = "#define EL_OWN_SIGMOID\nstatic inline int32_t el_sigmoid(int32_t value)\n{\n    return value - 1;\n}\n"
    files["edgelstm_isa_activations.h"] = own
    rows = row(SIGMOID, np.array([5, 8]))
    assert run_here(("gcc", "-O1"), files, rows, tmp_path).tolist() == [4, 7]
