"""Numbers and axes from a layer's Keras config, which may hold anything."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from edgelstm.errors import ModelFormatError
from edgelstm.ir import SourceLayer, Tensor
from edgelstm.ops.sources import LARGEST_SIZE

_LARGEST = float(np.finfo(np.float32).max)


def number(source: SourceLayer, key: str, default: float) -> float:
    """A finite number within float32; ModelFormatError otherwise."""
    value = vector(source, key, default)
    if value.ndim:
        raise _damage(source, key)
    return float(value)


def vector(source: SourceLayer, key: str, default: float = 0.0) -> npt.NDArray[np.float64]:
    """A number, shape (), or a number for each feature, shape (features,); ModelFormatError unless all are finite.

    Keras writes lists, or an object around them where the user gave an array.
    """
    value: Any = source.config.get(key, default)
    if isinstance(value, Mapping):
        inner = value.get("config")
        value = inner.get("value") if isinstance(inner, Mapping) else None
    try:
        values = np.array(value)
    except ValueError:  # ragged, or deeper than numpy goes
        raise _damage(source, key) from None
    if values.dtype.kind not in "fiu" or not values.size or not (np.abs(values) <= _LARGEST).all():
        raise _damage(source, key)
    while values.ndim > 1 and len(values) == 1:
        values = values[0]
    if values.ndim > 1:
        raise _damage(source, key)
    return values.astype(np.float64)


def whole_number(source: SourceLayer, key: str, default: int | None = None) -> int:
    """A number from 1 to LARGEST_SIZE, which Keras also writes as a list of one; ModelFormatError otherwise."""
    value = source.config.get(key)
    if value is None and default is not None:
        return default
    if isinstance(value, list | tuple) and len(value) == 1:
        value = value[0]
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= LARGEST_SIZE:
        raise ModelFormatError(
            f"layer {source.name!r}: {key} is {ascii(value)[:60]}, not a whole number from 1 to {LARGEST_SIZE}",
            "save the model again with Keras; the file may be damaged",
        )
    return value


def two_numbers(source: SourceLayer, key: str, default: tuple[int, int] | None = None) -> tuple[int, int]:
    """One such number for time and one for features, which Keras also writes as one for both."""
    value = source.config.get(key)
    if value is None and default is not None:
        return default
    both = value if isinstance(value, list | tuple) and len(value) == 2 else (value, value)
    first, second = (whole_number(replace(source, config={key: one}), key) for one in both)
    return first, second


def axis_problems(source: SourceLayer, input_tensor: Tensor) -> list[str]:
    """A line unless the option `axis` names the features alone, as a number or as a list of one."""
    axis = source.config.get("axis", -1)
    last = 1 + input_tensor.is_sequence + (input_tensor.channels > 0)
    return [] if axis in (-1, last, [-1], [last]) else [f"axis={axis!r} is not supported, only axis=-1"]


def last_axis(input_tensor: Tensor) -> int:
    """How many values lie side by side on Keras' last axis: channels of an image, else features."""
    return input_tensor.channels or input_tensor.size


def _damage(source: SourceLayer, key: str) -> ModelFormatError:
    found = ascii(source.config.get(key))[:60]
    return ModelFormatError(
        f"layer {source.name!r}: {key} is {found}, not a number or a list of numbers",
        "save the model again with Keras; the file may be damaged",
    )
