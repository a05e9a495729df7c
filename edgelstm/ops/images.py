"""A sequence as TFLite's convolutions and pools see it: an image of one row, as wide as the sequence is long."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from edgelstm.errors import UnsupportedModelError
from edgelstm.ir import TfliteOperator, TfliteTensor
from edgelstm.ops.reshape import reshape
from edgelstm.ops.window import MOST_TICKS, Window, WindowOp, same_window

PADDING_SAME, PADDING_VALID = 0, 1
"""The schema's numbers."""


def image_operators(
    op: WindowOp,
    batch: int,
    timesteps: int,
    builtin: str,
    weights: tuple[TfliteTensor, ...] = (),
    options: Mapping[str, object] | None = None,
    version: int = 1,
) -> tuple[TfliteOperator, ...]:
    """Write an operator on images between two RESHAPEs, behind a pad where its own padding is not the window's."""
    window = op.window
    source = op.input.to_tflite(batch, timesteps)
    result = op.output.to_tflite(batch, window.pace.count(timesteps))
    image, yielded = _image(source, f"{op.name}/image"), _image(result, f"{op.name}/results")
    is_same = window == same_window(window.taps, window.stride, window.dilation, timesteps)
    is_padded = not is_same and bool(window.before or window.behind)
    seen = _padded(image, f"{op.name}/padded", window) if is_padded else image
    sides = [(0, 0), (0, 0), (window.before, window.behind), (0, 0)]
    named = {
        "padding": PADDING_SAME if is_same else PADDING_VALID,
        "stride_w": window.stride,
        "stride_h": 1,
        "fused_activation_function": "NONE",
        **(options or {}),
    }
    return (
        reshape(source, image),
        *((pad_operator(image, seen, sides, op),) if is_padded else ()),
        TfliteOperator(builtin, (seen, *weights), (yielded,), named, version=version),
        reshape(yielded, result),
    )


def _image(sequence: TfliteTensor, name: str) -> TfliteTensor:
    batch, timesteps, size = sequence.shape
    return replace(sequence, name=name, shape=(batch, 1, timesteps, size))


def _padded(image: TfliteTensor, name: str, window: Window) -> TfliteTensor:
    batch, height, width, size = image.shape
    return replace(image, name=name, shape=(batch, height, width + window.before + window.behind, size))


def pad_operator(
    image: TfliteTensor, padded: TfliteTensor, sides: Sequence[tuple[int, int]], op: WindowOp
) -> TfliteOperator:
    """Write the padding of each axis, in front and behind: a PAD pads with real 0, a PADV2 with any value."""
    widths = np.array(sides, np.int32)
    inputs = (image, TfliteTensor(f"{padded.name}/widths", widths.shape, "int32", data=widths))
    if op.padding == op.input.quantization.zero_point:
        return TfliteOperator("PAD", inputs, (padded,), version=2)
    value = np.array([op.padding], np.int8)
    constant = TfliteTensor(f"{padded.name}/value", (1,), "int8", image.scales, image.zero_points, data=value)
    return TfliteOperator("PADV2", (*inputs, constant), (padded,), version=2)


def time_axis(shape: tuple[int, ...], taps: tuple[int, int]) -> int | None:
    """The axis of time in an image (batch, height, width, channels), along which alone `taps` look; None if none is.

    Converters write one row or one column.
    """
    if shape[1] == 1 and taps[0] == 1:
        return 2
    return 1 if shape[2] == 1 and taps[1] == 1 else None


def read_window(operator: TfliteOperator, taps: tuple[int, int]) -> Window:
    """The window of an operator on images whose taps are (rows, columns); UnsupportedModelError without one."""
    source = operator.inputs[0]
    axis = None if source is None else time_axis(source.shape, taps)
    what = f"{operator.builtin} {operator.outputs[0].name!r}"
    if source is None or axis is None:
        raise UnsupportedModelError([f"{what}: only windows over time are supported, in images of one row or column"])
    side = "h" if axis == 1 else "w"
    stride = operator.options[f"stride_{side}"]
    dilation = operator.options.get(f"dilation_{side}_factor", 1)
    count = taps[axis - 1]
    if (count - 1) * dilation + 1 > MOST_TICKS or not 1 <= stride <= MOST_TICKS:
        raise UnsupportedModelError([f"{what}: windows of {count} taps {dilation} apart, every {stride}, are too long"])
    if operator.options["padding"] == PADDING_VALID:
        return Window(count, stride, dilation)
    return same_window(count, stride, dilation, source.shape[axis])
