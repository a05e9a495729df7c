"""The operators of a float .tflite that compute, each on formulas of one step or on whole sequences."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from edgelstm.errors import UnsupportedModelError
from edgelstm.frontends.tflite_layers import LayerStack
from edgelstm.frontends.tflite_movements import MOVEMENTS
from edgelstm.frontends.tflite_nodes import Apply, Linear, add, constant, is_constant, multiply
from edgelstm.frontends.tflite_operands import Operands, Read, array_of, node_of, pair
from edgelstm.frontends.tflite_values import Sequence, Value
from edgelstm.ir import FloatArray, TfliteOperator

_FUNCTIONS = {
    "LEAKY_RELU": "leaky_relu",
    "LOGISTIC": "sigmoid",
    "RELU": "relu",
    "RELU6": "relu6",
    "SOFTMAX": "softmax",
    "TANH": "tanh",
}
_LARGEST_CLIP = 10.0
"""The converter writes a bound of 10 for the cell state, which Keras does not have; a smaller one is somebody's own."""


def _fully_connected(operator: TfliteOperator, operands: Operands, stack: LayerStack) -> tuple[Value, ...]:
    source, weights, bias = (*operands, None)[:3]
    matrix = array_of(weights, "its weights")
    starts = np.zeros(matrix.shape[0], np.float32) if bias is None else array_of(bias, "its bias").reshape(-1)
    if matrix.ndim != 2 or starts.shape != matrix.shape[:1]:
        raise UnsupportedModelError(["its weights are no matrix, or its bias does not fit them"])
    if isinstance(source, Sequence):
        _require_size(source.tensor.size, matrix)
        return (_fused(operator, Sequence(stack.dense(source.tensor, matrix, starts)), stack),)
    node = node_of(source)
    _require_size(node.size, matrix)
    if isinstance(node, Linear) and not node.terms:
        stack.work(matrix.size)
        with np.errstate(all="ignore"):
            return (_fused(operator, constant(matrix @ node.bias + starts), stack),)
    return (_fused(operator, Linear(matrix.shape[0], ((node, matrix),), starts), stack),)


def _require_size(size: int, matrix: FloatArray) -> None:
    if matrix.shape[1] != size:
        raise UnsupportedModelError([f"its weights are {matrix.shape} for {size} values"])


def _add(operator: TfliteOperator, operands: Operands, stack: LayerStack) -> tuple[Value, ...]:
    return (_fused(operator, _combined(operands, stack, is_product=False), stack),)


def _multiply(operator: TfliteOperator, operands: Operands, stack: LayerStack) -> tuple[Value, ...]:
    return (_fused(operator, _combined(operands, stack, is_product=True), stack),)


def _combined(operands: Operands, stack: LayerStack, *, is_product: bool) -> Value:
    one, other = pair(operands)
    if isinstance(one, Sequence) and isinstance(other, Sequence):
        return Sequence(stack.add("Multiply" if is_product else "Add", (one.tensor, other.tensor), {}))
    for sequence, numbers in ((one, other), (other, one)):
        if isinstance(sequence, Sequence):
            values = array_of(numbers, "one operand").reshape(-1).tolist()
            factor, offset = (values, 0.0) if is_product else (1.0, values)
            return Sequence(stack.affine(sequence.tensor, factor, offset))
    with np.errstate(all="ignore"):
        return (multiply if is_product else add)(node_of(one), node_of(other))


def _subtract(operator: TfliteOperator, operands: Operands, stack: LayerStack) -> tuple[Value, ...]:
    one, other = pair(operands)
    minus = constant(np.array([-1.0], np.float32))
    if isinstance(one, Sequence):
        values = -array_of(other, "what is subtracted").reshape(-1)
        return (_fused(operator, Sequence(stack.affine(one.tensor, 1.0, values.tolist())), stack),)
    first, second = node_of(one), node_of(other)
    if isinstance(first, Linear) and is_constant(first) and np.all(first.bias == 1):
        return (_fused(operator, Apply(second.size, "one_minus", second), stack),)
    if not isinstance(second, Linear):
        raise UnsupportedModelError(["only a constant may be subtracted, or what is subtracted from 1"])
    return (_fused(operator, add(first, multiply(second, minus)), stack),)


def _apply(operator: TfliteOperator, operands: Operands, stack: LayerStack) -> tuple[Value, ...]:
    function, slope = _FUNCTIONS[operator.builtin], float(operator.options.get("alpha", 0.0))
    if operator.builtin == "SOFTMAX" and operator.options["beta"] != 1.0:
        raise UnsupportedModelError([f"beta is {operator.options['beta']}, not 1"])
    return (_applied(operands[0], function, stack, slope),)


def _applied(value: Value | None, function: str, stack: LayerStack, slope: float = 0.0) -> Value:
    if isinstance(value, Sequence):
        return Sequence(stack.apply(value.tensor, function, slope))
    node = node_of(value)
    return Apply(node.size, function, node, slope)


def _fused(operator: TfliteOperator, value: Value, stack: LayerStack) -> Value:
    """The value behind the activation that is part of the operator."""
    fused = operator.options["fused_activation_function"]
    if fused == "NONE":
        return value
    if fused not in _FUNCTIONS:
        raise UnsupportedModelError([f"its fused activation {fused} is not supported"])
    return _applied(value, _FUNCTIONS[fused], stack)


def _lstm(operator: TfliteOperator, operands: Operands, stack: LayerStack) -> tuple[Value, ...]:
    """The fused operator; its states start from zeros."""
    source, tensor = operands[0], operator.inputs[0]
    if not isinstance(source, Sequence) or tensor is None or len(operands) != 24:
        raise UnsupportedModelError(["it does not read a sequence"])
    if any(operands[index] is not None for index in (9, 10, 11, 16, 17, 20, 21, 22, 23)):
        raise UnsupportedModelError(["peepholes, projection and layer normalization are not supported"])
    options, steps = operator.options, stack.timesteps
    clip = options["cell_clip"]
    if (
        options["fused_activation_function"] != "TANH"
        or options["proj_clip"]
        or not (clip == 0 or clip >= _LARGEST_CLIP)
    ):
        raise UnsupportedModelError(["only tanh without a bound on the cell state below 10 is supported"])
    if tensor.shape[:2] != ((steps, 1) if options["time_major"] else (1, steps)):
        raise UnsupportedModelError([f"it works on {tensor.shape}, which is not one sequence of {steps} steps"])
    kernel, recurrent = (
        np.concatenate([array_of(operand, "a kernel") for operand in operands[first : first + 4]]).T for first in (1, 5)
    )
    bias = np.concatenate([array_of(operand, "a bias") for operand in operands[12:16]])
    config = {
        "units": len(recurrent),
        "return_sequences": True,
        "activation": "tanh",
        "recurrent_activation": "sigmoid",
    }
    return (Sequence(stack.add("LSTM", (source.tensor,), config, (kernel, recurrent, bias))),)


FEWEST_INPUTS: Mapping[str, int] = MappingProxyType(
    {"FULLY_CONNECTED": 2, "SPLIT": 2, "SPLIT_V": 3, "STRIDED_SLICE": 4, "TRANSPOSE": 2}
)
"""Of operators that need more than one."""

OPERATORS: Mapping[str, Read] = MappingProxyType(
    {
        **MOVEMENTS,
        **dict.fromkeys(_FUNCTIONS, _apply),
        "ADD": _add,
        "FULLY_CONNECTED": _fully_connected,
        "MUL": _multiply,
        "SUB": _subtract,
        "UNIDIRECTIONAL_SEQUENCE_LSTM": _lstm,
    }
)
