"""Random quantized models by seed with attention: of a sequence on itself, on another, of a vector, one behind another,
behind and in front of other layers."""

from dataclasses import dataclass, field, replace

import numpy as np
from random_graphs import BOUNDS, _concatenate, _merge
from random_models import Bounds, _dense_and_activation, _lstm, _quantization
from random_native import _gru
from random_windows import _reduction, random_convolution, random_window

from edgelstm.ir import Model, Op, Quantization, QuantizedTensor
from edgelstm.numerics.contracts import Contract
from edgelstm.ops import scales
from edgelstm.ops.attention import Attention
from edgelstm.ops.last_step import LastStep
from edgelstm.ops.merge_constant import MultiplyConstant
from edgelstm.ops.repeat_vector import RepeatVector
from edgelstm.ops.reverse import Reverse

FORMS = ("self", "keyed", "vector", "vector", "samples", "decoder", "keyed")
ENDS = ("lstm", "dense", "pool", "mean", "largest", "flat", "last", "none", "again")


@dataclass
class _Growth:
    """The model so far: its ops, and the length of each sequence."""

    rng: np.random.Generator
    bounds: Bounds
    source: QuantizedTensor
    ops: list[Op] = field(default_factory=list)
    lengths: dict[str, int] = field(default_factory=dict)

    def add(self, op: Op, length: int) -> QuantizedTensor:
        self.ops.append(op)
        self.lengths[op.output.name] = length
        return op.output

    def add_all(self, ops: list[Op], length: int) -> QuantizedTensor:
        for op in ops:
            self.add(op, length)
        return self.ops[-1].output


def random_attention_model(seed: int, contract: Contract, bounds: Bounds = BOUNDS) -> Model:
    """The model of this seed: a layer that makes a sequence, attention in one of its forms, and what follows it.

    Every ninth has a GRU in front, and so the contract `native`.
    """
    rng = np.random.default_rng(seed + 16_000_000)
    timesteps = int(rng.integers(1, bounds.timesteps + 1)) if seed % 11 else 60
    source = QuantizedTensor("input", int(rng.integers(1, bounds.inputs + 1)), True, _quantization(rng))
    growth = _Growth(rng, bounds, source, lengths={"input": timesteps})
    fronts = ("lstm", "both_ways", "conv", "none", "dense", "lstm", "conv")
    front = "gru" if seed % 9 == 8 else fronts[int(rng.integers(len(fronts)))]
    tensor = _front(growth, front, source)
    tensor = _attend(growth, FORMS[seed % len(FORMS)], "attention", tensor)
    _end(growth, str(rng.choice(ENDS)), tensor)
    if all(op.is_alias for op in growth.ops[-1:]):
        growth.add_all(_dense_and_activation(rng, "head", growth.ops[-1].output, 3), 1)
    contract = Contract.NATIVE if front == "gru" else contract
    return Model(f"random_attention_{seed}", source, tuple(growth.ops), timesteps, contract)


def _front(growth: _Growth, kind: str, source: QuantizedTensor) -> QuantizedTensor:
    """What the attention looks at."""
    rng, length = growth.rng, growth.lengths[source.name]
    units = int(rng.integers(1, growth.bounds.units + 1))
    if kind == "none":
        return source
    if kind == "conv":
        window = random_window(rng, length, is_padded=True, is_dilated=True)
        return growth.add(random_convolution(rng, "conv", source, units, window), window.pace.count(length))
    if kind == "dense":
        return growth.add_all(_dense_and_activation(rng, "before", source, units), length)
    if kind == "both_ways":
        ahead = growth.add(_lstm(rng, "ahead", source, units), length)
        turned = growth.add(Reverse.of("turned", source), length)
        back = growth.add(_lstm(rng, "back", turned, units), length)
        again = growth.add(Reverse.of("again", back), length)
        return growth.add(_concatenate(rng, "both", [ahead, again]), length)
    return growth.add((_gru if kind == "gru" else _lstm)(rng, kind, source, units), length)


def _attend(growth: _Growth, form: str, name: str, tensor: QuantizedTensor) -> QuantizedTensor:
    """Attention of that form with `tensor` for values."""
    rng, length = growth.rng, growth.lengths[tensor.name]
    if form == "self":
        return growth.add(random_attention(rng, name, tensor, tensor, tensor, length), length)
    if form == "keyed":
        units = int(rng.integers(1, 20))
        query, key = (
            growth.add_all(_dense_and_activation(rng, f"{name}_{role}", tensor, units), length)
            for role in ("query", "key")
        )
        return growth.add(random_attention(rng, name, query, tensor, key, length), length)
    if form == "vector":
        return _attend_once(growth, name, tensor)
    if form == "samples":  # queries may be of another length and level than what they look at
        count = growth.lengths["input"]
        query = growth.add_all(_dense_and_activation(rng, f"{name}_query", growth.source, tensor.size), count)
        return growth.add(random_attention(rng, name, query, tensor, tensor, length), count)
    count = int(rng.integers(1, 8))
    last = growth.add(LastStep.of(f"{name}_last", _computed(growth, tensor, name)), 1)
    again = growth.add(RepeatVector.of(f"{name}_again", last, count), count)
    decoder = growth.add(_lstm(rng, f"{name}_decoder", again, tensor.size), count)
    context = growth.add(random_attention(rng, name, decoder, tensor, tensor, length), count)
    return growth.add(_concatenate(rng, f"{name}_joined", [decoder, context]), count)


def _computed(growth: _Growth, tensor: QuantizedTensor, name: str) -> QuantizedTensor:
    """C does not keep the model's input, and so not its last step."""
    if tensor.name != "input":
        return tensor
    return growth.add_all(_dense_and_activation(growth.rng, f"{name}_before", tensor, 4), growth.lengths["input"])


def _attend_once(growth: _Growth, name: str, tensor: QuantizedTensor) -> QuantizedTensor:
    """One query of the whole sequence, as attention RNNs have it."""
    rng, length = growth.rng, growth.lengths[tensor.name]
    if rng.random() < 0.5:
        end = growth.add(LastStep.of(f"{name}_last", _computed(growth, tensor, name)), 1)
    else:
        mean = _reduction(rng, "mean", tensor, length)
        end = growth.add(replace(mean, name=f"{name}_mean", output=replace(mean.output, name=f"{name}_mean")), 1)
    query = growth.add_all(_dense_and_activation(rng, f"{name}_query", end, tensor.size), 1)
    context = growth.add(random_attention(rng, name, query, tensor, tensor, length), 1)
    if rng.random() < 0.4:
        context = growth.add(_merge(rng, f"{name}_merged", [context, query]), 1)
    return context


def random_attention(
    rng: np.random.Generator,
    name: str,
    query: QuantizedTensor,
    value: QuantizedTensor,
    key: QuantizedTensor,
    steps: int,
) -> Attention:
    """Scores that spread weights over many steps, or leave all to one; now and then a factor of a foreign file."""
    reach = 40 * 40 * query.size**0.5 * query.quantization.scale * key.quantization.scale
    spread = float(np.exp(rng.uniform(-1.5, 3.0)))
    scores = Quantization(scales.float32(reach / 60), int(rng.choice([-128, 127, 0, int(rng.integers(-128, 128))])))
    beta = scales.float32(spread / reach)
    output = Quantization(
        scales.float32(value.quantization.scale * float(rng.uniform(0.2, 1.1))), int(rng.integers(-128, 128))
    )
    result = QuantizedTensor(name, value.size, query.is_sequence, output)
    op = Attention(name, query, result, value, key, steps, scores, beta)
    if rng.random() >= 0.25:
        return op
    constant = Quantization(scales.float32(float(rng.uniform(0.002, 0.02))), int(rng.choice([-128, 0])))
    number = int(rng.integers(-100, 128))
    scaled = Quantization(scales.float32(scores.scale * constant.scale * 100), int(rng.integers(-128, 128)))
    tensor = replace(op.scored, name=f"{name}/scaled", quantization=scaled)
    values = np.full(steps, number, np.int8)
    factor = MultiplyConstant(f"{name}/scaled", op.scored, tensor, values, constant)
    return replace(op, factor=factor, beta=scales.float32(spread / (reach / 60 * constant.scale * 6000)))


def _end(growth: _Growth, kind: str, tensor: QuantizedTensor) -> None:
    """What reads the result: of a sequence, a layer over time, a reduction or another attention."""
    rng = growth.rng
    if not tensor.is_sequence or kind == "dense":
        if kind != "none":
            growth.add_all(
                _dense_and_activation(rng, "head", tensor, int(rng.integers(1, 9))), growth.lengths[tensor.name]
            )
        return
    length = growth.lengths[tensor.name]
    if kind == "lstm":
        growth.add(_lstm(rng, "behind", tensor, int(rng.integers(1, 9))), length)
    elif kind == "again":
        _attend(growth, str(rng.choice(["self", "vector"])), "second", tensor)
    elif kind == "pool":
        window = random_window(rng, length, is_padded=True, is_dilated=True)
        growth.add(random_convolution(rng, "behind", tensor, 3, window), window.pace.count(length))
    elif kind != "none":
        growth.add(_reduction(rng, kind, tensor, length), 1)
