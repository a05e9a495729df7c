"""The official runtimes load the files we write and compute the LSTM that the records describe."""

import importlib.util
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tflite_records as records

from edgelstm.ir import TfliteModel, TfliteTensor
from edgelstm.tflite import check_tflite, write_tflite

Int8Array = npt.NDArray[np.int8]
Outputs = list[npt.NDArray[Any]]
Run = Callable[[bytes, Sequence[Int8Array]], list[Outputs]]
"""Resets the model, runs it on one input after the other, returns all outputs of each run."""

ARENA_BYTES = 1 << 20


def _run_interpreter(module: Any, data: bytes, inputs: Sequence[Int8Array]) -> list[Outputs]:
    reference = module.OpResolverType.BUILTIN_REF
    interpreter = module.Interpreter(model_content=data, experimental_op_resolver_type=reference)
    interpreter.allocate_tensors()
    interpreter.reset_all_variables()
    (source,) = interpreter.get_input_details()
    results = []
    for values in inputs:
        interpreter.set_tensor(source["index"], values)
        interpreter.invoke()
        results.append([interpreter.get_tensor(output["index"]) for output in interpreter.get_output_details()])
    return results


def run_litert(data: bytes, inputs: Sequence[Int8Array]) -> list[Outputs]:
    return _run_interpreter(importlib.import_module("ai_edge_litert.interpreter"), data, inputs)


def run_tflite_runtime(data: bytes, inputs: Sequence[Int8Array]) -> list[Outputs]:
    return _run_interpreter(importlib.import_module("tflite_runtime.interpreter"), data, inputs)


def run_tflite_micro(data: bytes, inputs: Sequence[Int8Array]) -> list[Outputs]:
    runtime = importlib.import_module("tflite_micro.python.tflite_micro.runtime")
    interpreter = runtime.Interpreter.from_bytes(data, arena_size=ARENA_BYTES)
    interpreter.reset()
    results = []
    for values in inputs:
        interpreter.set_input(values, 0)
        interpreter.invoke()
        results.append([interpreter.get_output(index) for index in range(4)])
    return results


def apart(module: str, run: Run) -> Run:
    """Runs in a process of their own: tflite-runtime ends one that TensorFlow is in, as other tests here bring it."""

    def run_apart(data: bytes, inputs: Sequence[Int8Array]) -> list[Outputs]:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            return pool.submit(run, data, inputs).result(timeout=120)

    return run_apart


RUNTIMES: dict[str, Run] = {
    "litert": apart("ai_edge_litert", run_litert),
    "tflite_runtime": apart("tflite_runtime", run_tflite_runtime),
    "tflite_micro": apart("tflite_micro", run_tflite_micro),
}


def real(tensor: TfliteTensor, stored: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    scales: npt.NDArray[np.float64] = np.array(tensor.scales, np.float64)
    return scales.reshape(-1, *[1] * (stored.ndim - 1)) * (stored.astype(np.float64) - tensor.zero_points[0])


def float_model(model: TfliteModel, stored: Int8Array) -> tuple[npt.NDArray[np.float64], ...]:
    """Compute probabilities, hidden sequence and last cell state from the dequantized weights."""

    def constant(name: str) -> npt.NDArray[np.float64]:
        tensor = records.tensor_named(model, name)
        assert tensor.data is not None
        return real(tensor, tensor.data)

    def sigmoid(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return 1 / (1 + np.exp(-values))

    inputs = real(model.inputs[0], stored)
    hidden = cell = np.zeros((stored.shape[0], records.UNITS))
    sequence = []
    for step in range(records.TIME):
        gates = {
            gate: inputs[:, step] @ constant(f"lstm/kernel_{gate}").T
            + hidden @ constant(f"lstm/recurrent_{gate}").T
            + constant(f"lstm/bias_{gate}")
            for gate in "ifco"
        }
        cell = sigmoid(gates["f"]) * cell + sigmoid(gates["i"]) * np.tanh(gates["c"])
        hidden = sigmoid(gates["o"]) * np.tanh(cell)
        sequence.append(hidden)
    logits = np.exp(hidden @ constant("dense/kernel").T + constant("dense/bias"))
    return logits / logits.sum(axis=1, keepdims=True), np.stack(sequence, axis=1), cell


def random_inputs(batch: int, count: int) -> list[Int8Array]:
    rng = np.random.default_rng(11)
    shape = (batch, records.TIME, records.FEATURES)
    return [rng.integers(-128, 128, shape).astype(np.int8) for _ in range(count)]


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("name", RUNTIMES)
def test_runtime_computes_the_described_model(name: str, batch: int) -> None:
    model = records.lstm_model(batch)
    data = write_tflite(model)
    check_tflite(data)
    for stored in random_inputs(batch, 5):
        ((probabilities, sequence, hidden, cell),) = RUNTIMES[name](data, [stored])
        expected_probabilities, expected_sequence, expected_cell = float_model(model, stored)
        outputs = model.outputs
        np.testing.assert_allclose(real(outputs[0], probabilities), expected_probabilities, atol=0.04)
        np.testing.assert_allclose(real(outputs[1], sequence), expected_sequence, atol=0.04)
        np.testing.assert_allclose(real(outputs[3], cell), expected_cell, atol=0.04)
        np.testing.assert_array_equal(hidden, sequence[:, -1])


@pytest.mark.parametrize("name", RUNTIMES)
def test_states_carry_over_and_can_be_read(name: str) -> None:
    data = write_tflite(records.lstm_model())
    inputs = random_inputs(1, 2)
    first, second = RUNTIMES[name](data, inputs)
    (alone,) = RUNTIMES[name](data, inputs[1:])
    np.testing.assert_array_equal(first[2], first[1][:, -1])
    np.testing.assert_array_equal(second[2], second[1][:, -1])
    assert not np.array_equal(second[3], alone[3])


def test_litert_and_tflite_runtime_agree_bit_for_bit() -> None:
    data = write_tflite(records.lstm_model(seed=3))
    inputs = random_inputs(1, 6)
    for one, other in zip(RUNTIMES["litert"](data, inputs), RUNTIMES["tflite_runtime"](data, inputs), strict=True):
        for mine, theirs in zip(one[1:], other[1:], strict=True):
            np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize(
    "model",
    [
        records.elementwise("LOGISTIC", 1 / 256, -128),
        records.elementwise("TANH", 1 / 128, 0),
        records.elementwise("RELU", 0.07, -128),
        records.elementwise("RELU6", 0.05, 3),
        records.with_operator(records.elementwise("LEAKY_RELU", 0.07, -128), 0, options={"alpha": 0.25}),
        records.elementwise("QUANTIZE", 0.1, 4),
        records.reshape(),
    ],
    ids=lambda model: model.operators[0].builtin,
)
def test_operators_load_in_litert(model: TfliteModel) -> None:
    data = write_tflite(model)
    check_tflite(data)
    stored = np.arange(np.prod(model.inputs[0].shape), dtype=np.int8).reshape(model.inputs[0].shape)
    ((output,),) = run_litert(data, [stored])
    assert output.shape == model.outputs[0].shape
