"""The shapes under which a .tflite file passes a sequence on, and its padding, which an op takes over."""

from dataclasses import dataclass

import numpy as np

from edgelstm.errors import UnsupportedModelError
from edgelstm.ir import Op, QuantizedTensor, TfliteOperator
from edgelstm.ops.window import WindowOp

PADS = ("PAD", "PADV2")


def forms_of(tensor: QuantizedTensor, timesteps: int) -> tuple[tuple[int, ...], ...]:
    """The shapes in which a file may keep the same bytes, that of our files first.

    A vector may be one step. A sequence may be flat, and unless it is one of ids have time before batch, or be an image
    of one row or column.
    """
    size, whole = tensor.size, tensor.to_tflite(1, timesteps).shape
    if not tensor.is_sequence:
        return whole, (1, 1, size)
    if tensor.vocabulary:
        return whole, whole[1:]
    return whole, whole[1:], (timesteps, 1, size), (1, 1, timesteps, size), (1, timesteps, 1, size)


@dataclass(frozen=True)
class Padding:
    """Steps of padding around a sequence, and the stored value of all their elements."""

    before: int
    behind: int
    value: int

    def into(self, op: Op) -> Op:
        """The op that reads what was padded as one that pads it itself; UnsupportedModelError if it cannot."""
        if not isinstance(op, WindowOp) or op.padding != self.value:
            raise UnsupportedModelError([f"layer {op.name!r} reads what was padded with stored {self.value}"])
        return op.padded(self.before, self.behind)


def read_padding(operator: TfliteOperator) -> Padding:
    """What a PAD or PADV2 that `check_tflite` accepts does; UnsupportedModelError where it does not pad time."""
    source, widths = operator.inputs[:2]
    assert source is not None and widths is not None and widths.data is not None
    rows = [(int(before), int(behind)) for before, behind in np.asarray(widths.data)]
    axes = [axis for axis, row in enumerate(rows) if row != (0, 0)] or [1]
    axis = axes[0]
    is_time = axis == 1 or (axis == 2 and len(source.shape) == 4 and source.shape[1] == 1)
    if len(axes) > 1 or not is_time or len(source.shape) not in (3, 4):
        raise UnsupportedModelError(
            [f"{operator.builtin} {operator.outputs[0].name!r}: only padding of time is supported"]
        )
    value = source.zero_points[0]
    if operator.builtin == "PADV2":
        constant = operator.inputs[2]
        assert constant is not None and constant.data is not None
        value = int(np.asarray(constant.data).ravel()[0])
    return Padding(*rows[axis], value)
