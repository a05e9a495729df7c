"""An op's matrices as one stream of words, in the fastest layout whose bound they keep, fused where any is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgelstm.codegen.layouts import ROW_GROUP, Layout, Words, pad, single_row
from edgelstm.ir import Matrix
from edgelstm.numerics.fixedpoint import Multiplier
from edgelstm.ops.scales import accumulator_range

_LARGEST_GATE_SHIFT = 24
_LARGEST_PART = 2**23
"""What activations take where nothing is saturated before them."""


@dataclass(frozen=True, eq=False)
class PackedWeights:
    """What C reads, and what it may assume.

    Attributes:
        layout: which it is.
        words: the stream.
        grouped_rows: rows stored in groups of 4; the others follow one by one.
        largest_sum: of any row, for any int8 activations, in magnitude.
        gate_scales: for each matrix the constants of `el_gates_<layout>`; () where it must not be
            used, because sums are requantized otherwise or could overflow in it.
        gate_shifts: the shifts that belong to them.
        row_scales: where every row has a multiplier, those of the rows in the order of the stream: as
            `el_gates_<layout>` takes them if `is_fused`, else as plain mantissas. Where it has a factor, that.
        row_shifts: the shift of each matrix.
        is_fused: whether `el_gates_<layout>` may be used with `row_scales`.
        has_factors: whether `row_scales` are factors of a byte.
    """

    layout: Layout
    words: Words
    grouped_rows: int
    largest_sum: int
    gate_scales: tuple[tuple[int, ...], ...]
    gate_shifts: tuple[tuple[int, ...], ...]
    row_scales: tuple[int, ...] = ()
    row_shifts: tuple[int, ...] = ()
    is_fused: bool = False
    has_factors: bool = False


def pack(matrices: Sequence[Matrix], layouts: Sequence[Layout], *, fused: bool) -> PackedWeights:
    """Store matrices of equally many rows side by side: a group of 4 rows of each in turn.

    Args:
        matrices: at least one.
        layouts: to choose from, fastest first; the last must hold anything.
        fused: whether the instruction set has `el_gates_<layout>`, and the contract's rounding is its.
    """
    largest = max(_largest_sum(matrix) for matrix in matrices)
    lowest = min(int(matrix.weights.min()) for matrix in matrices)
    columns = max(matrix.weights.shape[1] for matrix in matrices)
    exact = [
        layout
        for layout in layouts
        if largest < layout.sum_limit and lowest >= layout.lowest_weight and columns <= layout.most_columns
    ]
    with_gates = [layout for layout in exact if fused and layout is not layouts[-1] and layout.has_gates]
    fusing = [layout for layout in with_gates if _fuses(matrices, layout)]
    layout = (fusing or exact)[0]
    words, grouped = side_by_side(matrices, layout)
    if all(matrix.row_multipliers for matrix in matrices):
        row_shifts = tuple(matrix.row_multipliers[0].shift for matrix in matrices)
        row_scales = _row_scales(matrices, layout if fusing else None)
        return PackedWeights(layout, words, grouped, largest, (), (), row_scales, row_shifts, bool(fusing))
    if all(matrix.row_factors for matrix in matrices):
        row_shifts = tuple(matrix.factor_shift for matrix in matrices)
        return PackedWeights(
            layout, words, grouped, largest, (), (), _factors(matrices), row_shifts, bool(fusing), True
        )
    scales, shifts = _gates(matrices, layout) if fusing else ((), ())
    return PackedWeights(layout, words, grouped, largest, scales, shifts)


def side_by_side(matrices: Sequence[Matrix], layout: Layout) -> tuple[Words, int]:
    """Matrices of equally many rows as one stream, and how many rows of each are in groups."""
    count = len(matrices[0].bias)
    grouped = count - count % ROW_GROUP
    padded = [(pad(matrix.weights), matrix.bias) for matrix in matrices]
    parts = [
        layout.group(rows[first : first + ROW_GROUP], bias[first : first + ROW_GROUP])
        for first in range(0, grouped, ROW_GROUP)
        for rows, bias in padded
    ]
    parts += [single_row(rows[row], int(bias[row])) for row in range(grouped, count) for rows, bias in padded]
    return np.concatenate(parts), grouped


def _largest_sum(matrix: Matrix) -> int:
    low, high = accumulator_range(matrix.weights, matrix.bias)
    return int(max(-low.min(), high.max(), np.abs(matrix.bias).max()))


def _factors(matrices: Sequence[Matrix]) -> tuple[int, ...]:
    """Those of each group of rows and each matrix in turn."""
    groups = range(0, len(matrices[0].row_factors), ROW_GROUP)
    return tuple(one for at in groups for matrix in matrices for one in matrix.row_factors[at : at + ROW_GROUP])


def _part(matrix: Matrix) -> int:
    """The largest magnitude of a scaled sum, rounding aside."""
    return _largest_sum(matrix) * max(matrix.row_factors) >> matrix.factor_shift


def _fuses(matrices: Sequence[Matrix], layout: Layout) -> bool:
    """Whether the layout's gates take every multiplier: those of rows where all matrices have some."""
    if all(matrix.row_factors for matrix in matrices):
        return all(_part(matrix) < _LARGEST_PART for matrix in matrices)
    by_row = all(matrix.row_multipliers for matrix in matrices)
    taken = [(matrix, matrix.row_multipliers if by_row else matrix.multipliers) for matrix in matrices]
    return all(multipliers and _fits(matrix, multipliers, layout) for matrix, multipliers in taken)


def _gates(
    matrices: Sequence[Matrix], layout: Layout
) -> tuple[tuple[tuple[int, ...], ...], tuple[tuple[int, ...], ...]]:
    """Multipliers, roundings and shifts."""
    scales = tuple(layout.gate_scales(matrix.multipliers) for matrix in matrices)
    shifts = tuple(tuple(multiplier.shift for multiplier in matrix.multipliers) for matrix in matrices)
    return scales, shifts


def _fits(matrix: Matrix, multipliers: Sequence[Multiplier], layout: Layout) -> bool:
    """Whether every scaled sum keeps the layout's limit even after a left shift.

    Mantissas must be multiples of 128, as those of float32 products are: see `Layout.gate_multipliers`.
    """
    largest = _largest_sum(matrix)
    return all(
        multiplier.mantissa % 128 == 0
        and -_LARGEST_GATE_SHIFT <= multiplier.shift <= _LARGEST_GATE_SHIFT
        and largest << max(multiplier.shift, 0) < layout.sum_limit
        for multiplier in multipliers
    )


def _row_scales(matrices: Sequence[Matrix], layout: Layout | None) -> tuple[int, ...]:
    """For each group of rows and each matrix, the constants of the layout's gates, or the plain mantissas."""
    groups = range(0, len(matrices[0].row_multipliers), ROW_GROUP)
    blocks = [matrix.row_multipliers[first : first + ROW_GROUP] for first in groups for matrix in matrices]
    if layout is None:
        return tuple(multiplier.mantissa for block in blocks for multiplier in block)
    return tuple(value for block in blocks for value in layout.gate_scales(block))
