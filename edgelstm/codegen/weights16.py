"""Matrices that meet int16 values, in the fastest layout that holds every sum."""

from collections.abc import Sequence

from edgelstm.codegen.layouts import Layout
from edgelstm.codegen.weights import PackedWeights, side_by_side
from edgelstm.ir import Matrix
from edgelstm.ops.scales import accumulator_reach16


def pack16(matrices: Sequence[Matrix], layouts: Sequence[Layout]) -> PackedWeights:
    """Store matrices of equally many rows side by side; see `pack`."""
    largest = max(int(accumulator_reach16(matrix.weights, matrix.bias).max()) for matrix in matrices)
    lowest = min(int(matrix.weights.min()) for matrix in matrices)
    layout = next(one for one in layouts if largest < one.sum_limit and lowest >= one.lowest_weight)
    words, grouped = side_by_side(matrices, layout)
    return PackedWeights(layout, words, grouped, largest, (), ())
