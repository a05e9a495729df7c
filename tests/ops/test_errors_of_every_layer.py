"""Errors are measured of every layer that we compile, and what runs along a stream is what the simulator answers."""

import math
from pathlib import Path

import numpy as np
import pytest
from test_float_forward import load, model_names

from edgelstm.data.dataset import Samples
from edgelstm.errors import UnsupportedModelError
from edgelstm.ir import FloatArray, FloatModel, Model
from edgelstm.numerics.contracts import Contract
from edgelstm.quantization import calibrate, quantize
from edgelstm.report.progress import Silent
from edgelstm.simulate import quantize_array, real_outputs, simulate, simulate_steps, stored_inputs
from edgelstm.verification.drift import strung_together
from edgelstm.verification.error_bench import Bench
from edgelstm.verification.layer_errors import Errors, measure_layers
from edgelstm.verification.stream import Stream


def quantized(predictions: Path, name: str) -> tuple[FloatModel, Model, FloatArray]:
    """The model of this name in float and in integers, and inputs."""
    model, inputs, _ = load(predictions, name)
    inputs = inputs.astype(np.float32)
    integer = quantize(model, calibrate(model, inputs), model.layout.timesteps(inputs), Contract.LITERT)
    return model, integer, inputs


@pytest.mark.parametrize("name", model_names())
def test_every_layer_has_its_errors(name: str, predictions: Path) -> None:
    model, integer, inputs = quantized(predictions, name)
    errors = Errors(Bench.of(model, integer, Samples(inputs, None, None)))
    found = np.concatenate([errors.bench.outputs(one) for one in errors.integers])
    wanted = real_outputs(integer, simulate(integer, stored_inputs(integer, inputs)))
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
    layers, _ = measure_layers(errors, Silent())
    assert [one.name for one in layers] == [layer.name for layer in model.layers]
    assert all(one.sqnr_db > 5.0 for one in layers)
    assert all(one.share is None or (one.share >= 0.0 and math.isfinite(one.share)) for one in layers)
    moved = {one.name for one in layers if one.own_sqnr_db is None}
    assert moved.isdisjoint(op.name for op in integer.ops if not op.is_alias and op.kind != "masking")


@pytest.mark.parametrize("name", model_names())
def test_what_runs_along_a_stream_is_what_the_simulator_answers(name: str, predictions: Path) -> None:
    model, integer, inputs = quantized(predictions, name)
    try:
        stream = Stream(model, integer)
    except UnsupportedModelError as error:
        assert all(problem.startswith(("layer ", "input ")) for problem in error.problems)
        return
    feed = strung_together(integer, Samples(inputs, None, None), 40)
    stored = integer.layout.join({one.name: quantize_array(feed[one.name], one.quantization) for one in integer.inputs})
    steps = [real_outputs(integer, step.output) for step in simulate_steps(integer, stored)]
    np.testing.assert_array_equal(stream.in_integers(feed), np.stack(steps, axis=1))
    exact, strung = stream.in_float(feed), inputs.reshape(1, -1, inputs.shape[-1])
    for length in (20, 33):
        tensors = model.tensors(strung[:, :length])
        ends = [
            values if values.ndim == 2 else values[:, -1] for values in (tensors[one.name] for one in model.outputs)
        ]
        np.testing.assert_allclose(exact[:, length - 1], np.concatenate(ends, axis=-1), rtol=1e-4, atol=1e-5)
