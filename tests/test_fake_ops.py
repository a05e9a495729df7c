"""What is trained is what is deployed: fake ops against the integer simulator, step by step and state by state."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgelstm.ir import FloatArray, FloatModel, IntArray, Layer, Model, Tensor
from edgelstm.numerics.contracts import Contract
from edgelstm.numerics.gate_functions import GateFunction
from edgelstm.ops.gru import GruLayer
from edgelstm.ops.lstm import LstmLayer
from edgelstm.ops.recurrent import RecurrentLayer
from edgelstm.ops.simple_rnn import SimpleRnnLayer
from edgelstm.quantization import calibrate, quantize
from edgelstm.simulate import simulate_steps, stored_inputs
from edgelstm.training.backend import load_keras
from edgelstm.training.qat.fake_op import FakeOp
from edgelstm.training.qat.registry import FAKE_OPS
from edgelstm.training.qat.straight import Straight

STEPS, SEQUENCES = 12, 40


@pytest.fixture(scope="module")
def straight() -> Straight:
    return Straight(load_keras(0))


def tensors(straight: Straight, arrays: Mapping[str, Any]) -> dict[str, Any]:
    return {name: straight.ops.convert_to_tensor(np.asarray(array, np.float64)) for name, array in arrays.items()}


def called(straight: Straight, fake: FakeOp[Any], layer: Layer, values: tuple[IntArray, ...]) -> dict[str, FloatArray]:
    """All that a fake op yields on stored values, with the weights as the quantizer rounded them."""
    weights = {name: one.stored for name, one in fake.rounded(layer, fake.op).items()} if fake.trained else {}
    given = tuple(straight.ops.convert_to_tensor(one.astype(np.float64)) for one in values)
    found = fake.call(straight, tensors(straight, fake.constants(fake.op)), tensors(straight, weights), given)
    return {name: np.asarray(straight.ops.convert_to_numpy(one)) for name, one in found.items()}


def weights(rng: np.random.Generator, *shape: int, spread: float = 1.0) -> FloatArray:
    return (spread * rng.normal(size=shape)).astype(np.float32)


def recurrent_layer(kind: str, rng: np.random.Generator, spread: float) -> RecurrentLayer:
    size, units = int(rng.integers(1, 6)), int(rng.integers(1, 10))
    gates = {"lstm": 4, "gru": 3}.get(kind.partition("_")[0], 1)
    source, output = Tensor("x", size, is_sequence=True), Tensor("layer", units, is_sequence=True)
    arrays = (
        weights(rng, size, gates * units, spread=spread),
        weights(rng, units, gates * units, spread=spread / units**0.5),
        weights(rng, gates * units),
    )
    gate = GateFunction.HARD_SIGMOID_6 if kind.endswith("hard") else GateFunction.SIGMOID
    if gates == 4:
        return LstmLayer("layer", source, output, *arrays, gate=gate)
    if gates == 3:
        is_after = "before" not in kind
        recalled = weights(rng, gates * units) if is_after else np.zeros(gates * units, np.float32)
        return GruLayer("layer", source, output, *arrays, recalled, is_after, gate)
    return SimpleRnnLayer("layer", source, output, *arrays, function=kind.partition("_")[2])


def quantized(layer: Layer, contract: Contract, x: FloatArray) -> Model:
    model = FloatModel("m", layer.input, (layer,), STEPS)
    # Ranges of half the data: the rest clips, as what a chip meets may do.
    return quantize(model, calibrate(model, x[: len(x) // 2]), STEPS, contract)


@pytest.mark.parametrize(
    ("kind", "contract"),
    [
        ("lstm", Contract.LITERT),
        ("lstm", Contract.TFLM),
        ("lstm_hard", Contract.LITERT),
        ("gru", Contract.LITERT),
        ("gru_before", Contract.LITERT),
        ("gru_hard", Contract.LITERT),
        ("rnn_tanh", Contract.LITERT),
        ("rnn_relu", Contract.LITERT),
    ],
)
def test_every_state_of_every_step_is_the_simulators(straight: Straight, kind: str, contract: Contract) -> None:
    # With the largest weights sums saturate.
    for seed, spread in enumerate((0.3, 1.0, 3.0, 20.0)):
        rng = np.random.default_rng(seed)
        layer = recurrent_layer(kind, rng, spread / (10 if kind == "rnn_relu" else 1))
        x = weights(rng, SEQUENCES, STEPS, layer.input.size, spread=2.0)
        model = quantized(layer, contract, x)
        stored = stored_inputs(model, x)
        op = model.ops[0]
        found = called(straight, FAKE_OPS[type(op)](op, model.contract), layer, (stored,))
        for t, step in enumerate(simulate_steps(model, stored)):
            for array, expected in zip(op.state, step.state[0], strict=True):
                assert np.array_equal(found[f"layer/{array.name}"][:, t], expected), (seed, t, array.name)


def test_rounding_passes_gradients_on_and_clamping_none(straight: Straight) -> None:
    import tensorflow as tf

    values = tf.constant([-200.0, -128.2, -3.4, 0.5, 2.5, 126.6, 300.0], tf.float64)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(values)
        results = {
            "half_up": straight.half_up(values),
            "away": straight.away(values),
            "saturate8": straight.saturate8(values),
        }
    gradients = {name: tape.gradient(result, values).numpy().tolist() for name, result in results.items()}
    assert gradients == {"half_up": [1.0] * 7, "away": [1.0] * 7, "saturate8": [0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0]}
    assert results["half_up"].numpy().tolist() == [-200.0, -128.0, -3.0, 1.0, 3.0, 127.0, 300.0]
    assert results["away"].numpy().tolist() == [-200.0, -128.0, -3.0, 1.0, 3.0, 127.0, 300.0]
    assert straight.away(tf.constant([-0.5, -2.5], tf.float64)).numpy().tolist() == [-1.0, -3.0]


@pytest.mark.parametrize("kind", ["lstm", "gru", "gru_before", "rnn_tanh"])
def test_gradients_are_near_those_of_the_float_layer(straight: Straight, kind: str) -> None:
    """By differences of the float layer itself, along random directions of each of its arrays."""
    import tensorflow as tf

    rng = np.random.default_rng(5)
    layer = recurrent_layer(kind, rng, 1.0)
    x = weights(rng, SEQUENCES, STEPS, layer.input.size)
    model = FloatModel("m", layer.input, (layer,), STEPS)
    quantized_model = quantize(model, calibrate(model, x), STEPS, Contract.LITERT)
    op = quantized_model.ops[0]
    fake: FakeOp[Any] = FAKE_OPS[type(op)](op, quantized_model.contract)
    rounded = fake.rounded(layer, op)
    variables = {name: tf.Variable(one.stored.astype(np.float64)) for name, one in rounded.items()}
    given = straight.ops.convert_to_tensor(stored_inputs(quantized_model, x).astype(np.float64))
    pull = rng.normal(size=(SEQUENCES, STEPS, layer.output.size))
    pull[:, :-1] = 0.0  # all that earlier steps do, they do through the states
    with tf.GradientTape() as tape:
        constants = tensors(straight, fake.constants(op))
        yielded = fake.call(straight, constants, variables, (given,))[layer.output.name]
        loss = tf.reduce_sum(yielded * pull) * op.output.quantization.scale
    gradients = dict(zip(variables, tape.gradient(loss, list(variables.values())), strict=True))

    for name, one in rounded.items():
        mine, theirs = [], []
        array = getattr(layer, name).astype(np.float64)
        for _ in range(20):
            direction = rng.normal(size=array.shape)
            if kind == "gru" and name == "recurrent_bias":
                # That of two gates is trained as the input's bias.
                direction[: 2 * layer.output.size] = 0.0
            mine.append(float(np.sum(gradients[name].numpy() / one.scale * direction)))
            ends = [
                replace(layer, **{name: array + side * 1e-4 * direction}).forward(x.astype(np.float64), ignore)
                for side in (-1, 1)
            ]
            theirs.append(float(np.sum((ends[1] - ends[0]) * pull)) / 2e-4)
        if kind == "gru_before" and name == "recurrent_bias":
            continue
        cosine = np.dot(mine, theirs) / np.linalg.norm(mine) / np.linalg.norm(theirs)
        assert cosine > 0.97, name
        assert np.linalg.norm(mine) == pytest.approx(np.linalg.norm(theirs), rel=0.15), name


def ignore(name: str, values: FloatArray) -> None:
    pass
