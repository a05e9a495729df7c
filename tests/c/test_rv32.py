"""rv32.h here and on emulated RV32: its kernels against numpy, and whole models against the simulator."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from random_models import Bounds, random_inputs, random_model

from edgelstm.codegen.arrays import array_text
from edgelstm.codegen.emit import Options, emit
from edgelstm.codegen.layouts import LAYOUTS, pad
from edgelstm.device.compilers import Compiler, find_compiler
from edgelstm.device.process import run
from edgelstm.device.runners import choose_runner
from edgelstm.device.targets import Target, load_target
from edgelstm.device.toolchain import WARNING_FLAGS, compile_firmware
from edgelstm.ir import AnyArray, IntArray
from edgelstm.numerics.contracts import Contract
from edgelstm.numerics.fixedpoint import Int64Array, Multiplier, requantize, saturate8, saturate16
from edgelstm.resources import templates_dir
from edgelstm.verification.ladder import Expectation, run_program
from edgelstm.verification.trace import simulator_trace

COLUMNS, ROWS = LAYOUTS["rv32"]
WIDTHS = (1, 4, 8, 11, 20, 28, 32, 44, 60, 140)
"""Numbers of columns: every way in which a column block is put together, some not whole."""

GROUPS = 12
LIMIT = COLUMNS.sum_limit
TOOLS = {"gcc": "riscv64-unknown-elf-gcc", "zig": "ziglang"}


@dataclass(frozen=True, eq=False)
class Gates:
    """Groups of 4 rows times the same values, with the shifts of the 4 gates.

    Attributes:
        values: int8 (columns,).
        rows: int8 (GROUPS, 4, columns).
        sums: int64 (GROUPS, 4), what the biases make of the sums.
        multipliers: of the 4 gates.
    """

    values: IntArray
    rows: IntArray
    sums: Int64Array
    multipliers: tuple[Multiplier, ...]

    @property
    def bias(self) -> Int64Array:
        products: Int64Array = self.rows.astype(np.int64) @ self.values.astype(np.int64)
        return self.sums - products

    def requantized(self) -> Int64Array:
        return np.stack([requantize(self.sums[:, gate], m) for gate, m in enumerate(self.multipliers)], axis=1)


def gates(columns: int, seed: int) -> Gates:
    """Random and extreme weights, values and sums. Powers of two as multipliers give ties."""
    rng = np.random.default_rng(seed)
    shifts = rng.integers(-24, 5, 4)
    mantissas = rng.integers(2**23, 2**24, 4) * 128
    if seed % 2:
        shifts[0], mantissas[:2] = 0, 2**30
    rows = rng.integers(-127, 128, (GROUPS, 4, columns))
    rows[::3] = rng.choice([-127, 127], (len(rows[::3]), 4, columns))
    values = rng.choice([-128, 127], columns) if seed % 3 else rng.integers(-128, 128, columns)
    highest = (LIMIT - 1) >> np.maximum(shifts, 0)
    sums = np.rint(highest * 2.0 ** -rng.uniform(0, 23, (GROUPS, 4))).astype(np.int64)
    sums[0], sums[1], sums[2], sums[3] = highest, highest - 1, 0, 1
    sums *= rng.choice([-1, 1], sums.shape)
    multipliers = tuple(Multiplier(int(m), int(s)) for m, s in zip(mantissas, shifts, strict=True))
    return Gates(values.astype(np.int8), rows.astype(np.int8), sums, multipliers)


def product_rows() -> Int64Array:
    """Rows (value, multiplier, shift, zero point, result) of el_requantize8."""
    rng = np.random.default_rng(3)
    rows = []
    for shift in range(0, -32, -1):
        for mantissa in (2**30, 2**31 - 1, int(rng.integers(2**30, 2**31))):
            values = np.rint(2.0 ** rng.uniform(0, 30, 12)).astype(np.int64).clip(1, 2**30 - 1)
            values = np.concatenate([values, -values, [0, 1, -1, 2**30 - 1, 1 - 2**30]])
            zero_point = int(rng.choice([-128, -1, 0, 7, 127]))
            expected = saturate8(requantize(values, Multiplier(int(mantissa), shift)) + zero_point)
            constants = np.broadcast_to([int(mantissa), shift, zero_point], (len(values), 3))
            rows.append(np.column_stack([values, constants, expected]))
    return np.concatenate(rows)


def array(name: str, values: AnyArray | Int64Array) -> str:
    return array_text(name, values.ravel())


def gates_source(number: int, case: Gates) -> str:
    """A function that returns 0 if all groups come out right."""
    prefix, columns = f"case{number}", len(case.values)
    padded = [pad(rows) for rows in case.rows]
    words = np.concatenate([COLUMNS.group(rows, bias) for rows, bias in zip(padded, case.bias, strict=True)])
    rows = np.concatenate([ROWS.group(rows, bias) for rows, bias in zip(padded, case.bias, strict=True)])
    width = padded[0].shape[1]
    results = case.requantized()
    constants = {
        "values": case.values,
        "words": words,
        "rows": rows,
        "sums": case.sums.astype(np.int32),
        "scaled": results.astype(np.int32),
        "first": saturate16(results).astype(np.int32),
        "second": (saturate16(results) + results).astype(np.int32),
        "scales": np.array(COLUMNS.gate_scales(case.multipliers), np.int32),
    }
    text = "\n".join(array(f"{prefix}_{name}", values) for name, values in constants.items())
    arguments = f"x, {width}u, correction"
    shifts = ", ".join(str(multiplier.shift) for multiplier in case.multipliers)
    scaled = f"{arguments}, {prefix}_scales, {shifts}"
    return f"""{text}
static int {prefix}(void)
{{
    EL_ALIGNED el_wide x[{width}];
    const int32_t correction = el_widen(x, {prefix}_values, {columns}u);
    const el_word *words = {prefix}_words, *rows = {prefix}_rows;
    int32_t z[4];
    for (unsigned group = 0; group < {4 * GROUPS}u; group += 4u) {{
        (void)el_dot4_columns(z, words, {arguments});
        if (differ(z, &{prefix}_sums[group])) {{
            return 1;
        }}
        rows = el_dot4_rows(z, rows, {arguments});
        if (differ(z, &{prefix}_sums[group])) {{
            return 2;
        }}
        (void)el_gates_columns(z, words, {scaled}, 32u);
        if (differ(z, &{prefix}_scaled[group])) {{
            return 3;
        }}
        (void)el_gates_columns(z, words, {scaled}, 16u);
        if (differ(z, &{prefix}_first[group])) {{
            return 3;
        }}
        words = el_gates_add_columns(z, words, {scaled});
        if (differ(z, &{prefix}_second[group])) {{
            return 4;
        }}
    }}
    return words == {prefix}_words + {len(words)} && rows == {prefix}_rows + {len(rows)} ? 0 : 5;
}}
"""


@cache
def kernels_source() -> str:
    """A program that ends with 0, or with 10 * (case + 1) + what went wrong in it."""
    cases = [gates(columns, seed) for seed, columns in enumerate(WIDTHS)]
    products = product_rows()
    calls = "\n".join(f"    if (result == 0 && case{k}() != 0) {{ result = 10 + {k}; }}" for k in range(len(cases)))
    return f"""#include "edgelstm_isa.h"
int app_main(void);
{array("products", products.astype(np.int32))}
static int differ(const int32_t a[4], const int32_t b[4])
{{
    return a[0] != b[0] || a[1] != b[1] || a[2] != b[2] || a[3] != b[3];
}}
{"".join(gates_source(number, case) for number, case in enumerate(cases))}
int app_main(void)
{{
    int result = 0;
{calls}
    for (const int32_t *p = products; p != products + {products.size}; p += 5) {{
        if (el_requantize8(p[0], p[1], (int)p[2], p[3]) != p[4]) {{
            result = 9;
        }}
    }}
    return result;
}}
"""


def write_kernels(folder: Path, definitions: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "edgelstm_isa.h").write_text((templates_dir() / "c" / "isa" / "rv32.h").read_text())
    (folder / "edgelstm_fixedpoint.h").write_text((templates_dir() / "c" / "lib" / "fixedpoint.h").read_text())
    source = folder / "kernels.c"
    source.write_text(definitions + kernels_source())
    return source


CONSTANT_TIME = "#define EL_CONSTANT_TIME 1\n"


@pytest.mark.parametrize("definitions", ["", CONSTANT_TIME], ids=["", "constant time"])
@pytest.mark.parametrize(
    "compiler",
    [("gcc", "-O2"), ("gcc", "-O1", "-fsanitize=undefined", "-fno-sanitize-recover=all"), ("clang", "-O0")],
    ids=" ".join,
)
def test_kernels_here(
    compiler: tuple[str, ...], definitions: str, require_tool: Callable[[str], None], tmp_path: Path
) -> None:
    require_tool(compiler[0])
    source = write_kernels(tmp_path, definitions)
    main = tmp_path / "main.c"
    main.write_text("int app_main(void);\nint main(void)\n{\n    return app_main();\n}\n")
    command = [
        *compiler,
        "-std=c99",
        *WARNING_FLAGS,
        "-Werror",
        str(source),
        str(main),
        "-o",
        str(tmp_path / "kernels"),
    ]
    built = run(command, timeout_s=120)
    assert built.exit_code == 0, built.output
    assert run([str(tmp_path / "kernels")], timeout_s=60).exit_code == 0


@cache
def tools(family: str) -> tuple[Target, Compiler]:
    target = load_target("rv32imc")
    return target, find_compiler(target, family)


@pytest.mark.parametrize("optimize", ["size", "speed"])
@pytest.mark.parametrize(
    "definitions", ["", "#define EL_NO_ASM 1\n", CONSTANT_TIME], ids=["", "no asm", "constant time"]
)
@pytest.mark.parametrize("family", TOOLS)
def test_kernels_on_rv32(
    family: str, definitions: str, optimize: str, require_tool: Callable[[str], None], tmp_path: Path
) -> None:
    for tool in (TOOLS[family], "qemu-system-riscv32"):
        require_tool(tool)
    target, compiler = tools(family)
    source = write_kernels(tmp_path, definitions)
    built = compile_firmware(
        target, compiler, [source], [tmp_path], tmp_path / "out", "kernels", optimize=optimize, warnings_are_errors=True
    )
    assert choose_runner(target, "qemu").run(built.elf, [], cwd=tmp_path, timeout_s=60).exit_code == 0


FAULTS = [
    ("slli %[m], %[w], 8", "slli %[m], %[w], 7"),
    ("srai %[h], %[w], 16", "srli %[h], %[w], 16"),
    ("+ 64) >> 7", "+ 63) >> 7"),
    ("& -128", "& -64"),
    ("& -2)", "& -1)"),
    ("mulhsu %0", "mulh %0"),
    ("correction * 0x101u", "correction * 0x100u"),
]


@pytest.mark.parametrize(("right", "wrong"), FAULTS, ids=[wrong for _, wrong in FAULTS])
def test_a_planted_fault_is_noticed(
    right: str, wrong: str, require_tool: Callable[[str], None], tmp_path: Path
) -> None:
    for tool in (TOOLS["gcc"], "qemu-system-riscv32"):
        require_tool(tool)
    target, compiler = tools("gcc")
    source = write_kernels(tmp_path)
    header = tmp_path / "edgelstm_isa.h"
    assert right in header.read_text()
    header.write_text(header.read_text().replace(right, wrong))
    elf = compile_firmware(target, compiler, [source], [tmp_path], tmp_path / "out", "kernels").elf
    assert choose_runner(target, "qemu").run(elf, [], cwd=tmp_path, timeout_s=60).exit_code >= 9


@pytest.mark.parametrize("seed", range(20))
def test_random_models_on_rv32(seed: int, require_tool: Callable[[str], None], tmp_path: Path) -> None:
    """Every h and c at every step. Modes, compilers and the choice of assembler alternate with the seeds."""
    family = ("gcc", "zig")[seed // 3 % 2]
    for tool in (TOOLS[family], "qemu-system-riscv32"):
        require_tool(tool)
    bounds = Bounds(units=48, inputs=40, timesteps=6, layers=2)
    options = Options("rv32", ("size", "balanced", "speed")[seed % 3], "0" * 64, no_asm=seed // 6 % 2 == 1)
    contract = Contract.TFLM if seed % 10 == 9 else Contract.LITERT
    assert mismatches(seed, options, family, contract, bounds, tmp_path) == 0


def mismatches(seed: int, options: Options, family: str, contract: Contract, bounds: Bounds, folder: Path) -> int:
    """Values of states and outputs in which a random model's firmware differs from the simulator."""
    target, compiler = tools(family)
    model = replace(random_model(seed, Contract.LITERT, bounds), contract=contract)
    inputs = random_inputs(model, seed, 3)
    expected = Expectation(model, inputs, simulator_trace(model, inputs))
    for name, text in emit(model, options).files.items():
        (folder / name).write_text(text)
    elf = compile_firmware(
        target, compiler, sorted(folder.glob("*.c")), [folder], folder / "out", "it", optimize=options.optimize,
        warnings_are_errors=True,
    ).elf  # fmt: skip
    rung = run_program("rv32imc", expected, elf, choose_runner(target, "qemu"), 60, lambda name: None).rung
    assert rung.values > 0
    return rung.mismatches
