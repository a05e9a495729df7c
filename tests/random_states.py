"""Random quantized models by seed whose recurrent layers start from states of others, or from given vectors."""

from dataclasses import replace

import numpy as np
from random_models import Bounds, _dense_and_activation, _quantization
from random_native import BUILDERS

from edgelstm.ir import Model, Op, QuantizedTensor
from edgelstm.numerics.contracts import Contract
from edgelstm.ops.last_step import LastStep
from edgelstm.ops.lstm import Lstm
from edgelstm.ops.recurrent_op import RecurrentOp
from edgelstm.ops.repeat_vector import RepeatVector
from edgelstm.ops.reverse import Reverse

BOUNDS = Bounds(units=12, inputs=6)


def random_states_model(seed: int, bounds: Bounds = BOUNDS) -> Model:
    """The model of this seed: one or two encoders, one to three decoders, then perhaps a head."""
    rng = np.random.default_rng(seed + 21_000_000)
    source = QuantizedTensor("input", int(rng.integers(1, bounds.inputs + 1)), True, _quantization(rng))
    timesteps = int(rng.integers(1, 12))
    ops: list[Op] = []
    encoders = [_encoder(rng, ops, f"encoder{index}", source, bounds) for index in range(int(rng.integers(1, 3)))]
    tensor = _fed(rng, ops, source, encoders[-1])
    for index in range(int(rng.integers(1, 4))):
        chosen = encoders if rng.random() < 0.4 else [encoders[int(rng.integers(len(encoders)))]]
        decoder = _decoder(rng, ops, f"decoder{index}", tensor, chosen)
        encoders.append(decoder)
        tensor = decoder.output
    end = rng.random()
    if end < 0.6:
        if end < 0.3:
            ops.append(LastStep.of("end", tensor))
        ops += _dense_and_activation(rng, "head", ops[-1].output, int(rng.integers(1, 9)))
    given = {vector.name: vector for op in ops for vector in op.inputs if vector.name.startswith("given")}
    return Model(
        f"random_states_{seed}",
        source,
        tuple(ops),
        timesteps,
        Contract.NATIVE,
        further_inputs=tuple(given.values()),
    )


def _built(rng: np.random.Generator, name: str, source: QuantizedTensor, units: int) -> RecurrentOp:
    op = BUILDERS[str(rng.choice(["gru", "simple_rnn", "lstm", "lstm", "hard_lstm"]))](rng, name, source, units)
    assert isinstance(op, RecurrentOp)
    return replace(op, shows_cell=True) if isinstance(op, Lstm) and rng.random() < 0.8 else op


def _encoder(
    rng: np.random.Generator, ops: list[Op], name: str, source: QuantizedTensor, bounds: Bounds
) -> RecurrentOp:
    if rng.random() < 0.4:
        ops.append(Reverse.of(f"{name}_turned", source))
        source = ops[-1].output
    op = _built(rng, name, source, int(rng.integers(1, bounds.units + 1)))
    if rng.random() < 0.3:
        vectors = [f"given to {name} {index}" for index in range(len(op.filled))]
        given = [QuantizedTensor(vector, op.output.size, False, _quantization(rng)) for vector in vectors]
        op = replace(op, initial_state=tuple(given))
    ops.append(op)
    return op


def _fed(rng: np.random.Generator, ops: list[Op], source: QuantizedTensor, encoder: RecurrentOp) -> QuantizedTensor:
    """What the first decoder reads: the samples, what an encoder made of them, or its last step again and again."""
    kind = rng.random()
    if kind < 0.5:
        ops.append(RepeatVector.of("repeated", _last(ops, encoder.output), int(rng.integers(1, 6))))
        return ops[-1].output
    return source if kind < 0.75 else encoder.output


def _decoder(
    rng: np.random.Generator, ops: list[Op], name: str, source: QuantizedTensor, encoders: list[RecurrentOp]
) -> RecurrentOp:
    """A layer whose every state is filled by one vector of each of some encoders."""
    op = _built(rng, name, source, sum(encoder.output.size for encoder in encoders))
    vectors = [
        _state(rng, ops, f"{name}_{n}_{k}", one) for n in range(len(op.filled)) for k, one in enumerate(encoders)
    ]
    ops.append(op := replace(op, initial_state=tuple(vectors)))
    return op


def _state(rng: np.random.Generator, ops: list[Op], name: str, encoder: RecurrentOp) -> QuantizedTensor:
    """A cell state where there is one, mostly; a hidden state, or what a Dense makes of it."""
    if encoder.exposed and rng.random() < 0.6:
        return _last(ops, encoder.exposed["cell"])
    hidden = _last(ops, encoder.output)
    if rng.random() < 0.8:
        return hidden
    ops += _dense_and_activation(rng, name, hidden, hidden.size)
    return ops[-1].output


def _last(ops: list[Op], sequence: QuantizedTensor) -> QuantizedTensor:
    """The last step, one op for all that read it."""
    name = f"{sequence.name}/last_step"
    if not any(op.name == name for op in ops):
        ops.append(LastStep.of(name, sequence))
    return next(op.output for op in ops if op.name == name)
