"""Fixed models for golden files and the cost table: weights follow from a formula, not from a random generator whose
stream a new numpy may change."""

import math
from dataclasses import replace

import numpy as np

from edgelstm.ir import FloatModel, Layer, Model, Tensor
from edgelstm.numerics.contracts import Contract
from edgelstm.numerics.gate_functions import GateFunction
from edgelstm.ops.activation import activation_layers
from edgelstm.ops.attention_layer import AttentionLayer
from edgelstm.ops.conv2d import Conv2DLayer
from edgelstm.ops.dense import DenseLayer
from edgelstm.ops.depthwise import DepthwiseConv1DLayer
from edgelstm.ops.depthwise2d import DepthwiseConv2DLayer
from edgelstm.ops.embedding import EmbeddingLayer
from edgelstm.ops.gru import GruLayer
from edgelstm.ops.last_step import LastStepLayer
from edgelstm.ops.layer_normalization import LayerNormalizationLayer
from edgelstm.ops.lstm import LstmLayer
from edgelstm.ops.patch_layer import PatchOptions
from edgelstm.ops.pooling2d import MaxPool2DLayer
from edgelstm.ops.repeat_vector import RepeatVectorLayer
from edgelstm.ops.simple_rnn import SimpleRnnLayer
from edgelstm.ops.window import Window
from edgelstm.quantization import quantize


def _wave(shape: tuple[int, ...], phase: float, size: float) -> np.ndarray:
    """Numbers in +-size that look irregular and are the same everywhere."""
    count = math.prod(shape)
    values = [size * math.sin(phase + 1.7 * index + 0.3 * (index % 11)) for index in range(count)]
    return np.array(values, np.float32).reshape(shape)


def lstm(name: str, source: Tensor, units: int) -> LstmLayer:
    """An LSTM with smooth weights."""
    return LstmLayer(
        name,
        source,
        Tensor(name, units, is_sequence=True),
        _wave((source.size, 4 * units), 0.1, 1.0 / math.sqrt(source.size)),
        _wave((units, 4 * units), 0.2, 1.0 / math.sqrt(units)),
        _wave((4 * units,), 0.3, 0.5),
    )


def dense(name: str, source: Tensor, units: int) -> DenseLayer:
    """A linear Dense."""
    output = Tensor(name, units, source.is_sequence)
    kernel = _wave((source.size, units), 0.4, 1.5 / math.sqrt(source.size))
    return DenseLayer(name, source, output, kernel, _wave((units,), 0.5, 0.3), relu=False)


def gru(name: str, source: Tensor, units: int) -> GruLayer:
    """A GRU with smooth weights, the reset gate after the recurrent kernel."""
    return GruLayer(
        name,
        source,
        Tensor(name, units, is_sequence=True),
        _wave((source.size, 3 * units), 0.1, 1.0 / math.sqrt(source.size)),
        _wave((units, 3 * units), 0.2, 1.0 / math.sqrt(units)),
        _wave((3 * units,), 0.3, 0.5),
        _wave((3 * units,), 0.4, 0.5),
        reset_after=True,
        gate=GateFunction.SIGMOID,
    )


def simple_rnn(name: str, source: Tensor, units: int) -> SimpleRnnLayer:
    """A SimpleRNN with tanh and smooth weights."""
    return SimpleRnnLayer(
        name,
        source,
        Tensor(name, units, is_sequence=True),
        _wave((source.size, units), 0.1, 1.0 / math.sqrt(source.size)),
        _wave((units, units), 0.2, 0.7 / math.sqrt(units)),
        _wave((units,), 0.3, 0.5),
        function="tanh",
    )


def embedding(name: str, source: Tensor, size: int) -> EmbeddingLayer:
    """A table with smooth rows."""
    return EmbeddingLayer(
        name, source, Tensor(name, size, is_sequence=True), _wave((source.vocabulary, size), 0.6, 1.0)
    )


def layer_normalization(name: str, source: Tensor) -> LayerNormalizationLayer:
    """A normalization with smooth factors and summands."""
    gamma, beta = 1.0 + _wave((source.size,), 0.6, 0.3), _wave((source.size,), 0.7, 0.3)
    return LayerNormalizationLayer(name, source, Tensor(name, source.size, source.is_sequence), gamma, beta, 1e-3)


RECURRENT = {"lstm": lstm, "gru": gru, "rnn": simple_rnn, "normalized": lstm}


def classifier(
    inputs: int, units: tuple[int, ...], classes: int, timesteps: int, contract: Contract, kind: str = "lstm"
) -> Model:
    """Stacked layers of a kind ("normalized": LSTM and LayerNormalization), then the last step, Dense and softmax."""
    tensor = Tensor("input", inputs, is_sequence=True)
    layers: list[Layer] = []
    for index, size in enumerate(units):
        layers.append(RECURRENT[kind](f"{kind}_{index + 1}", layers[-1].output if layers else tensor, size))
        if kind == "normalized":
            layers.append(layer_normalization(f"normal_{index + 1}", layers[-1].output))
    layers.append(LastStepLayer.after(layers[-1].output))
    layers.append(dense("dense", layers[-1].output, classes))
    layers += activation_layers("softmax", "softmax", layers[-1].output)
    name = "_".join(["classifier", str(inputs), *map(str, units)])
    return _quantized(FloatModel(name, tensor, tuple(layers), timesteps), contract)


def tagger(inputs: int, units: int, timesteps: int, contract: Contract) -> Model:
    """An LSTM and a Dense that answers every step."""
    tensor = Tensor("input", inputs, is_sequence=True)
    recurrent = lstm("lstm", tensor, units)
    head = dense("dense", recurrent.output, 2)
    layers = (recurrent, head, *activation_layers("sigmoid", "sigmoid", head.output))
    return _quantized(FloatModel(f"tagger_{inputs}_{units}", tensor, layers, timesteps), contract)


def reader(vocabulary: int, size: int, units: int, timesteps: int, contract: Contract) -> Model:
    """Ids, an Embedding, an LSTM, and one decision at the end."""
    tensor = Tensor("ids", 1, is_sequence=True, vocabulary=vocabulary)
    table = embedding("embedding", tensor, size)
    recurrent = lstm("lstm", table.output, units)
    last = LastStepLayer.after(recurrent.output)
    head = dense("dense", last.output, 1)
    layers = (table, recurrent, last, head, *activation_layers("sigmoid", "sigmoid", head.output))
    return _quantized(FloatModel(f"reader_{vocabulary}_{size}_{units}", tensor, layers, timesteps), contract)


def listener(inputs: int, units: int, classes: int, timesteps: int, contract: Contract) -> Model:
    """An attention RNN: the last hidden state asks which of all are heard."""
    tensor = Tensor("input", inputs, is_sequence=True, timesteps=timesteps)
    recurrent = lstm("lstm", tensor, units)
    recurrent = replace(recurrent, output=replace(recurrent.output, timesteps=timesteps))
    last = LastStepLayer.after(recurrent.output)
    query = dense("query", last.output, units)
    attention = AttentionLayer.of("attention", (query.output, recurrent.output, recurrent.output))
    head = dense("dense", attention.output, classes)
    layers = (recurrent, last, query, attention, head, *activation_layers("softmax", "softmax", head.output))
    return _quantized(FloatModel(f"listener_{inputs}_{units}", tensor, layers, timesteps), contract)


def translator(inputs: int, units: int, timesteps: int, steps: int, contract: Contract) -> Model:
    """An encoder whose hidden and cell state a decoder starts from, and a Dense that answers each of its steps."""
    tensor = Tensor("input", inputs, is_sequence=True)
    encoder = lstm("encoder", tensor, units)
    last = LastStepLayer.after(encoder.output)
    cell = LastStepLayer.after(replace(encoder.output, name=encoder.cell_range_name))
    repeated = RepeatVectorLayer("repeat", last.output, Tensor("repeat", units, True, timesteps=steps))
    decoder = replace(lstm("decoder", repeated.output, units), initial_state=(last.output, cell.output))
    layers = (encoder, last, cell, repeated, decoder, dense("dense", decoder.output, 2))
    return _quantized(FloatModel(f"translator_{inputs}_{units}", tensor, layers, timesteps), contract)


def crnn(features: int, filters: int, units: int, timesteps: int, contract: Contract) -> Model:
    """Rows of features through a Conv2D, a pool and a DepthwiseConv2D into an LSTM, and one decision at the end."""
    tensor = Tensor("input", features, is_sequence=True, timesteps=timesteps, channels=1)
    same = Window(3, 1, 1, 1, 1)
    image = Tensor("conv", features * filters, True, timesteps=timesteps, channels=filters)
    kernel, bias = _wave((3, 3, 1, filters), 0.8, 0.6), _wave((filters,), 0.9, 0.3)
    conv = Conv2DLayer(
        "conv", tensor, image, kernel, bias, relu=True, window=same, across=same, features=features
    )  # fmt: skip
    pool = MaxPool2DLayer.over("pool", image, PatchOptions.of_row(2))
    kernel, bias = _wave((2, 2, filters), 1.1, 0.8), _wave((filters,), 1.2, 0.3)
    rows = Tensor("mixed", (features // 2 - 1) * filters, True, timesteps=timesteps - 1, channels=filters)
    mixed = DepthwiseConv2DLayer(
        "mixed", pool.output, rows, kernel, bias, relu=False, window=Window(2), across=Window(2), features=features // 2
    )
    recurrent = lstm("lstm", rows, units)
    last = LastStepLayer.after(recurrent.output)
    head = dense("dense", last.output, 2)
    layers = (conv, pool, mixed, recurrent, last, head)
    return _quantized(FloatModel(f"crnn_{features}_{filters}_{units}", tensor, layers, timesteps), contract)


def depthwise(inputs: int, taps: int, timesteps: int, contract: Contract) -> Model:
    """A DepthwiseConv1D alone, which answers every step."""
    tensor, output = Tensor("input", inputs, is_sequence=True), Tensor("mixed", inputs, is_sequence=True)
    kernel, bias = _wave((taps, inputs), 1.1, 0.8), _wave((inputs,), 1.2, 0.3)
    layer = DepthwiseConv1DLayer("mixed", tensor, output, kernel, bias, relu=False, window=Window(taps))
    return _quantized(FloatModel(f"depthwise_{inputs}_{taps}", tensor, (layer,), timesteps), contract)


def attention(inputs: int, timesteps: int, contract: Contract) -> Model:
    """Attention of a sequence on itself, alone."""
    tensor = Tensor("input", inputs, is_sequence=True, timesteps=timesteps)
    layer = AttentionLayer.of("attention", (tensor, tensor, tensor))
    return _quantized(FloatModel(f"attention_{timesteps}_{inputs}", tensor, (layer,), timesteps), contract)


def _quantized(model: FloatModel, contract: Contract) -> Model:
    """Fixed ranges: calibration would bring the platform's exp and tanh into the golden files."""
    ranges = {model.input.name: (-2.0, 2.0)}
    for layer in model.layers:
        ranges[layer.output.name] = (
            (-1.0, 1.0) if isinstance(layer, LstmLayer | GruLayer | SimpleRnnLayer) else (-3.0, 3.0)
        )
        ranges[f"{layer.name}/cell"] = (-2.9, 3.1)
        ranges[f"{layer.name}/scores"] = (-4.0, 4.0)
        if isinstance(layer, LastStepLayer):
            ranges[layer.name] = ranges[layer.input.name]
    return quantize(model, ranges, model.timesteps or 1, contract)
