"""The operators of a float .tflite, each on formulas of one step or on whole sequences."""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

import numpy as np

from edgelstm.errors import UnsupportedModelError
from edgelstm.frontends.tflite_layers import LayerStack
from edgelstm.frontends.tflite_nodes import (
    LOOP,
    Apply,
    Joined,
    Leaf,
    Linear,
    Node,
    add,
    constant,
    is_constant,
    multiply,
    part,
)
from edgelstm.frontends.tflite_values import Count, Rows, Sequence, Unusable, Value, Written
from edgelstm.ir import AnyArray, FloatArray, TfliteOperator
from edgelstm.tflite.slices import taken_of

Operands: TypeAlias = tuple[Value | None, ...]
Read: TypeAlias = Callable[[TfliteOperator, Operands, LayerStack], tuple[Value, ...]]
"""What an operator yields; raises UnsupportedModelError saying why not."""

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
    matrix = _floats(weights, "its weights")
    starts = np.zeros(matrix.shape[0], np.float32) if bias is None else _floats(bias, "its bias").reshape(-1)
    if matrix.ndim != 2 or starts.shape != matrix.shape[:1]:
        raise UnsupportedModelError(["its weights are no matrix, or its bias does not fit them"])
    if isinstance(source, Sequence):
        _require_size(source.tensor.size, matrix)
        return (_fused(operator, Sequence(stack.dense(source.tensor, matrix, starts)), stack),)
    node = _node(source)
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
    one, other = _pair(operands)
    if isinstance(one, Sequence) and isinstance(other, Sequence):
        return Sequence(stack.add("Multiply" if is_product else "Add", (one.tensor, other.tensor), {}))
    for sequence, numbers in ((one, other), (other, one)):
        if isinstance(sequence, Sequence):
            values = _floats(numbers, "one operand").reshape(-1).tolist()
            factor, offset = (values, 0.0) if is_product else (1.0, values)
            return Sequence(stack.affine(sequence.tensor, factor, offset))
    with np.errstate(all="ignore"):
        return (multiply if is_product else add)(_node(one), _node(other))


def _subtract(operator: TfliteOperator, operands: Operands, stack: LayerStack) -> tuple[Value, ...]:
    one, other = _pair(operands)
    minus = constant(np.array([-1.0], np.float32))
    if isinstance(one, Sequence):
        values = -_floats(other, "what is subtracted").reshape(-1)
        return (_fused(operator, Sequence(stack.affine(one.tensor, 1.0, values.tolist())), stack),)
    first, second = _node(one), _node(other)
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
    node = _node(value)
    return Apply(node.size, function, node, slope)


def _fused(operator: TfliteOperator, value: Value, stack: LayerStack) -> Value:
    """The value behind the activation that is part of the operator."""
    fused = operator.options["fused_activation_function"]
    if fused == "NONE":
        return value
    if fused not in _FUNCTIONS:
        raise UnsupportedModelError([f"its fused activation {fused} is not supported"])
    return _applied(value, _FUNCTIONS[fused], stack)


def _split(operator: TfliteOperator, operands: Operands, stack: LayerStack) -> tuple[Value, ...]:
    axis, node, count = _floats(operands[0], "its axis"), _node(operands[1]), len(operator.outputs)
    source = operator.inputs[1]
    rank = 0 if source is None else len(source.shape)
    if axis.size != 1 or int(axis.ravel()[0]) not in (-1, rank - 1) or not count or node.size % count:
        raise UnsupportedModelError(["only equal parts along the last axis are supported"])
    size = node.size // count
    return tuple(part(node, index * size, (index + 1) * size) for index in range(count))


def _split_in_sizes(operator: TfliteOperator, operands: Operands, stack: LayerStack) -> tuple[Value, ...]:
    """SPLIT_V: one of the sizes may be -1, for what the others leave, which may be nothing."""
    node, axis = _node(operands[0]), _floats(operands[2], "its axis")
    sizes = [int(size) for size in _floats(operands[1], "its sizes").ravel()[: len(operator.outputs) + 1]]
    source = operator.inputs[0]
    rank = 0 if source is None else len(source.shape)
    if sizes.count(-1) == 1:
        sizes[sizes.index(-1)] = node.size - sum(sizes) - 1
    fits = sum(sizes) == node.size and all(size >= 0 for size in sizes)
    if axis.size != 1 or int(axis.ravel()[0]) not in (-1, rank - 1) or not fits:
        raise UnsupportedModelError(["only parts along the last axis are supported"])
    ends = np.cumsum(sizes)
    return tuple(
        part(node, int(end) - size, int(end)) if size else Unusable("an empty part")
        for size, end in zip(sizes, ends, strict=True)
    )


def _strided_slice(operator: TfliteOperator, operands: Operands, stack: LayerStack) -> tuple[Value, ...]:
    taken, source, value = taken_of(operator), operator.inputs[0], operands[0]
    if not taken or source is None:
        raise UnsupportedModelError(["its begin, end and strides are not constants"])
    *leading, last = taken
    if isinstance(value, Sequence):
        steps = [indices for indices, size in zip(leading, source.shape, strict=False) if size != 1] or [range(1)]
        if last != range(value.tensor.size) or len(steps) != 1 or len(steps[0]) != 1:
            raise UnsupportedModelError(["only one step of a sequence may be taken"])
        return (Leaf(value.tensor.size, value.tensor.name, steps[0][0]),)
    node = _node(value)
    if any(indices != range(1) for indices in leading) or last.step != 1 or not len(last):
        raise UnsupportedModelError(["only neighbouring features of a vector may be taken"])
    return (part(node, last.start, last.stop),)


def _same_bytes(operator: TfliteOperator, operands: Operands, stack: LayerStack) -> tuple[Value, ...]:
    """RESHAPE and its kin change nothing where features stay together."""
    value, shape = operands[0], operator.outputs[0].shape
    if isinstance(value, Sequence):
        size, steps = value.tensor.size, stack.timesteps
        if shape not in ((1, steps, size), (steps, 1, size), (steps, size)):
            raise UnsupportedModelError([f"a sequence of {steps} steps of {size} values becomes {shape}"])
        return (value,)
    node = _node(value)
    if shape[-1:] != (node.size,) or math.prod(shape) != node.size:
        raise UnsupportedModelError([f"a vector of {node.size} values becomes {shape}"])
    return (node,)


def _transpose(operator: TfliteOperator, operands: Operands, stack: LayerStack) -> tuple[Value, ...]:
    order = _floats(operands[1], "its permutation")
    if order.size > 8 or [int(axis) for axis in order.ravel()] != [1, 0, 2]:
        raise UnsupportedModelError(["only time and batch may change places"])
    return _same_bytes(operator, operands, stack)


def _reverse(operator: TfliteOperator, operands: Operands, stack: LayerStack) -> tuple[Value, ...]:
    sequence, axis = _pair(operands)
    source, axes = operator.inputs[0], _floats(axis, "its axis")
    if not isinstance(sequence, Sequence) or source is None or axes.size != 1:
        raise UnsupportedModelError(["only a sequence may be reversed"])
    index = int(axes.ravel()[0])
    if not -len(source.shape) <= index < len(source.shape) or source.shape[index] != stack.timesteps:
        raise UnsupportedModelError(["only time may be reversed"])
    return (Sequence(stack.reversed(sequence.tensor)),)


def _unpack(operator: TfliteOperator, operands: Operands, stack: LayerStack) -> tuple[Value, ...]:
    source, sequence = operator.inputs[0], operands[0]
    axis = operator.options["axis"]
    if not isinstance(sequence, Sequence) or source is None or not 0 <= axis < len(source.shape) - 1:
        raise UnsupportedModelError(["only a sequence may be taken apart, into its steps"])
    if source.shape[axis] != stack.timesteps or len(operator.outputs) != stack.timesteps:
        raise UnsupportedModelError([f"it takes {source.shape} apart, not {stack.timesteps} steps"])
    tensor = sequence.tensor
    return tuple(Leaf(tensor.size, tensor.name, step) for step in range(stack.timesteps))


def _pack(operator: TfliteOperator, operands: Operands, stack: LayerStack) -> tuple[Value, ...]:
    first = operands[0] if operands else None
    if isinstance(first, Leaf) and first.sequence in stack.tensors and len(operands) == stack.timesteps:
        tensor = stack.tensors[first.sequence]
        if operands == tuple(Leaf(tensor.size, tensor.name, step) for step in range(stack.timesteps)):
            return (Sequence(tensor),)
    raise UnsupportedModelError([f"its {len(operands)} inputs are not the {stack.timesteps} steps of a layer"])


def _concatenation(operator: TfliteOperator, operands: Operands, stack: LayerStack) -> tuple[Value, ...]:
    if (written := _written(operands)) is not None:
        return (written,)
    shape, axis = operator.outputs[0].shape, operator.options["axis"]
    if operator.options["fused_activation_function"] != "NONE" or axis not in (-1, len(shape) - 1):
        raise UnsupportedModelError(["only features may be joined"])
    tensors = [operand.tensor for operand in operands if isinstance(operand, Sequence)]
    if len(tensors) == len(operands):
        return (Sequence(stack.add("Concatenate", tuple(tensors), {})),)
    nodes = tuple(_node(operand) for operand in operands)
    return (Joined(sum(node.size for node in nodes), nodes),)


def _written(operands: Operands) -> Written | None:
    """Rows before a counter, a vector, and the rows behind: a store with one more row."""
    if len(operands) != 3:
        return None
    before, node, behind = operands
    if not isinstance(before, Rows) or not isinstance(behind, Rows) or not isinstance(node, Node):
        return None
    fits = before.is_before and not behind.is_before and (before.index, before.count) == (behind.index, behind.count)
    return Written(before.index, before.count, node) if fits else None


def _gather(operator: TfliteOperator, operands: Operands, stack: LayerStack) -> tuple[Value, ...]:
    sequence, index = _pair(operands)
    source = operator.inputs[0]
    steps = stack.timesteps
    if not isinstance(sequence, Sequence) or source is None or source.shape[:2] != (steps, 1):
        raise UnsupportedModelError(["only a step of a sequence may be gathered"])
    if operator.options["axis"] or operator.options["batch_dims"]:
        raise UnsupportedModelError(["it gathers along another axis than that of the steps"])
    if isinstance(index, Count) and index.offset == 0:
        return (Leaf(sequence.tensor.size, sequence.tensor.name, LOOP),)
    raise UnsupportedModelError(["its index is not the counter of a loop"])


def _shape(operator: TfliteOperator, operands: Operands, stack: LayerStack) -> tuple[Value, ...]:
    source = operator.inputs[0]
    return (np.array(() if source is None else source.shape, np.int32),)


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
        np.concatenate([_floats(operand, "a kernel") for operand in operands[first : first + 4]]).T for first in (1, 5)
    )
    bias = np.concatenate([_floats(operand, "a bias") for operand in operands[12:16]])
    config = {
        "units": len(recurrent),
        "return_sequences": True,
        "activation": "tanh",
        "recurrent_activation": "sigmoid",
    }
    return (Sequence(stack.add("LSTM", (source.tensor,), config, (kernel, recurrent, bias))),)


def _pair(operands: Operands) -> tuple[Value | None, Value | None]:
    if len(operands) != 2:
        raise UnsupportedModelError([f"it has {len(operands)} inputs, not 2"])
    return operands[0], operands[1]


def _node(value: Value | None) -> Node:
    if isinstance(value, Node):
        return value
    if isinstance(value, np.ndarray) and value.dtype == np.float32:
        return constant(value)
    if isinstance(value, Unusable):
        raise UnsupportedModelError([f"it reads {value.what}"])
    raise UnsupportedModelError([f"it reads {_WORDS.get(type(value).__name__, 'what is no vector')}"])


_WORDS = {
    "Sequence": "a whole sequence where one step was expected",
    "Store": "an array that a loop writes",
    "Count": "the counter of a loop",
}


def _floats(value: Value | None, role: str) -> AnyArray:
    if not isinstance(value, np.ndarray):
        raise UnsupportedModelError([f"{role} is not constant"])
    if value.dtype == np.int8:
        raise UnsupportedModelError([f"{role} is int8 where the rest is float"])
    return value


FEWEST_INPUTS: Mapping[str, int] = MappingProxyType(
    {"FULLY_CONNECTED": 2, "SPLIT": 2, "SPLIT_V": 3, "STRIDED_SLICE": 4, "TRANSPOSE": 2}
)
"""Of operators that need more than one."""

OPERATORS: Mapping[str, Read] = MappingProxyType(
    {
        **dict.fromkeys(_FUNCTIONS, _apply),
        **dict.fromkeys(("EXPAND_DIMS", "RESHAPE", "SQUEEZE"), _same_bytes),
        "ADD": _add,
        "CONCATENATION": _concatenation,
        "FULLY_CONNECTED": _fully_connected,
        "GATHER": _gather,
        "MUL": _multiply,
        "PACK": _pack,
        "REVERSE_V2": _reverse,
        "SHAPE": _shape,
        "SPLIT": _split,
        "SPLIT_V": _split_in_sizes,
        "STRIDED_SLICE": _strided_slice,
        "SUB": _subtract,
        "TRANSPOSE": _transpose,
        "UNIDIRECTIONAL_SEQUENCE_LSTM": _lstm,
        "UNPACK": _unpack,
    }
)
