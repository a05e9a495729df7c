"""Windows over time: what they refuse of Keras, what they become, and that streaming them loses and adds nothing."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from random_windows import random_convolution, random_window
from test_keras_problems import SEQUENCE, VECTOR, built, problems, source

from edgelstm.errors import DataError, ModelFormatError, UnsupportedModelError
from edgelstm.frontends.keras_guess import guessed_input
from edgelstm.frontends.tflite_forms import Padding
from edgelstm.ir import FloatArray, IntArray, Layer, Quantization, QuantizedTensor, SourceLayer, Tensor
from edgelstm.numerics.contracts import Contract
from edgelstm.numerics.fixedpoint import Multiplier
from edgelstm.ops import registry
from edgelstm.ops.affine import AffineLayer
from edgelstm.ops.conv1d import Conv1DLayer
from edgelstm.ops.dense import DenseLayer
from edgelstm.ops.depthwise import DepthwiseConv1DLayer
from edgelstm.ops.flatten import Flatten
from edgelstm.ops.fold_affine import fold_affine
from edgelstm.ops.global_pooling import MOST_STEPS, GlobalAverage, divided
from edgelstm.ops.last_step import LastStepLayer
from edgelstm.ops.normalization import RescalingLayer
from edgelstm.ops.pooling import (
    MOST_PADDED_TAPS,
    AverageFacts,
    AveragePool,
    AveragePoolLayer,
    MaxPool,
    shared_reciprocals,
)
from edgelstm.ops.window import MOST_TICKS, Window, WindowOp, same_window

TIMED = Tensor("input", 3, is_sequence=True, timesteps=10)
CONV = {"filters": 4, "kernel_size": [2], "strides": [1], "padding": "valid", "use_bias": True}
CONV_SHAPES: tuple[tuple[int, ...], ...] = ((2, 3, 4), (4,))


def conv(options: dict[str, Any], shapes: tuple[tuple[int, ...], ...] = CONV_SHAPES) -> SourceLayer:
    return source("Conv1D", {**CONV, **options}, shapes)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (conv({"padding": "full"}), "padding='full' is not supported, only valid, same, causal"),
        (conv({"groups": 2}), "groups=2 is not supported, only groups=1"),
        (conv({"data_format": "channels_first"}), "data_format='channels_first' is not supported"),
        (conv({"activation": "gelu"}), "activation='gelu' is not supported"),
        (conv({"kernel_size": 3}), "weight array 0 has shape (2, 3, 4) where its options imply (3, 3, 4)"),
        (conv({"kernel_size": 11}, ((11, 3, 4), (4,))), "its window of 11 steps is longer than the sequence of 10"),
        (conv({"dilation_rate": 40_000}), "a window of 40001 steps of 3 values every 1 steps is too large"),
        (source("MaxPooling1D", {"pool_size": 2, "padding": "causal"}), "padding='causal' is not supported"),
        (source("MaxPooling1D", {"pool_size": 60_000}), "a window of 60000 steps"),
        (
            source("AveragePooling1D", {"pool_size": 4001, "padding": "same"}),
            "an average of 4001 steps with padding is too long",
        ),
        (source("GlobalMaxPooling1D", {"keepdims": True}), "keepdims=True is not supported, only keepdims=False"),
        (source("DepthwiseConv1D", {"kernel_size": 2, "padding": "causal"}, ((2, 3, 1), (3,))), "padding='causal'"),
        (source("DepthwiseConv1D", {"kernel_size": 2, "depth_multiplier": 40_000}), "makes 120000 outputs, more than"),
        (source("Reshape", {"target_shape": [5, 6]}), "target_shape=[5, 6] is not supported, only [-1]"),
        (source("Reshape", {"target_shape": "x" * 99}), "target_shape=xxxxxxxx"),
        (source("Flatten", {"data_format": "channels_first"}), "data_format='channels_first' is not supported"),
    ],
)
def test_refused(given: SourceLayer, expected: str) -> None:
    assert any(problem.startswith(expected) for problem in problems(given, TIMED))


def test_all_at_once() -> None:
    given = conv({"padding": "full", "groups": 2, "data_format": "channels_first", "activation": "gelu"}, ((1,),))
    assert len(problems(given, TIMED)) == 5
    needs_sequence = "needs a sequence; set return_sequences=True on the layer before it"
    for class_name in ("MaxPooling1D", "AveragePooling1D", "GlobalMaxPooling1D", "GlobalAveragePooling1D"):
        assert problems(source(class_name, {"pool_size": 2}), VECTOR) == [needs_sequence]


@pytest.mark.parametrize("key", ["kernel_size", "strides", "dilation_rate"])
@pytest.mark.parametrize("value", [0, -1, 1.5, "2", True, [], [1, 2], [None], [[2]], 10**20, {"config": 2}], ids=repr)
def test_what_is_no_size_is_damage(key: str, value: Any) -> None:
    with pytest.raises(ModelFormatError, match=f"{key} is"):
        problems(conv({key: value}), TIMED)


def test_strides_pad_by_the_length() -> None:
    given = conv({"padding": "same", "strides": 2})
    assert problems(given, SEQUENCE) == [
        "padding='same' with strides needs an input of fixed length: it pads by the length"
    ]
    assert problems(given, TIMED) == []
    kind = registry.KERAS_LAYERS["Conv1D"]
    assert kind.problems_in(given, (guessed_input(given, kind),)) == []


def test_a_window_of_one_step_is_a_dense() -> None:
    layers = built(conv({"kernel_size": 1, "padding": "same", "activation": "tanh"}, ((1, 3, 4), (4,))), TIMED)
    assert [type(layer).__name__ for layer in layers] == ["DenseLayer", "ActivationLayer"]
    (strided,) = built(conv({"kernel_size": 1, "strides": 3}, ((1, 3, 4), (4,))), TIMED)
    assert isinstance(strided, Conv1DLayer)
    assert strided.output == Tensor("mine", 4, is_sequence=True, timesteps=4)


def test_a_sequence_that_is_too_short_says_so() -> None:
    (layer,) = built(conv({}), SEQUENCE)
    with pytest.raises(DataError, match="'mine' looks at 2 time steps, and a sequence has only 1"):
        layer.compute((np.zeros((1, 1, 3), np.float32),), lambda name, values: None)


def streamed(op: WindowOp, inputs: IntArray) -> IntArray:
    """Run an op tick by tick, padding behind included."""
    state = tuple(np.full((len(inputs), array.size), array.initial, array.dtype) for array in op.state)
    behind = np.full((len(inputs), op.pace.lag, op.input.size), op.padding, np.int8)
    results = []
    for values in np.concatenate([inputs, behind], axis=1).swapaxes(0, 1):
        is_due = op.yields((values,), state)
        output, state = op.step(Contract.LITERT, (values,), state)
        if is_due.all():
            results.append(output)
    return np.stack(results, axis=1)


@pytest.mark.parametrize("seed", range(40))
def test_streamed_windows_are_those_of_the_float_layer(seed: int) -> None:
    """The integer convolution on real values that are the stored ones: only its two roundings differ."""
    rng = np.random.default_rng(seed)
    timesteps, size = int(rng.integers(1, 14)), int(rng.integers(1, 6))
    window = random_window(rng, timesteps, is_padded=True, is_dilated=True)
    tensor = QuantizedTensor("input", size, True, Quantization(1.0, int(rng.integers(-128, 128))))
    op = random_convolution(rng, "conv", tensor, 4, window)
    inputs = rng.integers(-128, 128, (2, timesteps, size)).astype(np.int8)
    found = streamed(op, inputs)
    kernel = (op.kernel * np.resize(np.array(op.kernel_scales), len(op.kernel))[:, None]).T
    layer = Conv1DLayer(
        "conv", Tensor("input", size, True), Tensor("conv", 4, True), kernel.reshape(window.taps, size, 4),
        op.bias * np.resize(np.array(op.kernel_scales), 4), op.relu, window=window,
    )  # fmt: skip
    real = layer.forward(inputs.astype(np.float64) - tensor.quantization.zero_point, lambda name, values: None)
    result = op.output.quantization
    stored = np.clip(real / result.scale + result.zero_point, op.lowest_output, 127)
    assert found.shape == stored.shape
    assert np.abs(found - stored).max() <= 0.75 + 1e-6


def test_no_padding_is_the_largest() -> None:
    tensor = QuantizedTensor("input", 1, True, Quantization(1.0, 100))
    op = MaxPool("pool", tensor, tensor, same_window(3, 1, 1, 5))
    inputs = np.array([[[-128], [-127], [-100], [-128], [-90]]], np.int8)
    assert streamed(op, inputs)[0, :, 0].tolist() == [-127, -100, -100, -90, -90]


@pytest.mark.parametrize("taps", [*range(1, 40), 255, 256, 1000, MOST_TICKS])
def test_the_reciprocal_of_a_mean_is_exact(taps: int) -> None:
    facts = AverageFacts.of(taps)
    largest = 128 * taps
    sums = np.unique(np.concatenate([np.arange(min(largest, 3000) + 1), largest - np.arange(min(largest, 3000) + 1)]))
    assert facts.reciprocal < 2**32
    assert np.array_equal((sums + facts.half) * facts.reciprocal >> facts.shift, (sums + facts.half) // taps)


@pytest.mark.parametrize("taps", [1, 2, 5, 300, MOST_PADDED_TAPS])
def test_one_shift_serves_all_numbers_of_steps(taps: int) -> None:
    reciprocals, shift = shared_reciprocals(taps)
    assert len(reciprocals) == taps
    for count in {*range(1, min(taps, 50)), taps // 2 or 1, taps}:
        largest = 128 * count
        sums = np.unique(np.abs(np.concatenate([np.arange(3000), largest - np.arange(3000)]))).clip(0, largest)
        reciprocal = np.uint64(reciprocals[count - 1])
        found = (sums + count // 2).astype(np.uint64) * reciprocal >> np.uint64(shift)
        assert np.array_equal(found, (sums + count // 2) // count)


def test_the_mean_at_a_border_is_of_the_steps_inside() -> None:
    given = source("AveragePooling1D", {"pool_size": 4, "strides": 3, "padding": "same"})
    assert problems(given, SEQUENCE) == [
        "padding='same' with strides needs an input of fixed length: it pads by the length"
    ]
    unstrided = source("AveragePooling1D", {"pool_size": 4, "strides": 1, "padding": "same"})
    assert problems(unstrided, SEQUENCE) == [
        "padding='same' needs an input of fixed length: each mean is over the steps inside"
    ]
    (layer,) = built(given, TIMED)
    inputs = np.arange(10, dtype=np.float32)[None, :, None] * 4
    expected = [[[0 + 4 + 8], [8 + 12 + 16 + 20], [20 + 24 + 28 + 32], [32 + 36]]] / np.array([3, 4, 4, 2])[:, None]
    found = layer.compute((inputs,), lambda name, values: None)
    assert np.allclose(found, expected)
    op = AveragePool.on("mean", QuantizedTensor("input", 1, True, Quantization(1.0, -9)), same_window(4, 3, 1, 10), 10)
    assert op.problems(Contract.LITERT) == []
    assert np.array_equal(streamed(op, inputs.astype(np.int8)), expected)


def test_an_average_that_counts_padding_is_refused() -> None:
    op = AveragePool.on("mean", QuantizedTensor("input", 1, True, Quantization(1.0, 0)), Window(3), 10)
    with pytest.raises(UnsupportedModelError, match="an average that counts padding"):
        Padding(1, 1, 0).into(op)
    assert "this padding of an average" in replace(op, window=Window(3, before=2)).problems(Contract.LITERT)[0]


def mean_of(scale: float = 0.5) -> GlobalAverage:
    tensor = QuantizedTensor("input", 1, True, Quantization(0.5, -3))
    return GlobalAverage("mean", tensor, QuantizedTensor("mean", 1, False, Quantization(scale, 7)))


def test_a_mean_of_nothing_is_0_and_of_too_much_stops() -> None:
    op = mean_of()
    nothing = (np.zeros((1, 1), np.int32), np.zeros((1, 1), np.int32))
    assert op.finish(Contract.LITERT, nothing).tolist() == [[7]]
    full = (np.full((1, 1), -128 * MOST_STEPS, np.int32), np.full((1, 1), MOST_STEPS, np.int32))
    output, left = op.step(Contract.LITERT, (np.array([[127]], np.int8),), full)
    assert [one.tolist() for one in left] == [one.tolist() for one in full]
    assert output.tolist() == [[-118]]


def test_an_absurd_mean_is_refused() -> None:
    assert mean_of(0.5 * 2.0**-19).problems(Contract.LITERT) == []
    assert len(mean_of(0.5 * 2.0**-20).problems(Contract.LITERT)) == 1


def test_a_divided_multiplier_keeps_its_bits() -> None:
    for count in (1, 2, 3, 7, 255, 256, MOST_STEPS):
        found = divided(Multiplier(2**30 + 12345, -2), count)
        assert abs(found.real * count / Multiplier(2**30 + 12345, -2).real - 1) < 2.0**-28
        assert found.mantissa < 2**31
    assert divided(Multiplier(2**30, -31), 1000).shift == -31


def affine(tensor: Tensor, *, offset: float) -> AffineLayer:
    factor = np.linspace(0.5, -2.0, tensor.size)
    return RescalingLayer("affine", tensor, Tensor("affine", tensor.size, tensor.is_sequence), factor, factor * offset)


@pytest.mark.parametrize("kind", [Conv1DLayer, DepthwiseConv1DLayer])
@pytest.mark.parametrize(("before", "offset", "folds"), [(0, 0.7, True), (1, 0.0, True), (1, 0.7, False)])
def test_what_scales_a_convolution_joins_it_where_padding_stays_0(
    kind: type[Conv1DLayer] | type[DepthwiseConv1DLayer], before: int, offset: float, folds: bool
) -> None:
    rng = np.random.default_rng(5)
    first = affine(SEQUENCE, offset=offset)
    kernel = rng.normal(size=(2, 3, 6) if kind is Conv1DLayer else (2, 6))
    layer = kind(
        "conv", first.output, Tensor("conv", 6, True), kernel, rng.normal(size=6), relu=False,
        window=Window(2, before=before),
    )  # fmt: skip
    inputs = rng.normal(size=(4, 7, 3))
    behind = (layer.with_inputs((SEQUENCE,)), affine(layer.output, offset=offset))
    for chain, is_one in (((first, layer), folds), (behind, True)):
        folded = fold_affine(chain)
        assert (len(folded) == 1) == is_one
        assert not any(isinstance(one, AffineLayer) for one in folded)
        assert np.abs(_forward(folded, inputs) - _forward(chain, inputs)).max() < 1e-5


def _forward(layers: Sequence[Layer], values: FloatArray) -> FloatArray:
    for layer in layers:
        values = layer.compute((values,), lambda name, found: None)
    return values


def test_a_mean_lets_what_scales_pass() -> None:
    dense = DenseLayer("dense", SEQUENCE, Tensor("dense", 3, True), np.eye(3), np.ones(3), relu=False)
    pool = AveragePoolLayer("pool", dense.output, Tensor("pool", 3, True), Window(2, 2))
    folded = fold_affine((dense, pool, affine(pool.output, offset=0.3)))
    assert [type(layer) for layer in folded] == [DenseLayer, AveragePoolLayer]


def test_a_flattened_sequence_has_a_known_length() -> None:
    given = source("Flatten", {})
    assert problems(given, SEQUENCE) == [
        "needs an input of fixed length; give the model's input its number of time steps"
    ]
    assert problems(given, Tensor("input", 3, is_sequence=True, timesteps=30_000)) == [
        "makes a vector of 90000 values, more than 65536"
    ]
    assert built(given, VECTOR) == ()
    (layer,) = built(given, TIMED)
    assert layer.output == Tensor("mine", 30, is_sequence=False)
    (last,) = built(given, Tensor("input", 3, is_sequence=True, timesteps=1))
    assert isinstance(last, LastStepLayer)


def test_a_flattened_sequence_has_room_for_its_steps_alone() -> None:
    op = Flatten.of("flat", QuantizedTensor("input", 2, True, Quantization(1.0, 5)), 3)
    (layer,) = built(source("Flatten", {}), Tensor("input", 2, is_sequence=True, timesteps=3))
    state = tuple(np.full((2, array.size), array.initial, array.dtype) for array in op.state)
    steps = np.arange(16, dtype=np.int8).reshape(2, 4, 2)
    for t in range(4):
        _, state = op.step(Contract.LITERT, (steps[:, t],), state)
        real = layer.compute((steps[:, : t + 1].astype(np.float32) - 5.0,), lambda name, values: None)
        assert np.array_equal(op.finish(Contract.LITERT, state), real + 5.0)
