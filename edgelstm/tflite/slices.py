"""What a STRIDED_SLICE takes of each axis."""

from edgelstm.ir import TfliteOperator


def taken_of(operator: TfliteOperator) -> tuple[range, ...] | None:
    """The indices that a STRIDED_SLICE takes along each axis of its input, one of an axis that the result lacks.

    None unless begin, end and strides are constants.
    """
    source = operator.inputs[0] if operator.inputs else None
    begin, end, strides = (_numbers(operator, position) for position in (1, 2, 3))
    if source is None or not len(begin) == len(end) == len(strides) == len(source.shape) or 0 in strides:
        return None
    masks = [int(operator.options.get(f"{name}_mask", 0)) for name in ("begin", "end", "shrink_axis")]
    taken = []
    for axis, size in enumerate(source.shape):
        no_begin, no_end, shrinks = (bool(mask >> axis & 1) for mask in masks)
        first = None if no_begin else begin[axis]
        if shrinks:
            taken.append(range(size)[slice(first, None)][:1])
        else:
            taken.append(range(size)[slice(first, None if no_end else end[axis], strides[axis])])
    return tuple(taken)


def _numbers(operator: TfliteOperator, position: int) -> list[int]:
    tensor = operator.inputs[position] if position < len(operator.inputs) else None
    if tensor is None or tensor.data is None or tensor.data.size > 8:
        return []
    return [int(value) for value in tensor.data.ravel()]
