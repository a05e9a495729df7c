"""Random quantized models by seed of which a mask leaves steps out, and inputs that have such steps."""

from dataclasses import replace

import numpy as np
from random_graphs import _concatenate
from random_models import Bounds, _dense_and_activation, _quantization, random_inputs
from random_native import BUILDERS, random_native_model

from edgelstm.ir import IntArray, Model, Op, QuantizedTensor
from edgelstm.numerics.contracts import Contract
from edgelstm.ops.embedding import Embedding
from edgelstm.ops.global_pooling import GlobalAverage
from edgelstm.ops.last_step import LastStep
from edgelstm.ops.masking import Masking
from edgelstm.ops.reverse import Reverse
from edgelstm.quantization.masks import mask_behind_reversal

BOUNDS = Bounds(units=12, inputs=6)


def random_masked_model(seed: int, bounds: Bounds = BOUNDS) -> Model:
    """A native model of this seed behind a Masking, or behind an Embedding for which the id 0 is a mask."""
    rng = np.random.default_rng(seed + 13_000_000)
    model = random_native_model(seed, bounds)
    mask = _embedding(rng, model.input) if seed % 3 == 2 else _masking(rng, model.input)
    return replace(model, name=f"random_masked_{seed}", input=mask.input, ops=(mask, *model.ops))


def random_masked_ends(seed: int, bounds: Bounds = BOUNDS) -> Model:
    """A masked sequence forwards and backwards, merged by their last steps or means."""
    rng = np.random.default_rng(seed + 14_000_000)
    tensor = QuantizedTensor("input", int(rng.integers(1, bounds.inputs + 1)), True, _quantization(rng))
    mask = _embedding(rng, tensor) if seed % 2 else _masking(rng, tensor)
    ops: list[Op] = [mask]
    ends = []
    for side in ("forward", "backward") if seed % 3 else ("backward",):
        source = tensor
        if side == "backward":
            ops.append(Reverse.of("turned", tensor))
            source = ops[-1].output
        build = BUILDERS[str(rng.choice([*BUILDERS]))]
        ops.append(build(rng, side, source, int(rng.integers(1, bounds.units + 1))))
        ops.append(_reduction(rng, str(rng.choice(["last", "mean"])), ops[-1].output, side))
        ends.append(ops[-1].output)
    if len(ends) > 1:
        ops.append(_concatenate(rng, "both", ends))
    ops += _dense_and_activation(rng, "head", ops[-1].output, int(rng.integers(1, 9)))
    timesteps = int(rng.integers(1, bounds.timesteps + 1))
    return Model(f"random_ends_{seed}", mask.input, mask_behind_reversal(ops), timesteps, Contract.NATIVE)


def _reduction(rng: np.random.Generator, kind: str, tensor: QuantizedTensor, side: str) -> Op:
    if kind == "last":
        return LastStep.of(f"{side}_last", tensor)
    result = replace(tensor, name=f"{side}_mean", is_sequence=False, quantization=_quantization(rng))
    return GlobalAverage(result.name, tensor, result)


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
    values = [op.value for op in model.ops if isinstance(op, Masking)]
    inputs[masked] = 0 if model.input.vocabulary else values[0]
    return inputs
