"""Operators of a float .tflite that compute nothing: they take apart, join, turn around and look up."""

import math
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from edgelstm.errors import UnsupportedModelError
from edgelstm.frontends.tflite_layers import LayerStack
from edgelstm.frontends.tflite_nodes import LOOP, Joined, Leaf, Node, part
from edgelstm.frontends.tflite_operands import Operands, Read, array_of, node_of, pair
from edgelstm.frontends.tflite_values import Count, Rows, Sequence, Unusable, Value, Written
from edgelstm.ir import TfliteOperator
from edgelstm.tflite.slices import taken_of


def _split(operator: TfliteOperator, operands: Operands, stack: LayerStack) -> tuple[Value, ...]:
    axis, node, count = array_of(operands[0], "its axis"), node_of(operands[1]), len(operator.outputs)
    source = operator.inputs[1]
    rank = 0 if source is None else len(source.shape)
    if axis.size != 1 or int(axis.ravel()[0]) not in (-1, rank - 1) or not count or node.size % count:
        raise UnsupportedModelError(["only equal parts along the last axis are supported"])
    size = node.size // count
    return tuple(part(node, index * size, (index + 1) * size) for index in range(count))


def _split_in_sizes(operator: TfliteOperator, operands: Operands, stack: LayerStack) -> tuple[Value, ...]:
    """SPLIT_V: one of the sizes may be -1, for what the others leave, which may be nothing."""
    node, axis = node_of(operands[0]), array_of(operands[2], "its axis")
    sizes = [int(size) for size in array_of(operands[1], "its sizes").ravel()[: len(operator.outputs) + 1]]
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
    node = node_of(value)
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
    node = node_of(value)
    if shape[-1:] != (node.size,) or math.prod(shape) != node.size:
        raise UnsupportedModelError([f"a vector of {node.size} values becomes {shape}"])
    return (node,)


def _transpose(operator: TfliteOperator, operands: Operands, stack: LayerStack) -> tuple[Value, ...]:
    order = array_of(operands[1], "its permutation")
    if order.size > 8 or [int(axis) for axis in order.ravel()] != [1, 0, 2]:
        raise UnsupportedModelError(["only time and batch may change places"])
    return _same_bytes(operator, operands, stack)


def _reverse(operator: TfliteOperator, operands: Operands, stack: LayerStack) -> tuple[Value, ...]:
    sequence, axis = pair(operands)
    source, axes = operator.inputs[0], array_of(axis, "its axis")
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
    nodes = tuple(node_of(operand) for operand in operands)
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
    sequence, index = pair(operands)
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


MOVEMENTS: Mapping[str, Read] = MappingProxyType(
    {
        **dict.fromkeys(("EXPAND_DIMS", "RESHAPE", "SQUEEZE"), _same_bytes),
        "CONCATENATION": _concatenation,
        "GATHER": _gather,
        "PACK": _pack,
        "REVERSE_V2": _reverse,
        "SHAPE": _shape,
        "SPLIT": _split,
        "SPLIT_V": _split_in_sizes,
        "STRIDED_SLICE": _strided_slice,
        "TRANSPOSE": _transpose,
        "UNPACK": _unpack,
    }
)
