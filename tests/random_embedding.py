"""Random quantized models by seed that take ids: one or two Embeddings on the input, then layers of any kind.

Even seeds have tables and scales at random, odd ones are float models that were calibrated and quantized.
"""

import numpy as np
from random_graphs import _join
from random_models import Bounds, _dense_and_activation, _lstm, _quantization

from edgelstm.ir import FloatModel, Layer, Model, Op, QuantizedTensor, SourceLayer, Tensor
from edgelstm.numerics.contracts import Contract
from edgelstm.ops import registry
from edgelstm.ops.embedding import Embedding
from edgelstm.ops.last_step import LastStep
from edgelstm.quantization import calibrate, quantize

BOUNDS = Bounds(units=24)
VOCABULARIES = (1, 2, 3, 7, 40, 255, 256, 257, 1000, 32768)


def random_embedding_model(seed: int, contract: Contract) -> Model:
    """The model of this seed."""
    rng = np.random.default_rng(seed + 13_000_000)
    vocabulary = int(rng.choice(VOCABULARIES))
    timesteps = int(rng.integers(1, BOUNDS.timesteps + 1))
    if seed % 2:
        return _quantized(rng, f"random_embedding_{seed}", vocabulary, timesteps, contract)
    source = QuantizedTensor.of_ids("ids", vocabulary)
    ops: list[Op] = [_embedding(rng, f"words{index}", source) for index in range(int(rng.integers(1, 3)))]
    tensor = _join(rng, ops, [op.output for op in ops], "both")
    for index in range(int(rng.integers(0, 3))):
        ops.append(_lstm(rng, f"lstm{index}", tensor, int(rng.integers(1, BOUNDS.units + 1))))
        tensor = ops[-1].output
    if rng.random() < 0.7:
        ops.append(LastStep.of("last", tensor))
        tensor = ops[-1].output
    if rng.random() < 0.7:
        ops += _dense_and_activation(rng, "head", tensor, int(rng.integers(1, 9)))
    return Model(f"random_embedding_{seed}", source, tuple(ops), timesteps, contract)


def _embedding(rng: np.random.Generator, name: str, source: QuantizedTensor) -> Embedding:
    size = int(rng.integers(1, 17 if source.vocabulary < 1000 else 3))
    table = rng.integers(-128, 128, (source.vocabulary, size)).astype(np.int8)
    return Embedding(name, source, QuantizedTensor(name, size, True, _quantization(rng)), table)


def _quantized(rng: np.random.Generator, name: str, vocabulary: int, timesteps: int, contract: Contract) -> Model:
    source = Tensor("ids", 1, is_sequence=True, vocabulary=vocabulary)
    units, size = int(rng.integers(1, BOUNDS.units + 1)), int(rng.integers(1, 5))
    recurrent = {"units": units, "activation": "tanh", "recurrent_activation": "sigmoid"}
    described = (
        ("Embedding", {"input_dim": vocabulary, "output_dim": size}, [(vocabulary, size)]),
        ("LSTM", recurrent, [(size, 4 * units), (units, 4 * units), (4 * units,)]),
        ("Dense", {"units": 3, "activation": "softmax"}, [(units, 3), (3,)]),
    )
    layers: list[Layer] = []
    tensor = source
    for kind, config, shapes in described:
        weights = tuple(rng.normal(0, shape[0] ** -0.5, shape).astype(np.float32) for shape in shapes)
        given = SourceLayer(kind, kind.lower(), config, weights)
        assert registry.KERAS_LAYERS[kind].problems_in(given, (tensor,)) == []
        layers += registry.KERAS_LAYERS[kind].build(given, (tensor,))
        tensor = layers[-1].output
    model = FloatModel(name, source, tuple(layers), timesteps)
    ids = rng.integers(0, vocabulary, (40, timesteps, 1)).astype(np.float32)
    return quantize(model, calibrate(model, ids), timesteps, contract)
