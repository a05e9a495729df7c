"""Random quantized models by seed of which a mask leaves steps out, and inputs that have such steps."""

from dataclasses import replace

import numpy as np
from random_models import Bounds, random_inputs
from random_native import random_native_model

from edgelstm.ir import IntArray, Model
from edgelstm.ops.masking import Masking

BOUNDS = Bounds(units=12, inputs=6)


def random_masked_model(seed: int, bounds: Bounds = BOUNDS) -> Model:
    """A native model of this seed behind a Masking."""
    rng = np.random.default_rng(seed + 13_000_000)
    model = random_native_model(seed, bounds)
    source = replace(model.input, name="samples")
    masking = replace(
        Masking.of(model.input.name, source, int(rng.choice([-128, 127, model.input.quantization.zero_point]))),
        name="masking",
    )
    return replace(model, name=f"random_masked_{seed}", input=source, ops=(masking, *model.ops))


def masked_inputs(model: Model, seed: int, sequences: int) -> IntArray:
    """Random inputs of which about a third of the steps are masked; all steps of the second sequence are."""
    rng = np.random.default_rng(seed + 17)
    inputs = random_inputs(model, seed, sequences)
    masking = model.ops[0]
    assert isinstance(masking, Masking)
    masked = rng.random(inputs.shape[:2]) < 0.35
    masked[1:2] = True
    inputs[masked] = masking.value
    return inputs
