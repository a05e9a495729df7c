"""Random quantized models by seed that need their whole window: sequences backwards, repeated vectors, both ways."""

import numpy as np
from random_graphs import BOUNDS, _concatenate, _merge
from random_models import Bounds, _dense_and_activation, _lstm, _quantization

from edgelstm.ir import Model, Op, QuantizedTensor
from edgelstm.numerics.contracts import Contract
from edgelstm.ops.last_step import LastStep
from edgelstm.ops.repeat_vector import RepeatVector
from edgelstm.ops.reverse import Reverse


def random_whole_model(seed: int, contract: Contract, bounds: Bounds = BOUNDS) -> Model:
    """The model of this seed: blocks behind one another, each on the sequence or vector that the one before yields."""
    rng = np.random.default_rng(seed + 11_000_000)
    source = QuantizedTensor("input", int(rng.integers(1, bounds.inputs + 1)), True, _quantization(rng))
    ops: list[Op] = []
    tensor = source
    for index in range(int(rng.integers(1, 4))):
        tensor = _block(rng, ops, tensor, f"block{index}", bounds)
    if not ops or all(op.is_alias for op in ops) or rng.random() < 0.5:
        ops += _dense_and_activation(rng, "head", tensor, int(rng.integers(1, 9)))
    if not any(op.needs_whole_input or op.repeats for op in ops):
        tensor = ops[-1].output
        if tensor.is_sequence:
            ops.append(Reverse.of("turned", tensor))
        else:
            ops.append(RepeatVector.of("again", tensor, int(rng.integers(1, 6))))
    return Model(f"random_whole_{seed}", source, tuple(ops), int(rng.integers(1, bounds.timesteps + 1)), contract)


def _block(
    rng: np.random.Generator, ops: list[Op], tensor: QuantizedTensor, name: str, bounds: Bounds
) -> QuantizedTensor:
    if not tensor.is_sequence:
        ops.append(RepeatVector.of(f"{name}_again", tensor, int(rng.integers(1, 8))))
        tensor = ops[-1].output
    units = int(rng.integers(1, bounds.units + 1))
    kind = rng.choice(["both_ways", "backwards", "residual", "ends"])
    if kind == "backwards":
        ops += [turned := Reverse.of(f"{name}_turned", tensor), _lstm(rng, name, turned.output, units)]
    elif kind == "residual":
        ops.append(Reverse.of(f"{name}_turned", tensor))
        ops.append(_merge(rng, name, [ops[-1].output, tensor]))
    else:
        ahead = _lstm(rng, f"{name}_forward", tensor, units)
        turned = Reverse.of(f"{name}_turned", tensor)
        back = _lstm(rng, f"{name}_backward", turned.output, units)
        ops += [ahead, turned, back]
        if kind == "both_ways":
            ops.append(Reverse.of(f"{name}_again_turned", back.output))
            ops.append(_concatenate(rng, name, [ahead.output, ops[-1].output]))
        else:
            ends = [LastStep.of(f"{one.name}_last", one.output) for one in (ahead, back)]
            ops += ends
            ops.append(_merge(rng, name, [one.output for one in ends]))
    tensor = ops[-1].output
    if tensor.is_sequence and rng.random() < 0.3:
        ops.append(LastStep.of(f"{name}_last", tensor))
    return ops[-1].output
