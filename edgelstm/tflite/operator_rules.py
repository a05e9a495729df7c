"""Rules on the operators around the LSTM; each function yields one line for each rule broken."""

import math
from collections.abc import Iterator

import numpy as np

from edgelstm.ir import TfliteOperator, TfliteTensor
from edgelstm.numerics.int8_tables import STEEPEST_SLOPE
from edgelstm.tflite.quantization_rules import (
    ROW_DTYPES,
    activation_problems,
    bias_problems,
    fixed_scale_problems,
    fused_activation_problems,
    same_quantization_problems,
    weight_problems,
)


def fully_connected_problems(operator: TfliteOperator) -> Iterator[str]:
    """Judge an int8 FULLY_CONNECTED with per-tensor or per-row weights."""
    if operator.options["fused_activation_function"] != "RELU":
        yield from fused_activation_problems(operator)
    for name in ("weights_format", "asymmetric_quantize_inputs"):
        if operator.options[name]:
            yield f"option {name} is {operator.options[name]}"
    inputs = (*operator.inputs, None) if len(operator.inputs) == 2 else operator.inputs
    if len(inputs) != 3 or len(operator.outputs) != 1:
        yield f"has {len(operator.inputs)} inputs and {len(operator.outputs)} outputs, not 2 or 3 and 1"
        return
    source, weights, bias = inputs
    (output,) = operator.outputs
    if source is None or weights is None or not source.shape or not output.shape or len(weights.shape) != 2:
        yield "input, output or weights are missing, or the weights are not a matrix"
        return
    yield from activation_problems("input", source)
    yield from activation_problems("output", output)
    shape = (output.shape[-1], source.shape[-1])
    yield from weight_problems("weights", weights, shape, per_channel=True, dtypes=ROW_DTYPES)
    if bias is not None:
        input_scale = source.scales[0] if source.scales else math.nan
        yield from bias_problems("bias", bias, weights.shape[0], input_scale, weights.scales)
    rows = (*source.shape[:-1],) if operator.options["keep_num_dims"] else (math.prod(source.shape[:-1]),)
    if output.shape[:-1] != rows:
        yield f"output has the shape {output.shape}, not {(*rows, weights.shape[0])}"


def overread_problems(operator: TfliteOperator) -> Iterator[str]:
    """Judge a FULLY_CONNECTED by what tflite-runtime 2.14 makes of it."""
    weights = operator.inputs[1] if len(operator.inputs) > 1 else None
    ranks = [len(output.shape) for output in operator.outputs]
    if weights is not None and len(weights.scales) > 1 and max(ranks, default=0) > 2:
        yield "weights have one scale a row and the output has over two axes: tflite-runtime 2.14 overreads"


def softmax_problems(operator: TfliteOperator) -> Iterator[str]:
    """Judge an int8 SOFTMAX."""
    beta = operator.options["beta"]
    if not (math.isfinite(beta) and beta > 0):
        yield f"option beta is {beta}, not a positive number"
    yield from _fixed_output_problems(operator, 1 / 256, -128)


def logistic_problems(operator: TfliteOperator) -> Iterator[str]:
    """Judge an int8 LOGISTIC."""
    yield from _fixed_output_problems(operator, 1 / 256, -128)


def tanh_problems(operator: TfliteOperator) -> Iterator[str]:
    """Judge an int8 TANH."""
    yield from _fixed_output_problems(operator, 1 / 128, 0)


def leaky_relu_problems(operator: TfliteOperator) -> Iterator[str]:
    """Judge an int8 LEAKY_RELU, which may change the scale."""
    alpha = operator.options["alpha"]
    if not 0 <= alpha <= STEEPEST_SLOPE:
        yield f"option alpha is {alpha}, not a number from 0 to {STEEPEST_SLOPE}"
    yield from relu_problems(operator)


def relu_problems(operator: TfliteOperator) -> Iterator[str]:
    """Judge an int8 RELU or RELU6, which may change the scale."""
    for source, output in _elementwise(operator):
        yield from activation_problems("input", source)
        yield from activation_problems("output", output)
        yield from _shape_problems(source, output)
    yield from _arity_problems(operator, 1)


def quantize_problems(operator: TfliteOperator) -> Iterator[str]:
    """Judge a QUANTIZE from float32, or from one int8 scale to another."""
    for source, output in _elementwise(operator):
        if source.dtype != "float32":
            yield from activation_problems("input", source)
        yield from activation_problems("output", output)
        yield from _shape_problems(source, output)
    yield from _arity_problems(operator, 1)


def dequantize_problems(operator: TfliteOperator) -> Iterator[str]:
    """Judge a DEQUANTIZE from int8 to float32."""
    for source, output in _elementwise(operator):
        yield from activation_problems("input", source)
        if output.dtype != "float32":
            yield f"output is {output.dtype}, not float32"
        yield from _shape_problems(source, output)
    yield from _arity_problems(operator, 1)


def reshape_problems(operator: TfliteOperator) -> Iterator[str]:
    """Judge a RESHAPE; its shape stands in the second input, in the option, or in both."""
    if len(operator.inputs) not in {1, 2}:
        yield f"has {len(operator.inputs)} inputs, not 1 or 2"
    for source, output in _elementwise(operator):
        yield from same_quantization_problems("output", output, "input", source)
        if math.prod(source.shape) != math.prod(output.shape):
            yield f"output shape {output.shape} does not hold the elements of input shape {source.shape}"
        wanted = operator.inputs[1] if len(operator.inputs) > 1 else None
        given = [operator.options["new_shape"]] if operator.options["new_shape"] or wanted is None else []
        if wanted is not None:
            given.append(_vector(wanted, len(output.shape)))
        if not all(_means(shape, output.shape) for shape in given):
            yield f"the shape given is not the output's shape {output.shape}"


def _means(given: tuple[int, ...] | None, shape: tuple[int, ...]) -> bool:
    """Whether a RESHAPE to `given`, in which one -1 stands for what is left, yields `shape`."""
    if given is None or len(given) != len(shape) or given.count(-1) > 1:
        return False
    return all(size in (-1, found) for size, found in zip(given, shape, strict=True))


def strided_slice_problems(operator: TfliteOperator) -> Iterator[str]:
    """Judge a STRIDED_SLICE whose begin, end and strides are constants."""
    for name in ("ellipsis_mask", "new_axis_mask", "offset"):
        if operator.options[name]:
            yield f"option {name} is {operator.options[name]}"
    yield from _arity_problems(operator, 4)
    if len(operator.inputs) != 4:
        return
    for source, output in _elementwise(operator):
        yield from same_quantization_problems("output", output, "input", source)
        begin, end, strides = (_vector(tensor, len(source.shape)) for tensor in operator.inputs[1:])
        if begin is None or end is None or strides is None or 0 in strides:
            yield "begin, end and strides are not constant int32 vectors with one number for each input axis"
            continue
        shape = _sliced_shape(operator, source.shape, begin, end, strides)
        if shape != output.shape:
            yield f"output has the shape {output.shape}, not {shape}"


def reverse_problems(operator: TfliteOperator) -> Iterator[str]:
    """Judge a REVERSE_V2 along one constant axis."""
    yield from _arity_problems(operator, 2)
    if len(operator.inputs) != 2:
        return
    for source, output in _elementwise(operator):
        dtype = "int16" if source.dtype == "int16" else "int8"
        yield from activation_problems("input", source, dtype)
        yield from activation_problems("output", output, dtype)
        yield from _shape_problems(source, output)
        axis = _vector(operator.inputs[1], 1)
        if axis is None or not -len(source.shape) <= axis[0] < len(source.shape):
            yield "axis is not a constant int32 vector with one of the input's axes"


def foreign_reverse_problems(operator: TfliteOperator) -> Iterator[str]:
    """Judge a REVERSE_V2 that takes the bytes of one scale for those of another."""
    for source, output in _elementwise(operator):
        yield from same_quantization_problems("output", output, "input", source)


def broadcast_problems(operator: TfliteOperator) -> Iterator[str]:
    """Judge a BROADCAST_TO of one step to many, (batch, 1, size) to (batch, steps, size)."""
    yield from _arity_problems(operator, 2)
    if len(operator.inputs) != 2:
        return
    for source, output in _elementwise(operator):
        yield from same_quantization_problems("output", output, "input", source)
        if _vector(operator.inputs[1], len(output.shape)) != output.shape:
            yield f"the shape given is not the output's shape {output.shape}"
        if len(output.shape) != 3 or source.shape != (output.shape[0], 1, output.shape[2]):
            yield f"input shape {source.shape} is not one step of output shape {output.shape}"


def _sliced_shape(
    operator: TfliteOperator,
    shape: tuple[int, ...],
    begin: tuple[int, ...],
    end: tuple[int, ...],
    strides: tuple[int, ...],
) -> tuple[int, ...]:
    masks = [operator.options[f"{name}_mask"] for name in ("begin", "end", "shrink_axis")]
    sizes = []
    for axis, size in enumerate(shape):
        no_begin, no_end, shrink = (bool(mask >> axis & 1) for mask in masks)
        if shrink:
            continue
        taken = slice(None if no_begin else begin[axis], None if no_end else end[axis], strides[axis])
        sizes.append(len(range(*taken.indices(size))))
    return tuple(sizes)


def _vector(tensor: TfliteTensor | None, size: int) -> tuple[int, ...] | None:
    if tensor is None or tensor.data is None or tensor.dtype != "int32" or tensor.shape != (size,):
        return None
    return tuple(int(value) for value in np.asarray(tensor.data))


def _arity_problems(operator: TfliteOperator, inputs: int) -> Iterator[str]:
    if len(operator.inputs) != inputs or len(operator.outputs) != 1:
        yield f"has {len(operator.inputs)} inputs and {len(operator.outputs)} outputs, not {inputs} and 1"


def _elementwise(operator: TfliteOperator) -> Iterator[tuple[TfliteTensor, TfliteTensor]]:
    """Yield first input and output if both exist."""
    if operator.inputs and operator.inputs[0] is not None and len(operator.outputs) == 1:
        yield operator.inputs[0], operator.outputs[0]


def _shape_problems(source: TfliteTensor, output: TfliteTensor) -> Iterator[str]:
    if source.shape != output.shape:
        yield f"output has the shape {output.shape}, not {source.shape}"


def _fixed_output_problems(operator: TfliteOperator, scale: float, zero_point: int) -> Iterator[str]:
    yield from _arity_problems(operator, 1)
    for source, output in _elementwise(operator):
        yield from activation_problems("input", source)
        yield from activation_problems("output", output)
        yield from _shape_problems(source, output)
        yield from fixed_scale_problems("output", output, scale, zero_point)
