"""What an operator of a float .tflite reads, and what it must be."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from edgelstm.errors import UnsupportedModelError
from edgelstm.frontends.tflite_layers import LayerStack
from edgelstm.frontends.tflite_nodes import Node, constant
from edgelstm.frontends.tflite_values import Unusable, Value
from edgelstm.ir import AnyArray, TfliteOperator

Operands: TypeAlias = tuple[Value | None, ...]
Read: TypeAlias = Callable[[TfliteOperator, Operands, LayerStack], tuple[Value, ...]]
"""What an operator yields; raises UnsupportedModelError saying why not."""


def pair(operands: Operands) -> tuple[Value | None, Value | None]:
    """Both inputs of an operator that has two."""
    if len(operands) != 2:
        raise UnsupportedModelError([f"it has {len(operands)} inputs, not 2"])
    return operands[0], operands[1]


def node_of(value: Value | None) -> Node:
    """A vector; UnsupportedModelError saying what it is instead."""
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


def array_of(value: Value | None, role: str) -> AnyArray:
    """A constant that is not quantized."""
    if not isinstance(value, np.ndarray):
        raise UnsupportedModelError([f"{role} is not constant"])
    if value.dtype == np.int8:
        raise UnsupportedModelError([f"{role} is int8 where the rest is float"])
    return value
