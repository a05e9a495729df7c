"""Runs a Model in integers, one time step at a time: the definition of what the C must compute."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from edgelstm.ir import BoolArray, FloatArray, IntArray, Model, Op, Quantization, QuantizedTensor, Reduction, beside
from edgelstm.schedule import Begin, Line, Loop, Part, Schedule, make_schedule, slices_of


@dataclass(frozen=True, eq=False)
class Step:
    """What the model holds after one time step, or one slice of what follows the window, for a batch of sequences.

    Attributes:
        output: (batch, size of all outputs), as if the sequence ended here. A model that needs its whole window has one
            at the last slice alone, (batch, output elements * output size); before, it is (batch, 0).
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


def stored_inputs(model: Model, values: FloatArray) -> IntArray:
    """Real inputs to stored ones, both laid out as the model's `layout` says; ids stand for themselves."""
    layout, parts = model.layout, model.layout.split(values)
    scaled = {one.name: one.scaled(parts[one.name]) for one in model.inputs}
    return layout.join({one.name: quantize_array(scaled[one.name], one.quantization) for one in model.inputs})


def real_outputs(model: Model, stored: IntArray) -> FloatArray:
    """What `simulate` returns, as real numbers."""
    sequences = sum(tensor.size for tensor in model.outputs if tensor.is_sequence)
    vectors = sum(tensor.size for tensor in model.outputs) - sequences
    steps = (stored.shape[-1] - vectors) // sequences if sequences and vectors else 1
    ends = np.cumsum([tensor.size * (steps if tensor.is_sequence else 1) for tensor in model.outputs])[:-1]
    parts = zip(np.split(stored, ends, axis=-1), model.outputs, strict=True)
    return beside([dequantize_array(values, tensor.quantization) for values, tensor in parts])


def initial_state(op: Op, batch: int) -> tuple[IntArray, ...]:
    """The state after a reset."""
    return tuple(np.full((batch, array.size), array.initial, array.dtype) for array in op.state)


def simulate_steps(model: Model, inputs: IntArray) -> Iterator[Step]:
    """Run stored inputs (batch, rows, width) from a reset state, yielding each step and each slice behind them."""
    run = _Run(make_schedule(model, model.layout.timesteps(inputs)), inputs)
    for row in run.samples:
        run.take(row)
        if run.schedule.is_streaming:
            for part in run.schedule.rest:
                run.advance(part, 0)
        yield run.step
    if not run.schedule.is_streaming:
        for _ in run.slices():
            yield run.step


def simulate(model: Model, inputs: IntArray) -> IntArray:
    """Run stored inputs (batch, rows, width) from a reset state.

    Returns:
        (batch, output size), or (batch, output elements, output size) where the model yields a sequence; several
        outputs side by side, (batch, values) if only some are sequences.
    """
    run = _whole_run(model, inputs, frozenset())
    return beside([run.whole(tensor.name) for tensor in model.outputs])


@dataclass(frozen=True, eq=False)
class Window:
    """What a whole window leaves behind.

    Attributes:
        values: of each op's output, by tensor name: (batch, size) of a vector, (batch, elements, size) of a sequence.
        state: of each op, by its name, as it is in the end.
    """

    values: Mapping[str, IntArray]
    state: Mapping[str, tuple[IntArray, ...]]


def simulate_window(model: Model, inputs: IntArray) -> Window:
    """Run stored inputs (batch, rows, width) from a reset state and keep all that ops yield."""
    names = [op.output.name for op in model.ops]
    run = _whole_run(model, inputs, frozenset(names))
    return Window({name: run.whole(name) for name in names}, run.states)


def _whole_run(model: Model, inputs: IntArray, kept: frozenset[str]) -> "_Run":
    run = _Run(make_schedule(model, model.layout.timesteps(inputs)), inputs, kept)
    for row in run.samples:
        run.take(row)
    for _ in run.slices():
        pass
    return run


class _Run:
    """A model between two steps: its states, the latest value of each tensor, and the elements of stored sequences."""

    def __init__(self, schedule: Schedule, inputs: IntArray, kept: frozenset[str] = frozenset()) -> None:
        self.schedule = schedule
        self._model, self._batch = schedule.model, len(inputs)
        self._slices_done = 0
        answered = {tensor.name for tensor in self._model.outputs if tensor.is_sequence}
        self._kept = kept | schedule.stored | answered
        yielded = [tensor for op in self._model.ops for tensor in (op.output, *op.exposed.values())]
        self._tensors = {tensor.name: tensor for tensor in (*self._model.inputs, *yielded)}
        self._values = {name: _nothing_yet(tensor, self._batch) for name, tensor in self._tensors.items()}
        self._elements: defaultdict[str, list[IntArray]] = defaultdict(list)
        self.states = {op.name: initial_state(op, self._batch) for op in self._model.ops}
        layout = self._model.layout
        self.samples = np.moveaxis(inputs[:, layout.first_step :], 1, 0)
        self._values |= {name: self._stored(name, values) for name, values in layout.given(inputs).items()}
        for part in schedule.start:
            self.advance(part, 0)

    @property
    def step(self) -> Step:
        """What the model holds now."""
        outputs = self._model.outputs
        if self.schedule.is_streaming:
            value = beside([self._values[tensor.name] for tensor in outputs])
        elif self._slices_done < self.schedule.slices:
            value = np.zeros((self._batch, 0), np.int8)
        else:
            value = beside([self.whole(tensor.name).reshape(self._batch, -1) for tensor in outputs])
        return Step(value, tuple(self.states[op.name] for op in self._model.ops if op.state))

    def take(self, row: IntArray) -> None:
        """Take in a row (batch, width) of samples."""
        for name, values in self._model.layout.samples(row).items():
            self._keep(self._tensors[name], self._stored(name, values))
        self.advance(self.schedule.first, 0)

    def _stored(self, name: str, values: IntArray) -> IntArray:
        """Beside ids, which are int16, what is int8 was widened."""
        return values.astype(self._tensors[name].quantization.dtype)

    def slices(self) -> Iterator[None]:
        """Run what follows the window, a tick or a line at a time."""
        for part in self.schedule.rest:
            for t in range(slices_of(part)):
                self.advance(part, t)
                self._slices_done += 1
                yield

    def advance(self, part: Part, t: int) -> None:
        """Run one tick."""
        if isinstance(part, Line):
            for op in part.ops:
                self._values[op.output.name] = self._line(op)
        elif isinstance(part, Begin):
            for op in part.ops:
                vectors = {load.source.name: self._values[load.source.name] for load in op.loads}
                self.states[op.name] = op.begin(vectors, self.states[op.name])
                self._show_states(op)
        elif isinstance(part, Loop):
            self._tick(part, t)

    def whole(self, name: str) -> IntArray:
        """All elements of a sequence, or the value of a vector."""
        tensor = self._tensors[name]
        if not tensor.is_sequence:
            return self._values[name]
        count = self.schedule.clocks[name].count
        return np.stack([self._element(tensor, t) for t in range(count)], axis=1)

    def _show_states(self, op: Op) -> None:
        """Let readers of the op's states find what is there, as C does, also before the first step."""
        shown = {**op.exposed, op.output_state: op.output}
        for array, values in zip(op.state, self.states[op.name], strict=True):
            if array.name in shown:
                self._values[shown[array.name].name] = values

    def _keep(self, tensor: QuantizedTensor, values: IntArray) -> None:
        self._values[tensor.name] = values
        if tensor.name in self._kept:
            self._elements[tensor.name].append(values)

    def _line(self, op: Op) -> IntArray:
        if isinstance(op, Reduction):
            return op.finish(self._model.contract, self.states[op.name])
        level = self.schedule.ready[op.output.name]
        values = tuple(
            self._all_of(tensor) if index in op.whole_inputs else self._latest(tensor, level)
            for index, tensor in enumerate(op.step_inputs)
        )
        result, self.states[op.name] = op.step(self._model.contract, values, self.states[op.name])
        return result

    def _latest(self, tensor: QuantizedTensor, level: int) -> IntArray:
        """A vector, or the last element of a sequence."""
        if self.schedule.reads_stored(tensor, level):
            return self._element(tensor, self.schedule.clocks[tensor.name].count - 1)
        return self._values[tensor.name]

    def _all_of(self, tensor: QuantizedTensor) -> IntArray:
        """The elements of a sequence that is read whole, side by side."""
        return np.concatenate(self._elements[tensor.name], axis=1)

    def _element(self, tensor: QuantizedTensor, t: int) -> IntArray:
        """An element of a stored sequence, or of a virtual one."""
        if not self.schedule.is_virtual(tensor):
            return self._elements[tensor.name][t]
        op = self.schedule.producers[tensor.name]
        if op.repeats:
            return op.piece(self._values[op.input.name], t)
        return self._element(op.input, self.schedule.clocks[tensor.name].count - 1 - t)

    def _tick(self, loop: Loop, t: int) -> None:
        """Run the ops whose inputs all have new elements; where only some sequences of the batch have, only those."""
        every = np.ones(self._batch, bool)
        fresh: dict[str, BoolArray] = {one.name: every for one in self._model.layout.sequences if loop.level == 0}
        for op, paces in loop.steps:
            if op.name in loop.padded:
                values = tuple(np.full_like(self._values[tensor.name], op.padding) for tensor in op.step_inputs)
                runs = np.ones(self._batch, bool)
            else:
                values = tuple(
                    self._all_of(tensor) if index in op.whole_inputs else self._read(tensor, loop, t)
                    for index, tensor in enumerate(op.step_inputs)
                )
                runs = self._runs(op, loop, fresh)
            if runs.any():
                fresh[op.output.name] = self._step(op, values, runs)
            elif any(pace.name for pace in paces):
                self._keep(op.output, self._values[op.output.name])

    def _read(self, tensor: QuantizedTensor, loop: Loop, t: int) -> IntArray:
        if tensor.is_sequence and self.schedule.reads_stored(tensor, loop.level):
            return self._element(tensor, t)
        return self._values[tensor.name]

    def _runs(self, op: Op, loop: Loop, fresh: Mapping[str, BoolArray]) -> BoolArray:
        runs = np.ones(self._batch, bool)
        for tensor in op.stepped:
            if tensor.is_sequence and not self.schedule.reads_stored(tensor, loop.level):
                runs &= fresh.get(tensor.name, np.zeros(self._batch, bool))
        return runs

    def _step(self, op: Op, values: tuple[IntArray, ...], runs: BoolArray) -> BoolArray:
        """Step an op in the sequences of the batch in which it runs; returns in which it yielded."""
        before = self.states[op.name]
        result, after = op.step(self._model.contract, values, before)
        yields = runs & op.yields(values, before)
        self.states[op.name] = tuple(_where(runs, new, old) for new, old in zip(after, before, strict=True))
        if not isinstance(op, Reduction) and (yields.any() or (op.pace is not None and op.pace.name)):
            self._keep(op.output, _where(yields, result, self._values[op.output.name]))
        if op.exposed:
            self._show_states(op)
        return yields


def _nothing_yet(tensor: QuantizedTensor, batch: int) -> IntArray:
    """What a tensor holds before anything was written to it."""
    quantization = tensor.quantization
    return np.full((batch, tensor.size), quantization.zero_point, quantization.dtype)


def _where(rows: BoolArray, new: IntArray, old: IntArray) -> IntArray:
    return new if rows.all() else np.where(rows[:, None], new, old)
