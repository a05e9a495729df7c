"""Images in a .tflite: ours come back as they were, padding and elementwise operators on them mean the same, no others
pass."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from random_images import random_conv2d, random_image_model
from random_models import random_inputs
from random_windows import random_convolution

from edgelstm.errors import ModelError
from edgelstm.frontends.tflite import model_from_tflite
from edgelstm.ir import Model, Op, Quantization, QuantizedTensor, TfliteModel, TfliteOperator, TfliteTensor
from edgelstm.numerics.contracts import Contract
from edgelstm.ops.conv2d import Conv2D
from edgelstm.ops.max_pool2d import MaxPool2D
from edgelstm.ops.window import Window, same_window
from edgelstm.simulate import simulate
from edgelstm.tflite import write_tflite
from edgelstm.tflite.export import to_tflite_model

TIMESTEPS, FEATURES, CHANNELS = 6, 5, 2
SOURCE = QuantizedTensor("input", FEATURES * CHANNELS, True, Quantization(2.0**-4, 4))


def read(records: TfliteModel) -> Model:
    return model_from_tflite(write_tflite(records), "it", Contract.LITERT)


def model(*ops: Op) -> Model:
    return Model("it", SOURCE, ops, TIMESTEPS, Contract.LITERT)


def convolution(window: Window, across: Window) -> Conv2D:
    return random_conv2d(np.random.default_rng(1), "conv", SOURCE, (window, across), FEATURES, 3)


def changed(records: TfliteModel, builtin: str, change: Callable[[TfliteOperator], TfliteOperator]) -> TfliteModel:
    operators = tuple(change(one) if one.builtin == builtin else one for one in records.operators)
    return replace(records, operators=operators)


def bare(records: TfliteModel, *operators: TfliteOperator) -> TfliteModel:
    """The operators between the first RESHAPE and the last, on an input and an output that are images."""
    kept = operators or records.operators[1:-1]
    source = kept[0].inputs[0]
    assert source is not None
    return replace(records, operators=kept, inputs=(source,), outputs=kept[-1].outputs)


def same_results(found: Model, expected: Model) -> bool:
    inputs = random_inputs(expected, 3, 2)
    return np.array_equal(simulate(found, inputs), simulate(expected, inputs))


@pytest.mark.parametrize("seed", range(40))
def test_what_we_write_comes_back(seed: int) -> None:
    first = random_image_model(seed, Contract.LITERT)
    again = model_from_tflite(write_tflite(to_tflite_model(first)), "it", Contract.LITERT)
    assert same_results(again, first)
    data = write_tflite(to_tflite_model(again))
    assert write_tflite(to_tflite_model(model_from_tflite(data, "it", Contract.LITERT))) == data


def test_an_image_may_be_the_input() -> None:
    conv = convolution(same_window(3, 1, 1, TIMESTEPS), same_window(3, 1, 1, FEATURES))
    found = read(bare(to_tflite_model(model(conv))))
    assert (found.input.size, found.timesteps) == (FEATURES * CHANNELS, TIMESTEPS)
    assert same_results(found, model(conv))


def test_features_may_be_padded_by_an_operator_of_its_own() -> None:
    conv = convolution(Window(3, before=2), Window(3, before=1, behind=2))
    records = to_tflite_model(model(conv))
    assert [one.builtin for one in records.operators] == ["RESHAPE", "PAD", "CONV_2D", "RESHAPE"]
    (found,) = read(records).ops
    assert isinstance(found, Conv2D)
    assert (found.window, found.across) == (conv.window, conv.across)


def between(records: TfliteModel, builtin: str, *constants: TfliteTensor, **options: Any) -> TfliteModel:
    """The image of the first RESHAPE through another operator, and on."""
    shaped, conv, *rest = records.operators
    image = shaped.outputs[0]
    moved = replace(image, name="moved")
    own = TfliteOperator(builtin, (image, *constants), (moved,), options, version=2)
    behind = replace(conv, inputs=(moved, *conv.inputs[1:]))
    return replace(records, operators=(shaped, own, behind, *rest))


def test_single_values_of_images_are_those_of_steps() -> None:
    conv = convolution(Window(2), Window(2))
    found = read(between(to_tflite_model(model(conv)), "RELU"))
    inputs = random_inputs(found, 3, 2)
    assert np.array_equal(simulate(found, inputs), simulate(model(conv), np.maximum(inputs, 4)))


def test_a_constant_counts_for_every_feature() -> None:
    """A BatchNormalization that the converter could not fold."""
    conv = convolution(Window(2), Window(2))
    factors = np.array([64, -64], np.int8)
    constant = TfliteTensor("factors", (CHANNELS,), "int8", (2.0**-6,), (0,), data=factors)
    found = read(between(to_tflite_model(model(conv)), "MUL", constant, fused_activation_function="NONE"))
    inputs = random_inputs(found, 3, 2)
    scaled = np.clip((inputs.astype(int) - 4) * np.tile([1, -1], FEATURES) + 4, -128, 127).astype(np.int8)
    assert np.array_equal(simulate(found, inputs), simulate(model(conv), scaled))


def test_softmax_over_channels_is_refused() -> None:
    conv = convolution(Window(2), Window(2))
    records = between(to_tflite_model(model(conv)), "SOFTMAX", beta=1.0)
    fixed = replace(records.operators[1].outputs[0], scales=(1 / 256,), zero_points=(-128,))
    shaped, softmax, behind, *rest = records.operators
    records = replace(
        records,
        operators=(
            shaped,
            replace(softmax, outputs=(fixed,)),
            replace(behind, inputs=(fixed, *behind.inputs[1:])),
            *rest,
        ),
    )
    with pytest.raises(ModelError):
        read(records)


HOSTILE: Sequence[tuple[str, dict[str, Any]]] = [
    *(
        ("CONV_2D", {name: value})
        for name in ("stride_w", "stride_h", "dilation_w_factor", "dilation_h_factor")
        for value in (0, -1, 3, 2**31 - 1)
    ),
    *(("CONV_2D", {"padding": value}) for value in (-1, 1, 2)),
    *(
        ("MAX_POOL_2D", {name: value})
        for name in ("stride_w", "stride_h", "filter_width", "filter_height")
        for value in (0, -5, 4, 2**31 - 1)
    ),
]


@pytest.mark.parametrize(("builtin", "options"), HOSTILE)
def test_options_that_contradict_the_shapes_are_refused(builtin: str, options: dict[str, Any]) -> None:
    conv = convolution(same_window(3, 1, 1, TIMESTEPS), same_window(3, 1, 1, FEATURES))
    output = replace(conv.output, name="pool", size=2 * 3)
    pool = MaxPool2D("pool", conv.output, output, Window(2, 2), Window(2, 2), FEATURES)
    records = to_tflite_model(model(conv, pool))
    read(records)
    is_free = all("dilation" in name and value == 3 for name, value in options.items())  # with "same" any fits

    def change(operator: TfliteOperator) -> TfliteOperator:
        return replace(operator, options={**operator.options, **options})

    if is_free:
        read(changed(records, builtin, change))
        return
    with pytest.raises(ModelError):
        read(changed(records, builtin, change))


@pytest.mark.parametrize(
    "widths",
    [
        [(1, 0), (2, 0), (1, 2), (0, 0)],
        [(0, 0), (2, 0), (1, 2), (0, 1)],
        [(0, 0), (3, 0), (1, 2), (0, 0)],
        [(0, 0), (2, 0), (3, 0), (0, 0)],
        [(0, 0), (2, 0), (2**31 - 1, 2**31 - 1), (0, 0)],
    ],
)
def test_padding_that_no_window_has_is_refused(widths: list[tuple[int, int]]) -> None:
    records = to_tflite_model(model(convolution(Window(3, before=2), Window(3, before=1, behind=2))))

    def change(operator: TfliteOperator) -> TfliteOperator:
        tensor = TfliteTensor("widths", (4, 2), "int32", data=np.array(widths, np.int32))
        return replace(operator, inputs=(operator.inputs[0], tensor))

    with pytest.raises(ModelError):
        read(changed(records, "PAD", change))


@pytest.mark.parametrize("shape", [(3, 2, 2, 3), (3, 3, 2, 1), (3, 2, 3, 1), (2, 2, 2, 2), (3, 1, 4, 2), (1, 2, 2, 6)])
def test_weights_must_fit_the_image(shape: tuple[int, ...]) -> None:
    def change(operator: TfliteOperator) -> TfliteOperator:
        source, kernel, bias = operator.inputs
        assert kernel is not None and kernel.data is not None
        return replace(
            operator, inputs=(source, replace(kernel, shape=shape, data=np.resize(kernel.data, shape)), bias)
        )

    with pytest.raises(ModelError):
        read(changed(to_tflite_model(model(convolution(Window(2), Window(2)))), "CONV_2D", change))


@pytest.mark.parametrize("shape", [(1, 6, 2, 5), (1, 5, 6, 2), (1, 3, 10, 2), (1, 6, 10), (6, 5, 2), (1, 60)])
def test_an_image_keeps_its_steps(shape: tuple[int, ...]) -> None:
    """Other shapes of as many values: the convolution finds other features, or time is mixed with them."""
    records = to_tflite_model(model(convolution(Window(2), Window(2))))
    shaped, conv, *rest = records.operators
    image = replace(shaped.outputs[0], shape=shape)
    wanted = TfliteTensor("wanted", (len(shape),), "int32", data=np.array(shape, np.int32))
    other = replace(shaped, inputs=(shaped.inputs[0], wanted), outputs=(image,), options={"new_shape": list(shape)})
    with pytest.raises(ModelError):
        read(replace(records, operators=(other, replace(conv, inputs=(image, *conv.inputs[1:])), *rest)))


def test_padding_of_channels_has_its_own_reason() -> None:
    records = to_tflite_model(model(convolution(Window(3, before=2), Window(3))))

    def change(operator: TfliteOperator) -> TfliteOperator:
        widths = TfliteTensor("widths", (4, 2), "int32", data=np.array([(0, 0), (2, 0), (0, 0), (1, 0)], np.int32))
        source = operator.inputs[0]
        assert source is not None
        wide = replace(operator.outputs[0], name="wide", shape=(1, TIMESTEPS + 2, FEATURES, CHANNELS + 1))
        return replace(operator, inputs=(source, widths), outputs=(wide,))

    shown = changed(records, "PAD", change)
    pad = shown.operators[1]
    with pytest.raises(ModelError, match="only padding of time and of features is supported"):
        read(replace(shown, operators=shown.operators[:2], outputs=pad.outputs))


def test_a_row_of_steps_is_no_image_of_one_step() -> None:
    """A Conv1D may write (1, 1, time, channels); a window over both axes of that would take time for features."""
    conv = random_convolution(np.random.default_rng(2), "conv", SOURCE, CHANNELS, Window(1))
    first = to_tflite_model(model(conv))
    row = first.operators[1].outputs[0]
    assert row.shape == (1, 1, TIMESTEPS, CHANNELS)
    largest = replace(row, name="largest")
    options = {
        "padding": 0,
        "stride_h": 1,
        "stride_w": 1,
        "filter_height": 3,
        "filter_width": 3,
        "fused_activation_function": "NONE",
    }
    pool = TfliteOperator("MAX_POOL_2D", (row,), (largest,), options, version=2)
    back = replace(first.operators[2], inputs=(largest, *first.operators[2].inputs[1:]))
    with pytest.raises(ModelError, match=r"makes \(1, 1, 6, 2\) of \(1, 1, 6, 2\); expected"):
        read(replace(first, operators=(*first.operators[:2], pool, back)))
