"""Random quantized models by seed of which a mask leaves steps out, and inputs that have such steps."""

from dataclasses import replace

import numpy as np
from random_models import Bounds, random_inputs
from random_native import random_native_model

from edgelstm.ir import IntArray, Model, QuantizedTensor
from edgelstm.ops.embedding import Embedding
from edgelstm.ops.masking import Masking

BOUNDS = Bounds(units=12, inputs=6)


def random_masked_model(seed: int, bounds: Bounds = BOUNDS) -> Model:
    """A native model of this seed behind a Masking, or behind an Embedding for which the id 0 is a mask."""
    rng = np.random.default_rng(seed + 13_000_000)
    model = random_native_model(seed, bounds)
    mask = _embedding(rng, model.input) if seed % 3 == 2 else _masking(rng, model.input)
    return replace(model, name=f"random_masked_{seed}", input=mask.input, ops=(mask, *model.ops))


def _masking(rng: np.random.Generator, tensor: QuantizedTensor) -> Masking:
    value = int(rng.choice([-128, 127, tensor.quantization.zero_point]))
    return Masking("masking", replace(tensor, name="samples"), tensor, value)


def _embedding(rng: np.random.Generator, tensor: QuantizedTensor) -> Embedding:
    vocabulary = int(rng.integers(2, 30))
    table = rng.integers(-128, 128, (vocabulary, tensor.size)).astype(np.int8)
    return Embedding("words", QuantizedTensor.of_ids("ids", vocabulary), tensor, table, mask_zero=True)


def masked_inputs(model: Model, seed: int, sequences: int) -> IntArray:
    """Random inputs of which about a third of the steps are masked; all steps of the second sequence are."""
    rng = np.random.default_rng(seed + 17)
    inputs = random_inputs(model, seed, sequences)
    masked = rng.random(inputs.shape[:2]) < 0.35
    masked[1:2] = True
    mask = model.ops[0]
    inputs[masked] = mask.value if isinstance(mask, Masking) else 0
    return inputs
