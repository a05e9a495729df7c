"""Weights that are rounded so that their errors cancel on calibration data."""

from dataclasses import replace

import numpy as np
import pytest

from edgelstm.ir import FloatArray, FloatModel, Model, Tensor
from edgelstm.numerics.contracts import Contract
from edgelstm.ops.conv1d import Conv1D, Conv1DLayer
from edgelstm.ops.dense import DenseLayer
from edgelstm.ops.lstm import Lstm16, LstmLayer
from edgelstm.ops.window import Window
from edgelstm.ops.window_layer import windowed
from edgelstm.quantization import calibrate, int16_layers, observe_moments, quantize, round_to_data
from edgelstm.quantization.rounding import Moments, round_rows
from edgelstm.report.metrics import sqnr_db
from edgelstm.simulate import real_outputs, simulate, stored_inputs

SIZE, UNITS, STEPS = 3, 8, 20


def correlated(rng: np.random.Generator, columns: int) -> FloatArray:
    """Rows that a few causes explain, with a mean."""
    causes = rng.normal(size=(2000, 2)) @ rng.normal(size=(2, columns))
    return (causes + 0.1 * rng.normal(size=causes.shape) + rng.normal(size=columns)).astype(np.float32)


def moments_of(values: FloatArray) -> Moments:
    return Moments(values.mean(axis=0), np.atleast_2d(np.cov(values.T, bias=True)))


@pytest.mark.parametrize("columns", [1, 2, 7, 40])
def test_errors_cancel_on_data_like_those(columns: int) -> None:
    rng = np.random.default_rng(columns)
    values, rows = correlated(rng, columns), rng.normal(size=(16, columns))
    steps = np.full(rows.shape, np.abs(rows).max() / 127)
    found = round_rows(rows, steps, moments_of(values))
    assert np.abs(found).max() == 127
    spread = [np.var((one * steps - rows) @ values.T, axis=1).mean() for one in (found, np.rint(rows / steps))]
    assert spread[0] <= spread[1] * (1.0 if columns < 3 else 0.3)


def test_without_correlation_nearest_is_best() -> None:
    rows = np.random.default_rng(1).normal(size=(5, 9))
    steps = np.abs(rows).max(axis=1, keepdims=True) / 127 * np.ones(rows.shape)
    moments = Moments(np.ones(9), np.diag(np.arange(1.0, 10.0)))
    np.testing.assert_array_equal(round_rows(rows, steps, moments), np.rint(rows / steps))


@pytest.mark.parametrize("covariance", [np.zeros((3, 3)), np.full((3, 3), np.inf), np.full((3, 3), np.nan)])
def test_moments_that_say_nothing_leave_nearest(covariance: FloatArray) -> None:
    rows = np.array([[0.3, -1.0, 0.77]])
    steps = np.full(rows.shape, 1.0 / 127)
    found = round_rows(rows, steps, Moments(np.zeros(3), covariance))
    np.testing.assert_array_equal(found, np.rint(rows / steps))


def model(seed: int) -> FloatModel:
    rng = np.random.default_rng(seed)
    source = Tensor("x", SIZE, is_sequence=True)
    lstm = LstmLayer(
        name="lstm",
        input=source,
        output=Tensor("lstm", UNITS, is_sequence=True),
        kernel=rng.normal(0, 0.6, (SIZE, 4 * UNITS)).astype(np.float32),
        recurrent_kernel=rng.normal(0, 0.3, (UNITS, 4 * UNITS)).astype(np.float32),
        bias=rng.normal(0, 0.3, 4 * UNITS).astype(np.float32),
    )
    kernel = rng.normal(0, 1, (UNITS, 2)).astype(np.float32)
    dense = DenseLayer("dense", lstm.output, Tensor("dense", 2, True), kernel, np.zeros(2, np.float32), relu=False)
    return FloatModel("model", source, (lstm, dense), STEPS)


def walks(seed: int) -> FloatArray:
    """Sequences as sensors give them: each step is near the one before, and channels move together."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(0, 0.4, (60, STEPS, SIZE)) + rng.normal(0, 0.4, (60, STEPS, 1))
    return np.cumsum(steps, axis=1).astype(np.float32)


@pytest.mark.parametrize("seed", range(4))
def test_int16_models_come_closer_to_float_on_other_data(seed: int) -> None:
    trained, known, test = model(seed), walks(seed), walks(seed + 100)
    ranges = calibrate(trained, np.concatenate([known, test]))
    wide = int16_layers(trained)
    nearest = quantize(trained, ranges, STEPS, None, wide)
    rounded = quantize(round_to_data(trained, nearest, observe_moments(trained, known)), ranges, STEPS, None, wide)
    before, after = (
        sqnr_db(trained.forward(test), real_outputs(one, simulate(one, stored_inputs(one, test))))
        for one in (nearest, rounded)
    )
    assert after > before + 3.0
    lstm, other = (one.ops[0] for one in (nearest, rounded))
    assert isinstance(lstm, Lstm16)
    assert isinstance(other, Lstm16)
    for gate, again in zip(lstm.gates, other.gates, strict=True):
        assert again.kernel_scale == pytest.approx(gate.kernel_scale, rel=1e-6)
        assert np.abs(again.kernel.astype(int) - gate.kernel).max() <= 8


def delayed(seed: int) -> FloatArray:
    """Sequences of which each channel says what the one before it will say a step later."""
    rng = np.random.default_rng(seed)
    told = rng.normal(0, 1.0, (60, STEPS + SIZE))
    channels = [told[:, channel : channel + STEPS] for channel in range(SIZE)]
    return (np.stack(channels, axis=-1) + rng.normal(0, 0.02, (60, STEPS, SIZE))).astype(np.float32)


@pytest.mark.parametrize("window", [Window(5), Window(4, stride=2), Window(6, dilation=2, before=10)])
def test_what_the_taps_of_a_convolution_see_moves_together(window: Window) -> None:
    rng = np.random.default_rng(window.taps)
    source = Tensor("x", SIZE, is_sequence=True, timesteps=STEPS)
    kernel, bias = rng.normal(0, 0.6, (window.taps, SIZE, 24)), rng.normal(0, 0.3, 24)
    output = windowed("conv", 24, source, window)
    layer = Conv1DLayer(
        "conv", source, output, kernel.astype(np.float32), bias.astype(np.float32), relu=False, window=window
    )
    trained, known, test = FloatModel("model", source, (layer,), STEPS), delayed(1), delayed(2)
    ranges = calibrate(trained, known)
    nearest = quantize(trained, ranges, STEPS, Contract.LITERT)
    rounded = round_to_data(trained, nearest, observe_moments(trained, known))
    before, after = (np.std(one.forward(test) - trained.forward(test)) for one in (as_stored(layer, nearest), rounded))
    assert after < 0.95 * before
    again = as_stored(layer, quantize(rounded, ranges, STEPS, Contract.LITERT))
    np.testing.assert_allclose(kernel_of(again), kernel_of(rounded), rtol=1e-5)


def kernel_of(model: FloatModel) -> FloatArray:
    (layer,) = model.layers
    assert isinstance(layer, Conv1DLayer)
    return layer.kernel


def as_stored(layer: Conv1DLayer, model: Model) -> FloatModel:
    """A float model of one convolution, with the weights that the integer model has."""
    op = model.ops[0]
    assert isinstance(op, Conv1D)
    rows = op.kernel * np.array(op.kernel_scales)[:, None]
    stored = replace(layer, kernel=rows.T.reshape(layer.kernel.shape).astype(np.float32))
    bias = op.bias * np.array(op.kernel_scales) * op.input.quantization.scale
    return FloatModel("stored", layer.input, (replace(stored, bias=bias.astype(np.float32)),), STEPS)


def test_layers_of_other_kinds_and_wide_ones_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    trained = model(9)
    nearest = quantize(trained, calibrate(trained, walks(9)), STEPS, Contract.LITERT)
    monkeypatch.setattr("edgelstm.quantization.rounding.MOST_COLUMNS", UNITS)
    moments = observe_moments(trained, walks(9))
    found = round_to_data(trained, nearest, moments)
    assert found.layers[0] is trained.layers[0]
    assert found.layers[1] is not trained.layers[1]
    without_ops = replace(nearest, ops=())
    assert round_to_data(trained, without_ops, moments).layers == trained.layers
