"""Projections of either width: from float weights, and from the tensors of a .tflite."""

from collections.abc import Sequence

import numpy as np

from edgelstm.ir import FloatArray, Quantization, TfliteTensor
from edgelstm.ops import weight_bits
from edgelstm.ops.narrow_projection import NarrowProjection
from edgelstm.ops.projection import Projection


def project(weights: FloatArray, bias: FloatArray, value: Quantization, result_scale: float, bits: int) -> Projection:
    """Round float weights (rows, columns) to so many bits, and bias (rows,)."""
    kind = NarrowProjection if bits == weight_bits.NARROW else Projection
    return kind.of(weights, bias, value, result_scale)


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
