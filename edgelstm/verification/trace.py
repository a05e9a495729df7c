"""What a run of a model leaves behind at every step, and the comparison of two such records."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgelstm.ir import IntArray, Model, beside
from edgelstm.schedule import make_schedule
from edgelstm.simulate import simulate_steps, simulate_window


@dataclass(frozen=True, eq=False)
class TraceArray:
    """One state array or the output, at every step.

    Attributes:
        name: "lstm.hidden", "lstm.cell", ..., "output".
        values: (sequences, time, size) stored integers.
    """

    name: str
    values: IntArray


@dataclass(frozen=True, eq=False)
class Trace:
    """All state arrays in the order of the layers, then the output."""

    arrays: tuple[TraceArray, ...]


@dataclass(frozen=True)
class Difference:
    """The first value in which two traces differ."""

    sequence: int
    step: int
    array: str
    element: int
    expected: int
    found: int

    def __str__(self) -> str:
        return (
            f"{self.array}[{self.element}] at step {self.step} of sequence {self.sequence} "
            f"is {self.found}, expected {self.expected}"
        )


@dataclass(frozen=True)
class Comparison:
    """How two traces compare: counts over all values, the largest difference and the first."""

    values: int
    mismatches: int
    largest: int
    first: Difference | None


def array_names(model: Model) -> tuple[str, ...]:
    """Names of a trace's arrays, in order."""
    states = [f"{op.name}.{array.name}" for op in model.ops for array in op.state]
    return (*states, "output")


def window_names(model: Model) -> tuple[str, ...]:
    """Names of a `window_trace`'s arrays, in order: the output, what a .tflite keeps of the states, every value.

    Ids are left out, which interpreters are not given as they are.
    """
    states = [f"{op.name}.{array.name}" for op in model.ops for array in op.state if array.is_in_tflite]
    return ("output", *states, *(op.output.name for op in model.ops if not op.output.vocabulary))


def window_trace(model: Model, inputs: IntArray) -> Trace:
    """What a whole window leaves behind: the output, the states in the end, and all that ops yield."""
    window = simulate_window(model, inputs)
    states = [
        state
        for op in model.ops
        for array, state in zip(op.state, window.state[op.name], strict=True)
        if array.is_in_tflite
    ]
    outputs = (window.values[tensor.name] for tensor in model.outputs)
    yielded = (window.values[op.output.name] for op in model.ops if not op.output.vocabulary)
    return as_window_trace(model, (*outputs, *states, *yielded))


def as_window_trace(model: Model, arrays: Sequence[IntArray]) -> Trace:
    """Arrays (sequences, [elements,] size) in the order of `window_names`, but with each output by itself."""
    count = len(model.outputs)
    named = zip(window_names(model), (beside(arrays[:count]), *arrays[count:]), strict=True)
    return Trace(tuple(TraceArray(name, values.reshape(len(values), -1, values.shape[-1])) for name, values in named))


def official_trace(model: Model, inputs: IntArray) -> Trace:
    """What an official interpreter can show: every step, or where ops have a pace of their own, whole windows."""
    is_steady = make_schedule(model, model.layout.timesteps(inputs)).is_steady
    return simulator_trace(model, inputs) if is_steady else window_trace(model, inputs)


def simulator_trace(model: Model, inputs: IntArray) -> Trace:
    """Run the simulator on stored inputs (sequences, rows, width).

    Of a model that needs its whole window, the output has one step.
    """
    names = array_names(model)
    columns: list[list[IntArray]] = [[] for _ in names]
    for step in simulate_steps(model, inputs):
        arrays = [array for state in step.state for array in state]
        for column, array in zip(columns, (*arrays, step.output), strict=True):
            if array.shape[1]:
                column.append(array)
    return Trace(tuple(TraceArray(name, np.stack(column, axis=1)) for name, column in zip(names, columns, strict=True)))


def compare(expected: Trace, found: Trace) -> Comparison:
    """Compare every value. The first difference is the earliest step's, in the order of the layers.

    An output of fewer steps than the states have belongs to the last of them: it stands behind its window.
    """
    most_steps = max((array.values.shape[1] for array in expected.arrays), default=0)
    values = mismatches = largest = 0
    first: tuple[tuple[int, int, int], Difference] | None = None
    for order, (want, got) in enumerate(zip(expected.arrays, found.arrays, strict=True)):
        if want.name != got.name or want.values.shape != got.values.shape:
            raise ValueError(
                f"traces of different models: {want.name} {want.values.shape}, {got.name} {got.values.shape}"
            )
        distance = np.abs(want.values.astype(np.int64) - got.values.astype(np.int64))
        values += distance.size
        mismatches += int(np.count_nonzero(distance))
        largest = max(largest, int(distance.max(initial=0)))
        if distance.any():
            sequence, step, element = (int(index) for index in np.argwhere(distance)[0])
            rank = (sequence, step + (most_steps - want.values.shape[1] if want.name == "output" else 0), order)
            if first is None or rank < first[0]:
                where = (sequence, step, element)
                difference = Difference(
                    sequence, step, want.name, element, int(want.values[where]), int(got.values[where])
                )
                first = (rank, difference)
    return Comparison(values, mismatches, largest, first[1] if first else None)
