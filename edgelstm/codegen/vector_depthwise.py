"""How el_mve_depthwise (templates/c/lib/mve_depthwise.h) reads a depthwise convolution, 8 outputs at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from edgelstm.codegen.layouts.layout import Words
from edgelstm.codegen.mve_layout import LANES, whole_vectors
from edgelstm.ir import AnyArray, Op
from edgelstm.numerics.contracts import Contract
from edgelstm.numerics.fixedpoint import Multiplier
from edgelstm.ops.depthwise import DepthwiseConv1D
from edgelstm.ops.depthwise2d import DepthwiseConv2D


@dataclass(frozen=True, eq=False)
class VectorDepthwise:
    """A depthwise convolution whose outputs each see a channel of their own.

    Attributes:
        words: the weight stream: see `pack_outputs`.
    """

    parts: ClassVar[tuple[str, ...]] = ("rows", "requantize", "depthwise")
    replaced: ClassVar[frozenset[str]] = frozenset({"kernel", "bias", "multiplier", "shift"})
    comment: ClassVar[str] = "For 8 outputs at a time: biases, weights, multipliers; see el_mve_depthwise."

    words: Words


def vector_depthwise(op: Op, contract: Contract) -> VectorDepthwise | None:
    """The facts, if the op is such a convolution: with several outputs of a channel, vectors of values do not meet
    vectors of weights."""
    if not isinstance(op, DepthwiseConv1D | DepthwiseConv2D) or op.per_input != 1:
        return None
    return VectorDepthwise(pack_outputs(op.kernel, op.folded_bias(), op.multipliers(contract)))


def pack_outputs(kernel: AnyArray, bias: AnyArray, multipliers: Sequence[Multiplier]) -> Words:
    """Store outputs: for 8 at a time 4 even and 4 odd biases, the kernel's bytes value by value, and for the even and
    then the odd ones 4 bytes of shifts to the left, 4 mantissas and 4 bytes of shifts to the right.

    Args:
        kernel: int8 (outputs, values seen).
        bias: (outputs,), what fits 32 bits.
        multipliers: of each output.
    """
    missing = whole_vectors(len(kernel)) - len(kernel)
    rows = np.pad(kernel.astype(np.int8), ((0, missing), (0, 0)))
    shifts = np.array([multiplier.shift for multiplier in multipliers])
    mantissas = np.array([multiplier.mantissa for multiplier in multipliers])
    starts, mantissas, left, right = (
        np.pad(values, (0, missing)) for values in (bias, mantissas, np.maximum(shifts, 0), np.minimum(shifts, 0))
    )
    stream: list[bytes] = []
    for first in range(0, len(rows), LANES):
        halves = [np.arange(first + odd, first + LANES, 2) for odd in (0, 1)]
        stream += [starts[half].astype("<i4").tobytes() for half in halves]
        stream.append(rows[first : first + LANES].T.tobytes())
        for half in halves:
            stream.append(left[half].astype(np.int8).tobytes())
            stream.append(mantissas[half].astype("<i4").tobytes())
            stream.append(right[half].astype(np.int8).tobytes())
    return np.frombuffer(b"".join(stream), "<u4").astype(np.uint32)
