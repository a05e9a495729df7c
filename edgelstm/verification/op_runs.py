"""An op on all elements of its inputs at once: what the simulator computes tick by tick, one op behind the other."""

from collections.abc import Callable, Mapping

import numpy as np

from edgelstm.ir import IntArray, Op, Reduction
from edgelstm.numerics.contracts import Contract
from edgelstm.ops.recurrent_op import RecurrentOp
from edgelstm.simulate import initial_state
from edgelstm.verification.fast_steps import State, steps_of

OnState = Callable[[int, State], None]
"""Called behind each tick with its number and the op's states (batch, size)."""


def run_op(
    op: Op,
    contract: Contract,
    values: Mapping[str, IntArray],
    on_state: OnState = lambda tick, state: None,
    start: State | None = None,
) -> IntArray:
    """Compute an op on stored integers.

    Args:
        op: any that is no alias.
        contract: the rounding rules.
        values: each of the op's inputs by name: sequences (batch, time, size), vectors (batch, size).
        on_state: sees the states of an op that has some.
        start: the states to start from, where they are not those that `values` and a reset make.

    Returns:
        (batch, elements, size) of a sequence, (batch, size) of a vector.
    """
    if not op.input.is_sequence:
        flat = tuple(values[tensor.name].reshape(len(values[tensor.name]), -1) for tensor in op.step_inputs)
        return op.step(contract, flat, ())[0]
    if op.state or op.pace is not None or op.whole_inputs:
        return _over_time(op, contract, values, on_state, start)
    batch, timesteps = values[op.input.name].shape[:2]
    side_by_side = tuple(
        values[tensor.name].reshape(batch * timesteps, tensor.size)
        if tensor.is_sequence
        else np.repeat(values[tensor.name], timesteps, axis=0)
        for tensor in op.step_inputs
    )
    return op.step(contract, side_by_side, ())[0].reshape(batch, timesteps, op.output.size)


def _over_time(
    op: Op, contract: Contract, values: Mapping[str, IntArray], on_state: OnState, start: State | None
) -> IntArray:
    sources = [values[tensor.name] for tensor in op.step_inputs]
    batch, timesteps = values[op.input.name].shape[:2]
    state = op.begin(values, initial_state(op, batch)) if start is None else start
    results: list[IntArray] = []
    if isinstance(op, RecurrentOp):
        step_at = steps_of(op, contract, sources[0])
        for tick in range(timesteps):
            result, state = step_at(tick, state)
            results.append(result)
            on_state(tick, state)
        return np.stack(results, axis=1)
    for tick in range(timesteps + (op.pace.lag if op.pace else 0)):
        step = tuple(
            _at(source, tick, is_whole=index in op.whole_inputs, padding=op.padding)
            for index, source in enumerate(sources)
        )
        is_yielded = bool(op.yields(step, state).all())
        result, state = op.step(contract, step, state)
        if is_yielded:
            results.append(result)
        on_state(tick, state)
    return op.finish(contract, state) if isinstance(op, Reduction) else np.stack(results, axis=1)


def _at(source: IntArray, tick: int, *, is_whole: bool, padding: int) -> IntArray:
    """What a tick reads of an input."""
    if source.ndim == 2:
        return source
    if is_whole:
        return source.reshape(len(source), -1)
    return source[:, tick] if tick < source.shape[1] else np.full_like(source[:, 0], padding)
