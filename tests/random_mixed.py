"""Random quantized graphs by seed that mix all that decides when an op runs: windows, reversed sequences, repeated
vectors, reductions, and branches of different pace that meet again."""

from dataclasses import dataclass, field, replace

import numpy as np
from random_graphs import _concatenate, _merge
from random_models import _dense_and_activation, _lstm, _quantization
from random_windows import _reduction, random_convolution, random_depthwise, random_window

from edgelstm.ir import Model, Op, QuantizedTensor
from edgelstm.numerics.contracts import Contract
from edgelstm.ops.last_step import LastStep
from edgelstm.ops.pooling import AveragePool, MaxPool
from edgelstm.ops.repeat_vector import RepeatVector
from edgelstm.ops.reverse import Reverse
from edgelstm.ops.window import same_window

ON_SEQUENCES = (
    "conv",
    "same",
    "same",
    "depthwise",
    "max",
    "average",
    "lstm",
    "dense",
    "reverse",
    "merge",
    "merge",
    "end",
)
ON_VECTORS = ("repeat", "repeat", "dense", "merge")


@dataclass
class _Growth:
    """The graph so far: its ops, and each tensor with its length."""

    rng: np.random.Generator
    timesteps: int
    ops: list[Op] = field(default_factory=list)
    tensors: list[tuple[QuantizedTensor, int]] = field(default_factory=list)

    def add(self, op: Op, length: int) -> None:
        self.ops.append(op)
        self.tensors.append((op.output, length))


def random_mixed_model(seed: int, contract: Contract) -> Model:
    """The graph of this seed: 2 to 8 layers, each on a late tensor; what nothing has read is joined in the end."""
    rng = np.random.default_rng(seed + 15_000_000)
    timesteps = int(rng.integers(1, 12))
    source = QuantizedTensor("input", int(rng.integers(1, 4)), True, _quantization(rng))
    growth = _Growth(rng, timesteps, tensors=[(source, timesteps)])
    for index in range(int(rng.integers(2, 9))):
        tensor, length = growth.tensors[int(rng.integers(max(0, len(growth.tensors) - 3), len(growth.tensors)))]
        kind = str(rng.choice(ON_SEQUENCES if tensor.is_sequence else ON_VECTORS))
        (_grow_sequence if tensor.is_sequence else _grow_vector)(growth, kind, f"{kind}{index}", tensor, length)
    _join(growth)
    last, end = growth.ops[-1].output, rng.random()
    if end < 0.2:
        growth.ops.append(Reverse.of("final", last) if last.is_sequence else RepeatVector.of("final", last, 4))
    if end >= 0.5 or all(op.is_alias for op in growth.ops):
        last = growth.ops[-1].output
        growth.ops += _dense_and_activation(rng, "head", last, 3)
    return Model(f"random_mixed_{seed}", source, tuple(growth.ops), timesteps, contract)


def _grow_sequence(growth: _Growth, kind: str, name: str, tensor: QuantizedTensor, length: int) -> None:
    rng = growth.rng
    if kind == "lstm":
        growth.add(_lstm(rng, name, tensor, int(rng.choice([tensor.size, 3]))), length)
    elif kind == "dense":
        for op in _dense_and_activation(rng, name, tensor, int(rng.choice([tensor.size, 3]))):
            growth.add(op, length)
    elif kind == "reverse":
        growth.add(Reverse.of(name, tensor), length)
    elif kind == "merge":
        _add_merge(growth, name, tensor, length)
    elif kind == "end":
        growth.add(_end(rng, name, tensor), 1)
    else:
        _add_window(growth, kind, name, tensor, length)


def _grow_vector(growth: _Growth, kind: str, name: str, tensor: QuantizedTensor, length: int) -> None:
    rng = growth.rng
    if kind == "repeat":
        count = int(rng.choice([growth.timesteps, 1, 2, 5]))
        growth.add(RepeatVector.of(name, tensor, count), count)
    elif kind == "dense":
        for op in _dense_and_activation(rng, name, tensor, int(rng.choice([tensor.size, 3]))):
            growth.add(op, 1)
    else:
        _add_merge(growth, name, tensor, length)


def _add_merge(growth: _Growth, name: str, tensor: QuantizedTensor, length: int) -> None:
    fitting = [
        other
        for other, steps in growth.tensors
        if (other.is_sequence, steps, other.size) == (tensor.is_sequence, length, tensor.size)
    ]
    growth.add(_merge(growth.rng, name, [tensor, fitting[int(growth.rng.integers(len(fitting)))]]), length)


def _add_window(growth: _Growth, kind: str, name: str, tensor: QuantizedTensor, length: int) -> None:
    rng = growth.rng
    if kind == "same":
        window = same_window(int(rng.integers(2, 5)), int(rng.choice([1, 1, 1, 2])), 1, length)
        growth.add(random_convolution(rng, name, tensor, tensor.size, window), window.pace.count(length))
        return
    is_rows = kind in ("conv", "depthwise")
    window = random_window(rng, length, is_padded=True, is_dilated=is_rows)
    op: Op
    if kind == "conv":
        op = random_convolution(rng, name, tensor, int(rng.choice([tensor.size, 1, 5])), window)
    elif kind == "depthwise":
        op = random_depthwise(rng, name, tensor, 1, window)
    elif kind == "max":
        op = MaxPool(name, tensor, replace(tensor, name=name, timesteps=None), window)
    else:
        op = AveragePool.on(name, replace(tensor, timesteps=None), window, length)
    growth.add(op, window.pace.count(length))


def _end(rng: np.random.Generator, name: str, tensor: QuantizedTensor) -> Op:
    # C does not keep the model's input, and so not its last step.
    kind = str(rng.choice(["last", "mean", "largest"][tensor.name == "input" :]))
    if kind == "last":
        return LastStep.of(name, tensor)
    op = _reduction(rng, kind, tensor, 1)
    return replace(op, name=name, output=replace(op.output, name=name))


def _join(growth: _Growth) -> None:
    """Everything that nothing has read, in one tensor: sequences of one length as they are, others by their ends."""
    read = {tensor.name for op in growth.ops for tensor in op.inputs}
    loose = [(tensor, length) for tensor, length in growth.tensors[1:] if tensor.name not in read]
    if len(loose) < 2:
        return
    tensors = [tensor for tensor, _ in loose]
    if not all(tensor.is_sequence for tensor in tensors) or len({length for _, length in loose}) > 1:
        for index, tensor in enumerate(tensors):
            if tensor.is_sequence:
                growth.add(_end(growth.rng, f"{tensor.name}_end", tensor), 1)
                tensors[index] = growth.ops[-1].output
    growth.ops.append(_concatenate(growth.rng, "joined", tensors))
