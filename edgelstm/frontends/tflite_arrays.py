"""Operators of a float .tflite on constants, shapes and counters: what the converter could not compute beforehand."""

import math
from collections.abc import Callable, Mapping
from collections.abc import Sequence as Several
from types import MappingProxyType

import numpy as np

from edgelstm.frontends.tflite_values import Below, Count, Numbers, Rows, Store, Value
from edgelstm.ir import AnyArray, TfliteOperator
from edgelstm.tflite.slices import taken_of

LARGEST_FILL = 1 << 16


def folded(operator: TfliteOperator, values: Several[Value]) -> Value | None:
    """The result of an operator on known numbers; None where it is none of these, or too large."""
    arrays = [value for value in values if isinstance(value, np.ndarray)]
    if operator.builtin == "FILL" and len(arrays) == len(values) == 2 and arrays[1].size == 1:
        return _filled(arrays[0], arrays[1])
    if operator.builtin == "DEQUANTIZE" and len(arrays) == len(values) == 1 and arrays[0].dtype == np.float16:
        return arrays[0].astype(np.float32)
    if len(arrays) == len(values) == 1 and operator.builtin in ("RESHAPE", "SQUEEZE", "EXPAND_DIMS"):
        return arrays[0].reshape(operator.outputs[0].shape) if _fits(operator, arrays[0]) else None
    if operator.builtin == "STRIDED_SLICE" and arrays and values[0] is arrays[0]:
        return _sliced(operator, arrays[0])
    return _counted(operator, values)


def _fits(operator: TfliteOperator, array: AnyArray) -> bool:
    return math.prod(operator.outputs[0].shape) == array.size


def _filled(shape: AnyArray, value: AnyArray) -> AnyArray | None:
    sizes = [int(size) for size in shape.ravel()[:8]]
    if any(size < 0 for size in sizes) or math.prod(sizes) > LARGEST_FILL:
        return None
    return np.full(sizes, value.ravel()[0])


def _sliced(operator: TfliteOperator, array: AnyArray) -> AnyArray | None:
    taken = taken_of(operator)
    if taken is None or len(taken) != array.ndim or array.size > LARGEST_FILL:
        return None
    if any(indices and indices[-1] >= size for indices, size in zip(taken, array.shape, strict=True)):
        return None
    chosen = array[np.ix_(*taken)]
    return chosen.reshape(operator.outputs[0].shape) if _fits(operator, chosen) else None


def _counted(operator: TfliteOperator, values: Several[Value]) -> Value | None:
    """Counters and vectors of them."""
    read = _ON_COUNTERS.get(operator.builtin)
    return read(values) if read else None


def _added(values: Several[Value]) -> Value | None:
    for counter, step in (values, values[::-1]) if len(values) == 2 else ():
        if isinstance(counter, Count) and isinstance(step, np.ndarray) and step.size == 1:
            return Count(counter.index, counter.offset + int(step.ravel()[0]))
    return None


def _below(values: Several[Value]) -> Value | None:
    counter, limit = values if len(values) == 2 else (None, None)
    if isinstance(counter, Count) and isinstance(limit, np.ndarray) and limit.size == 1:
        return Below(((counter, int(limit.ravel()[0])),))
    return None


def _both(values: Several[Value]) -> Value | None:
    one, other = values if len(values) == 2 else (None, None)
    if isinstance(one, Below) and isinstance(other, Below):
        return Below((*one.limits, *other.limits)[:8])
    return None


def _as_vector(values: Several[Value]) -> Value | None:
    return Numbers((values[0],)) if values and isinstance(values[0], Count) else None


def _numbers(value: Value | None) -> tuple[int | Count, ...] | None:
    if isinstance(value, Numbers):
        return value.values
    if isinstance(value, Count):
        return (value,)
    if isinstance(value, np.ndarray) and value.size <= 8 and np.issubdtype(value.dtype, np.integer):
        return tuple(int(number) for number in value.ravel())
    return None


def _joined(values: Several[Value]) -> Value | None:
    parts = [_numbers(value) for value in values[:8]]
    numbers = tuple(number for part in parts if part is not None for number in part)
    if None in parts or len(values) > 8 or len(numbers) > 8:
        return None
    plain = [number for number in numbers if isinstance(number, int)]
    return np.array(plain, np.int32) if len(plain) == len(numbers) else Numbers(numbers)


def _rows(values: Several[Value]) -> Value | None:
    """[:counter] or [counter + 1:] of a store."""
    store = values[0] if len(values) == 3 else None
    if not isinstance(store, Store):
        return None
    begin, size = _numbers(values[1]) or (), _numbers(values[2]) or ()
    if begin == (0, 0, 0) and size[1:] == (-1, -1) and isinstance(size[0], Count):
        return Rows(store.index, size[0], is_before=True)
    if begin[1:] == (0, 0) and size == (-1, -1, -1) and isinstance(begin[0], Count):
        return Rows(store.index, Count(begin[0].index, begin[0].offset - 1), is_before=False)
    return None


_ON_COUNTERS: Mapping[str, Callable[[Several[Value]], Value | None]] = MappingProxyType(
    {
        "ADD": _added,
        "CONCATENATION": _joined,
        "EXPAND_DIMS": _as_vector,
        "LESS": _below,
        "LOGICAL_AND": _both,
        "PACK": _joined,
        "RESHAPE": _as_vector,
        "SLICE": _rows,
    }
)
