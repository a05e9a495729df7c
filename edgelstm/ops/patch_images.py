"""How ops over images stand in a .tflite file: on (batch, time, features, channels)."""

from collections.abc import Mapping
from dataclasses import replace

from edgelstm.errors import UnsupportedModelError
from edgelstm.ir import TfliteOperator, TfliteTensor
from edgelstm.ops.images import PADDING_SAME, PADDING_VALID, pad_operator
from edgelstm.ops.patch import PatchOp
from edgelstm.ops.reshape import reshape
from edgelstm.ops.window import MOST_TICKS, Window, same_window


def patch_operators(
    op: PatchOp,
    batch: int,
    timesteps: int,
    builtin: str,
    weights: tuple[TfliteTensor, ...] = (),
    options: Mapping[str, object] | None = None,
    version: int = 1,
) -> tuple[TfliteOperator, ...]:
    """Write an operator on images between two RESHAPEs, behind a pad where its own padding is not the window's."""
    window, across = op.window, op.across
    source = op.input.to_tflite(batch, timesteps)
    result = op.output.to_tflite(batch, window.pace.count(timesteps))
    image = _image(source, f"{op.name}/image", op.features)
    yielded = _image(result, f"{op.name}/results", op.results)
    is_same = all(
        one == same_window(one.taps, one.stride, one.dilation, size)
        for one, size in ((window, timesteps), (across, op.features))
    )
    is_padded = not is_same and any(one.before or one.behind for one in (window, across))
    seen = _padded(image, f"{op.name}/padded", window, across) if is_padded else image
    sides = [(0, 0), (window.before, window.behind), (across.before, across.behind), (0, 0)]
    named = {
        "padding": PADDING_SAME if is_same else PADDING_VALID,
        "stride_h": window.stride,
        "stride_w": across.stride,
        "fused_activation_function": "NONE",
        **(options or {}),
    }
    return (
        reshape(source, image),
        *((pad_operator(image, seen, sides, op),) if is_padded else ()),
        TfliteOperator(builtin, (seen, *weights), (yielded,), named, version=version),
        reshape(yielded, result),
    )


def dilations(op: PatchOp) -> Mapping[str, object]:
    """The options of an operator with weights."""
    return {"dilation_h_factor": op.window.dilation, "dilation_w_factor": op.across.dilation}


def read_patch(operator: TfliteOperator, taps: tuple[int, int]) -> tuple[Window, Window]:
    """The windows over time and over features of an operator on images; UnsupportedModelError for absurd ones."""
    source, options = operator.inputs[0], operator.options
    assert source is not None
    found = []
    for axis, side in ((1, "h"), (2, "w")):
        count, stride = taps[axis - 1], options[f"stride_{side}"]
        dilation = options.get(f"dilation_{side}_factor", 1)
        if (count - 1) * dilation + 1 > MOST_TICKS or not 1 <= stride <= MOST_TICKS:
            what = f"{operator.builtin} {operator.outputs[0].name!r}"
            raise UnsupportedModelError([f"{what}: {count} taps {dilation} apart, every {stride}, are too many"])
        is_valid = options["padding"] == PADDING_VALID
        plain = Window(count, stride, dilation)
        found.append(plain if is_valid else same_window(count, stride, dilation, source.shape[axis]))
    return found[0], found[1]


def _image(sequence: TfliteTensor, name: str, features: int) -> TfliteTensor:
    batch, timesteps, size = sequence.shape
    return replace(sequence, name=name, shape=(batch, timesteps, features, size // features))


def _padded(image: TfliteTensor, name: str, window: Window, across: Window) -> TfliteTensor:
    batch, height, width, channels = image.shape
    sides = (height + window.before + window.behind, width + across.before + across.behind)
    return replace(image, name=name, shape=(batch, *sides, channels))
