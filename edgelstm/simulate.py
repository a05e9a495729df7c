"""Runs a Model in integers, one time step at a time: the definition of what the C must compute."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from edgelstm.ir import FloatArray, IntArray, Model, Op, Quantization


@dataclass(frozen=True, eq=False)
class Step:
    """What the model holds after one time step, for a batch of independent sequences.

    Attributes:
        output: (batch, output size), as if the sequence ended here.
        state: for each op with state, its arrays (batch, size) in the order the op declares them.
    """

    output: IntArray
    state: tuple[tuple[IntArray, ...], ...]


def quantize_array(values: FloatArray, quantization: Quantization) -> IntArray:
    """Real values to stored int8: rounded to nearest (ties to even), clamped."""
    stored = np.rint(np.asarray(values, np.float64) / quantization.scale) + quantization.zero_point
    clamped: IntArray = np.clip(stored, -128, 127).astype(np.int8)
    return clamped


def dequantize_array(values: IntArray, quantization: Quantization) -> FloatArray:
    """Stored integers to real values."""
    return (values.astype(np.float64) - quantization.zero_point) * quantization.scale


def initial_state(op: Op, batch: int) -> tuple[IntArray, ...]:
    """The state after a reset."""
    return tuple(np.full((batch, array.size), array.initial, array.dtype) for array in op.state)


def simulate_steps(model: Model, inputs: IntArray) -> Iterator[Step]:
    """Run stored inputs (batch, time, input size) from a reset state, yielding each step."""
    states = [initial_state(op, len(inputs)) for op in model.ops]
    for t in range(inputs.shape[1]):
        values = inputs[:, t]
        for index, op in enumerate(model.ops):
            values, states[index] = op.simulate(model.contract, values, states[index])
        yield Step(values, tuple(state for state in states if state))


def simulate(model: Model, inputs: IntArray) -> IntArray:
    """Run stored inputs (batch, time, input size) from a reset state.

    Returns:
        (batch, output size), or (batch, time, output size) where the model yields a sequence.
    """
    if model.output.is_sequence:
        return np.stack([step.output for step in simulate_steps(model, inputs)], axis=1)
    boundary = next(index for index, op in enumerate(model.ops) if not op.output.is_sequence)
    states = [initial_state(op, len(inputs)) for op in model.ops]
    values: IntArray = inputs[:, 0]
    for t in range(inputs.shape[1]):
        values = inputs[:, t]
        for index, op in enumerate(model.ops[:boundary]):
            values, states[index] = op.simulate(model.contract, values, states[index])
    for index, op in enumerate(model.ops[boundary:], boundary):
        values, _ = op.simulate(model.contract, values, states[index])
    return values
