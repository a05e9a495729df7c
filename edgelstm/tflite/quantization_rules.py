"""Rules on single quantized tensors, shared by the rules of all operators.

Every function yields one line for each rule broken; `role` is what the operator calls the tensor.
"""

import math
from collections.abc import Collection, Iterator, Mapping

import numpy as np

from edgelstm.ir import TfliteOperator, TfliteTensor

ROW_DTYPES = ("int8", "int4")
"""Of weights whose rows may have scales of their own in the kernels of ours."""

_LOWEST: Mapping[str, int] = {"int8": -128, "int4": -8}


def float32_product(one: float, other: float) -> float:
    """Multiply two scales as the runtimes do when they derive a bias scale."""
    return float(np.float32(one) * np.float32(other))


def activation_problems(role: str, tensor: TfliteTensor, dtype: str = "int8") -> Iterator[str]:
    """Judge a tensor between operators: an integer type, one scale, no constant."""
    if tensor.dtype != dtype:
        yield f"{role} is {tensor.dtype}, not {dtype}"
    if len(tensor.scales) != 1:
        yield f"{role} has {len(tensor.scales)} scales, not one"
    if tensor.data is not None:
        yield f"{role} is a constant"
    if tensor.is_variable and dtype == "int8":
        yield f"{role} is a variable"


def weight_problems(
    role: str,
    tensor: TfliteTensor | None,
    shape: tuple[int, ...],
    per_channel: bool = False,
    axis: int = 0,
    dtypes: Collection[str] = ("int8",),
) -> Iterator[str]:
    """Judge constant weights: symmetric, one scale (or one for each row, along `axis`)."""
    if tensor is None:
        yield f"{role} is absent"
        return
    if tensor.dtype not in dtypes:
        yield f"{role} is {tensor.dtype}, not {' or '.join(dtypes)}"
    if tensor.shape != shape:
        yield f"{role} has the shape {tensor.shape}, not {shape}"
    if len(tensor.scales) != 1 and not (per_channel and len(tensor.scales) == shape[axis] and tensor.axis == axis):
        yield f"{role} has {len(tensor.scales)} scales along axis {tensor.axis}"
    if any(tensor.zero_points):
        yield f"{role} has a zero point other than 0"
    if tensor.data is None:
        yield f"{role} is not a constant"
    elif tensor.dtype in _LOWEST and bool((tensor.data == _LOWEST[tensor.dtype]).any()):
        yield f"{role} holds {_LOWEST[tensor.dtype]}, outside the symmetric range"


def bias_problems(
    role: str,
    tensor: TfliteTensor | None,
    size: int,
    input_scale: float,
    weight_scales: tuple[float, ...],
    dtype: str = "int32",
) -> Iterator[str]:
    """Judge a constant vector whose scale is the float32 product of input and weight scale."""
    if tensor is None:
        yield f"{role} is absent"
        return
    if tensor.dtype != dtype:
        yield f"{role} is {tensor.dtype}, not {dtype}"
    if tensor.shape != (size,):
        yield f"{role} has the shape {tensor.shape}, not {(size,)}"
    if tensor.scales != tuple(float32_product(input_scale, scale) for scale in weight_scales):
        yield f"{role} has a scale other than input scale x weight scale"
    if any(tensor.zero_points):
        yield f"{role} has a zero point other than 0"
    if tensor.data is None:
        yield f"{role} is not a constant"


def vector_problems(role: str, tensor: TfliteTensor | None, size: int, dtype: str, largest: int) -> Iterator[str]:
    """Judge a constant vector with one scale whose numbers are at most `largest` in magnitude."""
    if tensor is None:
        yield f"{role} is absent"
        return
    if tensor.dtype != dtype or tensor.shape != (size,):
        yield f"{role} is {tensor.dtype} of shape {tensor.shape}, not {dtype} of shape {(size,)}"
    if len(tensor.scales) != 1 or any(tensor.zero_points):
        yield f"{role} has {len(tensor.scales)} scales, not one, or a zero point other than 0"
    if tensor.data is None:
        yield f"{role} is not a constant"
    elif bool((np.abs(tensor.data.astype(np.int64)) > largest).any()):
        yield f"{role} holds a number beyond {largest}"


def fixed_scale_problems(role: str, tensor: TfliteTensor, scale: float, zero_point: int) -> Iterator[str]:
    """Judge a tensor whose quantization the runtimes dictate."""
    if tensor.scales != (scale,) or tensor.zero_points != (zero_point,):
        yield f"{role} must have the scale {scale} and the zero point {zero_point}"


def fused_activation_problems(operator: TfliteOperator) -> Iterator[str]:
    """Judge a fused activation: none, or a relu that clamps nothing because the output's scale ends where it does.

    TensorFlow's converter chooses the scale behind the activation, and so writes no others.
    """
    fused = operator.options["fused_activation_function"]
    if fused == "NONE":
        return
    ends = [
        (tensor.zero_points[0], tensor.zero_points[0] + math.floor(6.0 / tensor.scales[0] + 0.5))
        for tensor in operator.outputs
        if len(tensor.scales) == 1
    ]
    if fused not in ("RELU", "RELU6"):
        yield f"option fused_activation_function is {fused}"
    elif any(low > -128 or (fused == "RELU6" and high < 127) for low, high in ends):
        yield f"option fused_activation_function is {fused}, and the output's scale goes beyond its ends"


def same_quantization_problems(role: str, tensor: TfliteTensor, other_role: str, other: TfliteTensor) -> Iterator[str]:
    """Judge two tensors that hold the same stored integers."""
    mine = (tensor.dtype, tensor.scales, tensor.zero_points)
    if mine != (other.dtype, other.scales, other.zero_points):
        yield f"{role} differs from {other_role} in type, scale or zero point"
