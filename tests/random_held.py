"""Random quantized models by seed with sequences of several lengths: inputs given whole, and vectors taken apart."""

from dataclasses import replace

import numpy as np
from random_embedding import _embedding
from random_graphs import _concatenate
from random_models import Bounds, _dense_and_activation, _lstm, _quantization
from random_native import BUILDERS

from edgelstm.ir import Model, Op, QuantizedTensor
from edgelstm.numerics.contracts import Contract
from edgelstm.ops.last_step import LastStep
from edgelstm.ops.recurrent_op import RecurrentOp
from edgelstm.ops.reverse import Reverse
from edgelstm.ops.unflatten import Unflatten

BOUNDS = Bounds(units=12, inputs=6)
IDS = (2, 7, 300)


def random_held(seed: int, contract: Contract) -> Model:
    """The model of this seed: an encoder of the samples, and one to three readers of other sequences.

    Under contract `native` the readers start from the encoder's states.
    """
    rng = np.random.default_rng(seed + 23_000_000)
    timesteps = int(rng.integers(1, 12))
    samples = QuantizedTensor("samples", int(rng.integers(1, BOUNDS.inputs + 1)), True, _quantization(rng))
    held = [_held(rng, f"held {index}", timesteps) for index in range(int(rng.integers(0, 3)))]
    ops: list[Op] = [Unflatten.of_held(tensor) for tensor in held]
    sequences = [_steps(rng, ops, op.output) for op in tuple(ops)]
    encoder = _recurrent(rng, "encoder", samples, int(rng.integers(1, BOUNDS.units + 1)), contract)
    ops.append(encoder)
    last = _last(ops, encoder.output)
    if not held or rng.random() < 0.4:
        sequences.append(_taken_apart(rng, ops, last))
    readers = [_read(rng, ops, f"reader{index}", one, encoder, contract) for index, one in enumerate(sequences)]
    needs_encoder = last.name in [tensor.name for op in ops for tensor in op.inputs]
    if len(sequences) == 1 and needs_encoder and rng.random() < 0.5:
        ops += _dense_and_activation(rng, "steps", readers[0], 3)
    else:
        ops.append(_concatenate(rng, "ends", [last, *(_last(ops, reader) for reader in readers)]))
        ops += _dense_and_activation(rng, "head", ops[-1].output, int(rng.integers(1, 9)))
    if contract is Contract.NATIVE and not any(op.is_native for op in ops):
        contract = Contract.LITERT
    return Model(f"random_held_{seed}", samples, tuple(ops), timesteps, contract, further_inputs=tuple(held))


def random_held_native(seed: int) -> Model:
    """The model of this seed whose readers start from states."""
    return random_held(seed, Contract.NATIVE)


def _recurrent(rng: np.random.Generator, name: str, source: QuantizedTensor, units: int, contract: Contract) -> Op:
    if contract is Contract.NATIVE:
        return BUILDERS[str(rng.choice(["gru", "simple_rnn", "lstm", "hard_lstm"]))](rng, name, source, units)
    return _lstm(rng, name, source, units)


def _held(rng: np.random.Generator, name: str, timesteps: int) -> QuantizedTensor:
    """An input of any length, by chance that of the samples."""
    steps = timesteps if rng.random() < 0.2 else int(rng.integers(1, 10))
    if rng.random() < 0.4:
        ids = QuantizedTensor.of_ids(name, int(rng.choice(IDS)))
        return replace(ids, size=steps, is_sequence=False, timesteps=steps)
    size = steps * int(rng.integers(1, BOUNDS.inputs + 1))
    return QuantizedTensor(name, size, False, _quantization(rng), timesteps=steps)


def _steps(rng: np.random.Generator, ops: list[Op], steps: QuantizedTensor) -> QuantizedTensor:
    """The steps themselves, of ids the vectors that they stand for."""
    if not steps.vocabulary:
        return steps
    ops.append(_embedding(rng, f"words of {steps.name}", steps))
    return ops[-1].output


def _taken_apart(rng: np.random.Generator, ops: list[Op], last: QuantizedTensor) -> QuantizedTensor:
    steps, size = int(rng.integers(2, 6)), int(rng.integers(1, BOUNDS.inputs + 1))
    ops += _dense_and_activation(rng, "spread", last, steps * size)
    ops.append(Unflatten.of("apart", ops[-1].output, steps))
    return ops[-1].output


def _read(
    rng: np.random.Generator, ops: list[Op], name: str, source: QuantizedTensor, encoder: Op, contract: Contract
) -> QuantizedTensor:
    if rng.random() < 0.3:
        ops.append(Reverse.of(f"{name} turned", source))
        source = ops[-1].output
    op = _recurrent(rng, name, source, encoder.output.size, contract)
    if isinstance(op, RecurrentOp) and contract is Contract.NATIVE and rng.random() < 0.8:
        op = replace(op, initial_state=tuple(_last(ops, encoder.output) for _ in op.filled))
    ops.append(op)
    return op.output


def _last(ops: list[Op], sequence: QuantizedTensor) -> QuantizedTensor:
    """The last step, one op for all that read it."""
    name = f"{sequence.name}/last_step"
    if not any(op.name == name for op in ops):
        ops.append(LastStep.of(name, sequence))
    return next(op.output for op in ops if op.name == name)
