"""Every layer we compile: the one place to add a line for a new one."""

from collections.abc import Mapping
from dataclasses import dataclass

from edgelstm.ir import Layer, Op
from edgelstm.ops.activation import Activation, ActivationLayer
from edgelstm.ops.concatenate import Concatenate, ConcatenateLayer
from edgelstm.ops.dense import Dense, DenseLayer
from edgelstm.ops.gru import Gru, GruLayer
from edgelstm.ops.last_step import LastStep
from edgelstm.ops.lstm import Lstm, LstmLayer
from edgelstm.ops.merge import Add, AddLayer, Multiply, MultiplyLayer
from edgelstm.ops.merge_constant import AddConstant, MultiplyConstant
from edgelstm.ops.normalization import BatchNormalizationLayer, NormalizationLayer, RescalingLayer
from edgelstm.ops.simple_rnn import SimpleRnn, SimpleRnnLayer
from edgelstm.ops.softmax import Softmax, SoftmaxLayer


@dataclass(frozen=True)
class Entry:
    """A layer and what stands for it.

    Attributes:
        op: the class of its op; None for layers that join the weights of a neighbour.
        layers: by Keras class name; none for an op that another layer's options ask for.
        operators: what stands for the op in a .tflite, read and written; "CUSTOM:..." is our own.
    """

    op: type[Op] | None
    layers: Mapping[str, type[Layer]]
    operators: tuple[str, ...] = ()


ENTRIES = (
    Entry(Lstm, {"LSTM": LstmLayer}, ("UNIDIRECTIONAL_SEQUENCE_LSTM", "CUSTOM:edgelstm.lstm")),
    Entry(Gru, {"GRU": GruLayer}, ("CUSTOM:edgelstm.gru",)),
    Entry(SimpleRnn, {"SimpleRNN": SimpleRnnLayer}, ("CUSTOM:edgelstm.simple_rnn",)),
    Entry(LastStep, {}, ("STRIDED_SLICE",)),
    Entry(Dense, {"Dense": DenseLayer}, ("FULLY_CONNECTED",)),
    Entry(
        Activation,
        {"Activation": ActivationLayer, "ReLU": ActivationLayer, "LeakyReLU": ActivationLayer},
        ("RELU", "RELU6", "LEAKY_RELU", "LOGISTIC", "TANH"),
    ),
    Entry(Softmax, {"Softmax": SoftmaxLayer}, ("SOFTMAX",)),
    Entry(Add, {"Add": AddLayer}, ("ADD",)),
    Entry(Multiply, {"Multiply": MultiplyLayer}, ("MUL",)),
    Entry(Concatenate, {"Concatenate": ConcatenateLayer}, ("CONCATENATION",)),
    Entry(
        None,
        {
            "BatchNormalization": BatchNormalizationLayer,
            "Normalization": NormalizationLayer,
            "Rescaling": RescalingLayer,
        },
    ),
)
"""Every layer, in the order of the README's table."""

KERAS_LAYERS: Mapping[str, type[Layer]] = {name: layer for entry in ENTRIES for name, layer in entry.layers.items()}
"""Keras class name -> layer."""

VANISHING: frozenset[str] = frozenset(
    {
        "ActivityRegularization",
        "AlphaDropout",
        "Dropout",
        "GaussianDropout",
        "GaussianNoise",
        "InputLayer",
        "SpatialDropout1D",
    }
)
"""Keras classes that compute nothing at inference."""

TFLITE_OPERATORS: Mapping[str, type[Op]] = {name: entry.op for entry in ENTRIES if entry.op for name in entry.operators}
"""TFLite builtin -> op."""

WITH_CONSTANT: Mapping[str, type[Op]] = {"ADD": AddConstant, "MUL": MultiplyConstant}
"""TFLite builtin -> op, where one of two inputs is a constant."""
