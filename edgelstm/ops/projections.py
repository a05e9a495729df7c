"""Projections of either width: from float weights, and from the tensors of a .tflite."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edgelstm.ir import FloatArray, Quantization, TfliteTensor
from edgelstm.ops import weight_bits
from edgelstm.ops.narrow_projection import NarrowProjection
from edgelstm.ops.projection import Projection

MOST_DOUBLINGS = 14
"""Of the steps of a result, which then reaches 2^17 real units."""

_LARGEST_INT16 = 2**15 - 1


def project(weights: FloatArray, bias: FloatArray, value: Quantization, result_scale: float, bits: int) -> Projection:
    """Round float weights (rows, columns) to so many bits, and bias (rows,)."""
    kind = NarrowProjection if bits == weight_bits.NARROW else Projection
    return kind.of(weights, bias, value, result_scale)


def within_16_bits(projection: Projection) -> Projection:
    """The same with results in the smallest steps, of twice as large ones each, whose 16 bits hold every result."""
    for doublings in range(MOST_DOUBLINGS + 1):
        wide = replace(projection, result_scale=math.ldexp(projection.result_scale, doublings))
        if wide.reach <= _LARGEST_INT16:
            break
    return wide


def projections_from(
    tensors: Sequence[TfliteTensor | None], values: Sequence[Quantization], result_scales: Sequence[float]
) -> tuple[Projection, ...]:
    """Those that `projection_tensors` wrote: tensors in pairs, each with the quantization of the vector it meets and
    the scale of its sums."""
    present = [tensor for tensor in tensors if tensor is not None and tensor.data is not None]
    pairs = zip(present[0::2], present[1::2], values, result_scales, strict=True)
    return tuple(
        (NarrowProjection if weights.dtype == "int4" else Projection)(
            np.asarray(weights.data), weights.scales, np.asarray(bias.data), value, result_scale
        )
        for weights, bias, value, result_scale in pairs
    )
