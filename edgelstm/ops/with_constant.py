"""`x * 0.5`, `1 - x`, ...: arithmetic of a tensor and a number, which scales and shifts each feature."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from edgelstm.ir import Layer, SourceLayer, Tensor
from edgelstm.ops.affine import AffineLayer
from edgelstm.ops.options import number

ARITHMETIC = {"Add": "+", "Divide": "/", "Multiply": "*", "Subtract": "-", "TrueDivide": "/"}
"""Keras 3's operations on two operands."""

_MOST_AXES = 8


def with_constant(operation: str) -> str:
    """What the reader calls an operation of which one operand, "constant" in the config, is no tensor."""
    return f"{operation} with a constant"


class WithConstantLayer(AffineLayer):
    """One operand is a number; "is_first" in the config says whether it is the first. Keras' result has no mask."""

    takes_mask: ClassVar[bool] = False

    @classmethod
    def keras_problems(cls, source: SourceLayer, input_tensor: Tensor) -> list[str]:
        """Constants that are no numbers, and divisions by the tensor or by zero."""
        sign, is_first = _sign(source), bool(source.config.get("is_first"))
        constant = _plain(source.config.get("constant"))
        if isinstance(constant, list):
            return [
                f"the constant is an array of {_shape(constant)} numbers; only one number for all features is "
                "supported here, and lists in keras.layers.Rescaling as its scale and its offset"
            ]
        if isinstance(constant, bool) or not isinstance(constant, int | float):
            return [f"the constant is {ascii(constant)[:40]}; only a number is supported"]
        value = number(source, "constant", 0.0)
        if sign == "/" and (is_first or not value):
            return ["divides a number by the tensor" if is_first else "divides by zero"]
        return []

    @classmethod
    def from_keras(cls, source: SourceLayer, input_tensor: Tensor) -> tuple[Layer, ...]:
        """Build the layer."""
        factor, offset = _factor_and_offset(source)
        output = Tensor(source.name, input_tensor.size, input_tensor.is_sequence, channels=input_tensor.channels)
        values = (np.full(output.size, one) for one in (factor, offset))
        return (cls(source.name, input_tensor, output, *values),)


def _factor_and_offset(source: SourceLayer) -> tuple[float, float]:
    sign, constant, is_first = _sign(source), number(source, "constant", 0.0), bool(source.config.get("is_first"))
    if sign == "+":
        return 1.0, constant
    if sign == "-":
        return (-1.0, constant) if is_first else (1.0, -constant)
    return (constant if sign == "*" else 1.0 / constant), 0.0


def _sign(source: SourceLayer) -> str:
    return next(sign for operation, sign in ARITHMETIC.items() if with_constant(operation) == source.class_name)


def _plain(value: Any) -> Any:
    """A value without the object that Keras writes around an array."""
    inner = value.get("config") if isinstance(value, Mapping) else None
    return inner.get("value") if isinstance(inner, Mapping) else value


def _shape(values: list[Any]) -> str:
    """Of nested lists, as the first in each has it."""
    found, current = list[str](), [values]
    while current and isinstance(current[0], list) and len(found) < _MOST_AXES:
        current = current[0]
        found.append(str(len(current)))
    return " x ".join(found)
