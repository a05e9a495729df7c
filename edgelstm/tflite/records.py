"""What must hold of TFLite records before they can become a file."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from edgelstm.ir import TfliteModel, TfliteOperator, TfliteTensor
from edgelstm.tflite.constants import PACKED_DTYPE
from edgelstm.tflite.schema import (
    ACTIVATIONS,
    BUILTIN_CODES,
    OPTIONS_TABLES,
    OWN_PREFIX,
    PLAIN_DTYPES,
    TENSOR_TYPES,
    option_fields,
)

_INT32 = np.iinfo(np.int32)
_INT64 = np.iinfo(np.int64)


def mentions(model: TfliteModel) -> Iterator[TfliteTensor]:
    """Yield every tensor that `model` mentions, in file order; one tensor may come several times."""
    yield from model.inputs
    for operator in model.operators:
        yield from (tensor for tensor in operator.inputs if tensor is not None)
        yield from operator.outputs
        yield from operator.intermediates
    yield from model.outputs


def quoted(name: str) -> str:
    """Make a name from a file fit for a message: bounded, without control characters."""
    return repr(name if len(name) <= 60 else f"{name[:57]}...")


def is_plain_option(value: object) -> bool:
    """Say whether the options of our own operators, a flat JSON object, may hold `value`."""
    return isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value))


def same_tensor(one: TfliteTensor, other: TfliteTensor) -> bool:
    """Say whether two records describe the same tensor, data included."""
    if one is other:
        return True
    return _description(one) == _description(other) and (
        one.data is other.data
        or (one.data is not None and other.data is not None and np.array_equal(one.data, other.data))
    )


def _description(tensor: TfliteTensor) -> tuple[Any, ...]:
    axis = tensor.axis if len(tensor.scales) > 1 else 0
    quantization = (tensor.scales, tensor.zero_points, axis)
    return tensor.name, tensor.shape, tensor.dtype, *quantization, tensor.is_variable


def record_problems(model: TfliteModel) -> Iterator[str]:
    """Yield, one line each, what in `model` contradicts itself or has no place in the schema."""
    first: dict[str, TfliteTensor] = {}
    for tensor in mentions(model):
        known = first.setdefault(tensor.name, tensor)
        if known is tensor or same_tensor(known, tensor):
            continue
        yield f"tensor {quoted(tensor.name)} is described in two ways"
    for tensor in first.values():
        yield from (f"tensor {quoted(tensor.name)}: {problem}" for problem in _tensor_problems(tensor))
    for index, operator in enumerate(model.operators):
        yield from (
            f"operator {index} ({quoted(operator.builtin)}): {problem}" for problem in _operator_problems(operator)
        )
    for text in (model.description, *model.metadata):
        if not _encodable(text):
            yield f"{quoted(text)} is not valid Unicode"


def _tensor_problems(tensor: TfliteTensor) -> Iterator[str]:
    if not _encodable(tensor.name):
        yield "the name is not valid Unicode"
    if tensor.dtype not in TENSOR_TYPES:
        yield f"no tensor type {quoted(tensor.dtype)} in the schema"
    if any(not 0 <= size <= _INT32.max for size in tensor.shape):
        yield f"shape {tensor.shape} is negative or too large"
    if len(tensor.scales) != len(tensor.zero_points):
        yield f"{len(tensor.scales)} scales but {len(tensor.zero_points)} zero points"
    if not all(_is_float32(scale) for scale in tensor.scales):
        yield "a scale is not exactly a float32 value"
    if any(not _INT64.min <= zero_point <= _INT64.max for zero_point in tensor.zero_points):
        yield "a zero point does not fit 64 bits"
    if not 0 <= tensor.axis <= _INT32.max:
        yield f"axis {tensor.axis} is out of range"
    if tensor.data is not None:
        yield from _data_problems(tensor, tensor.data)


def _data_problems(tensor: TfliteTensor, data: np.ndarray[Any, Any]) -> Iterator[str]:
    stored = "int8" if tensor.dtype == PACKED_DTYPE else tensor.dtype
    if stored not in PLAIN_DTYPES or data.dtype.name != stored:
        yield f"holds {data.dtype.name} data but is declared {quoted(tensor.dtype)}"
    elif tensor.dtype == PACKED_DTYPE and not ((data >= -8) & (data < 8)).all():
        yield "holds integers that 4 bits do not"
    if data.shape != tensor.shape:
        yield f"holds data of shape {data.shape} but is declared {tensor.shape}"
    if data.size == 0:
        yield "holds a constant without elements, which a file cannot tell from no constant"


def _operator_problems(operator: TfliteOperator) -> Iterator[str]:
    is_own = operator.builtin.startswith(OWN_PREFIX)
    if not is_own and (operator.builtin not in BUILTIN_CODES or operator.builtin == "CUSTOM"):
        yield "no such builtin in the schema"
    if not 1 <= operator.version <= _INT32.max:
        yield f"version {operator.version} is out of range"
    table = OPTIONS_TABLES.get(operator.builtin)
    fields = option_fields(table) if table else {}
    for name, value in operator.options.items():
        if is_own:
            if not is_plain_option(value):
                yield f"option {quoted(name)} is no truth value, finite number or text"
        elif name not in fields:
            yield f"no option {quoted(name)}"
        elif name == "fused_activation_function" and value not in ACTIVATIONS:
            yield f"no activation {value!r}"


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_float32(value: float) -> bool:
    with np.errstate(over="ignore"):
        return math.isnan(value) or float(np.float32(value)) == value
