"""Models to measure: realistic weights and inputs by a seed, quantized as a user's model would be.

A name tells what a model is, sizes from input to output: "lstm_6_16" is a single LSTM of 16 units with 6 inputs,
"classifier_16_32" has Dense and softmax of 4 classes behind it, "stacked_12_24_16" two LSTMs before them. "gru_6_16",
"rnn_6_16" and "hardlstm_6_16" are single layers of the contract `native`: GRU, SimpleRNN, LSTM with hard_sigmoid. All
keep the last step only, so that a step is the recurrent layers alone and everything else runs in `<model>_output`.
"""

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from edgelstm.ir import FloatArray, FloatModel, IntArray, Layer, Model, Tensor
from edgelstm.numerics.contracts import Contract
from edgelstm.numerics.gate_functions import GateFunction
from edgelstm.ops.activation import activation_layers
from edgelstm.ops.dense import DenseLayer
from edgelstm.ops.gru import GruLayer
from edgelstm.ops.last_step import LastStepLayer
from edgelstm.ops.lstm import LstmLayer
from edgelstm.ops.simple_rnn import SimpleRnnLayer
from edgelstm.quantization import calibrate, quantize
from edgelstm.simulate import quantize_array

PUBLISHED_SHAPES = ((6, 16), (16, 32), (28, 20), (40, 64), (40, 128))
LSTMS = tuple(f"lstm_{inputs}_{units}" for inputs, units in PUBLISHED_SHAPES)
NATIVE_KINDS = ("gru", "rnn", "hardlstm")
NATIVES = tuple(f"{kind}_{inputs}_{units}" for kind in NATIVE_KINDS for inputs, units in PUBLISHED_SHAPES)
MODELS = (*LSTMS, "classifier_16_32", "stacked_12_24_16", "stacked_16_32_32", *NATIVES)

TIMESTEPS = 24
CLASSES = 4
_CALIBRATION_SEQUENCES, _REALISTIC_SEQUENCES, _STRESS_SEQUENCES = 64, 4, 4
_SEED = 20240607
_MEMORY = 0.9
_INPUT_DEVIATION, _RECURRENT_GAIN = 1.4, 2.0
"""Weights as they are initialised keep nearly every gate below 3 in magnitude, where activations are cheapest. With
these, 5 % of the gates are beyond, whatever the shape, as in the trained spoken digits."""


@dataclass(frozen=True, eq=False)
class Benchmark:
    """A model and what to feed it.

    Attributes:
        model: quantized by ranges of other sequences like the realistic ones.
        realistic: stored inputs (sequences, time, size) from float sequences.
        stress: the same of noise over the whole of int8, and of extremes only, which saturate gates and cells.
    """

    model: Model
    realistic: IntArray
    stress: IntArray


def shape_of(name: str) -> tuple[int, int]:
    """Inputs and units of a model that is one recurrent layer; raises ValueError for another."""
    kind, *sizes = name.split("_")
    if kind not in ("lstm", *NATIVE_KINDS) or len(sizes) != 2:
        raise ValueError(f"{name} is not a single recurrent layer")
    return int(sizes[0]), int(sizes[1])


@lru_cache(maxsize=32)
def benchmark(name: str) -> Benchmark:
    """Build the model of this name; the same every time.

    Raises:
        ValueError: the name does not tell what to build.
    """
    kind, *sizes = name.split("_")
    if kind not in ("lstm", "classifier", "stacked", *NATIVE_KINDS) or len(sizes) < 2:
        raise ValueError(f"{name!r} names no model: take lstm_INPUTS_UNITS, or see {', '.join(MODELS)}")
    inputs, *units = map(int, sizes)
    rng = np.random.default_rng([_SEED, inputs, *units, len(kind)])
    floating = _float_model(name, rng, inputs, units)
    ranges = calibrate(floating, _sequences(rng, _CALIBRATION_SEQUENCES, inputs))
    model = quantize(floating, ranges, TIMESTEPS, Contract.LITERT)
    realistic = quantize_array(_sequences(rng, _REALISTIC_SEQUENCES, inputs), model.input.quantization)
    stress = rng.integers(-128, 128, (_STRESS_SEQUENCES, TIMESTEPS, inputs)).astype(np.int8)
    stress[::2] = np.where(stress[::2] < 0, -128, 127)
    return Benchmark(model, realistic, stress)


def _float_model(name: str, rng: np.random.Generator, inputs: int, units: list[int]) -> FloatModel:
    kind = name.partition("_")[0]
    build = {"gru": _gru, "rnn": _simple_rnn, "hardlstm": _hard_lstm}.get(kind, _lstm)
    tensor = Tensor("input", inputs, is_sequence=True)
    layers: list[Layer] = []
    for index, size in enumerate(units):
        label = kind if kind in NATIVE_KINDS else "lstm"
        layers.append(build(rng, f"{label}_{index + 1}", layers[-1].output if layers else tensor, size))
    layers.append(LastStepLayer.after(layers[-1].output))
    if kind in ("classifier", "stacked"):
        source = layers[-1].output
        kernel = _glorot_uniform(rng, source.size, CLASSES)
        output = Tensor("dense", CLASSES, is_sequence=False)
        layers.append(DenseLayer("dense", source, output, kernel, np.zeros(CLASSES, np.float32), relu=False))
        layers += activation_layers("softmax", "softmax", output)
    return FloatModel(name, tensor, tuple(layers), TIMESTEPS)


def _lstm(rng: np.random.Generator, name: str, source: Tensor, units: int) -> LstmLayer:
    """As Keras initialises it (uniform kernel, orthogonal recurrent kernel, bias 0 but 1 for the forget gate), scaled.

    The input part of a gate has a standard deviation of `_INPUT_DEVIATION` for inputs of variance 1.
    """
    bias = np.zeros(4 * units, np.float32)
    bias[units : 2 * units] = 1.0
    kernels = _kernels(rng, source, units, 4)
    return LstmLayer(name, source, Tensor(name, units, is_sequence=True), *kernels, bias)


def _hard_lstm(rng: np.random.Generator, name: str, source: Tensor, units: int) -> LstmLayer:
    return replace(_lstm(rng, name, source, units), gate=GateFunction.HARD_SIGMOID_6)


def _gru(rng: np.random.Generator, name: str, source: Tensor, units: int) -> GruLayer:
    """The same, with biases of 0 and the reset gate behind the recurrent kernel, as is Keras' default."""
    zeros = np.zeros(3 * units, np.float32)
    kernels, output = _kernels(rng, source, units, 3), Tensor(name, units, is_sequence=True)
    return GruLayer(name, source, output, *kernels, zeros, zeros, reset_after=True, gate=GateFunction.SIGMOID)


def _simple_rnn(rng: np.random.Generator, name: str, source: Tensor, units: int) -> SimpleRnnLayer:
    """The same with an orthogonal recurrent kernel that is not scaled: without gates it would swing from end to end."""
    kernel, recurrent = _kernels(rng, source, units, 1)
    output, bias = Tensor(name, units, is_sequence=True), np.zeros(units, np.float32)
    return SimpleRnnLayer(name, source, output, kernel, recurrent / _RECURRENT_GAIN, bias, function="tanh")


def _kernels(rng: np.random.Generator, source: Tensor, units: int, gates: int) -> tuple[FloatArray, FloatArray]:
    """(source size, gates * units) and (units, gates * units)."""
    limit = _INPUT_DEVIATION * math.sqrt(3.0 / source.size)
    kernel = rng.uniform(-limit, limit, (source.size, gates * units)).astype(np.float32)
    recurrent: FloatArray = _RECURRENT_GAIN * _orthogonal(rng, units, gates * units)
    return kernel, recurrent


def _glorot_uniform(rng: np.random.Generator, fan_in: int, fan_out: int) -> FloatArray:
    limit = math.sqrt(6.0 / (fan_in + fan_out))
    return rng.uniform(-limit, limit, (fan_in, fan_out)).astype(np.float32)


def _orthogonal(rng: np.random.Generator, rows: int, columns: int) -> FloatArray:
    basis, triangle = np.linalg.qr(rng.normal(size=(columns, rows)))
    orthogonal: FloatArray = (basis * np.sign(np.diag(triangle))).T.astype(np.float32)
    return orthogonal


def _sequences(rng: np.random.Generator, count: int, inputs: int) -> FloatArray:
    """Standardized signals that remember: x[t] = 0.9 x[t-1] + noise, of mean 0 and variance 1."""
    values = rng.normal(size=(count, TIMESTEPS, inputs))
    for t in range(1, TIMESTEPS):
        values[:, t] = _MEMORY * values[:, t - 1] + math.sqrt(1.0 - _MEMORY**2) * values[:, t]
    return values.astype(np.float32)
