"""Matrices that meet int16 values, in the fastest layout that holds every sum."""

from collections.abc import Sequence

from edgelstm.codegen.layouts import FUSED16, Layout
from edgelstm.codegen.weights import PackedWeights, side_by_side
from edgelstm.ir import Matrix
from edgelstm.ops.scales import accumulator_reach16

_LARGEST_FUSED_SHIFT = -2
"""A multiplier of 15 bits then shifts at least 17 bits out, of which 16 go with the product."""


def pack16(matrices: Sequence[Matrix], layouts: Sequence[Layout]) -> PackedWeights:
    """Store matrices of equally many rows side by side; see `pack`.

    The gates of two matrices are fused where the layout has that, and every multiplier suits.
    """
    largest = max(int(accumulator_reach16(matrix.weights, matrix.bias).max()) for matrix in matrices)
    lowest = min(int(matrix.weights.min()) for matrix in matrices)
    layout = next(one for one in layouts if largest < one.sum_limit and lowest >= one.lowest_weight)
    words, grouped = side_by_side(matrices, layout)
    if layout.name not in FUSED16 or not all(map(_is_fused, matrices)):
        return PackedWeights(layout, words, grouped, largest, (), ())
    scales = tuple(layout.gate_scales(matrix.multipliers) for matrix in matrices)
    shifts = tuple(tuple(15 - multiplier.shift for multiplier in matrix.multipliers) for matrix in matrices)
    return PackedWeights(layout, words, grouped, largest, (scales[0] + scales[1],), shifts)


def _is_fused(matrix: Matrix) -> bool:
    shifts = [multiplier.shift for multiplier in matrix.multipliers]
    return bool(shifts) and max(shifts) <= _LARGEST_FUSED_SHIFT
