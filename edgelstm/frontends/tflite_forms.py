"""The shapes under which a .tflite file passes a sequence on, and its padding, which an op takes over."""

from dataclasses import dataclass

import numpy as np

from edgelstm.errors import UnsupportedModelError
from edgelstm.ir import Op, QuantizedTensor, TfliteOperator
from edgelstm.ops.patch import PatchOp
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
    """Steps of padding around a sequence, and features around each row of an image.

    Attributes:
        steps: in front, and behind.
        features: likewise.
        value: stored, of all elements.
    """

    steps: tuple[int, int]
    features: tuple[int, int]
    value: int

    def into(self, op: Op) -> Op:
        """The op that reads what was padded as one that pads it itself; UnsupportedModelError if it cannot."""
        if not isinstance(op, WindowOp) or op.padding != self.value:
            raise UnsupportedModelError([f"layer {op.name!r} reads what was padded with stored {self.value}"])
        padded = op.padded(*self.steps)
        if any(self.features):
            if not isinstance(padded, PatchOp):
                raise UnsupportedModelError([f"layer {op.name!r} reads features that were padded"])
            padded = padded.padded_across(*self.features)
        return padded


def read_padding(operator: TfliteOperator, size: int) -> Padding:
    """What a PAD or PADV2 that `check_tflite` accepts does to a sequence of steps of that size.

    Raises:
        UnsupportedModelError: it pads something else than time, or the features of an image.
    """
    source, widths = operator.inputs[:2]
    assert source is not None and widths is not None and widths.data is not None
    rows = [(int(before), int(behind)) for before, behind in np.asarray(widths.data)]
    axes = {axis for axis, row in enumerate(rows) if row != (0, 0)}
    is_row = len(source.shape) == 4 and source.shape[1] == 1 and source.shape[3] == size and 1 not in axes
    time = 2 if is_row else 1
    features = 2 if len(source.shape) == 4 and not is_row else time
    if not axes <= {time, features} or len(source.shape) not in (3, 4):
        raise UnsupportedModelError(
            [f"{operator.builtin} {operator.outputs[0].name!r}: only padding of time and of features is supported"]
        )
    value = source.zero_points[0]
    if operator.builtin == "PADV2":
        constant = operator.inputs[2]
        assert constant is not None and constant.data is not None
        value = int(np.asarray(constant.data).ravel()[0])
    return Padding(rows[time], rows[features] if features != time else (0, 0), value)
