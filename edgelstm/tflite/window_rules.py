"""Rules on the operators that look at windows over time, or at all of it; each function yields a line for each rule
broken."""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from edgelstm.ir import AnyArray, TfliteOperator, TfliteTensor
from edgelstm.tflite.quantization_rules import (
    activation_problems,
    bias_problems,
    same_quantization_problems,
    weight_problems,
)

_SAME, _VALID = 0, 1
_FUSED = ("NONE", "RELU", "RELU6")


def convolution_problems(operator: TfliteOperator) -> Iterator[str]:
    """Judge an int8 CONV_2D with per-tensor or per-filter weights."""
    yield from _weighted_problems(operator, axis=0)


def depthwise_problems(operator: TfliteOperator) -> Iterator[str]:
    """Judge an int8 DEPTHWISE_CONV_2D with per-tensor or per-channel weights."""
    yield from _weighted_problems(operator, axis=3)


def pool_problems(operator: TfliteOperator) -> Iterator[str]:
    """Judge an int8 MAX_POOL_2D or AVERAGE_POOL_2D, which keeps the scale."""
    found = [*_image_problems(operator, 1)]
    yield from found
    if found:
        return
    source, output = operator.inputs[0], operator.outputs[0]
    assert source is not None
    if operator.options["fused_activation_function"] != "NONE":
        yield f"option fused_activation_function is {operator.options['fused_activation_function']}"
    yield from same_quantization_problems("output", output, "input", source)
    taps = (operator.options["filter_height"], operator.options["filter_width"])
    yield from _shape_problems(operator, taps, (1, 1), source.shape[3])


def reduction_problems(operator: TfliteOperator) -> Iterator[str]:
    """Judge an int8 MEAN or REDUCE_MAX along one constant axis."""
    if len(operator.inputs) != 2 or len(operator.outputs) != 1 or None in operator.inputs:
        yield f"has {len(operator.inputs)} inputs and {len(operator.outputs)} outputs, not 2 and 1"
        return
    source, axis = operator.inputs
    output = operator.outputs[0]
    assert source is not None
    yield from activation_problems("input", source)
    yield from activation_problems("output", output)
    if operator.builtin == "REDUCE_MAX":
        yield from same_quantization_problems("output", output, "input", source)
    numbers = _constant(axis, "int32")
    rank = len(source.shape)
    if numbers is None or numbers.size != 1 or not -rank <= int(numbers.ravel()[0]) < rank:
        yield "axis is not a constant int32 with one of the input's axes"
        return
    reduced = int(numbers.ravel()[0]) % rank
    keeps = operator.options["keep_dims"]
    left = (*source.shape[:reduced], *((1,) if keeps else ()), *source.shape[reduced + 1 :])
    if output.shape != left or not math.prod(source.shape):
        yield f"output has the shape {output.shape}, not {left}"


def pad_problems(operator: TfliteOperator) -> Iterator[str]:
    """Judge an int8 PAD, or a PADV2 with a constant value."""
    wanted = 3 if operator.builtin == "PADV2" else 2
    if len(operator.inputs) != wanted or len(operator.outputs) != 1 or operator.inputs[0] is None:
        yield f"has {len(operator.inputs)} inputs and {len(operator.outputs)} outputs, not {wanted} and 1"
        return
    source, output = operator.inputs[0], operator.outputs[0]
    yield from activation_problems("input", source)
    yield from activation_problems("output", output)
    yield from same_quantization_problems("output", output, "input", source)
    widths = _constant(operator.inputs[1], "int32")
    if widths is None or widths.shape != (len(source.shape), 2) or (widths < 0).any():
        yield "widths are not a constant int32 matrix with two sizes for each input axis"
        return
    padded = tuple(int(size) for size in np.array(source.shape) + widths.astype(np.int64).sum(axis=1))
    if output.shape != padded:
        yield f"output has the shape {output.shape}, not {padded}"
    if operator.builtin == "PADV2":
        value = operator.inputs[2]
        constant = _constant(value, "int8")
        if value is None or constant is None or constant.size != 1:
            yield "value is not one constant int8"
        else:
            yield from same_quantization_problems("value", value, "input", source)


def _weighted_problems(operator: TfliteOperator, axis: int) -> Iterator[str]:
    found = [*_image_problems(operator, 2, 3)]
    yield from found
    if found:
        return
    source, weights, bias = (*operator.inputs, None)[:3]
    output = operator.outputs[0]
    if source is None or weights is None or len(weights.shape) != 4:
        yield "the weights are missing, or have not four axes"
        return
    if operator.options["fused_activation_function"] not in _FUSED:
        yield f"option fused_activation_function is {operator.options['fused_activation_function']}"
    taps = (weights.shape[1], weights.shape[2])
    wanted = (output.shape[3], *taps, source.shape[3]) if axis == 0 else (1, *taps, output.shape[3])
    yield from weight_problems("weights", weights, wanted, per_channel=True, axis=axis)
    if bias is not None:
        yield from bias_problems("bias", bias, output.shape[3], source.scales[0], weights.scales)
    if axis == 3 and output.shape[3] != source.shape[3] * operator.options["depth_multiplier"]:
        yield f"option depth_multiplier is {operator.options['depth_multiplier']}"
    dilation = (operator.options["dilation_h_factor"], operator.options["dilation_w_factor"])
    yield from _shape_problems(operator, taps, dilation, output.shape[3])


def _image_problems(operator: TfliteOperator, *arities: int) -> Iterator[str]:
    """Input and output are int8 images with something in them, (batch, height, width, channels)."""
    if len(operator.inputs) not in arities or len(operator.outputs) != 1:
        yield f"has {len(operator.inputs)} inputs and {len(operator.outputs)} outputs"
        return
    for role, tensor in (("input", operator.inputs[0]), ("output", operator.outputs[0])):
        if tensor is None or len(tensor.shape) != 4 or not math.prod(tensor.shape):
            yield f"{role} is no image"
        else:
            yield from activation_problems(role, tensor)


def _shape_problems(
    operator: TfliteOperator, taps: Sequence[int], dilation: Sequence[int], channels: int
) -> Iterator[str]:
    source, output = operator.inputs[0], operator.outputs[0]
    assert source is not None
    stride = (operator.options["stride_h"], operator.options["stride_w"])
    if min(*stride, *dilation, *taps) < 1 or operator.options["padding"] not in (_SAME, _VALID):
        yield "a stride, a dilation, a filter's size or the padding is not one there is"
        return
    sides = []
    for axis in (0, 1):
        size, span = source.shape[1 + axis], (taps[axis] - 1) * dilation[axis] + 1
        room = size if operator.options["padding"] == _SAME else size - span + 1
        sides.append(max(0, -(-room // stride[axis])))
    shape = (source.shape[0], *sides, channels)
    if output.shape != shape:
        yield f"output has the shape {output.shape}, not {shape}"


def _constant(tensor: TfliteTensor | None, dtype: str) -> AnyArray | None:
    return None if tensor is None or tensor.data is None or tensor.dtype != dtype else np.asarray(tensor.data)
