"""How far integers go from the float model along a stream without a reset."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from reference_models import gru, simple_rnn
from test_layer_errors import MODELS, recurrent_model
from test_ranges import SIZE, STEPS, inputs, lstm_model

from edgelstm.data.dataset import Samples
from edgelstm.errors import DataError, UnsupportedModelError
from edgelstm.ir import FloatArray, FloatModel, Tensor
from edgelstm.numerics.contracts import Contract
from edgelstm.ops.global_pooling import GlobalAverageLayer
from edgelstm.ops.lstm import Lstm, LstmLayer
from edgelstm.ops.masking import MaskingLayer
from edgelstm.ops.repeat_vector import RepeatVectorLayer
from edgelstm.ops.reverse import ReverseLayer
from edgelstm.quantization import calibrate, int16_layers, quantize, with_cell_bits
from edgelstm.report.drift import DriftReport, exceeded
from edgelstm.report.progress import Silent
from edgelstm.simulate import initial_state, real_outputs, simulate_steps, stored_inputs
from edgelstm.verification.drift import MOST_VALUES, measure_drift, strung_together
from edgelstm.verification.stream import Stream, stored_states


def stream_of(
    model: FloatModel, known: FloatArray, contract: Contract = Contract.LITERT, bits: int | None = None
) -> Stream:
    ranges = with_cell_bits(model, calibrate(model, known), bits)
    return Stream(model, quantize(model, ranges, known.shape[1], contract))


def drift_of(
    model: FloatModel, known: FloatArray, test: FloatArray, steps: int, bits: int | None = None
) -> DriftReport:
    return measure_drift(stream_of(model, known, bits=bits), Samples(test, None, None), steps, Silent())


@pytest.mark.parametrize("contract", [Contract.LITERT, Contract.TFLM])
@pytest.mark.parametrize("name", MODELS)
def test_a_stream_is_what_the_simulator_answers_after_each_step(name: str, contract: Contract) -> None:
    if contract is Contract.TFLM and name != "lstm":
        pytest.skip("is native")
    stream = stream_of(MODELS[name](), inputs(1), contract)
    feed = strung_together(stream.model, Samples(inputs(2, 9), None, None), 60)
    stored = stored_inputs(stream.model, feed["x"])
    wanted = [real_outputs(stream.model, step.output) for step in simulate_steps(stream.model, stored)]
    np.testing.assert_array_equal(stream.in_integers(feed), np.stack(wanted, axis=1))
    exact = stream.in_float(feed)
    for steps in (1, 7, 60):
        whole = stream.float_model.forward(feed["x"][:, :steps])
        np.testing.assert_allclose(exact[:, steps - 1], whole if whole.ndim == 2 else whole[:, -1], atol=1e-6)


def test_a_stream_on_int16_values_is_what_the_simulator_answers() -> None:
    model = lstm_model(0)
    stream = Stream(model, quantize(model, calibrate(model, inputs(1)), STEPS, None, int16_layers(model)))
    feed = strung_together(stream.model, Samples(inputs(2, 9), None, None), 60)
    stored = stored_inputs(stream.model, feed["x"])
    wanted = [real_outputs(stream.model, step.output) for step in simulate_steps(stream.model, stored)]
    np.testing.assert_array_equal(stream.in_integers(feed), np.stack(wanted, axis=1))
    report = measure_drift(stream, Samples(inputs(2, 9), None, None), 2000, Silent())
    narrow = drift_of(model, inputs(1), inputs(2, 9), 2000)
    assert report.cells[0].layer == "lstm"
    assert report.error_percent < narrow.error_percent
    assert report.warm_up.integer is not None


def test_sequences_are_strung_together_as_far_as_they_count() -> None:
    model = stream_of(lstm_model(0), inputs(1)).model
    x = np.arange(3 * STEPS * SIZE, dtype=np.float32).reshape(3, STEPS, SIZE)
    feed = strung_together(model, Samples(x, None, np.array([2, 7, 1])), 13)
    rows = [*x[0, :2], *x[1], *x[2, :1], *x[0, :2], x[1, 0]]
    np.testing.assert_array_equal(feed["x"], np.stack(rows)[None])
    with pytest.raises(DataError, match="do not fit the memory"):
        strung_together(model, Samples(x, None, None), MOST_VALUES)


@pytest.mark.parametrize("make", [gru, simple_rnn])
def test_the_error_of_a_model_that_forgets_is_bounded(make: Callable[..., LstmLayer]) -> None:
    report = drift_of(recurrent_model(make), inputs(3), inputs(4), 1000)
    assert not report.grows
    assert report.error_percent < 3.0
    assert [(one.first, one.last) for one in report.decades] == [(1, 10), (11, 100), (101, 1000)]


def counter(keep: float, drive: float) -> FloatModel:
    """A unit that keeps its cell state by sigmoid(keep) and adds up tanh(drive * x) at 1/50."""
    source = Tensor("x", 1, is_sequence=True)
    kernel, bias = np.zeros((1, 4), np.float32), np.array([-4, keep, 0, 3], np.float32)
    kernel[0, 2] = drive
    zeros = np.zeros((1, 4), np.float32)
    lstm = LstmLayer("lstm", source, Tensor("lstm", 1, is_sequence=True), kernel, zeros, bias)
    return FloatModel("counter", source, (lstm,), None)


def wander(seed: int, count: int, mean: float = 0.0) -> FloatArray:
    values: FloatArray = np.random.default_rng(seed).uniform(-1 + mean, 1, (count, 50, 1)).astype(np.float32)
    return values


def test_the_error_of_a_model_that_only_adds_up_grows() -> None:
    report = drift_of(counter(20.0, 0.5), wander(0, 60), wander(1, 100), 5000)
    assert report.grows
    assert report.decades[-1].error_percent > 3 * report.decades[-2].error_percent
    assert report.warm_up.integer is None
    assert not drift_of(counter(1.0, 0.5), wander(0, 60), wander(1, 100), 1000).grows


def test_errors_of_a_decade_are_root_mean_squares_of_full_scale() -> None:
    model, known, test = lstm_model(5), inputs(6), inputs(7, 200)
    stream = stream_of(model, known)
    report = measure_drift(stream, Samples(test, None, None), 1000, Silent())
    feed = {"x": test.reshape(1, -1, SIZE)[:, :1000]}
    exact = model.forward(feed["x"])[0]
    stored = stored_inputs(stream.model, feed["x"])
    found = np.concatenate([real_outputs(stream.model, step.output) for step in simulate_steps(stream.model, stored)])
    wrong = np.sqrt(np.mean((found - exact)[100:] ** 2))
    assert report.error_percent == pytest.approx(100 * wrong / np.ptp(exact), rel=1e-4)
    assert exceeded(report, report.error_percent * 1.01) == []
    (line,) = exceeded(report, report.error_percent * 0.99)
    assert "of full scale, more than" in line


def test_clipped_cells_name_their_units_and_the_bits_that_hold_them() -> None:
    model, known = counter(7.0, 8.0), np.ones((60, 100, 1), np.float32)
    known[30:] = -1.0
    test = np.repeat([1.0, -1.0, 1.0], 400).astype(np.float32).reshape(1, -1, 1)
    report = drift_of(model, known, test, 1200)
    (cell,) = report.cells
    assert cell.clipped_percent > 20.0
    assert cell.units == (0,)
    assert cell.integer_bits < (cell.needed_bits or 0) == report.cell_bits
    assert 2.0 ** (report.cell_bits - 1) < cell.reached <= 2.0**report.cell_bits
    wider = drift_of(model, known, test, 1200, report.cell_bits)
    assert wider.cells[0].clipped_percent == 0.0
    assert wider.cells[0].integer_bits == report.cell_bits
    assert wider.error_percent < 0.2 * report.error_percent


def test_a_cell_that_no_scale_holds_wants_no_bits() -> None:
    report = drift_of(counter(20.0, 30.0), wander(0, 60), np.ones((60, 100, 1), np.float32), 5000)
    (cell,) = report.cells
    assert cell.reached > 64.0
    assert cell.clipped_percent > 1.0
    assert (cell.needed_bits, report.cell_bits) == (None, None)


def test_cell_bits_are_at_least_those_asked_for() -> None:
    model, ranges = lstm_model(0), calibrate(lstm_model(0), inputs(1))
    assert with_cell_bits(model, ranges, None) == ranges
    for bits in range(7):
        lstm = quantize(model, with_cell_bits(model, ranges, bits), STEPS, Contract.LITERT).ops[0]
        assert isinstance(lstm, Lstm)
        reach = max(map(abs, ranges["lstm/cell"]))
        assert lstm.cell.scale == 2.0 ** (max(bits, int(np.ceil(np.log2(reach)))) - 15)


def test_warm_up_is_as_long_as_states_are_seen() -> None:
    """Brute force: the same starts, step by step through the op."""
    model, known = lstm_model(8), inputs(9)
    stream = stream_of(model, known)
    feed = strung_together(stream.model, Samples(inputs(10), None, None), 200)
    several = {"x": np.repeat(feed["x"], 3, axis=0)}
    states = tuple(np.array([[0.0], [0.9], [-0.9]], np.float32).repeat(5, axis=1) for _ in range(2))
    lstm, dense = stream.model.ops
    now = stored_states(stream.recurrent[0][1], states)
    assert all((a == b).all() for a, b in zip(initial_state(lstm, 1), (one[:1] for one in now), strict=True))
    rows = []
    for values in np.moveaxis(stored_inputs(stream.model, several["x"]), 1, 0):
        hidden, now = lstm.step(Contract.LITERT, (values,), now)
        rows.append(real_outputs(stream.model, dense.step(Contract.LITERT, (hidden,), ())[0]))
    found = stream.in_integers(several, starts={"lstm": states})
    np.testing.assert_array_equal(found, np.stack(rows, axis=1))
    assert np.abs(found[1] - found[0])[0].max() > 5 * stream.model.output.quantization.scale


def test_what_forgets_sooner_warms_up_and_recovers_sooner() -> None:
    known, test = wander(0, 60), wander(1, 100)
    found = [drift_of(counter(keep, 3.0), known, test, 2000) for keep in (-2.0, 2.0, 4.0)]
    warm_up = [one.warm_up.integer for one in found]
    recovery = [one.recovery.integer for one in found]
    assert None not in (*warm_up, *recovery)
    assert sorted(warm_up) == warm_up
    assert warm_up[0] < 10 < warm_up[2] < 500
    assert recovery[0] < 10
    for one, keep in zip(found, (-2.0, 2.0, 4.0), strict=True):
        steps = np.log(1e-2 / 2) / np.log(1 / (1 + np.exp(-keep)))
        assert one.warm_up.real is not None
        assert one.warm_up.real < 3 * steps + 3


def refusals() -> dict[str, FloatModel]:
    model = recurrent_model(gru)
    source, (layer, last, dense) = model.input, model.layers
    reverse = ReverseLayer.of(source, "turned")
    masking = MaskingLayer.of(source, "mask", 0.0)
    mean = GlobalAverageLayer("mean", layer.output, Tensor("mean", 5, is_sequence=False))
    repeat = RepeatVectorLayer("again", last.output, Tensor("again", 5, is_sequence=True, timesteps=STEPS))
    return {
        "turned": replace(model, layers=(reverse, layer.with_inputs((reverse.output,)), last, dense)),
        "mask": replace(model, layers=(masking, layer.with_inputs((masking.output,)), last, dense)),
        "mean": replace(model, layers=(layer, mean, dense.with_inputs((mean.output,)))),
        "again": replace(model, layers=(layer, last, repeat)),
    }


@pytest.mark.parametrize("name", ["turned", "mask", "mean", "again"])
def test_what_waits_for_a_window_is_refused_by_name(name: str) -> None:
    model = refusals()[name]
    with pytest.raises(UnsupportedModelError, match="does not run along a stream") as raised:
        stream_of(model, inputs(1))
    assert any(f'layer "{name}"' in problem for problem in raised.value.problems)
