"""The rows on int16 values of each instruction set add up what numpy does, on the emulated core that it is for."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from cores import GCC
from isa_programs import run_program

from edgelstm.codegen.arrays import array_text
from edgelstm.codegen.layouts import Layout, layouts16, padded
from edgelstm.codegen.layouts.columns16 import Columns16
from edgelstm.codegen.weights16 import pack16
from edgelstm.device.targets import load_target
from edgelstm.ir import IntArray, Matrix
from edgelstm.numerics.fixedpoint import Int64Array
from edgelstm.ops.scales import accumulator_reach16
from edgelstm.resources import templates_dir

TARGETS = {
    "ref": "cortex-m4",
    "armv7em": "cortex-m4",
    "armv7m": "cortex-m3",
    "armv6m": "cortex-m0",
    "rv32": "rv32imc",
    "avr": "atmega2560",
    "lx106": "esp8266",
}
BUILDS = [("gcc", "speed", ""), ("gcc", "size", ""), ("gcc", "speed", "EL_NO_ASM")]
WITH_ZIG = ("ref", "armv7em", "armv7m", "armv6m", "rv32")
CASES = [
    *((isa, *build) for isa in TARGETS for build in BUILDS),
    *((isa, "zig", optimize, "") for isa in WITH_ZIG for optimize in ("speed", "size")),
]
WIDTHS = (1, 4, 7, 8, 12, 16, 20, 24, 28, 31, 32, 36, 48, 60, 64, 65, 140)
"""Every way in which a column block is put together, some not whole."""

_ROWS = 9

_CASE = """
static int {name}(void)
{{
    const el_word *words = {name}_words;
    int32_t sums[4];
    x[{width}] = 90;
    {widening}{widen}(x, {name}_values, {columns}u);
    for (unsigned row = 0; row < {grouped}u; row += 4u) {{
        words = el_dot4_{layout}(sums, words, x, {width}u{correction});
        for (unsigned k = 0; k < 4u; k++) {{
            if (sums[k] != {name}_sums[row + k]) {{
                return 1;
            }}
        }}
    }}
    for (unsigned row = {grouped}; row < {rows}u; row++) {{
        words = el_dot1_rows16(sums, words, x, {width}u);
        if (sums[0] != {name}_sums[row]) {{
            return 2;
        }}
    }}
    return words == {name}_words + {size} && x[{width}] == 90 ? 0 : 3;
}}
"""


@dataclass(frozen=True, eq=False)
class RowsCase:
    """A matrix times int16 values; sums reach the ends of 32 bits, where the layout holds them."""

    matrix: Matrix
    values: IntArray

    @property
    def sums(self) -> Int64Array:
        products: Int64Array = self.matrix.weights.astype(np.int64) @ self.values.astype(np.int64)
        return products + self.matrix.bias


def cases() -> Iterator[RowsCase]:
    rng = np.random.default_rng(21)
    for columns in WIDTHS:
        for weights, values in (
            (rng.integers(-127, 128, (_ROWS, columns)), rng.integers(-32768, 32768, columns)),
            (rng.choice([-127, 127], (_ROWS, columns)), rng.choice([-32768, 32767], columns)),
            (np.full((_ROWS, columns), -127), np.full(columns, -32768)),
        ):
            room = 2**31 - 1 - accumulator_reach16(weights, np.zeros(_ROWS, np.int64))
            bias = np.where(
                np.arange(_ROWS) % 3 == 0, rng.integers(-999, 999, _ROWS), rng.choice([-1, 1], _ROWS) * room
            )
            yield RowsCase(Matrix(weights.astype(np.int8), bias, value_dtype="int16"), values.astype(np.int16))


def program(layout: Layout, choice: str) -> str:
    """C that ends with 0 or with 1 + the number of the first case that went wrong."""
    header = "edgelstm_rows16.h" if layout.name == "rows16" else f"edgelstm_isa_{layout.name}.h"
    head = f"#define {choice} 1\n" * bool(choice) + f'#include "{header}"\n#include "port.h"\n'
    head += f"\nstatic EL_ALIGNED int16_t x[{max(WIDTHS)} + 1];\n"
    texts = [_case(f"case{number}", layout, case) for number, case in enumerate(cases())]
    calls = [f"    if (case{k}() != 0) {{\n        return {k + 1};\n    }}\n" for k in range(len(texts))]
    return head + "".join(texts) + "int app_main(void)\n{\n" + "".join(calls) + "    return 0;\n}\n"


def _case(name: str, layout: Layout, case: RowsCase) -> str:
    packed = pack16([case.matrix], (layout,))
    corrects = layout.widen == "el_widen16"
    arrays = (
        array_text(f"{name}_values", case.values),
        array_text(f"{name}_words", packed.words, qualifier="EL_FLASH "),
        array_text(f"{name}_sums", case.sums.astype(np.int32), qualifier="EL_FLASH "),
    )
    return "\n".join(arrays) + _CASE.format(
        name=name,
        layout=layout.name,
        widen=layout.widen,
        widening="const int32_t correction = " if corrects else "",
        correction=", correction" if corrects else "",
        columns=len(case.values),
        width=padded(len(case.values)),
        grouped=packed.grouped_rows,
        rows=_ROWS,
        size=packed.words.size,
    )


@pytest.mark.parametrize(("isa", "compiler", "optimize", "choice"), CASES)
def test_rows_add_up(
    isa: str, compiler: str, optimize: str, choice: str, require_tool: Callable[[str], None], tmp_path: Path
) -> None:
    target = load_target(TARGETS[isa])
    require_tool(GCC[target.arch] if compiler == "gcc" else "ziglang")
    layout = layouts16(isa)[0]
    assert _run(isa, program(layout, choice), compiler, optimize, tmp_path) == 0


@pytest.mark.parametrize(
    ("isa", "right", "wrong"),
    [
        ("armv6m", '"lsrs   r4, " word ", #16', '"asrs   r4, " word ", #16'),
        ("armv6m", "#define EL_BLOCK16 8u", "#define EL_BLOCK16 4u"),
        ("armv7m", '"mla    r3, " word', '"mla    r3, " value'),
        ("armv7m", "sums[1] = (int32_t)(q - (r << 8)", "sums[1] = (int32_t)(q - (r << 7)"),
        ("ref", "sums->r += (word >> 16)", "sums->r += (word >> 15)"),
    ],
)
def test_a_planted_fault_is_noticed(
    isa: str, right: str, wrong: str, require_tool: Callable[[str], None], tmp_path: Path
) -> None:
    owner = "rv32" if isa == "ref" else isa
    require_tool(GCC[load_target(TARGETS[owner]).arch])
    source = program(Columns16(), "")
    text = _header(owner, "columns16")
    assert right in text
    assert _run(owner, source, "gcc", "speed", tmp_path, text.replace(right, wrong)) != 0


def test_the_stream_is_the_documented_one() -> None:
    """Decoded by what the layout's page says: bytes biased by 128, p = a + 256 q and so on for the start values."""
    rng = np.random.default_rng(22)
    weights, bias = rng.integers(-128, 128, (4, 8)), rng.integers(-(2**31), 2**31, 4)
    words = Columns16().group(weights, bias).astype(np.int64)
    p, q, r, s = words[:4]
    found = np.array([p - (q << 8), q - (r << 8), r - (s << 8), s])
    np.testing.assert_array_equal((found - bias) % 2**32, 0)
    for row in range(4):
        np.testing.assert_array_equal((words[4:] >> 8 * row & 255) - 128, weights[row])


def _header(isa: str, layout: str) -> str:
    folder = templates_dir() / "c" / "isa"
    own = folder / f"{isa}_{layout}.h"
    return (own if own.is_file() else folder / f"ref_{layout}.h").read_text()


def _run(isa: str, source: str, compiler: str, optimize: str, folder: Path, layout_header: str = "") -> int:
    layout = layouts16(isa)[0].name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "edgelstm_rows16.h").write_text((templates_dir() / "c" / "lib" / "rows16.h").read_text())
    if layout != "rows16":
        (folder / f"edgelstm_isa_{layout}.h").write_text(layout_header or _header(isa, layout))
    header = (templates_dir() / "c" / "isa" / f"{isa}.h").read_text()
    runner = "simavr" if isa == "avr" else "qemu"
    return run_program(load_target(TARGETS[isa]), compiler, runner, optimize, header, source, folder)
