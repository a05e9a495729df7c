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
    """Real values to stored integers: rounded to nearest (ties to even), clamped."""
    stored = np.rint(np.asarray(values, np.float64) / quantization.scale) + quantization.zero_point
    limits = np.iinfo(quantization.dtype)
    clamped: IntArray = np.clip(stored, limits.min, limits.max).astype(limits.dtype)
    return clamped


def dequantize_array(values: IntArray, quantization: Quantization) -> FloatArray:
    """Stored integers to real values."""
    return (values.astype(np.float64) - quantization.zero_point) * quantization.scale


def initial_state(op: Op, batch: int) -> tuple[IntArray, ...]:
    """The state after a reset."""
    return tuple(np.full((batch, array.size), array.initial, array.dtype) for array in op.state)


def simulate_steps(model: Model, inputs: IntArray) -> Iterator[Step]:
    """Run stored inputs (batch, time, input size) from a reset state, yielding each step."""
    run = _Run(model, len(inputs))
    for t in range(inputs.shape[1]):
        run.advance(model.ops, inputs[:, t])
        yield Step(run.output, tuple(state for state in run.states if state))


def simulate(model: Model, inputs: IntArray) -> IntArray:
    """Run stored inputs (batch, time, input size) from a reset state.

    Returns:
        (batch, output size), or (batch, time, output size) where the model yields a sequence.
    """
    if model.output.is_sequence:
        return np.stack([step.output for step in simulate_steps(model, inputs)], axis=1)
    run = _Run(model, len(inputs))
    loop = tuple(op for op in model.ops if op.output.is_sequence)
    line = tuple(op for op in model.ops if not op.output.is_sequence)
    for t in range(inputs.shape[1]):
        run.advance(loop, inputs[:, t])
    run.advance(line, inputs[:, -1])
    return run.output


class _Run:
    """A model between two steps: its states, and the latest value of each tensor."""

    def __init__(self, model: Model, batch: int) -> None:
        self._model = model
        self._index = {op.name: index for index, op in enumerate(model.ops)}
        self._values: dict[str, IntArray] = {}
        self.states = [initial_state(op, batch) for op in model.ops]

    @property
    def output(self) -> IntArray:
        """The latest value of the model's output."""
        return self._values[self._model.output.name]

    def advance(self, ops: tuple[Op, ...], inputs: IntArray) -> None:
        """Compute some ops, in order, on an input of the model (batch, size)."""
        self._values[self._model.input.name] = inputs
        for op in ops:
            index = self._index[op.name]
            values = tuple(self._values[tensor.name] for tensor in op.inputs)
            self._values[op.output.name], self.states[index] = op.step(self._model.contract, values, self.states[index])
