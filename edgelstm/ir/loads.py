"""Stretches of state arrays that start from vectors: what is stored there, in another scale."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgelstm.ir.arrays import IntArray
from edgelstm.ir.state_array import StateArray
from edgelstm.ir.tensors import QuantizedTensor
from edgelstm.numerics.fixedpoint import Multiplier, quantize_multiplier, requantize

_LARGEST_SHIFTS = {"int8": 21, "int16": 14}
"""With which a vector's distance from its zero point stays below 2^30."""


@dataclass(frozen=True, eq=False)
class Load:
    """A vector that some elements of a state array start from.

    Attributes:
        array: the array.
        start: the first of the elements.
        source: the vector, int8 or int16.
    """

    array: StateArray
    start: int
    source: QuantizedTensor

    @property
    def multiplier(self) -> Multiplier | None:
        """From the vector's scale to the array's; None where the stored values are copied."""
        mine, theirs = self.array.quantization, self.source.quantization
        is_same = (mine.scale, mine.zero_point, self.array.dtype) == (theirs.scale, theirs.zero_point, theirs.dtype)
        return None if is_same else quantize_multiplier(theirs.scale / mine.scale)

    @property
    def is_exact(self) -> bool:
        """Whether 32 bits hold all that is computed on the way."""
        multiplier = self.multiplier
        return multiplier is None or multiplier.shift <= _LARGEST_SHIFTS[self.source.quantization.dtype]

    @property
    def limits(self) -> tuple[int, int]:
        """The smallest and the largest stored value of the array."""
        found = np.iinfo(self.array.dtype)
        return int(found.min), int(found.max)

    def apply(self, values: IntArray) -> IntArray:
        """Stored values (batch, size) of the vector as those of the array."""
        if (multiplier := self.multiplier) is None:
            return values
        scaled = requantize(values.astype(np.int64) - self.source.quantization.zero_point, multiplier)
        stored: IntArray = np.clip(scaled + self.array.quantization.zero_point, *self.limits).astype(self.array.dtype)
        return stored


def by_state(sizes: Sequence[int], units: int, states: int) -> tuple[tuple[int, ...], ...] | None:
    """Share vectors out among states, in order, each state being one or several vectors one behind the other.

    Returns:
        The indices of the vectors of each state; None where they do not fill exactly `states` states of `units`.
    """
    found: list[tuple[int, ...]] = []
    current: list[int] = []
    filled = 0
    for index, size in enumerate(sizes):
        current.append(index)
        filled += size
        if filled >= units:
            if filled > units:
                return None
            found.append(tuple(current))
            current, filled = [], 0
    return tuple(found) if len(found) == states and not current else None
