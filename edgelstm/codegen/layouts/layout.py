"""What a weight layout is: int8 rows and their biases as a stream of words, and the bound that makes it exact."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from edgelstm.ir import AnyArray, IntArray
from edgelstm.numerics.fixedpoint import Int64Array, Multiplier

Words = npt.NDArray[np.uint32]

COLUMN_BLOCK = 4
ROW_GROUP = 4
VALUE_ORDER = (0, 2, 1, 3)
"""A block's columns in two words of halves: SXTB16 widens bytes 0 and 2 of 4 activations, then 1 and 3."""

NARROW_BIAS = 8
"""What weights of 4 bits are stored with, so that they have no sign."""


@dataclass(frozen=True)
class Layout(ABC):
    """A stream of groups of 4 rows: start values first, then the columns in blocks of 4.

    Columns are padded with zeros to whole blocks. Words are little-endian. Subclasses say how 4 rows share words.
    """

    name: ClassVar[str]
    """As in the names of the C functions that read it, `el_dot4_<name>`."""

    header: ClassVar[str] = ""
    """Names the header with these functions, `templates/c/isa/<isa>_<header>.h`; by default the layout's name does."""

    widen: ClassVar[str] = "el_widen"
    """The C function that widens activations, and returns what the layout adds to every row's sum for them.

    `el_copy16` returns nothing, and what reads its values takes no correction.
    """

    has_gates: ClassVar[bool] = True
    """Whether there is an `el_gates_<name>`, where the instruction set's last layout has none anyway."""

    sum_limit: ClassVar[int]
    """Exact as long as the sum of every row, bias included, stays below this in magnitude."""

    most_columns: ClassVar[int] = 2**31
    """No row may be longer."""

    lowest_weight: ClassVar[int] = -128
    """No weight may be lower; -128, which only foreign models have, does not fit every packing."""

    sum_type: ClassVar[str] = "int32_t"
    """C type of a sum."""

    comment: ClassVar[str]
    """How 4 rows share words, for the reader of the C."""

    scales_comment: ClassVar[str] = "4 multipliers, 4 roundings"
    """What `gate_scales` holds, for the reader of the C."""

    @abstractmethod
    def group(self, rows: IntArray, bias: Int64Array) -> Words:
        """Store 4 int8 rows (4, columns), already padded, behind the start values that their biases become."""

    def gate_multipliers(self, multipliers: tuple[Multiplier, ...]) -> tuple[int, ...]:
        """The mantissas of 4 rows as `el_gates_<name>` takes them."""
        return tuple(multiplier.mantissa for multiplier in multipliers)

    def gate_scales(self, multipliers: tuple[Multiplier, ...]) -> tuple[int, ...]:
        """The constants of `el_gates_<name>`: here 4 mantissas, and half of what is shifted out for each."""
        roundings = (1 << (-multiplier.shift - 1) if multiplier.shift < 0 else 0 for multiplier in multipliers)
        return (*self.gate_multipliers(multipliers), *roundings)


def padded(columns: int) -> int:
    """Columns rounded up to whole blocks."""
    return -(-columns // COLUMN_BLOCK) * COLUMN_BLOCK


def pad(rows: AnyArray) -> IntArray:
    """Int8 (rows, columns) with zero columns up to whole blocks."""
    wide = np.zeros((len(rows), padded(rows.shape[1])), np.int8)
    wide[:, : rows.shape[1]] = rows
    return wide


def as_words(values: Int64Array | IntArray) -> Words:
    """Integers modulo 2^32."""
    words: Words = (values.astype(np.int64) & 0xFFFFFFFF).astype(np.uint32)
    return words


def bytes_as_words(values: IntArray) -> Words:
    """Int8 values, 4 to a word, the first in the lowest byte."""
    words: Words = np.ascontiguousarray(values, np.int8).view("<u4").astype(np.uint32).ravel()
    return words


def single_row(row: IntArray, bias: int) -> Words:
    """A row that is left over after the last whole group, in every layout: its bias, then its bytes in order."""
    return np.concatenate([as_words(np.array([bias])), bytes_as_words(row)])
