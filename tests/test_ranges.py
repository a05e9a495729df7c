"""Ranges that are wider or narrower than what calibration saw, and what test data clip."""

import math
from dataclasses import replace

import numpy as np
import pytest

from edgelstm.data.dataset import Samples
from edgelstm.ir import FloatArray, FloatModel, Ranges, Tensor
from edgelstm.numerics.contracts import Contract
from edgelstm.ops.activation import ActivationLayer
from edgelstm.ops.dense import DenseLayer
from edgelstm.ops.lstm.layer import LstmLayer
from edgelstm.ops.masking import MaskingLayer
from edgelstm.quantization import calibrate, clip_at_least_error, quantize, widen
from edgelstm.simulate import real_outputs, simulate, stored_inputs
from edgelstm.verification.saturation import Clipping, measure_saturation

SIZE, UNITS, STEPS = 3, 5, 7


def lstm_model(seed: int, relu: bool = False, ceiling: float = math.inf, mask: float | None = None) -> FloatModel:
    rng = np.random.default_rng(seed)
    source = Tensor("x", SIZE, is_sequence=True)
    masking = () if mask is None else (MaskingLayer.of(source, "mask", mask),)
    read = masking[0].output if masking else source
    lstm = LstmLayer(
        name="lstm",
        input=read,
        output=Tensor("lstm", UNITS, is_sequence=True),
        kernel=rng.normal(0, 0.6, (SIZE, 4 * UNITS)).astype(np.float32),
        recurrent_kernel=rng.normal(0, 0.4, (UNITS, 4 * UNITS)).astype(np.float32),
        bias=rng.normal(0, 0.3, 4 * UNITS).astype(np.float32),
    )
    dense = DenseLayer(
        name="dense",
        input=lstm.output,
        output=Tensor("dense", 2, is_sequence=True),
        kernel=rng.normal(0, 2, (UNITS, 2)).astype(np.float32),
        bias=np.zeros(2, np.float32),
        relu=relu,
        ceiling=ceiling,
    )
    return FloatModel("model", source, (*masking, lstm, dense), STEPS)


def inputs(seed: int, count: int = 64) -> FloatArray:
    values: FloatArray = np.random.default_rng(seed).normal(0, 1, (count, STEPS, SIZE)).astype(np.float32)
    return values


def noise(model: FloatModel, ranges: Ranges, values: FloatArray) -> float:
    integer = quantize(model, ranges, STEPS, Contract.LITERT)
    found = real_outputs(integer, simulate(integer, stored_inputs(integer, values)))
    return float(np.mean((found - model.forward(values)) ** 2))


def test_a_margin_widens_all_but_what_a_function_bounds() -> None:
    model = lstm_model(0, relu=True, ceiling=6.0)
    ranges = {"x": (-1.0, 2.0), "lstm": (-0.9, 0.5), "lstm/cell": (-1.5, 0.5), "dense": (0.0, 5.0)}
    assert widen(model, ranges, 1.0) == ranges
    assert widen(model, ranges, 1.5) == {
        "x": (-1.5, 3.0),
        "lstm": (-1.0, 0.75),
        "lstm/cell": (-2.25, 0.75),
        "dense": (0.0, 6.0),
    }


def test_what_a_state_was_seen_beyond_its_bounds_stays() -> None:
    ranges = {"x": (-1.0, 1.0), "lstm": (-1.2, 1.1), "lstm/cell": (-1.0, 1.0), "dense": (-1.0, 1.0)}
    assert widen(lstm_model(0), ranges, 2.0)["lstm"] == (-1.2, 1.1)


@pytest.mark.parametrize("function", ["relu", "leaky_relu"])
def test_a_ceiling_is_never_widened(function: str) -> None:
    source = Tensor("x", 2, is_sequence=True)
    layer = ActivationLayer.of("act", source, function, slope=0.1, ceiling=3.0)
    assert widen(FloatModel("m", source, (layer,), 2), {"x": (-1, 1), "act": (-0.1, 2.9)}, 4.0)["act"][1] == 3.0


def test_clipping_has_the_least_error_on_heavy_tails() -> None:
    model = lstm_model(1)
    values = inputs(2, 40_000)
    values[0, 0, 0] = 15.0
    ranges = calibrate(model, values)
    clipped = clip_at_least_error(model, values, None, ranges)
    assert clipped["x"][1] < 8.0
    assert clipped["x"][0] > 0.8 * ranges["x"][0]
    assert clipped["lstm/cell"] == ranges["lstm/cell"]
    low, high = clipped["x"]
    assert _rounding_error(values, low, high) < 0.5 * _rounding_error(values, *ranges["x"])
    for share in (0.8, 1.2):
        assert _rounding_error(values, low, high) < _rounding_error(values, low * share, high)
        assert _rounding_error(values, low, high) < _rounding_error(values, low, high * share)
    assert noise(model, clipped, values[1:65]) < noise(model, ranges, values[1:65])


def _rounding_error(values: FloatArray, low: float, high: float) -> float:
    scale = (high - low) / 255.0
    return float(
        np.mean((np.clip(np.rint(values / scale), np.rint(low / scale), np.rint(high / scale)) * scale - values) ** 2)
    )


def test_clipping_leaves_what_never_varies() -> None:
    model = lstm_model(1)
    values = np.zeros((4, STEPS, SIZE), np.float32)
    ranges = calibrate(model, values)
    assert clip_at_least_error(model, values, None, ranges)["x"] == (0.0, 0.0)


def test_what_is_clipped_is_counted_by_value_and_by_sequence() -> None:
    model, known = lstm_model(3), inputs(4)
    ranges = calibrate(model, known)
    integer = quantize(model, ranges, STEPS, Contract.LITERT)
    largest = float(np.abs(known).max())
    test = known[:10].copy()
    test[2, 1, 1] = test[2, 3, 1] = test[7, 0, 1] = 3 * largest
    clipping = measure_saturation(model, integer, Samples(test, None, None), ranges)
    found = {one.where: one for one in clipping.found}
    channel = found["channel 1 of the input"]
    assert channel.percent == pytest.approx(100 * 3 / (10 * STEPS))
    assert channel.samples == 2
    assert clipping.inputs_percent == (0.0, channel.percent, 0.0)
    assert channel.margin == pytest.approx(3.0, rel=0.35)
    assert not {"channel 0 of the input", "channel 2 of the input"} & set(found)
    unharmed = measure_saturation(model, integer, Samples(known, None, None), ranges)
    assert unharmed == Clipping((0.0,) * SIZE, ())


@pytest.mark.parametrize("seed", range(8))
def test_a_margin_of_what_was_clipped_holds_it(seed: int) -> None:
    model, known = lstm_model(seed), inputs(6)
    ranges, test = calibrate(model, known), Samples(2.5 * known, None, None)
    found = measure_saturation(model, quantize(model, ranges, STEPS, Contract.LITERT), test, ranges).found
    assert found
    assert [one.percent for one in found] == sorted((one.percent for one in found), reverse=True)
    margin = max(one.margin or math.inf for one in found)
    wider = widen(model, ranges, margin)
    assert measure_saturation(model, quantize(model, wider, STEPS, Contract.LITERT), test, wider).found == ()


def test_no_margin_holds_what_lies_on_the_other_side_of_zero() -> None:
    model, known = lstm_model(7), np.abs(inputs(8))
    ranges = calibrate(model, known)
    integer = quantize(model, ranges, STEPS, Contract.LITERT)
    found = measure_saturation(model, integer, Samples(-known, None, None), ranges).found
    assert [one.margin for one in found if one.where.startswith("channel")] == [None] * SIZE


def test_steps_that_a_mask_leaves_out_are_not_counted() -> None:
    model, known = lstm_model(9, mask=50.0), inputs(10)
    known[:, -2:] = 50.0
    ranges = calibrate(model, known)
    integer = quantize(model, ranges, STEPS, Contract.LITERT)
    test = known[:4].copy()
    assert measure_saturation(model, integer, Samples(test, None, None), ranges).inputs_percent == (0.0,) * SIZE
    test[1, 0, 0] = 30.0
    clipping = measure_saturation(model, integer, Samples(test, None, None), ranges)
    (one,) = [one for one in clipping.found if "input" in one.where]
    assert one.samples == 1
    assert one.percent == pytest.approx(100 / (4 * (STEPS - 2)))


def test_lengths_leave_padding_out() -> None:
    model, known = lstm_model(11), inputs(12)
    ranges = calibrate(model, known)
    integer = quantize(model, ranges, STEPS, Contract.LITERT)
    test = known[:4].copy()
    test[:, -1] = 99.0
    padded = Samples(test, None, np.full(4, STEPS - 1))
    assert measure_saturation(model, integer, padded, ranges).found == ()
    assert measure_saturation(model, integer, replace(padded, lengths=None), ranges).found != ()
