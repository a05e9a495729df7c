"""Weight layouts: how int8 rows are stored for an instruction set, and which layouts its kernels read."""

from edgelstm.codegen.layouts.chain4 import Chain4
from edgelstm.codegen.layouts.columns import BiasedColumns, Columns
from edgelstm.codegen.layouts.columns16 import Columns16
from edgelstm.codegen.layouts.columns_mulh import ColumnsMulh
from edgelstm.codegen.layouts.columns_unsigned import FarColumns, NearColumns
from edgelstm.codegen.layouts.hybrid import Hybrid
from edgelstm.codegen.layouts.layout import ROW_GROUP, Layout, Words, pad, padded, single_row
from edgelstm.codegen.layouts.nibble_chain import NibbleChain, NibblePairs
from edgelstm.codegen.layouts.nibbles import NibbleColumns, Nibbles
from edgelstm.codegen.layouts.pairs16 import Pairs16
from edgelstm.codegen.layouts.quads import Quads
from edgelstm.codegen.layouts.rows import Rows
from edgelstm.codegen.layouts.rows16 import LongRows16, Rows16

__all__ = [
    "FUSED16",
    "LAYOUTS",
    "NARROW_LAYOUTS",
    "PORTABLE",
    "ROW_GROUP",
    "VECTOR_KERNELS",
    "WIDE_LAYOUTS",
    "Layout",
    "Words",
    "flash_qualifier",
    "layouts16",
    "pad",
    "padded",
    "single_row",
]

PORTABLE = "ref"
"""The instruction set header in plain C99."""

LAYOUTS: dict[str, tuple[Layout, ...]] = {
    "ref": (Rows(),),
    "armv7em": (Hybrid(), Rows()),
    "armv7m": (Columns(), Rows()),
    "armv6m": (BiasedColumns(), Rows()),
    "rv32": (ColumnsMulh(), Rows()),
    "mve": (Rows(),),
    "avr": (Quads(), Rows()),
    "lx106": (NearColumns(), FarColumns(), Rows()),
}
"""The layouts of each instruction set header in templates/c/isa, fastest first; the last takes any weights."""

WIDE_LAYOUTS: dict[str, tuple[Layout, ...]] = {
    "armv7em": (Chain4(), Hybrid(), Rows()),
}
"""The same, where half as much flash again may be spent on weights."""

NARROW_LAYOUTS: dict[str, tuple[Layout, ...]] = {
    **dict.fromkeys(LAYOUTS, (NibbleColumns(), Nibbles())),
    "avr": (Nibbles(),),
    "armv7em": (NibbleChain(), NibblePairs()),
}
"""The same for weights of 4 bits."""
LAYOUTS16: dict[str, tuple[Layout, ...]] = {
    "armv7em": (Pairs16(),),
    **dict.fromkeys(("armv7m", "armv6m", "rv32", "lx106"), (Columns16(),)),
}
"""The layouts for int16 values of instruction sets that have some of their own."""

FUSED16 = frozenset({"pairs16"})
"""Those of them with `el_gates_<layout>`."""

PLAIN_LAYOUTS16: tuple[Layout, ...] = (Rows16(), LongRows16())
"""For int16 values, on any instruction set."""

VECTOR_KERNELS = ("mve",)
"""Instruction sets whose recurrent layers and Dense work on vectors, in a layout of their own; the rest: PORTABLE."""


def layouts16(isa: str) -> tuple[Layout, ...]:
    """The layouts for int16 values of an instruction set, fastest first; the last takes any weights."""
    return (*LAYOUTS16.get(isa, ()), *PLAIN_LAYOUTS16)


def flash_qualifier(isa: str) -> str:
    """What the C of constant arrays, and of pointers to them, says in front of the type.

    On AVR, data memory does not show the program's: there, the pointers' type tells where they point.
    """
    return "EL_FLASH " if isa == "avr" else ""
