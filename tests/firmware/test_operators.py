"""Operators on tensors, and a Bidirectional that merges nothing: their C on this computer is the simulator."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from random_ladder import _expected, run_alone

from edgelstm.frontends.keras import build_float_model
from edgelstm.frontends.keras_source import KerasSource
from edgelstm.ir import Model, SourceLayer, TensorReference
from edgelstm.numerics.contracts import Contract
from edgelstm.ops import registry
from edgelstm.quantization import calibrate, quantize
from edgelstm.simulate import real_outputs, simulate, stored_inputs

FEATURES, UNITS, STEPS = 3, 4, 6
ALL = {"start": None, "stop": None, "step": None}
SHAPES = ((FEATURES, 4 * UNITS), (UNITS, 4 * UNITS), (4 * UNITS,))
LSTM = {"units": UNITS, "activation": "tanh", "recurrent_activation": "sigmoid", "return_sequences": True}


def layer(kind: str, name: str, sources: Sequence[TensorReference], arrays: int = 0, **config: object) -> SourceLayer:
    rng = np.random.default_rng(len(name))
    weights = [rng.normal(0, 0.7, shape).astype(np.float32) for shape in SHAPES * arrays]
    return SourceLayer(kind, name, config, tuple(weights), inputs=tuple(sources))


def operators() -> list[SourceLayer]:
    """1 - x / 2, an LSTM, its last step by the index, and half of that."""
    names = [TensorReference(name) for name in ("", "half", "turned", "lstm", "last")]
    return [
        layer("TrueDivide with a constant", "half", names[:1], constant=2),
        layer("Subtract with a constant", "turned", names[1:2], constant=1, is_first=True),
        layer("LSTM", "lstm", names[2:3], 1, **LSTM),
        layer("GetItem", "last", names[3:4], key=[ALL, -1, ALL]),
        layer("Multiply with a constant", "end", names[4:], constant=0.5),
    ]


def not_merged(*, sequences: bool) -> list[SourceLayer]:
    """Both results of a Bidirectional, the backward one first, joined."""
    config = {**LSTM, "return_sequences": sequences}
    halves = {
        key: {"class_name": "LSTM", "config": {**config, "go_backwards": key == "backward_layer"}}
        for key in ("layer", "backward_layer")
    }
    both = layer("Bidirectional", "both", [TensorReference("")], 2, merge_mode=None, **halves)
    return [both, layer("Concatenate", "joined", [TensorReference("both", 1), TensorReference("both")])]


def quantized(layers: Sequence[SourceLayer]) -> Model:
    source = KerasSource("m", "x", FEATURES, STEPS, tuple(layers))
    model = build_float_model(source, registry)
    inputs = np.random.default_rng(3).normal(size=(40, STEPS, FEATURES)).astype(np.float32)
    found = quantize(model, calibrate(model, inputs), STEPS, Contract.LITERT)
    expected = model.forward(inputs)
    real = real_outputs(found, simulate(found, stored_inputs(found, inputs)))
    assert np.abs(real - expected.reshape(real.shape)).max() < 0.05 * np.ptp(expected)
    return found


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    "layers", [operators(), not_merged(sequences=False), not_merged(sequences=True)], ids=("operators", "last", "steps")
)
def test_the_c_is_the_simulator(layers: list[SourceLayer], seed: int) -> None:
    model = replace(quantized(layers), name="operators")
    assert run_alone(_expected(model, seed), "host", seed).passed
