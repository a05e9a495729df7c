"""Images: what their layers refuse of Keras, what a Reshape says, and that patches are those of a plain convolution."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from random_images import random_conv2d, random_depthwise2d
from random_windows import random_window
from test_keras_problems import SEQUENCE, VECTOR, built, problems, source
from test_windows import streamed

from edgelstm.errors import ModelFormatError
from edgelstm.frontends.keras import build_float_model
from edgelstm.frontends.keras_guess import guessed_inputs
from edgelstm.frontends.keras_source import KerasSource
from edgelstm.ir import FloatArray, Layer, Quantization, QuantizedTensor, SourceLayer, Tensor
from edgelstm.numerics.contracts import Contract
from edgelstm.ops import registry
from edgelstm.ops.affine import AffineLayer
from edgelstm.ops.average_pool2d import AveragePool2D
from edgelstm.ops.conv2d import Conv2DLayer
from edgelstm.ops.dense import DenseLayer
from edgelstm.ops.depthwise2d import DepthwiseConv2D, DepthwiseConv2DLayer
from edgelstm.ops.fold_affine import fold_affine
from edgelstm.ops.max_pool2d import MaxPool2D
from edgelstm.ops.normalization import RescalingLayer
from edgelstm.ops.patch import PatchOp
from edgelstm.ops.patch_layer import NEEDS_IMAGE
from edgelstm.ops.repeat_vector import RepeatVectorLayer
from edgelstm.ops.unflatten import UnflattenLayer
from edgelstm.ops.window import MOST_TICKS, Window, same_window

IMAGE = Tensor("input", 12, is_sequence=True, timesteps=10, channels=2)
"""10 steps of 6 features of 2 channels."""

TIMED = Tensor("input", 12, is_sequence=True, timesteps=10)
CONV = {"filters": 4, "kernel_size": [2, 3], "strides": [1, 1], "padding": "valid", "use_bias": True}
CONV_SHAPES: tuple[tuple[int, ...], ...] = ((2, 3, 2, 4), (4,))
FIRST = "channels_first"


def conv(options: dict[str, Any], shapes: tuple[tuple[int, ...], ...] = CONV_SHAPES) -> SourceLayer:
    return source("Conv2D", {**CONV, **options}, shapes)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (conv({"padding": "causal"}), "padding='causal' is not supported, only valid, same"),
        (conv({"groups": 2}), "groups=2 is not supported, only groups=1"),
        (conv({"data_format": FIRST}), f"data_format='{FIRST}' is not supported"),
        (conv({"activation": "gelu"}), "activation='gelu' is not supported"),
        (conv({"kernel_size": 3}), "weight array 0 has shape (2, 3, 2, 4) where its options imply (3, 3, 2, 4)"),
        (conv({"kernel_size": [11, 3]}), "its window of 11 steps is longer than the sequence of 10"),
        (conv({"kernel_size": [2, 7]}), "its window of 7 features is wider than the 6 there are"),
        (conv({"dilation_rate": [1, 4]}), "its window of 9 features is wider than the 6 there are"),
        (conv({"dilation_rate": [40_000, 1]}), "a window of 40001 steps of 12 values every 1 steps is too large"),
        (conv({"filters": 20_000}), "4 features of 20000 values make a row of more than 65536"),
        (conv({"kernel_size": [6, 6000], "padding": "same"}), "a window of 6 rows of 12010 values is more than 65536"),
        (source("MaxPooling2D", {"pool_size": 2, "data_format": FIRST}), f"data_format='{FIRST}' is not"),
        (source("MaxPooling2D", {"pool_size": [1, 7]}), "its window of 7 features is wider"),
        (source("AveragePooling2D", {"pool_size": [2000, 3], "padding": "same"}), "an average of 6000 values with pad"),
        (source("GlobalMaxPooling2D", {"keepdims": True}), "keepdims=True is not supported, only keepdims=False"),
        (source("GlobalAveragePooling2D", {"data_format": FIRST}), f"data_format='{FIRST}' is not supported"),
        (source("DepthwiseConv2D", {"kernel_size": 2, "depth_multiplier": 40_000}), "5 features of 80000 values make"),
        (source("SeparableConv2D", {"filters": 3, "kernel_size": 2}), "has 0 weight arrays where its options imply 3"),
        (source("Dense", {"units": 20_000}, ((2, 20_000), (20_000,))), "makes 120000 values a step, more than 65536"),
        (source("BatchNormalization", {"axis": 2}, ((2,),) * 4), "axis=2 is not supported, only axis=-1"),
        (source("BatchNormalization", {}, ((12,),) * 4), "weight array 0 has shape (12,) where its options imply (2,)"),
        (source("Rescaling", {"scale": [1.0] * 12}), "scale has 12 numbers for 2 channels"),
    ],
)
def test_refused(given: SourceLayer, expected: str) -> None:
    found = problems(given, IMAGE)
    assert any(problem.startswith(expected) for problem in found), found


@pytest.mark.parametrize(
    "given",
    [
        conv({}),
        source("DepthwiseConv2D", {"kernel_size": 2}, ((2, 2, 1, 1), (1,))),
        source("SeparableConv2D", {"kernel_size": 2, "filters": 3}, ((2, 2, 1, 1), (1, 1, 1, 3), (3,))),
        source("MaxPooling2D", {"pool_size": 2}),
        source("AveragePooling2D", {"pool_size": [2, 1]}),
        source("GlobalMaxPooling2D", {}),
        source("GlobalAveragePooling2D", {}),
    ],
    ids=lambda given: given.class_name,
)
def test_only_over_images(given: SourceLayer) -> None:
    for tensor in (TIMED, SEQUENCE, VECTOR):
        assert NEEDS_IMAGE in problems(given, tensor)
    kind = registry.KERAS_LAYERS[given.class_name]
    assert kind.problems_in(given, guessed_inputs(given, kind, 1)) == []


@pytest.mark.parametrize("key", ["kernel_size", "strides", "dilation_rate"])
@pytest.mark.parametrize("value", [0, [1, 0], [2, -1], 1.5, [1, 2.5], "2", True, [], [1, 2, 3], [None, 1], 10**20])
def test_what_are_no_sizes_is_damage(key: str, value: Any) -> None:
    with pytest.raises(ModelFormatError, match=f"{key} is"):
        problems(conv({key: value}), IMAGE)


@pytest.mark.parametrize("class_name", ["LSTM", "Conv1D", "MaxPooling1D", "Softmax", "Concatenate", "Masking"])
def test_what_sees_sequences_alone_asks_for_them(class_name: str) -> None:
    given = KerasSource("it", "input", 12, 10, (SourceLayer(class_name, "mine", {}),), channels=2)
    with pytest.raises(Exception, match=r"reads an image; put a TimeDistributed\(Flatten\(\)\)"):
        build_float_model(given, registry)


@pytest.mark.parametrize(
    ("shape", "tensor", "channels"),
    [
        ([10, 6, 2], TIMED, 2),
        ([-1, 6, 2], TIMED, 2),
        ([-1, 12, 1], TIMED, 1),
        ([10, -1, 3], TIMED, 3),
        ([10, 12], IMAGE, 0),
        ([10, -1], IMAGE, 0),
        ([-1, 12], IMAGE, 0),
        ([10, 4, 3], IMAGE, 3),
        ([-1, 3, 1], SEQUENCE, 1),
    ],
)
def test_a_reshape_of_each_step_is_no_layer(shape: list[int], tensor: Tensor, channels: int) -> None:
    given = source("Reshape", {"target_shape": shape})
    assert built(given, tensor) == ()
    found = registry.KERAS_LAYERS["Reshape"].view(given, (tensor,))
    assert (found.channels, found.size, found.timesteps) == (channels, tensor.size, tensor.timesteps)


@pytest.mark.parametrize(
    ("shape", "kind"), [([1, 3], RepeatVectorLayer), ([3, 1], UnflattenLayer), ([3, 1, 1], UnflattenLayer)]
)
def test_a_reshape_makes_steps_of_a_vector(shape: list[int], kind: type[Layer]) -> None:
    (layer,) = built(source("Reshape", {"target_shape": shape}), VECTOR)
    assert type(layer) is kind
    assert (layer.output.timesteps, layer.output.channels) == (shape[0], shape[2] if len(shape) == 3 else 0)


@pytest.mark.parametrize(
    ("shape", "tensor"),
    [
        ([5, 24], TIMED),
        ([20, 6, 1], TIMED),
        ([5, 12, 2], IMAGE),
        ([-1, 6], IMAGE),
        ([-1, -1, 2], TIMED),
        ([10, 6, 3], TIMED),
        ([10, 0, 2], TIMED),
        ([10, 5, -1], TIMED),
        ([10, 6, 2, 1], TIMED),
        ([10, True, 12], TIMED),
        ([7, 3, 1], SEQUENCE),
        ([-1, -1, 1], SEQUENCE),
        ([2, 3], VECTOR),
        ([-1, 2], VECTOR),
        ([0, 3], VECTOR),
    ],
)
def test_a_reshape_that_moves_values_between_steps_is_refused(shape: list[int], tensor: Tensor) -> None:
    (problem,) = problems(source("Reshape", {"target_shape": shape}), tensor)
    assert problem.startswith(f"target_shape={shape} is not supported, only [-1]")


def plain_patches(padded: FloatArray, op: PatchOp) -> FloatArray:
    """(batch, results, features of the results, steps, features, channels) of an image padded at all sides."""
    time, across = op.window, op.across
    rows = range(0, padded.shape[1] - time.span + 1, time.stride)
    columns = range(0, padded.shape[2] - across.span + 1, across.stride)
    patches = [
        [
            padded[
                :,
                row : row + time.span : time.dilation,
                column : column + across.span : across.dilation,
            ]
            for column in columns
        ]
        for row in rows
    ]
    return np.moveaxis(np.array(patches), 2, 0)


@pytest.mark.parametrize("kind", ["conv", "depthwise", "max", "average"])
@pytest.mark.parametrize("seed", range(12))
def test_streamed_images_are_whole_ones(kind: str, seed: int) -> None:
    """Each op, tick by tick, against a plain loop over the padded image; only roundings differ."""
    rng = np.random.default_rng(seed)
    timesteps, features, channels = (int(rng.integers(1, high)) for high in (12, 8, 4))
    is_padded, is_dilated = kind != "average", kind in ("conv", "depthwise")
    windows = (
        random_window(rng, timesteps, is_padded=is_padded, is_dilated=is_dilated),
        random_window(rng, features, is_padded=is_padded, is_dilated=is_dilated),
    )
    tensor = QuantizedTensor("input", features * channels, True, Quantization(1.0, int(rng.integers(-128, 128))))
    pooled = QuantizedTensor("pool", windows[1].pace.count(features) * channels, True, tensor.quantization)
    op: PatchOp
    if kind == "conv":
        op = random_conv2d(rng, "conv", tensor, windows, features, 5)
    elif kind == "depthwise":
        op = random_depthwise2d(rng, "conv", tensor, windows, features, 2)
    else:
        op = (MaxPool2D if kind == "max" else AveragePool2D)("pool", tensor, pooled, *windows, features)
    inputs = rng.integers(-128, 128, (2, timesteps, tensor.size)).astype(np.int8)
    found = streamed(op, inputs)
    sides = [(one.before, one.behind) for one in windows]
    image = inputs.reshape(2, timesteps, features, channels)
    seen = plain_patches(np.pad(image, [(0, 0), *sides, (0, 0)], constant_values=op.padding), op)
    expected = _plain(op, seen.astype(np.float64))
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= (0.75 + 1e-6 if is_dilated else 0.5)


@pytest.mark.parametrize("seed", range(12))
def test_averages_are_of_what_is_inside(seed: int) -> None:
    """With the padding "same", tick by tick, against means of slices that end with the image."""
    rng = np.random.default_rng(seed)
    sizes = timesteps, features = int(rng.integers(1, 9)), int(rng.integers(1, 8))
    taps, strides = rng.integers(1, 6, 2).tolist(), rng.integers(1, 4, 2).tolist()
    time, across = (same_window(*one) for one in zip(taps, strides, (1, 1), sizes, strict=True))
    tensor = QuantizedTensor("input", features * 2, True, Quantization(1.0, int(rng.integers(-128, 128))))
    pooled = replace(tensor, name="pool", size=across.pace.count(features) * 2)
    op = AveragePool2D.on("pool", tensor, pooled, (time, across), features, timesteps)
    assert op.problems(Contract.LITERT) == []
    inputs = rng.integers(-128, 128, (2, timesteps, tensor.size)).astype(np.int8)
    image = inputs.reshape(2, timesteps, features, 2)
    rows = [slice(max(at, 0), at + time.taps) for at in range(-time.before, timesteps - time.before, time.stride)]
    columns = [
        slice(max(at, 0), at + across.taps) for at in range(-across.before, features - across.before, across.stride)
    ]
    means = [[image[:, row, column].mean(axis=(1, 2)) for column in columns] for row in rows]
    expected = np.array(means).transpose(2, 0, 1, 3).reshape(2, len(rows), -1)
    found = streamed(op, inputs)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 0.5


def test_averages_with_other_padding_are_refused() -> None:
    tensor = QuantizedTensor("input", 12, True, Quantization(1.0, 0))
    for windows, length in (
        ((Window(2, behind=1), Window(2)), 5),
        ((Window(1), Window(3, before=1)), 5),
        ((Window(2, behind=1), Window(2, behind=1)), 0),
    ):
        output = replace(tensor, name="pool", size=windows[1].pace.count(6) * 2)
        found = AveragePool2D("pool", tensor, output, *windows, 6, length).problems(Contract.LITERT)
        assert found == ["layer 'pool': this padding of an average is not supported"]


def _plain(op: PatchOp, seen: FloatArray) -> FloatArray:
    """Real numbers in steps of the output's scale, from stored patches."""
    results = seen.shape[:2]
    if isinstance(op, MaxPool2D | AveragePool2D):
        pooled: FloatArray = seen.max(axis=(3, 4)) if isinstance(op, MaxPool2D) else seen.mean(axis=(3, 4))
        return pooled.reshape(*results, -1)
    assert hasattr(op, "kernel") and hasattr(op, "kernel_scales") and hasattr(op, "bias")
    real = seen - op.input.quantization.zero_point
    if isinstance(op, DepthwiseConv2D):
        kernel = op.kernel.reshape(op.channels, op.per_input, *real.shape[3:5])
        sums = np.einsum("btfxyc,cmxy->btfcm", real, kernel).reshape(*real.shape[:3], -1)
    else:
        sums = np.einsum("btfxyc,nxyc->btfn", real, op.kernel.reshape(-1, *real.shape[3:]))
    scales = np.resize(np.array(op.kernel_scales), len(op.kernel))
    output = op.output.quantization
    stored = (sums + op.bias) * scales / output.scale + output.zero_point
    return np.clip(stored, op.lowest_output, 127).reshape(*results, -1)  # type: ignore[attr-defined,no-any-return]


def test_no_padding_of_features_is_the_largest() -> None:
    tensor = QuantizedTensor("input", 3, True, Quantization(1.0, 100))
    same = same_window(3, 1, 1, 3)
    op = MaxPool2D("pool", tensor, tensor, Window(1), same, 3)
    assert streamed(op, np.array([[[-128, -127, -128]]], np.int8))[0, 0].tolist() == [-127, -127, -127]


def pool(window: Window, across: Window, *, features: int = 6) -> AveragePool2D:
    tensor = QuantizedTensor("input", 12, True, Quantization(0.5, 3))
    size = max(across.pace.count(features), 0) * 12 // features
    output = QuantizedTensor("pool", size, True, tensor.quantization)
    return AveragePool2D("pool", tensor, output, window, across, features)


@pytest.mark.parametrize(
    ("window", "across"),
    [
        (Window(2, before=1), Window(2)),
        (Window(2), Window(2, behind=1)),
        (Window(2), Window(7)),
        (Window(2), Window(2, before=2)),
        (Window(2), Window(2, behind=2)),
        (Window(2), Window(2, MOST_TICKS + 1)),
        (Window(6000), Window(2)),
    ],
)
def test_windows_that_no_c_has_are_refused(window: Window, across: Window) -> None:
    assert pool(Window(2), Window(2)).problems(Contract.LITERT) == []
    assert len(pool(window, across).problems(Contract.LITERT)) >= 1


def affine(tensor: Tensor, *, offset: float, is_repeated: bool = True) -> AffineLayer:
    period = tensor.channels if is_repeated else tensor.size
    factor = np.resize(np.linspace(0.5, -2.0, period), tensor.size)
    output = Tensor("affine", tensor.size, True, timesteps=tensor.timesteps, channels=tensor.channels)
    return RescalingLayer("affine", tensor, output, factor, factor * offset)


@pytest.mark.parametrize("kind", [Conv2DLayer, DepthwiseConv2DLayer])
@pytest.mark.parametrize(
    ("across", "offset", "is_repeated", "folds"),
    [
        (Window(2), 0.7, True, True),
        (Window(2, before=1), 0.0, True, True),
        (Window(2, before=1), 0.7, True, False),
        (Window(2), 0.7, False, False),
    ],
)
def test_what_scales_channels_joins_a_convolution(
    kind: type[Conv2DLayer] | type[DepthwiseConv2DLayer],
    across: Window,
    offset: float,
    is_repeated: bool,
    folds: bool,
) -> None:
    rng = np.random.default_rng(5)
    first = affine(IMAGE, offset=offset, is_repeated=is_repeated)
    kernel = rng.normal(size=(2, 2, 2, 4) if kind is Conv2DLayer else (2, 2, 4))
    output = Tensor("conv", 4 * across.pace.count(6), True, timesteps=9, channels=4)
    layer = kind(
        "conv", first.output, output, kernel, rng.normal(size=4), relu=False,
        window=Window(2), across=across, features=6,
    )  # fmt: skip
    behind = (layer.with_inputs((IMAGE,)), affine(output, offset=offset, is_repeated=is_repeated))
    inputs = rng.normal(size=(4, 10, 12))
    chains: list[tuple[Sequence[Layer], bool]] = [((first, layer), folds), (behind, is_repeated)]
    for chain, is_one in chains:
        folded = fold_affine(chain)
        assert (len(folded) == 1) == is_one
        alone = {type(one) for one in folded} - {kind}
        assert alone <= ({DepthwiseConv2DLayer} if is_repeated else {DenseLayer})
        expected, found = inputs, inputs
        for one in chain:
            expected = one.compute((expected,), lambda name, values: None)
        for one in folded:
            found = one.compute((found,), lambda name, values: None)
        assert np.abs(found - expected).max() < 1e-5
