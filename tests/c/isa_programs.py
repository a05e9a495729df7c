"""A C program that calls the primitives of a header with constant arguments, as generated layers do, and compares."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from isa_cases import KernelCase, gate_sums, product_rows, requantize8_cases, saturation_rows

from edgelstm.codegen.arrays import array_text
from edgelstm.codegen.layouts import padded
from edgelstm.device.compilers import find_compiler
from edgelstm.device.runners import choose_runner
from edgelstm.device.targets import Target
from edgelstm.device.toolchain import compile_firmware
from edgelstm.numerics.fixedpoint import Int64Array
from edgelstm.resources import templates_dir

HEAD = """#include "edgelstm_fixedpoint.h"
#include "edgelstm_isa.h"
#include "port.h"

enum { MOST_COLUMNS = 516, SENTINEL = 0x5A5A };

static EL_ALIGNED el_wide x[MOST_COLUMNS + 1];

static int differ(const int32_t *found, const EL_FLASH int32_t *expected, unsigned count)
{
    for (unsigned k = 0; k < count; k++) {
        if (found[k] != expected[k]) {
            return 1;
        }
    }
    return 0;
}
"""

ELEMENTWISE = """
static int elementwise(void)
{
    for (unsigned k = 0; k < sizeof saturations / sizeof *saturations; k += 3u) {
        const EL_FLASH int32_t *row = &saturations[k];
        if (el_saturate8(row[0]) != row[1] || el_saturate16(row[0]) != row[2]) {
            return 1;
        }
    }
    for (unsigned k = 0; k < sizeof products / sizeof *products; k += 4u) {
        const EL_FLASH int32_t *row = &products[k];
        if (el_rounding_product(row[0], row[1], (unsigned)row[2]) != row[3]) {
            return 2;
        }
    }
    return requantizations();
}
"""


def program(cases: Sequence[KernelCase], choice: str) -> str:
    """C that ends with 0 or with 1 + the number of the first case that went wrong; len(cases) is `elementwise`.

    `choice` is a macro to define, or "".
    """
    arrays = (
        _array("saturations", saturation_rows()),
        _array("products", product_rows()),
    )
    calls = [f"    if (case{k}() != 0) {{\n        return {k + 1};\n    }}" for k in range(len(cases))]
    main = "\n".join(["int app_main(void)\n{", *calls, f"    return elementwise() == 0 ? 0 : {len(cases) + 1};\n}}\n"])
    kernels = "\n".join(_kernel(number, case) for number, case in enumerate(cases))
    return "\n".join(
        [f"#define {choice} 1\n" * bool(choice) + HEAD, *arrays, _requantizations(), ELEMENTWISE, kernels, main]
    )


def run_program(
    target: Target, compiler: str, runner: str, optimize: str, header: str, source: str, folder: Path
) -> int:
    """Compile without a warning, run; the program's exit code."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "edgelstm_isa.h").write_text(header)
    (folder / "edgelstm_fixedpoint.h").write_text((templates_dir() / "c" / "lib" / "fixedpoint.h").read_text())
    (folder / "isa.c").write_text(source)
    built = compile_firmware(
        target,
        find_compiler(target, compiler),
        [folder / "isa.c"],
        [folder],
        folder / "out",
        "isa",
        optimize=optimize,
        warnings_are_errors=True,
    )
    result = choose_runner(target, runner).run(built.elf, [], cwd=folder, timeout_s=120)
    return result.exit_code


def _array(name: str, values: Int64Array) -> str:
    return array_text(name, values.ravel().astype(np.int32), qualifier="EL_FLASH ")


def _requantizations() -> str:
    """A function that returns 0 if el_requantize8 is right; its multiplier, shift and zero point are constants."""
    arrays, loops = [], []
    for k, (multiplier, zero_point, rows) in enumerate(requantize8_cases()):
        arrays.append(_array(f"requantized{k}", rows))
        call = f"el_requantize8(requantized{k}[k], {multiplier.mantissa}, {multiplier.shift}, {zero_point})"
        loops.append(f"""
    for (unsigned k = 0; k < {rows.size}u; k += 2u) {{
        if ({call} != requantized{k}[k + 1u]) {{
            return 3;
        }}
    }}""")
    return "\n".join([*arrays, "static int requantizations(void)\n{", *loops, "    return 0;\n}"])


def _kernel(number: int, case: KernelCase) -> str:
    """A function that returns 0 if every row comes out right and nothing else is written or read."""
    packed, columns, rows = case.packed, len(case.values), len(case.matrix.bias)
    grouped, width, name = packed.grouped_rows, padded(columns), f"case{number}"
    parts = [
        array_text(f"{name}_values", case.values),
        array_text(f"{name}_words", packed.words, qualifier="EL_FLASH "),
    ]
    parts.append(_array(f"{name}_sums", case.sums))
    parts.append(array_text(f"{name}_shifted", np.concatenate([np.zeros(1, np.int8), case.values])))
    squares = int((case.values.astype(np.int64) ** 2).sum())
    gates = ""
    if packed.gate_scales:
        bits = 16 if number % 2 else 32
        first, second = gate_sums(case, bits)
        parts += [_array(f"{name}_first", first), _array(f"{name}_second", second)]
        parts.append(_array(f"{name}_scales", np.array(packed.gate_scales[0])))
        shifts = ", ".join(str(shift) for shift in packed.gate_shifts[0])
        gates = f"""
        el_gates_{packed.layout.name}(z, start, x, {width}u, correction, {name}_scales, {shifts}, {bits}u);
        if (differ(z, &{name}_first[row], 4u)) {{
            return 2;
        }}
        if (el_gates_add_{packed.layout.name}(z, start, x, {width}u, correction, {name}_scales, {shifts}) != words ||
            differ(z, &{name}_second[row], 4u)) {{
            return 3;
        }}"""
    return (
        "\n".join(parts)
        + f"""
static int {name}(void)
{{
    const el_word *words = {name}_words;
    int32_t z[4];
    x[{width}] = SENTINEL;
    const int32_t correction = el_widen(x, {name}_values, {columns}u);
    for (unsigned row = 0; row < {grouped}u; row += 4u) {{
        const el_word *start = words;
        (void)start;
        words = el_dot4_{packed.layout.name}(z, words, x, {width}u, correction);
        if (differ(z, &{name}_sums[row], 4u)) {{
            return 1;
        }}{gates}
    }}
    for (unsigned row = {grouped}; row < {rows}u; row++) {{
        words = el_dot1(z, words, x, {width}u);
        if (z[0] != {name}_sums[row]) {{
            return 4;
        }}
    }}
    if (el_dot_bytes(&{name}_shifted[1], x, {columns}u) != {squares}) {{
        return 6;
    }}
    return words == {name}_words + {len(packed.words)} && x[{width}] == SENTINEL ? 0 : 5;
}}
"""
    )
