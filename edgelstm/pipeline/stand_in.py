"""Models and signals that stand in for trained ones where only what they cost is asked for.

Weights are as Keras initialises them, but scaled as after training: the kernel to an input part of standard deviation
`_INPUT_DEVIATION`, the recurrent kernel by `RECURRENT_GAIN`. So 5 % of the gates exceed 3 in magnitude, where
activations cost most, for any shape, as in the trained spoken digits.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from edgelstm.ir import FloatArray, FloatModel, Layer, Tensor
from edgelstm.numerics.gate_functions import GateFunction
from edgelstm.ops.activation import activation_layers
from edgelstm.ops.dense import DenseLayer
from edgelstm.ops.gru import GruLayer
from edgelstm.ops.last_step import LastStepLayer
from edgelstm.ops.lstm import LstmLayer
from edgelstm.ops.simple_rnn import SimpleRnnLayer

KINDS = {"lstm": "LSTM", "gru": "GRU", "simple_rnn": "SimpleRNN"}
"""The recurrent layers that `stand_in` makes, with Keras' names for them."""

GATES = {"lstm": 4, "gru": 3, "simple_rnn": 1}

RECURRENT_GAIN = 2.0
"""By what training makes a recurrent kernel larger: half of the examples' ones have grown by more than 2.1."""

_SEED = 20240607
_MEMORY = 0.9
_INPUT_DEVIATION = 1.4


@dataclass(frozen=True)
class Sizes:
    """A model of one recurrent layer that is not trained yet.

    Attributes:
        layer: one of KINDS.
        units: of the layer.
        inputs: values of a sample.
        outputs: of a Dense behind it, with softmax where there are several; 0 for none.
    """

    layer: str
    units: int
    inputs: int
    outputs: int = 0

    @property
    def label(self) -> str:
        """The layer in words, "LSTM(16)"."""
        return f"{KINDS[self.layer]}({self.units})"

    @property
    def weights(self) -> int:
        """How many weights the recurrent layer has, each of them a byte at least."""
        return GATES[self.layer] * self.units * (self.units + self.inputs)


def stand_in(sizes: Sizes) -> FloatModel:
    """The same model for the same sizes, for sequences of any length; it keeps the last step, as most models do."""
    rng = np.random.default_rng([_SEED, sizes.inputs, sizes.units, sizes.outputs])
    source = Tensor("input", sizes.inputs, is_sequence=True)
    layers: list[Layer] = [recurrent_layer(sizes.layer, rng, sizes.layer, source, sizes.units)]
    layers.append(LastStepLayer.after(layers[-1].output))
    if sizes.outputs:
        layers.append(dense_layer(rng, layers[-1].output, sizes.outputs))
    if sizes.outputs > 1:
        layers += activation_layers("softmax", "softmax", layers[-1].output)
    return FloatModel(f"{sizes.layer}_{sizes.units}", source, tuple(layers), timesteps=None)


def recurrent_layer(kind: str, rng: np.random.Generator, name: str, source: Tensor, units: int) -> Layer:
    """A layer of `KINDS`, as Keras initialises it, scaled; see above.

    Biases are 0, but 1 for an LSTM's forget gate; a GRU's reset gate acts behind the recurrent kernel. The recurrent
    kernel of a SimpleRNN is not scaled: without gates it would swing from end to end.
    """
    output = Tensor(name, units, is_sequence=True)
    kernel, recurrent = _kernels(rng, source, units, GATES[kind])
    if kind == "lstm":
        bias = np.zeros(4 * units, np.float32)
        bias[units : 2 * units] = 1.0
        return LstmLayer(name, source, output, kernel, recurrent, bias)
    zeros = np.zeros(GATES[kind] * units, np.float32)
    if kind == "gru":
        gate = GateFunction.SIGMOID
        return GruLayer(name, source, output, kernel, recurrent, zeros, zeros, reset_after=True, gate=gate)
    return SimpleRnnLayer(name, source, output, kernel, recurrent / RECURRENT_GAIN, zeros, function="tanh")


def hard_lstm_layer(rng: np.random.Generator, name: str, source: Tensor, units: int) -> Layer:
    """An LSTM with hard_sigmoid gates, made alike."""
    layer = recurrent_layer("lstm", rng, name, source, units)
    assert isinstance(layer, LstmLayer)
    return replace(layer, gate=GateFunction.HARD_SIGMOID_6)


def dense_layer(rng: np.random.Generator, source: Tensor, outputs: int) -> Layer:
    """A Dense as Keras initialises it, glorot_uniform."""
    limit = math.sqrt(6.0 / (source.size + outputs))
    kernel = rng.uniform(-limit, limit, (source.size, outputs)).astype(np.float32)
    output = Tensor("dense", outputs, is_sequence=False)
    return DenseLayer("dense", source, output, kernel, np.zeros(outputs, np.float32), relu=False)


def signals(rng: np.random.Generator, sequences: int, timesteps: int, channels: int) -> FloatArray:
    """(sequences, timesteps, channels) of mean 0 and variance 1 that remember: x[t] = 0.9 x[t-1] + noise."""
    values = rng.normal(size=(sequences, timesteps, channels))
    for t in range(1, timesteps):
        values[:, t] = _MEMORY * values[:, t - 1] + math.sqrt(1.0 - _MEMORY**2) * values[:, t]
    return values.astype(np.float32)


def _kernels(rng: np.random.Generator, source: Tensor, units: int, gates: int) -> tuple[FloatArray, FloatArray]:
    """(source size, gates * units) and (units, gates * units)."""
    limit = _INPUT_DEVIATION * math.sqrt(3.0 / source.size)
    kernel = rng.uniform(-limit, limit, (source.size, gates * units)).astype(np.float32)
    recurrent: FloatArray = RECURRENT_GAIN * _orthogonal(rng, units, gates * units)
    return kernel, recurrent


def _orthogonal(rng: np.random.Generator, rows: int, columns: int) -> FloatArray:
    basis, triangle = np.linalg.qr(rng.normal(size=(columns, rows)))
    orthogonal: FloatArray = (basis * np.sign(np.diag(triangle))).T.astype(np.float32)
    return orthogonal
