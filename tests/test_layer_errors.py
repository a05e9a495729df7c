"""Where the error of a quantized model comes from, and what is advised against it."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from reference_models import gru, simple_rnn
from test_ranges import SIZE, STEPS, UNITS, inputs, lstm_model, noise

from edgelstm.data.dataset import Samples
from edgelstm.ir import FloatArray, FloatModel, Layer, Model, Op, Ranges, Tensor
from edgelstm.numerics.contracts import Contract
from edgelstm.ops.dense import DenseLayer
from edgelstm.ops.last_step import LastStepLayer
from edgelstm.ops.lstm import Lstm, Lstm16, LstmLayer
from edgelstm.quantization import calibrate, int16_layers, quantize, widen
from edgelstm.report.errors_found import Advice
from edgelstm.report.metrics import sqnr_db
from edgelstm.report.progress import Silent
from edgelstm.simulate import dequantize_array, quantize_array, real_outputs, simulate, stored_inputs
from edgelstm.verification.advice import Chosen, advise
from edgelstm.verification.cells import SUM, WEIGHTS, Part, Rounding, mixed_cell
from edgelstm.verification.error_bench import MOST_SEQUENCES, Bench
from edgelstm.verification.layer_errors import Errors, measure_layers

CONTRACTS = (Contract.LITERT, Contract.TFLM)


def recurrent_model(make: Callable[[str, Tensor, int], Layer]) -> FloatModel:
    """A layer with smooth weights, and a Dense behind its last step."""
    source = Tensor("x", SIZE, is_sequence=True)
    layer = make("layer", source, UNITS)
    last = LastStepLayer.after(layer.output)
    kernel = np.random.default_rng(0).normal(0, 1, (UNITS, 2)).astype(np.float32)
    dense = DenseLayer(
        "dense", last.output, Tensor("dense", 2, is_sequence=False), kernel, np.zeros(2, np.float32), relu=False
    )
    return FloatModel("model", source, (layer, last, dense), STEPS)


def before(name: str, source: Tensor, units: int) -> Layer:
    layer = gru(name, source, units)
    return replace(layer, reset_after=False, recurrent_bias=np.zeros_like(layer.recurrent_bias))


def relu(name: str, source: Tensor, units: int) -> Layer:
    return replace(simple_rnn(name, source, units), function="relu")


MODELS = {
    "lstm": lambda: lstm_model(0),
    "gru": lambda: recurrent_model(gru),
    "gru_before": lambda: recurrent_model(before),
    "rnn": lambda: recurrent_model(simple_rnn),
    "rnn_relu": lambda: recurrent_model(relu),
}


def errors_of(model: FloatModel, known: FloatArray, test: FloatArray, contract: Contract = Contract.LITERT) -> Errors:
    integer = quantize(model, calibrate(model, known), STEPS, contract)
    return Errors(Bench.of(model, integer, Samples(test, None, None)))


def advice_for(model: FloatModel, known: FloatArray, test: FloatArray) -> tuple[Advice, ...]:
    def with_ranges(ranges: Ranges) -> Model:
        return quantize(model, ranges, STEPS, Contract.LITERT)

    errors = errors_of(model, known, test)
    return advise(errors, measure_layers(errors, Silent())[1], Chosen(calibrate(model, known), 1.0, with_ranges))


@pytest.mark.parametrize("contract", CONTRACTS)
@pytest.mark.parametrize("seed", range(3))
def test_ops_in_the_place_of_all_layers_are_the_integer_model(seed: int, contract: Contract) -> None:
    model, values = lstm_model(seed), inputs(seed, 20)
    errors = errors_of(model, values, values, contract)
    integer = errors.bench.model
    found = np.concatenate([errors.bench.outputs(one) for one in errors.integers])
    wanted = real_outputs(integer, simulate(integer, stored_inputs(integer, values)))
    np.testing.assert_array_equal(found, wanted)
    assert errors.sqnr_db == pytest.approx(sqnr_db(model.forward(values), wanted), abs=1e-3)


@pytest.mark.parametrize("name", MODELS)
def test_a_cell_with_nothing_rounded_is_the_layer(name: str) -> None:
    model, values = MODELS[name](), inputs(1)
    errors = errors_of(model, values, values)
    layer = model.layers[0]
    op = errors.bench.op_of(layer)
    assert op is not None
    cell = mixed_cell(layer, op)
    assert cell is not None
    np.testing.assert_allclose(cell.compute((values,), _ignore), layer.compute((values,), _ignore), atol=2e-6)


@pytest.mark.parametrize("contract", CONTRACTS)
@pytest.mark.parametrize("name", MODELS)
def test_a_cell_with_everything_rounded_is_nearly_the_op(name: str, contract: Contract) -> None:
    """Each part alone must be missed: what is left out would be an error that nobody is blamed for."""
    if contract is Contract.TFLM and name != "lstm":
        pytest.skip("is native")
    model, values = MODELS[name](), inputs(2)
    errors = errors_of(model, values, values, contract)
    bench, layer = errors.bench, model.layers[0]
    op = bench.op_of(layer)
    assert op is not None
    cell = mixed_cell(layer, op)
    assert cell is not None
    source = op.input.quantization
    rounded = dequantize_array(quantize_array(values, source), source)
    wanted = bench.in_integers(layer, op)((rounded,), _ignore)
    every = frozenset(cell.parts)
    found = cell.with_rounding(Rounding(every, bench.model.contract)).compute((rounded,), _ignore)
    assert np.abs(found - wanted).max() < 2.01 * op.output.quantization.scale
    assert np.mean(np.abs(found - wanted) > 1e-6) < 0.03
    for gate in [f"{part.of}" for part in cell.parts if part.what == "weights"]:
        lacking = every - {part for part in cell.parts if part.of == gate and part.what == "weights"}
        other = cell.with_rounding(Rounding(lacking, bench.model.contract)).compute((rounded,), _ignore)
        assert np.mean(np.abs(other - wanted) > 1e-6) > 1.2 * np.mean(np.abs(found - wanted) > 1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_a_cell_on_int16_values_with_everything_rounded_is_nearly_the_op(seed: int) -> None:
    """Sums of input and hidden state are rounded apart there, so that a gate may be a step of Q3.12 off: 20 dB below
    the error of the op. Without the weights of one gate that is missed."""
    model, values = lstm_model(seed), inputs(seed + 2)
    integer = quantize(model, calibrate(model, values), STEPS, None, int16_layers(model))
    bench, layer = Errors(Bench.of(model, integer, Samples(values, None, None))).bench, model.layers[0]
    op = bench.op_of(layer)
    assert isinstance(op, Lstm16)
    cell = mixed_cell(layer, op)
    assert cell is not None
    source = op.input.quantization
    rounded = dequantize_array(quantize_array(values, source), source)
    wanted = bench.in_integers(layer, op)((rounded,), _ignore)

    def differs_by_db(parts: frozenset[Part]) -> float:
        return sqnr_db(wanted, cell.with_rounding(Rounding(parts, integer.contract)).compute((rounded,), _ignore))

    every = frozenset(cell.parts)
    assert differs_by_db(every) > sqnr_db(layer.compute((values,), _ignore), wanted) + 20.0
    for gate in cell.gates:
        assert differs_by_db(every - {Part(gate, WEIGHTS)}) < differs_by_db(every) - 10.0


def test_gates_on_int16_values_are_listed() -> None:
    model, values = lstm_model(0), inputs(2)
    integer = quantize(model, calibrate(model, values), STEPS, None, int16_layers(model))
    parts = measure_layers(Errors(Bench.of(model, integer, Samples(values, None, None))), Silent())[1]
    assert [part.name for part in parts if part.layer == "lstm"][:2] == ["input gate", "forget gate"]
    # With 16 bits between layers, weights of 8 are what is left.
    assert all(part.shares[WEIGHTS] > part.shares[SUM] for part in parts if WEIGHTS in part.shares)


def _ignore(name: str, values: FloatArray) -> None:
    pass


@pytest.mark.parametrize("seed", range(4))
def test_shares_of_a_healthy_model_nearly_add_up(seed: int) -> None:
    model = lstm_model(seed)
    errors = errors_of(model, inputs(20 + seed, 200), inputs(30 + seed))
    layers, parts = measure_layers(errors, Silent())
    shares = [one.share for one in (errors.of_input("x"), *layers) if one.share is not None]
    assert len(shares) == 3
    assert 0.6 < sum(shares) < 1.4
    of_lstm = next(one.share for one in layers if one.name == "lstm")
    assert of_lstm is not None
    assert 0.5 * of_lstm < sum(share for part in parts for share in part.shares.values()) < 2.0 * of_lstm


def test_the_error_of_a_layer_grows_with_what_stands_before_it() -> None:
    model = lstm_model(1)
    errors = errors_of(model, inputs(20, 200), inputs(30))
    for one in measure_layers(errors, Silent())[0]:
        assert one.own_sqnr_db is not None
        assert 20.0 < one.sqnr_db < one.own_sqnr_db


@pytest.mark.parametrize("gate", range(4))
def test_weights_that_are_spoiled_are_seen_at_their_gate(gate: int) -> None:
    model = lstm_model(2)
    lstm = model.layers[0]
    assert isinstance(lstm, LstmLayer)
    errors = errors_of(model, inputs(40, 200), inputs(41))
    op = errors.bench.op_of(lstm)
    assert isinstance(op, Lstm)
    coarse = [replace(one, kernel=one.kernel // 24 * 24) for one in op.gates]
    spoiled = replace(
        op, gates=tuple(b if index == gate else a for index, (a, b) in enumerate(zip(op.gates, coarse, strict=True)))
    )
    changed = Errors(
        replace(errors.bench, model=replace(errors.bench.model, ops=(spoiled, *errors.bench.model.ops[1:])))
    )
    before, after = _of_weights(errors, lstm, op), _of_weights(changed, lstm, spoiled)
    grown = [b / a for a, b in zip(before, after, strict=True)]
    assert np.argmax(grown) == gate
    assert grown[gate] > 4.0


def _of_weights(errors: Errors, layer: Layer, op: Op) -> list[float]:
    """The energy that the weights of each gate make at the output."""
    return [part.shares["weights"] * errors.total for part in errors.of_parts(layer, op)[:4]]


@pytest.mark.parametrize("seed", range(4))
def test_the_worst_sequence_is_found_with_its_step(seed: int) -> None:
    model, known, test = lstm_model(seed), inputs(50, 600), inputs(90 + seed, 150)
    errors = errors_of(model, known, test)
    worst, integer = errors.worst, errors.bench.model
    assert worst is not None
    wrong = real_outputs(integer, simulate(integer, stored_inputs(integer, test))) - model.forward(test)
    energies = np.square(wrong).sum(axis=(1, 2))[errors.bench.indices]
    assert worst.index == errors.bench.indices[energies.argmax()]
    assert worst.share == pytest.approx(energies.max() / energies.sum(), rel=1e-3)
    assert worst.step is not None
    assert worst.error == pytest.approx(wrong[worst.index, worst.step, worst.output], rel=1e-3)
    assert abs(worst.error) == pytest.approx(np.abs(wrong[worst.index]).max(), rel=1e-3)


def test_a_vector_has_no_worst_step() -> None:
    worst = errors_of(recurrent_model(gru), inputs(1), inputs(2)).worst
    assert worst is not None
    assert worst.step is None


def test_sequences_come_from_all_over_the_data_and_padding_counts_nowhere() -> None:
    model, known = lstm_model(4), inputs(60, 500)
    lengths = np.full(500, STEPS - 2)
    integer = quantize(model, calibrate(model, known), STEPS, Contract.LITERT)
    bench = Bench.of(model, integer, Samples(known, None, lengths))
    assert len(bench.indices) == MOST_SEQUENCES
    assert (bench.indices[0], bench.indices[-1]) == (0, 499)
    spoiled = known.copy()
    spoiled[:, STEPS - 2 :] = 99.0
    other = Bench.of(model, integer, Samples(spoiled, None, lengths))
    assert Errors(other).total == Errors(bench).total > 0.0


SEEDS = range(4)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_healthy_model_gets_no_advice(seed: int) -> None:
    assert advice_for(lstm_model(seed), inputs(70 + seed, 600), inputs(80 + seed)) == ()


@pytest.mark.parametrize("seed", SEEDS)
def test_raw_units_in_a_channel_get_advice_about_the_others(seed: int) -> None:
    model = lstm_model(seed)
    lstm = model.layers[0]
    assert isinstance(lstm, LstmLayer)
    kernel, unit = lstm.kernel.copy(), np.array([1.0, 300.0, 1.0], np.float32)
    model = replace(model, layers=(replace(lstm, kernel=kernel / unit[:, None]), *model.layers[1:]))
    advice = advice_for(model, inputs(70 + seed, 600) * unit, inputs(80 + seed) * unit)
    assert {one.kind for one in advice} == {"levels"}
    assert all(one.text.startswith(("channel 0", "channel 2")) for one in advice)
    assert all("of 256 levels" in one.text and "Normalization" in one.text for one in advice)


@pytest.mark.parametrize("seed", SEEDS)
def test_ranges_that_are_too_narrow_get_advice_about_the_margin(seed: int) -> None:
    model, known = lstm_model(seed), 0.4 * inputs(70 + seed, 600)
    test = inputs(80 + seed)
    (one,) = advice_for(model, known, test)
    assert one.kind == "range"
    assert "channel 1 of the input (" in one.text
    margin = float(one.text.partition("--margin ")[2].partition(" ")[0])
    wider = widen(model, calibrate(model, known), margin)
    before, after = (noise(model, ranges, test) for ranges in (calibrate(model, known), wider))
    assert after < 0.2 * before


@pytest.mark.parametrize("seed", SEEDS)
def test_a_huge_row_gets_advice_about_its_gate(seed: int) -> None:
    model = lstm_model(seed)
    lstm = model.layers[0]
    assert isinstance(lstm, LstmLayer)
    kernel = lstm.recurrent_kernel.copy()
    kernel[:, 2 * UNITS + 3] *= 40.0
    model = replace(model, layers=(replace(lstm, recurrent_kernel=kernel), *model.layers[1:]))
    (one,) = advice_for(model, inputs(70 + seed, 600), inputs(80 + seed))
    assert one.kind == "row"
    assert one.text.startswith("unit 3 ")
    assert "the recurrent kernel of the cell gate" in one.text


@pytest.mark.parametrize("seed", SEEDS)
def test_a_saturating_cell_gets_advice_about_its_bits(seed: int) -> None:
    model, known, test = counting_model(seed)
    (one,) = advice_for(model, known, test)
    assert one.kind == "cell"
    assert "--cell-bits 3" in one.text


def counting_model(seed: int) -> tuple[FloatModel, FloatArray, FloatArray]:
    """A unit that counts to 4 on what is known, and to 7 where the same lasts longer; its output hardly differs."""
    rng = np.random.default_rng(seed)
    source = Tensor("x", SIZE, is_sequence=True)
    kernel, bias = rng.normal(0, 0.01, (SIZE, 4)).astype(np.float32), np.zeros(4, np.float32)
    bias[:2] = 6.0
    kernel[:, 2] = 3.0
    lstm = LstmLayer("lstm", source, Tensor("lstm", 1, is_sequence=True), kernel, np.zeros((1, 4), np.float32), bias)
    known, test = (rng.uniform(-1, 1, (64, STEPS, SIZE)).astype(np.float32) for _ in range(2))
    known[:, 4:] = 0.0
    known[:2] = np.where(np.arange(STEPS) < 4, 1.0, 0.0)[:, None] * np.array([1.0, -1.0])[:, None, None]
    test[:, 4:] = 0.0
    test[:20] = 1.0
    return FloatModel("counter", source, (lstm,), STEPS), known, test
