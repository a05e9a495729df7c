"""What the templates of GRU and SimpleRNN on vectors (`templates/c/ops/*_mve.c.j2`) need beside the op's own facts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from edgelstm.codegen.layouts.layout import Words
from edgelstm.codegen.mve_layout import pack_rows, whole_vectors
from edgelstm.ir import AnyArray, Op
from edgelstm.numerics.contracts import Contract
from edgelstm.numerics.fixedpoint import Multiplier
from edgelstm.ops.gru import Gru
from edgelstm.ops.simple_rnn import SimpleRnn

SCALES_COMMENT = (
    "Of each matrix: 1 where it shifts right, its shift to the right (< 0), to the left, a mantissa of each row."
)


@dataclass(frozen=True, eq=False)
class VectorNative:
    """A recurrent layer of the `native` contract, matrix by matrix over all units.

    Attributes:
        parts: of the vector library.
        words: the weight stream, and what to say of it.
        scales: the multipliers in the same order, and what to say of them.
        padded_units: units up to whole vectors.
    """

    replaced: ClassVar[frozenset[str]] = frozenset()

    parts: tuple[str, ...]
    words: Words
    comment: str
    scales: AnyArray
    scales_comment: str
    padded_units: int


def vector_native(op: Op, contract: Contract) -> VectorNative | None:
    """The facts, if the op is a GRU or a SimpleRNN."""
    if isinstance(op, Gru):
        order = "for update, reset gate and candidate, the rows for the input, then those for h"
        gate = ("hard_sigmoid",) if op.gate.factor else ()
        parts = ("rows", "activations", "requantize", "recurrent", *gate)
    elif isinstance(op, SimpleRnn):
        order = "the rows for the input, then those for h"
        parts = ("rows", *(("activations",) if op.function == "tanh" else ()), "requantize", "recurrent")
    else:
        return None
    matrices = (*op.matrices(contract), *op.second_matrices(contract))
    return VectorNative(
        parts=parts,
        words=np.concatenate([pack_rows(matrix.weights, matrix.bias) for matrix in matrices]),
        comment=f"{order} (see el_mve_rows)",
        scales=np.concatenate([row_scales(matrix.row_multipliers, op.units) for matrix in matrices]),
        scales_comment=SCALES_COMMENT,
        padded_units=whole_vectors(op.units),
    )


def row_scales(multipliers: Sequence[Multiplier], units: int) -> AnyArray:
    """One matrix as el_mve_part (templates/c/lib/mve_recurrent.h) reads it."""
    shift = multipliers[0].shift
    mantissas = [multiplier.mantissa for multiplier in multipliers[:units]]
    missing = [0] * (whole_vectors(units) - units)
    return np.array([shift < 0, min(shift, 0), max(shift, 0), *mantissas, *missing], np.int32)
