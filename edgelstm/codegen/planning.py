"""From a model to its plan: names, places and calls, in the order of the schedule.

A tensor's place is an argument of a function, a state array, the arena, or, where a later loop reads every element of a
sequence, an array of all of them.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from edgelstm.codegen.lifetimes import lifetimes, pack_lifetimes
from edgelstm.codegen.names import layer_identifiers
from edgelstm.codegen.places import Place, index_of, numbered, piece
from edgelstm.codegen.plan import (
    Action,
    Arena,
    Call,
    Cleared,
    Keep,
    Plan,
    PlannedInput,
    PlannedOp,
    PlannedOutput,
    PlannedPart,
    Stored,
    Yield,
)
from edgelstm.errors import UnsupportedModelError
from edgelstm.ir import Model, Op, Pace, QuantizedTensor, Reduction
from edgelstm.schedule import Begin, Copy, Line, Loop, Schedule, make_schedule, slices_of

DERIVED = frozenset(
    [
        "scale",
        "weights",
        "input_scales",
        "recurrent_scales",
        "gate_factors",
        "cell_factors",
        "cell_constants",
        "row_scales",
        "second_weights",
        "second_row_scales",
        "softmax",
        "steps",
        "count",
        "feature",
        "patch",
        "selftest",
    ]
)
"""Endings that templates put behind a layer's symbol, beside its states and constants."""

_RESULTS = frozenset(["last_step", "leaky_relu", "relu", "relu6", "sigmoid", "softmax", "tanh"])
"""What stands behind the name of a user's layer where a layer of ours yields its result."""

_ARENAS = {"int8": "arena", "int16": "arena16"}
"""Members of the model's struct, by the type of what lies there."""

MOST_STORED_BYTES = 1 << 24
MOST_SLICES = 1 << 20
"""More than any microcontroller holds, or has time for."""


def make_plan(model: Model) -> Plan:
    """Plan a model. Raises UnsupportedModelError for what cannot be written as C."""
    problems = model.problems()
    if all(op.is_alias for op in model.ops):
        problems.append("the model has no layer that computes anything")
    if problems:
        raise UnsupportedModelError(problems)
    schedule = make_schedule(model, model.timesteps)
    samples = {tensor.name for tensor in model.layout.sequences}
    if any(op.is_alias and not op.output.is_sequence and op.input.name in samples for op in model.ops):
        raise UnsupportedModelError(
            ["a layer reads the last step of the model's input, which C does not keep; put a Dense before it"]
        )
    plan = _Planning(schedule).plan()
    if plan.stored_bytes > MOST_STORED_BYTES or schedule.slices > MOST_SLICES:
        raise UnsupportedModelError(
            [f"it would store {plan.stored_bytes} bytes of sequences and run {schedule.slices} steps behind the window"]
        )
    return plan


class _Planning:
    """Names and places, and the calls that follow from them."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule, self._model = schedule, schedule.model
        computing = [op for op in self._model.ops if not op.is_alias]
        endings = DERIVED | {array.name for op in computing for array in op.state}
        if any(isinstance(op, Reduction) and not op.output_state for op in computing):
            endings |= {"output"}
        if any(op.pace is not None and op.pace.lag for op in computing):
            endings |= {"padding"}
        if any(op.loads for op in computing):
            endings |= {"begin"}
        endings |= {constant.name for op in computing for constant in op.constants(self._model.contract)}
        inputs, outputs = self._model.inputs, self._model.outputs
        named = [f"input_{tensor.name}" for tensor in inputs] if len(inputs) > 1 else []
        named += [f"output_{_of_user(tensor.name)}" for tensor in outputs] if len(outputs) > 1 else []
        names = list(layer_identifiers((*(op.name for op in computing), *named), frozenset(endings)))
        self._items = {op.name: PlannedOp(op, names.pop(0)) for op in computing}
        self._inputs = {
            tensor.name: PlannedInput(tensor, names.pop(0) if len(inputs) > 1 else "input") for tensor in inputs
        }
        self._outputs = {
            tensor.name: PlannedOutput(tensor, names.pop(0) if len(outputs) > 1 else "output") for tensor in outputs
        }
        self._stored = {name: self._store(name) for name in sorted(schedule.stored, key=self._position)}
        self._places, self._arenas = self._find_places()

    def plan(self) -> Plan:
        """Put it together."""
        schedule, streams = self._schedule, self._schedule.is_streaming
        line = tuple(call for part in schedule.rest if isinstance(part, Line) for call in self._line(part))
        taken = (action for one in self._inputs.values() for action in self._keep(one.tensor, one.place))
        step = (*taken, *self._calls(schedule.first, schedule.first.steps))
        return Plan(
            schedule=schedule,
            inputs=tuple(self._inputs.values()),
            outputs=tuple(self._outputs.values()),
            items=tuple(self._items.values()),
            start=tuple(call for part in schedule.start for call in self._once(part)),
            step=(*step, *line) if streams and self._model.answers_steps else step,
            line=line if streams and not self._model.answers_steps else (),
            parts=() if streams else tuple(self._parts()),
            state=tuple(
                (f"{item.identifier}_{array.name}", array) for item in self._items.values() for array in item.op.state
            ),
            stored=tuple(self._stored.values()),
            cleared=tuple(self._cleared()),
            arenas=self._arenas,
        )

    def _position(self, name: str) -> int:
        return next((index for index, op in enumerate(self._model.ops) if op.output.name == name), -1)

    def _store(self, name: str) -> Stored:
        """The array of a stored sequence. Where it has no pace of its own, the position counts its elements."""
        producer = self._schedule.producers.get(name)
        tensor = self._inputs[name].tensor if producer is None else producer.output
        identifier = self._inputs[name].identifier if producer is None else self._items[producer.name].identifier
        clock = self._schedule.clocks[name]
        counter = f"self->{identifier}_count" if clock.paces else ""
        return Stored(f"self->{identifier}_steps", clock.count, tensor.size, counter, tensor.quantization.dtype)

    def _find_places(self) -> tuple[dict[str, Place], tuple[Arena, ...]]:
        """Give a place to each tensor that an op writes, and to each vector that is an alias."""
        model, schedule = self._model, self._schedule
        places = {name: one.place for name, one in self._inputs.items()}
        is_direct = schedule.is_streaming or not model.output.is_sequence
        read = {tensor.name for op in model.ops for tensor in op.inputs}
        alive, scratch = lifetimes(schedule), []
        for item in self._items.values():
            name = item.op.output.name
            if item.op.output_state:
                places[name] = Place(f"self->{item.identifier}_{item.op.output_state}")
                shown = item.op.exposed.items()
                places |= {tensor.name: Place(f"self->{item.identifier}_{array}") for array, tensor in shown}
            elif name in self._outputs and is_direct and name not in read:
                places[name] = self._outputs[name].place
            else:
                scratch.append(alive[name])
        arenas = []
        for dtype, array in _ARENAS.items():
            offsets, size = pack_lifetimes([one for one in scratch if one.dtype == dtype])
            places |= {name: Place(f"self->{array}", offset) for name, offset in offsets.items()}
            arenas += [Arena(array, dtype, size)] if size else []
        for op in model.ops:
            if op.is_alias and not op.output.is_sequence:
                places[op.output.name] = self._last(op.input, places)
        return places, tuple(arenas)

    def _last(self, tensor: QuantizedTensor, places: Mapping[str, Place]) -> Place:
        """The last element of a sequence: where the latest stands, or in the array of all."""
        if not self._schedule.is_virtual(tensor):
            return places[tensor.name]
        count = self._schedule.clocks[tensor.name].count
        return self._element(tensor, None, count, False, places)

    def _element(
        self,
        tensor: QuantizedTensor,
        tick: str | None,
        count: int,
        is_reversed: bool,
        places: Mapping[str, Place],
    ) -> Place:
        """An element of a stored or virtual sequence: that of a tick, or the last."""
        if self._schedule.is_virtual(tensor):
            op = self._schedule.producers[tensor.name]
            if op.repeats and op.input.size == op.output.size:
                return places[op.input.name]
            if op.repeats:
                return piece(places[op.input.name], op.output.size, index_of(tick, count, is_reversed))
            return self._element(op.input, tick, count, not is_reversed, places)
        stored = self._stored[tensor.name]
        return piece(Place(stored.array), stored.size, index_of(tick, count, is_reversed))

    def _read(self, tensor: QuantizedTensor, level: int) -> Place:
        if tensor.is_sequence and self._schedule.reads_stored(tensor, level):
            return self._element(tensor, "tick", self._schedule.clocks[tensor.name].count, False, self._places)
        return self._places[tensor.name]

    def _sources(self, op: Op, level: int | None = None) -> tuple[str, ...]:
        """What an op reads in a loop of that level, or in a line."""
        return tuple(
            self._stored[tensor.name].array
            if index in op.whole_inputs
            else (self._places[tensor.name] if level is None else self._read(tensor, level)).expression
            for index, tensor in enumerate(op.step_inputs)
        )

    def _calls(self, loop: Loop, steps: Sequence[tuple[Op, tuple[Pace, ...]]]) -> tuple[Action, ...]:
        """Calls for steps of which the first has the outermost paces; those with more are nested in the one before."""
        calls: list[Action] = []
        index = 0
        while index < len(steps):
            op, paces = steps[index]
            inner = index + 1
            while inner < len(steps) and len(steps[inner][1]) > len(paces):
                inner += 1
            call = self._call(op, loop)
            behind = (
                *self._keep(op.output, self._places.get(op.output.name)),
                *self._calls(loop, steps[index + 1 : inner]),
            )
            if op.pace is None:
                calls += [call, *behind]
            else:
                calls.append(replace(call, inner=behind))
            index = inner
        return tuple(calls)

    def _call(self, op: Op, loop: Loop) -> Call:
        item = self._items[op.name]
        is_padded = op.name in loop.padded
        sources = () if is_padded else self._sources(op, loop.level)
        writes = not op.output_state and not isinstance(op, Reduction)
        result = self._places[op.output.name].expression if writes else ""
        return Call(item, sources, result, is_padded=is_padded)

    def _keep(self, tensor: QuantizedTensor, source: Place | None) -> tuple[Action, ...]:
        """What becomes of a new element: copies into the array of all, and into the output."""
        found: list[Action] = []
        schedule, stored = self._schedule, self._stored.get(tensor.name)
        clock = schedule.clocks.get(tensor.name)
        if source is None or clock is None:
            return ()
        tick = "self->position" if clock.level == 0 else "tick"
        if stored is not None:
            target = numbered(stored.array, stored.size, stored.counter or tick)
            found.append(Keep(source, target, tensor.size, stored.counter))
        answer = self._outputs.get(tensor.name)
        if schedule.is_streaming and answer is not None:
            found += [Keep(source, answer.place, tensor.size)] if source != answer.place else []
            found += [Yield()] if clock.paces else []
        elif self._writes_output(tensor):
            counter = "self->output_count" if clock.paces else ""
            target = numbered("output", tensor.size, counter or tick)
            found.append(Keep(source, target, tensor.size, counter))
        return tuple(found)

    def _writes_output(self, tensor: QuantizedTensor) -> bool:
        """Whether each new element of a sequence goes straight to the caller, because none waits for the window."""
        schedule, output = self._schedule, self._model.output
        if schedule.is_streaming or tensor.name != output.name or not output.is_sequence:
            return False
        return not isinstance(schedule.rest[-1], Copy)

    def _line(self, line: Line) -> tuple[Action, ...]:
        """The ops of a line, and copies of the outputs among them that stand elsewhere."""
        calls: list[Action] = []
        for op in line.ops:
            if op.is_alias:
                continue
            result = "" if op.output_state else self._places[op.output.name].expression
            if not isinstance(op, Reduction):
                calls.append(Call(self._items[op.name], self._sources(op), result))
            elif result:
                calls.append(Call(self._items[op.name], (), result, is_end=True))
        written = {op.output.name for op in line.ops}
        for name, answer in self._outputs.items():
            if name in written and self._places[name] != answer.place:
                calls.append(Keep(self._places[name], answer.place, answer.tensor.size))
        return tuple(calls)

    def _once(self, part: Begin | Line) -> tuple[Action, ...]:
        return self._line(part) if isinstance(part, Line) else self._begin(part)

    def _begin(self, begin: Begin) -> tuple[Action, ...]:
        """States that start from vectors, each vector given once."""
        calls = []
        for op in begin.ops:
            names = dict.fromkeys(load.source.name for load in op.loads)
            sources = tuple(self._places[name].expression for name in names)
            calls.append(Call(self._items[op.name], sources, "", is_begin=True))
        return tuple(calls)

    def _parts(self) -> list[PlannedPart]:
        """The stretches behind the window."""
        parts: list[PlannedPart] = []
        position, output = self._model.timesteps, self._model.output
        for part in self._schedule.rest:
            ticks = slices_of(part)
            calls: tuple[Action, ...]
            if isinstance(part, Loop):
                calls = self._calls(part, part.steps)
            elif isinstance(part, Begin | Line):
                calls = self._once(part)
            else:
                source = self._element(output, "tick", ticks, False, self._places)
                calls = (Keep(source, numbered("output", output.size, "tick"), output.size),)
            uses_tick = any(re.search(r"\btick\b", text) for text in _texts(calls))
            parts.append(PlannedPart(position, position + ticks, calls, uses_tick))
            position += ticks
        return parts

    def _cleared(self) -> list[Cleared]:
        """Results of paced ops that are read outside of what they pace."""
        read = {
            tensor.name
            for part in self._schedule.rest
            if isinstance(part, Line)
            for op in part.ops
            for tensor in op.stepped
            if tensor.is_sequence and not isinstance(op, Reduction)
        }
        found = []
        for item in self._items.values():
            tensor = item.op.output
            clock = self._schedule.clocks.get(tensor.name)
            if tensor.name in read and clock is not None and clock.paces and not item.op.output_state:
                found.append(Cleared(self._places[tensor.name], tensor.size, tensor.quantization.zero_point))
        return found


def _of_user(name: str) -> str:
    """The name of the user's layer of which a tensor is the result."""
    layer, _, part = name.rpartition("/")
    return layer if layer and part in _RESULTS else name


def _texts(calls: Sequence[Action]) -> list[str]:
    """All expressions of some calls."""
    found: list[str] = []
    for call in calls:
        if isinstance(call, Keep):
            found += [call.source.expression, call.target.expression]
        elif isinstance(call, Call):
            found += [*call.sources, call.result, *_texts(call.inner)]
    return found
