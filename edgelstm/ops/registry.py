"""Every layer we compile: the one place to add a line for a new one."""

from collections.abc import Mapping
from dataclasses import dataclass

from edgelstm.ir import LayerBuilder, Op
from edgelstm.ops.activation import Activation, ActivationLayer
from edgelstm.ops.activation16 import Activation16
from edgelstm.ops.attention import Attention
from edgelstm.ops.attention_layer import AttentionLayer
from edgelstm.ops.average_pool2d import AveragePool2D
from edgelstm.ops.bidirectional import BidirectionalLayer
from edgelstm.ops.concatenate import Concatenate, ConcatenateLayer
from edgelstm.ops.conv1d import Conv1D, Conv1DLayer
from edgelstm.ops.conv2d import Conv2D, Conv2DLayer
from edgelstm.ops.dense import Dense, DenseLayer
from edgelstm.ops.dense16 import Dense16
from edgelstm.ops.depthwise import DepthwiseConv1D, DepthwiseConv1DLayer, SeparableConv1DLayer
from edgelstm.ops.depthwise2d import DepthwiseConv2D, DepthwiseConv2DLayer, SeparableConv2DLayer
from edgelstm.ops.embedding import Embedding, EmbeddingLayer
from edgelstm.ops.flatten import Flatten, FlattenLayer
from edgelstm.ops.global_pooling import GlobalAverage, GlobalAverageLayer, GlobalMax, GlobalMaxLayer
from edgelstm.ops.global_pooling2d import GlobalAverage2DLayer, GlobalMax2DLayer
from edgelstm.ops.gru import Gru, GruLayer
from edgelstm.ops.last_step import LastStep
from edgelstm.ops.layer_normalization import LayerNormalization, LayerNormalizationLayer
from edgelstm.ops.lstm import Lstm, Lstm16, LstmLayer, LstmRows
from edgelstm.ops.masking import Masking, MaskingLayer
from edgelstm.ops.max_pool2d import MaxPool2D
from edgelstm.ops.merge import Add, AddLayer, Multiply, MultiplyLayer
from edgelstm.ops.merge_constant import AddConstant, MultiplyConstant
from edgelstm.ops.normalization import BatchNormalizationLayer, NormalizationLayer, RescalingLayer
from edgelstm.ops.pooled_attention import AnyDotLayer
from edgelstm.ops.pooling import AveragePool, AveragePoolLayer, MaxPool, MaxPoolLayer
from edgelstm.ops.pooling2d import AveragePool2DLayer, MaxPool2DLayer
from edgelstm.ops.repeat_vector import RepeatVector, RepeatVectorLayer
from edgelstm.ops.requantize import Requantize
from edgelstm.ops.reshape_layer import ReshapeLayer
from edgelstm.ops.reverse import Reverse
from edgelstm.ops.simple_rnn import SimpleRnn, SimpleRnnLayer
from edgelstm.ops.softmax import Softmax, SoftmaxLayer
from edgelstm.ops.softmax16 import Softmax16
from edgelstm.ops.taken_step import TAKEN, TakenStepLayer
from edgelstm.ops.with_constant import ARITHMETIC, WithConstantLayer, with_constant


@dataclass(frozen=True)
class Entry:
    """A layer and what stands for it.

    Attributes:
        op: the class of its op; None for layers that join the weights of a neighbour, or stand for other layers.
        layers: by Keras class name; none for an op that another layer's options ask for.
        operators: what stands for the op in a .tflite, read and written; "CUSTOM:..." is our own.
        label: what to call an op that no Keras class names, and what in Python means the same as the classes.
        streams: whether it answers sample by sample, or why not.
        contract: where neither the op nor its operators say it.
        foreign: operators of foreign files that mean the same.
        is_int16: whether the operators are those on int16 values.
    """

    op: type[Op] | None
    layers: Mapping[str, LayerBuilder]
    operators: tuple[str, ...] = ()
    label: str = ""
    streams: str = "yes"
    contract: str = ""
    foreign: tuple[str, ...] = ()
    is_int16: bool = False


_AT_THE_BORDER = 'yes; with padding="same", the last results behind the window'

ENTRIES = (
    Entry(Lstm, {"LSTM": LstmLayer}, ("UNIDIRECTIONAL_SEQUENCE_LSTM", "CUSTOM:edgelstm.lstm")),
    Entry(LstmRows, {}, ("CUSTOM:edgelstm.lstm_rows",), label="LSTM with `--weights int4`"),
    Entry(Gru, {"GRU": GruLayer}, ("CUSTOM:edgelstm.gru",)),
    Entry(SimpleRnn, {"SimpleRNN": SimpleRnnLayer}, ("CUSTOM:edgelstm.simple_rnn",)),
    Entry(
        None,
        {"Bidirectional": BidirectionalLayer},
        streams="backward half behind the window",
        contract="as the layers in it",
    ),
    Entry(
        Embedding, {"Embedding": EmbeddingLayer}, ("GATHER", "CUSTOM:edgelstm.embedding"), foreign=("EMBEDDING_LOOKUP",)
    ),
    Entry(LastStep, {}, ("STRIDED_SLICE",), label="`return_sequences=False`, `x[:, -1]`"),
    Entry(Reverse, {}, ("REVERSE_V2",), label="`go_backwards=True`", streams="behind the window"),
    Entry(RepeatVector, {"RepeatVector": RepeatVectorLayer}, ("BROADCAST_TO",), streams="behind the window"),
    Entry(
        Flatten,
        {"Flatten": FlattenLayer, "Reshape": ReshapeLayer},
        ("RESHAPE",),
        streams="yes; a sequence made of a vector, behind the window",
    ),
    Entry(Masking, {"Masking": MaskingLayer}, ("CUSTOM:edgelstm.masking",)),
    Entry(Dense, {"Dense": DenseLayer}, ("FULLY_CONNECTED",)),
    Entry(Conv1D, {"Conv1D": Conv1DLayer}, ("CONV_2D",), streams=_AT_THE_BORDER),
    Entry(
        DepthwiseConv1D,
        {"DepthwiseConv1D": DepthwiseConv1DLayer, "SeparableConv1D": SeparableConv1DLayer},
        ("DEPTHWISE_CONV_2D",),
        streams=_AT_THE_BORDER,
    ),
    Entry(MaxPool, {"MaxPooling1D": MaxPoolLayer}, ("MAX_POOL_2D",), streams=_AT_THE_BORDER),
    Entry(AveragePool, {"AveragePooling1D": AveragePoolLayer}, ("AVERAGE_POOL_2D",), streams=_AT_THE_BORDER),
    Entry(Conv2D, {"Conv2D": Conv2DLayer}, ("CONV_2D",), streams=_AT_THE_BORDER),
    Entry(
        DepthwiseConv2D,
        {"DepthwiseConv2D": DepthwiseConv2DLayer, "SeparableConv2D": SeparableConv2DLayer},
        ("DEPTHWISE_CONV_2D",),
        streams=_AT_THE_BORDER,
    ),
    Entry(MaxPool2D, {"MaxPooling2D": MaxPool2DLayer}, ("MAX_POOL_2D",), streams=_AT_THE_BORDER),
    Entry(AveragePool2D, {"AveragePooling2D": AveragePool2DLayer}, ("AVERAGE_POOL_2D",), streams=_AT_THE_BORDER),
    Entry(GlobalMax, {"GlobalMaxPooling1D": GlobalMaxLayer, "GlobalMaxPooling2D": GlobalMax2DLayer}, ("REDUCE_MAX",)),
    Entry(
        GlobalAverage,
        {"GlobalAveragePooling1D": GlobalAverageLayer, "GlobalAveragePooling2D": GlobalAverage2DLayer},
        ("MEAN",),
    ),
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
        Lstm16,
        {},
        ("UNIDIRECTIONAL_SEQUENCE_LSTM",),
        label="LSTM, `--activations int16`",
        contract="tflm",
        is_int16=True,
    ),
    Entry(Dense16, {}, ("FULLY_CONNECTED",), label="Dense, `--activations int16`", contract="tflm", is_int16=True),
    Entry(
        Activation16,
        {},
        ("LOGISTIC", "TANH"),
        label="sigmoid and tanh, `--activations int16`",
        contract="tflm",
        is_int16=True,
    ),
    Entry(Softmax16, {}, ("SOFTMAX",), label="Softmax, `--activations int16`", contract="tflm", is_int16=True),
    Entry(Requantize, {}, ("QUANTIZE",), label="between int8 and int16", contract="tflm", is_int16=True),
    Entry(
        Attention,
        {"Attention": AttentionLayer, "Dot": AnyDotLayer},
        ("BATCH_MATMUL",),
        streams="behind the window",
    ),
    Entry(
        LayerNormalization,
        {"LayerNormalization": LayerNormalizationLayer},
        ("CUSTOM:edgelstm.layer_normalization",),
    ),
    Entry(
        None,
        {
            "BatchNormalization": BatchNormalizationLayer,
            "Normalization": NormalizationLayer,
            "Rescaling": RescalingLayer,
        },
        label="`x + 1`, `x - 1`, `x * 2`, `x / 2`",
        contract="joins an input, or the weights of a neighbour",
    ),
)
"""Every layer, in the order of the README's table."""

KERAS_LAYERS: Mapping[str, LayerBuilder] = {name: layer for entry in ENTRIES for name, layer in entry.layers.items()}
"""Keras class name -> layer."""

OPERATIONS: Mapping[str, LayerBuilder] = {
    TAKEN: TakenStepLayer,
    **{with_constant(operation): WithConstantLayer for operation in ARITHMETIC},
}
"""What Python's operators on tensors are called -> layer."""

VANISHING: frozenset[str] = frozenset(
    {
        "ActivityRegularization",
        "AlphaDropout",
        "Dropout",
        "GaussianDropout",
        "GaussianNoise",
        "InputLayer",
        "SpatialDropout1D",
        "SpatialDropout2D",
    }
)
"""Keras classes that compute nothing at inference."""

ON_IMAGES: frozenset[type[Op] | None] = frozenset({Conv2D, DepthwiseConv2D, MaxPool2D, AveragePool2D})

TFLITE_OPERATORS: Mapping[str, type[Op]] = {
    name: entry.op
    for entry in ENTRIES
    if entry.op and entry.op not in ON_IMAGES and not entry.is_int16
    for name in (*entry.operators, *entry.foreign)
}
"""TFLite builtin -> op."""

INT16_OPERATORS: Mapping[str, type[Op]] = {
    **{name: TFLITE_OPERATORS[name] for name in ("STRIDED_SLICE", "REVERSE_V2", "BROADCAST_TO", "CONCATENATION")},
    **{name: entry.op for entry in ENTRIES if entry.op and entry.is_int16 for name in entry.operators},
}
"""TFLite builtin -> op, on int16 values: what moves them, and what computes."""

OF_IMAGES: Mapping[str, type[Op]] = {
    name: entry.op for entry in ENTRIES if entry.op and entry.op in ON_IMAGES for name in entry.operators
}
"""TFLite builtin -> op, where steps of the image are rows of several features."""

WITH_CONSTANT: Mapping[str, type[Op]] = {"ADD": AddConstant, "MUL": MultiplyConstant}
"""TFLite builtin -> op, where one of two inputs is a constant."""
