"""Reading a layer's Keras config and weights without trusting their types."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgelstm.errors import ModelFormatError
from edgelstm.ir import FloatArray, SourceLayer
from edgelstm.numerics.gate_functions import GateFunction

LARGEST_SIZE = 1 << 16
"""Units or features beyond this are taken for damage: no such layer fits a microcontroller."""


def integer(source: SourceLayer, key: str) -> int:
    """A size from the config; ModelFormatError unless it is a whole number in 1..LARGEST_SIZE."""
    value = source.config.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= LARGEST_SIZE:
        raise ModelFormatError(
            f"layer {source.name!r}: {key} is {value!r}, not a size from 1 to {LARGEST_SIZE}",
            "save the model again with Keras; the file may be damaged",
        )
    return value


def flag(source: SourceLayer, key: str, *, default: bool) -> bool:
    """A truth value from the config."""
    return bool(source.config.get(key, default))


_ACTIVATION_DEFAULTS = {"max_value": None, "negative_slope": 0, "threshold": 0, "alpha": 0, "axis": -1}
"""Options of a layer given as an activation, and the values with which it is the plain function."""


def activation(source: SourceLayer, key: str = "activation") -> str:
    """An activation's name, in lower case.

    Keras writes a function's name, plain or in an object, or a whole layer: "relu" for a ReLU that is nothing more,
    and its class with the options that make it something else otherwise.
    """
    value: Any = source.config.get(key, "linear")
    if not isinstance(value, Mapping):
        return "linear" if value is None else str(value).lower()
    config = value.get("config")
    if isinstance(config, str):
        return config.lower()
    name = str(value.get("class_name")).lower()
    options = {
        option: config[option]
        for option, default in _ACTIVATION_DEFAULTS.items()
        if isinstance(config, Mapping) and config.get(option) not in (None, default)
    }
    return f"{name} with {options}" if options else name


def gate_function(source: SourceLayer) -> GateFunction:
    """A recurrent layer's `recurrent_activation`, once `gate_function_problems` has let it pass."""
    if activation(source, "recurrent_activation") != "hard_sigmoid":
        return GateFunction.SIGMOID
    return GateFunction.HARD_SIGMOID_6 if source.keras_major >= 3 else GateFunction.HARD_SIGMOID_5


def gate_function_problems(source: SourceLayer) -> list[str]:
    """A line if the gates have a function that is not one of ours."""
    found = activation(source, "recurrent_activation")
    if "recurrent_activation" not in source.config or found in ("sigmoid", "hard_sigmoid"):
        return []
    return [f"recurrent_activation={found!r} is not supported, only 'sigmoid' and 'hard_sigmoid'"]


def option_problems(source: SourceLayer, required: Mapping[str, Any]) -> list[str]:
    """A line for each option that is set to something else than what we compile; an absent option is fine."""
    problems = []
    for key, wanted in required.items():
        if key not in source.config:
            continue
        found = activation(source, key) if isinstance(wanted, str) else source.config[key]
        if isinstance(wanted, bool):
            found = bool(found)
        if found != wanted:
            problems.append(f"{key}={found!r} is not supported, only {key}={wanted!r}")
    return problems


def shape_problems(source: SourceLayer, shapes: Sequence[tuple[int, ...]]) -> list[str]:
    """A line for each weight array that is missing or has another shape than the config implies."""
    if len(source.weights) != len(shapes):
        return [f"has {len(source.weights)} weight arrays where its options imply {len(shapes)}"]
    return [
        f"weight array {index} has shape {weights.shape} where its options imply {shape}"
        for index, (weights, shape) in enumerate(zip(source.weights, shapes, strict=True))
        if weights.shape != shape
    ]


def array(source: SourceLayer, index: int) -> FloatArray:
    """A weight array as float32."""
    return np.ascontiguousarray(source.weights[index], dtype=np.float32)
