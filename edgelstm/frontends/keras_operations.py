"""Python's operators on tensors in a Functional model, as layers that have in their config what is no tensor.

Keras 3 lists `x[:, -1]` as a GetItem and `x * 0.5` as a Multiply, called with a tensor and something else; tf_keras has
layers named after TensorFlow's functions for them.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from edgelstm.frontends.keras_entries import Entry
from edgelstm.frontends.keras_order import tensors_in
from edgelstm.ops.taken_step import TAKEN
from edgelstm.ops.with_constant import ARITHMETIC, with_constant

OPERATOR = "is_operator"
"""What says in a config that the layer was written as an operator or a function: Keras' result has no mask then."""

_FUNCTIONS = {
    "__operators__.add": "Add",
    "__operators__.getitem": TAKEN,
    "math.add": "Add",
    "math.divide": "Divide",
    "math.multiply": "Multiply",
    "math.subtract": "Subtract",
    "math.truediv": "TrueDivide",
}
"""TensorFlow's functions, by Keras 3's names for them."""

_CONSTANT = "_CONSTANT_VALUE"
"""What stands for a layer's name where tf_keras calls a function with a constant first."""


def as_layer(entry: Entry) -> Entry:
    """The entry as it is, or an operation as a layer that takes tensors alone."""
    kind = entry.class_name if entry.is_operation else _FUNCTIONS.get(str(entry.config.get("function")), "")
    if not kind:
        return entry
    entry = replace(entry, config={**entry.config, OPERATOR: True})
    arguments = _arguments(entry) if kind == TAKEN or kind in ARITHMETIC else []
    if len(arguments) != 2:
        return entry
    tensors = [one for one in arguments if any(tensors_in(one))]
    options: dict[str, Any] = {}
    if kind == TAKEN:
        options = {"key": arguments[1]}
    elif len(tensors) == 1:
        kind, is_first = with_constant(kind), tensors[0] is arguments[1]
        options = {"constant": arguments[0 if is_first else 1], "is_first": is_first}
    raw = {**entry.raw, "inbound_nodes": [{"args": tensors, "kwargs": {}}]}
    return replace(entry, class_name=kind, config={**entry.config, **options}, raw=raw)


def _arguments(entry: Entry) -> list[Any]:
    """What an operation that is called once is called with."""
    calls = entry.raw.get("inbound_nodes")
    call = calls[0] if isinstance(calls, list) and len(calls) == 1 else None
    if isinstance(call, Mapping):
        positional, named = call.get("args"), call.get("kwargs")
        values = positional if isinstance(positional, list) else []
        return [*values, *(named.values() if isinstance(named, Mapping) else ())]
    while isinstance(call, list) and len(call) == 1:
        call = call[0]
    if not isinstance(call, list) or len(call) != 4 or not isinstance(call[3], Mapping):
        return []
    first = call[2] if call[0] == _CONSTANT else call[:3]
    return [first, *(value for key, value in call[3].items() if key != "name")]
