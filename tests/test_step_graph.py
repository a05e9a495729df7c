"""The graph of one step: both interpreters run it, and it follows the float model as closely as the C does."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from random_layer_normalization import random_normalized_model
from random_models import random_model
from reference_models import dense, gru, simple_rnn

from edgelstm.data.dataset import Samples
from edgelstm.errors import ModelFormatError, UnsupportedModelError
from edgelstm.frontends.tflite import model_from_tflite
from edgelstm.ir import FloatArray, FloatModel, IntArray, Model, Tensor
from edgelstm.numerics.contracts import Contract
from edgelstm.numerics.gate_functions import GateFunction
from edgelstm.ops.activation import activation_layers
from edgelstm.ops.last_step import LastStepLayer
from edgelstm.ops.merge import AddLayer
from edgelstm.quantization import calibrate, quantize
from edgelstm.report.metrics import sqnr_db
from edgelstm.simulate import dequantize_array, quantize_array, simulate
from edgelstm.step_graph import to_step_graph
from edgelstm.tflite import read_tflite, write_tflite
from edgelstm.tflite.step_rules import check_step_graph
from edgelstm.verification.oracles import LITERT, TFLM, Oracle
from edgelstm.verification.step_graph import StepGraphAccuracy, measure_step_graph, run_here, run_step_graph

SOURCE = Tensor("input", 4, is_sequence=True)
TIMESTEPS, SEQUENCES = 30, 40
LEAST_SQNR_DB = {
    "gru": 40.0,
    "gru, reset before": 39.0,
    "gru of one unit": 40.0,
    "rnn": 37.0,
    "rnn, relu": 25.0,
    "stacked": 33.0,
}
"""To the float model; the C has 42, 41, 43, 39, 25 and 37 on these data."""
LEAST_LIKENESS_DB = 36.0
"""To the C."""


def _stacked() -> FloatModel:
    first = gru("gru_1", SOURCE, 6)
    second = simple_rnn("rnn_2", first.output, 6)
    merged = AddLayer("add", first.output, Tensor("add", 6, is_sequence=True), second.output)
    last = LastStepLayer.after(merged.output)
    head = dense("dense", last.output, 3)
    layers = (first, second, merged, last, head, *activation_layers("tanh", "tanh", head.output))
    return FloatModel("stacked", SOURCE, layers, TIMESTEPS)


def _alone(layer: object) -> FloatModel:
    return FloatModel("alone", SOURCE, (layer,), TIMESTEPS)  # type: ignore[arg-type]


GRU, RNN = gru("gru", SOURCE, 11), simple_rnn("rnn", SOURCE, 11)
MODELS = {
    "gru": _alone(GRU),
    "gru, reset before": _alone(replace(GRU, reset_after=False, recurrent_bias=np.zeros_like(GRU.recurrent_bias))),
    "gru of one unit": _alone(gru("gru", SOURCE, 1)),
    "rnn": _alone(RNN),
    "rnn, relu": _alone(replace(RNN, function="relu")),
    "stacked": _stacked(),
}


def _signals(count: int, seed: int) -> FloatArray:
    rng = np.random.default_rng(seed)
    signals: FloatArray = np.cumsum(rng.normal(0, 0.3, (count, TIMESTEPS, 4)), axis=1).astype(np.float32)
    return signals


def _quantized(float_model: FloatModel) -> tuple[Model, bytes]:
    model = quantize(float_model, calibrate(float_model, _signals(60, 1)), TIMESTEPS, Contract.LITERT)
    return model, write_tflite(to_step_graph(model))


def _answers(model: Model, steps: IntArray) -> FloatArray:
    real = dequantize_array(steps, model.output.quantization)
    return real if model.output.is_sequence else real[:, -1]


@pytest.mark.parametrize("oracle", [LITERT, TFLM], ids=lambda oracle: oracle.contract.value)
@pytest.mark.parametrize("name", MODELS)
def test_it_follows_the_float_model_and_the_c(name: str, oracle: Oracle, require_tool: Callable[[str], None]) -> None:
    require_tool(oracle.module.split(".")[0])
    model, data = _quantized(MODELS[name])
    inputs = _signals(SEQUENCES, 2)
    stored = quantize_array(inputs, model.input.quantization)
    found = _answers(model, run_here(oracle, data, stored))
    by_c = dequantize_array(simulate(model, stored), model.output.quantization)
    wanted = MODELS[name].forward(inputs)
    assert sqnr_db(wanted, found) > LEAST_SQNR_DB[name]
    assert sqnr_db(wanted, found) > sqnr_db(wanted, by_c) - 3.0
    assert sqnr_db(by_c, found) > LEAST_LIKENESS_DB


def test_figures_without_noise_are_none_in_json() -> None:
    figures = StepGraphAccuracy("LiteRT", 40.0, 41.0, math.inf).to_mapping()
    assert figures == {"interpreter": "LiteRT", "sqnr_db": 40.0, "c_sqnr_db": 41.0, "difference_db": None}


def test_states_go_in_and_out(require_tool: Callable[[str], None]) -> None:
    """Nothing stays inside: two steps are one sequence, whoever keeps the state meanwhile."""
    require_tool("ai_edge_litert")
    model, data = _quantized(MODELS["stacked"])
    graph = read_tflite(data)
    assert [tensor.shape for tensor in graph.inputs] == [(1, 1, 4), (1, 6), (1, 6)]
    assert [tensor.dtype for tensor in graph.outputs] == ["int8", "int16", "int16"]
    assert not any(tensor.is_variable for operator in graph.operators for tensor in operator.inputs if tensor)
    stored = quantize_array(_signals(1, 3)[:, :2], model.input.quantization)
    zeros = [np.zeros((1, 6), np.int16)] * 2
    _, *states = LITERT.open(data)(stored[:, :1], *zeros)
    output, *_ = LITERT.open(data)(stored[:, 1:], *states)
    np.testing.assert_array_equal(output.ravel(), run_here(LITERT, data, stored)[0, 1])


def test_it_is_measured_in_every_interpreter_installed(require_tool: Callable[[str], None]) -> None:
    require_tool("ai_edge_litert")
    require_tool("tflite_micro")
    model, data = _quantized(MODELS["stacked"])
    samples = Samples(_signals(20, 4), None, np.arange(20) % TIMESTEPS + 1)
    measured = measure_step_graph(MODELS["stacked"], model, data, samples)
    assert [one.interpreter for one in measured] == [LITERT.name, TFLM.name]
    for one in measured:
        assert one.sqnr_db > LEAST_SQNR_DB["stacked"] - 5
        assert one.c_sqnr_db > LEAST_SQNR_DB["stacked"]
        assert one.difference_db > LEAST_LIKENESS_DB - 5
    stored = quantize_array(samples.x[:2], model.input.quantization)
    np.testing.assert_array_equal(run_step_graph(TFLM, data, stored), run_here(TFLM, data, stored))


@pytest.mark.parametrize(
    ("model", "reasons"),
    [
        (random_model(1, Contract.LITERT), ["keeps its states inside", "no GRU and no SimpleRNN"]),
        (random_normalized_model(0), ["layer_normalization", "no GRU and no SimpleRNN"]),
        (_alone(replace(GRU, gate=GateFunction.HARD_SIGMOID_6)), ["hard_sigmoid in int16"]),
        (FloatModel("dense", SOURCE, (dense("dense", SOURCE, 3),), TIMESTEPS), ["no GRU and no SimpleRNN"]),
    ],
)
def test_what_has_no_such_graph_is_refused_with_every_reason(model: Model | FloatModel, reasons: list[str]) -> None:
    if isinstance(model, FloatModel):
        model = quantize(model, calibrate(model, _signals(20, 1)), TIMESTEPS, Contract.LITERT)
    with pytest.raises(UnsupportedModelError) as caught:
        to_step_graph(model)
    text = "\n".join(caught.value.problems)
    assert all(reason in text for reason in reasons)
    assert "--tflite-recurrent" in caught.value.hint


def test_it_is_no_model_of_its_own() -> None:
    """Its integers are not those of the C, so nothing may be generated from it."""
    _, data = _quantized(MODELS["gru"])
    check_step_graph(data)
    with pytest.raises(UnsupportedModelError, match="operator SUB"):
        model_from_tflite(data, "x", Contract.LITERT)


def test_the_same_model_gives_the_same_bytes() -> None:
    assert _quantized(MODELS["stacked"])[1] == _quantized(MODELS["stacked"])[1]


@pytest.mark.parametrize(
    ("builtin", "field", "reason"),
    [
        ("FULLY_CONNECTED", {"zero_points": (3,)}, "zero point"),
        ("LOGISTIC", {"scales": (0.5,)}, "must have the scale"),
        ("TANH", {"scales": (0.5,)}, "must have the scale"),
        ("SUB", {"dtype": "int8"}, "not int16"),
        ("MUL", {"scales": (0.5, 0.5), "zero_points": (0, 0)}, "2 scales"),
        ("QUANTIZE", {"zero_points": (3,)}, "zero point"),
    ],
)
def test_a_damaged_graph_is_noticed(builtin: str, field: dict[str, object], reason: str) -> None:
    """The first operator of this kind writes something else."""
    graph = read_tflite(_quantized(MODELS["gru"])[1])
    index = next(index for index, operator in enumerate(graph.operators) if operator.builtin == builtin)
    old = graph.operators[index].outputs[0]
    new = replace(old, **field)  # type: ignore[arg-type]
    operators = tuple(
        replace(
            operator,
            inputs=tuple(new if one is not None and one.name == old.name else one for one in operator.inputs),
            outputs=tuple(new if one.name == old.name else one for one in operator.outputs),
        )
        for operator in graph.operators
    )
    with pytest.raises(ModelFormatError, match=reason):
        check_step_graph(write_tflite(replace(graph, operators=operators)))
