"""`--calibration tf`: the integers of TensorFlow's own converter, and what is refused because it has none."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from random_models import random_inputs
from tf_models import FEATURES, MODELS, TIMESTEPS, Stack, model_and_data

from edgelstm.data.dataset import Samples
from edgelstm.errors import DataError, ProjectError, UnsupportedModelError
from edgelstm.frontends.keras import build_float_model, load_keras
from edgelstm.frontends.keras_source import KerasSource
from edgelstm.frontends.tflite import int8_file, load_tflite
from edgelstm.ir import FloatModel, IntArray, Model, Op, Quantization, Scaling
from edgelstm.numerics.contracts import Contract
from edgelstm.ops import registry
from edgelstm.ops.lstm import Lstm
from edgelstm.ops.rows import RowsOp
from edgelstm.pipeline.observed import observed
from edgelstm.pipeline.request import BuildRequest
from edgelstm.quantization import as_converted, calibrate, calibrate_as_converter, quantize
from edgelstm.report.metrics import sqnr_db
from edgelstm.report.progress import Silent
from edgelstm.simulate import real_outputs, simulate, stored_inputs
from edgelstm.tflite import check_tflite, write_tflite
from edgelstm.tflite.export import to_tflite_model
from edgelstm.verification.oracles import LITERT

CONVERTED = Path(__file__).parent / "golden" / "converted"

ULP = 2.0**-23


def converted_file(name: str) -> Path:
    return CONVERTED / f"tf_keras_{name}.tflite"


def theirs(name: str) -> Model:
    model = load_tflite(converted_file(name), Contract.LITERT)
    assert isinstance(model, Model)
    return model


def ours(name: str) -> Model:
    float_model, samples = model_and_data(name)
    converted = as_converted(float_model)
    return quantize(converted, calibrate_as_converter(converted, samples), TIMESTEPS, Contract.LITERT)


def assert_same_scale(one: Quantization | None, other: Quantization | None) -> None:
    assert (one is None) == (other is None)
    if one is not None and other is not None:
        assert one.scale == pytest.approx(other.scale, rel=8 * ULP)
        assert one.zero_point == other.zero_point


def in_order(model: Model) -> list[Op]:
    """The ops in an order that does not depend on which of two branches stands first."""

    def key(op: Op) -> tuple[object, ...]:
        weights = [int(gate.kernel.astype(int).sum()) for gate in op.gates] if isinstance(op, Lstm) else []
        return op.kind, op.output.size, op.output.quantization.scale, weights

    return sorted(model.ops, key=key)


@pytest.mark.parametrize("name", MODELS)
def test_every_scale_and_weight_is_that_of_the_converter(name: str) -> None:
    own, foreign = ours(name), theirs(name)
    assert own.input.quantization == foreign.input.quantization
    assert len(own.ops) == len(foreign.ops)
    for op, expected in zip(in_order(own), in_order(foreign), strict=True):
        assert op.kind == expected.kind
        assert_same_scale(op.output.quantization, expected.output.quantization)
        if isinstance(op, Lstm) and isinstance(expected, Lstm):
            assert_same_lstm(op, expected)
        if isinstance(op, RowsOp) and isinstance(expected, RowsOp):
            assert op.kernel_scales == pytest.approx(expected.kernel_scales, rel=ULP)
            np.testing.assert_array_equal(op.kernel, expected.kernel)
            np.testing.assert_array_equal(op.bias, expected.bias)


def assert_same_lstm(op: Lstm, expected: Lstm) -> None:
    assert op.cell == expected.cell
    assert op.cell_clip == expected.cell_clip == 10.0
    assert_same_scale(op.written, expected.written)
    assert_same_scale(op.recurrent, expected.recurrent)
    for gate, other in zip(op.gates, expected.gates, strict=True):
        assert gate.kernel_scale == pytest.approx(other.kernel_scale, rel=ULP)
        assert gate.recurrent_scale == pytest.approx(other.recurrent_scale, rel=ULP)
        np.testing.assert_array_equal(gate.kernel, other.kernel)
        np.testing.assert_array_equal(gate.recurrent_kernel, other.recurrent_kernel)
        np.testing.assert_array_equal(gate.bias, other.bias)


def outputs_of(data: bytes, inputs: IntArray) -> IntArray:
    found: IntArray = LITERT.run_window(data, [inputs])
    return found


@pytest.mark.parametrize("name", ["bidirectional", "saturated", "stacked"])
def test_litert_answers_the_same_bytes(name: str) -> None:
    if not LITERT.is_available:
        pytest.skip("LiteRT is not installed")
    own = ours(name)
    inputs = random_inputs(own, 5, 64)
    data = write_tflite(to_tflite_model(own))
    check_tflite(data, foreign=True)
    expected = outputs_of(int8_file(converted_file(name).read_bytes()), inputs)
    assert len(np.unique(expected)) > 8
    np.testing.assert_array_equal(outputs_of(data, inputs), expected.reshape(-1, *expected.shape[1:]))


def test_the_default_has_other_scales() -> None:
    float_model, samples = model_and_data("stacked")
    own = quantize(float_model, calibrate(float_model, samples), TIMESTEPS, Contract.LITERT)
    scales = [op.output.quantization.scale for op in own.ops]
    assert scales != [op.output.quantization.scale for op in ours("stacked").ops]


def test_the_state_leaks_from_batch_to_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    float_model, samples = model_and_data("stacked")
    whole = calibrate_as_converter(as_converted(float_model), samples)
    monkeypatch.setattr("edgelstm.quantization.calibration.equal_lengths.__defaults__", (5,))
    parts = calibrate_as_converter(as_converted(float_model), samples)
    assert parts == whole
    turned = calibrate_as_converter(as_converted(float_model), samples[::-1])
    assert turned["x"] == whole["x"]
    assert turned != whole


def source_model(*kinds: str, **options: Any) -> FloatModel:
    stack = Stack(np.random.default_rng(0), 0.5)
    for kind in kinds:
        if kind == "GRU":
            stack.add("GRU", (FEATURES, 12), (4, 12), (2, 12), units=4, **options)
        elif kind == "SimpleRNN":
            stack.add("SimpleRNN", (FEATURES, 4), (4, 4), (4,), units=4, activation="tanh")
        elif kind == "Masking":
            stack.add("Masking", mask_value=0.0)
        else:
            stack.lstm(FEATURES, 4, **options)
    return build_float_model(KerasSource("m", "x", FEATURES, TIMESTEPS, tuple(stack.layers)), registry)


@pytest.mark.parametrize(
    ("model", "what"),
    [
        (source_model("GRU"), "no GRU"),
        (source_model("SimpleRNN"), "no SimpleRNN"),
        (source_model("Masking", "LSTM"), "LSTM behind a mask"),
        (source_model("LSTM", recurrent_activation="hard_sigmoid"), "hard_sigmoid"),
    ],
    ids=["gru", "simple_rnn", "masking", "hard_sigmoid"],
)
def test_what_the_converter_cannot_quantize_is_refused(model: FloatModel, what: str) -> None:
    with pytest.raises(UnsupportedModelError, match=what):
        as_converted(model)


def test_a_normalization_at_the_input_is_refused() -> None:
    model = source_model("LSTM")
    scaling = Scaling((1.0,) * FEATURES, (0.0,) * FEATURES)
    with pytest.raises(UnsupportedModelError, match="Normalization or Rescaling in int8"):
        as_converted(replace(model, input=replace(model.input, scaling=scaling)))


def request(**options: Any) -> BuildRequest:
    return replace(BuildRequest(Path("m.keras"), Path("out"), calibration="tf"), **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"margin": 1.5}, "which --margin would change"),
        ({"clip": "mse"}, "which --clip would change"),
        ({"margin": 2.0, "clip": "mse"}, "--margin and --clip"),
        ({"activations": "int16"}, "which --activations int16 would change"),
    ],
)
def test_other_ranges_are_refused(options: dict[str, Any], message: str) -> None:
    model, samples = model_and_data("last")
    with pytest.raises(ProjectError, match=message):
        observed(model, Samples(samples, None, None), request(**options), Silent())


def test_lengths_are_refused() -> None:
    model, samples = model_and_data("last")
    with pytest.raises(DataError, match="several lengths"):
        observed(model, Samples(samples, None, np.full(len(samples), TIMESTEPS)), request(), Silent())


CONVERT_LIMIT_S = 1500


def test_a_trained_model_is_matched_and_the_default_is_no_worse(
    tmp_path: Path, require_tool: Callable[[str], None]
) -> None:
    require_tool("tf_keras")
    script = Path(__file__).with_name("convert_trained.py")
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run(
        [sys.executable, str(script), str(tmp_path)],
        check=True,
        timeout=CONVERT_LIMIT_S,
        capture_output=True,
        env=quiet,
    )
    float_model = load_keras(tmp_path / "model.keras")
    foreign = load_tflite(tmp_path / "model.tflite", Contract.LITERT)
    assert isinstance(foreign, Model)
    with np.load(tmp_path / "data.npz") as data:
        known, test = data["x"], data["x_test"]
    converted = as_converted(float_model)
    like = quantize(converted, calibrate_as_converter(converted, known), known.shape[1], Contract.LITERT)
    own = quantize(float_model, calibrate(float_model, known), known.shape[1], Contract.LITERT)
    expected = float_model.forward(test)
    answers = {
        name: simulate(model, stored_inputs(model, test))
        for name, model in (("like", like), ("own", own), ("foreign", foreign))
    }
    # Activations' scales may be 8 ulp apart, because the float sums behind them are added in another order.
    apart = np.abs(answers["like"].astype(int) - answers["foreign"])
    assert apart.max() <= 1
    assert np.mean(apart > 0) <= 0.01
    ours, tensorflows = (
        sqnr_db(expected, real_outputs(model, answers[name])) for name, model in (("own", own), ("foreign", foreign))
    )
    # Other roundings alone, as of ranges a percent wider, move the ratio by as much.
    assert ours > tensorflows - 1.0 > 30.0
