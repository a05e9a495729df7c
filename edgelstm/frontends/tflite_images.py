"""Images (batch, time, features, channels) in a file: steps whose values stand in rows of features."""

import math
from dataclasses import replace

import numpy as np

from edgelstm.errors import UnsupportedModelError
from edgelstm.frontends.tflite_forms import forms_of
from edgelstm.ir import Op, QuantizedTensor, TfliteOperator, TfliteTensor
from edgelstm.ops.images import time_axis
from edgelstm.ops.patch import PatchOp
from edgelstm.ops.registry import INT16_OPERATORS, OF_IMAGES, TFLITE_OPERATORS
from edgelstm.tflite.records import quoted

_ELEMENTWISE = frozenset(["ADD", "LEAKY_RELU", "LOGISTIC", "MUL", "RELU", "RELU6", "TANH"])
"""What is the same on an image as on its steps."""


def is_image_of(tensor: QuantizedTensor, shape: tuple[int, ...], timesteps: int) -> bool:
    """Whether a shape is that of an image whose steps are those of a sequence."""
    is_plain = not tensor.is_sequence or bool(tensor.vocabulary)
    return not is_plain and len(shape) == 4 and shape[:2] == (1, timesteps) and math.prod(shape[2:]) == tensor.size


def is_form_of(tensor: QuantizedTensor, shape: tuple[int, ...], timesteps: int) -> bool:
    """Whether a file may keep the tensor's bytes in this shape."""
    return shape in forms_of(tensor, timesteps) or is_image_of(tensor, shape, timesteps)


def kind_on(operator: TfliteOperator, tensor: QuantizedTensor) -> type[Op]:
    """The op that an operator is: over windows of time alone, or over time and features."""
    builtin, source = operator.builtin, operator.inputs[0]
    if source is not None and "int16" in (source.dtype, operator.outputs[0].dtype) and source.data is None:
        if builtin not in INT16_OPERATORS:
            label = f"{builtin} {quoted(operator.outputs[0].name)}"
            raise UnsupportedModelError([f"{label}: with int16 activations, only {', '.join(INT16_OPERATORS)}"])
        return INT16_OPERATORS[builtin]
    if builtin not in OF_IMAGES or source is None or len(source.shape) != 4:
        return TFLITE_OPERATORS[builtin]
    is_plain = source.shape[3] == tensor.size and time_axis(source.shape, _taps(operator)) is not None
    return TFLITE_OPERATORS[builtin] if is_plain else OF_IMAGES[builtin]


def _taps(operator: TfliteOperator) -> tuple[int, int]:
    if "filter_height" in operator.options:
        return operator.options["filter_height"], operator.options["filter_width"]
    kernel = operator.inputs[1] if len(operator.inputs) > 1 else None
    return (0, 0) if kernel is None or len(kernel.shape) != 4 else (kernel.shape[1], kernel.shape[2])


def flattened(operator: TfliteOperator, tensor: QuantizedTensor, timesteps: int) -> TfliteOperator:
    """An operator on single values of images as that on their steps; any other operator as it is."""
    source = next((one for one in operator.inputs if one is not None and one.data is None), None)
    if operator.builtin not in _ELEMENTWISE or source is None or not is_image_of(tensor, source.shape, timesteps):
        return operator
    shape = source.shape

    def flat(one: TfliteTensor | None) -> TfliteTensor | None:
        if one is None or (one.data is None and one.shape != shape):
            return one
        if one.data is None:
            return replace(one, shape=(1, timesteps, tensor.size))
        values = np.asarray(one.data).ravel()
        values = np.tile(values, shape[2]) if values.size == shape[3] else values
        return replace(one, shape=values.shape, data=values)

    inputs, outputs = (tuple(map(flat, tensors)) for tensors in (operator.inputs, operator.outputs))
    return replace(operator, inputs=inputs, outputs=tuple(one for one in outputs if one is not None))


def image_shapes(op: PatchOp, timesteps: int, results: int, across: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The shapes of what an op reads, padded by so many features, and of what it yields."""
    values = op.output.size // max(1, op.results)
    return (1, timesteps, op.features + across, op.channels), (1, results, op.results, values)
