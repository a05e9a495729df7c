"""From a model to its plan: the calls of its C, in the order of the schedule."""

import re
from collections.abc import Sequence
from dataclasses import replace

from edgelstm.codegen.places import Place, numbered
from edgelstm.codegen.placing import Placing
from edgelstm.codegen.plan import (
    Action,
    Call,
    Keep,
    Plan,
    PlannedPart,
    Yield,
)
from edgelstm.errors import UnsupportedModelError
from edgelstm.ir import Model, Op, Pace, QuantizedTensor, Reduction
from edgelstm.schedule import Begin, Copy, Line, Loop, Schedule, make_schedule, slices_of

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
    """The calls that follow from names and places."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule, self._model = schedule, schedule.model
        self._placing = Placing(schedule)

    def plan(self) -> Plan:
        """Put it together."""
        schedule, streams = self._schedule, self._schedule.is_streaming
        line = tuple(call for part in schedule.rest if isinstance(part, Line) for call in self._line(part))
        taken = (action for one in self._placing.inputs.values() for action in self._keep(one.tensor, one.place))
        step = (*taken, *self._calls(schedule.first, schedule.first.steps))
        return Plan(
            schedule=schedule,
            inputs=tuple(self._placing.inputs.values()),
            outputs=tuple(self._placing.outputs.values()),
            items=tuple(self._placing.items.values()),
            start=tuple(call for part in schedule.start for call in self._once(part)),
            step=(*step, *line) if streams and self._model.answers_steps else step,
            line=line if streams and not self._model.answers_steps else (),
            parts=() if streams else tuple(self._parts()),
            state=tuple(
                (f"{item.identifier}_{array.name}", array)
                for item in self._placing.items.values()
                for array in item.op.state
            ),
            stored=tuple(self._placing.stored.values()),
            cleared=tuple(self._placing.cleared()),
            arenas=self._placing.arenas,
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
                *self._keep(op.output, self._placing.places.get(op.output.name)),
                *self._calls(loop, steps[index + 1 : inner]),
            )
            if op.pace is None:
                calls += [call, *behind]
            else:
                calls.append(replace(call, inner=behind))
            index = inner
        return tuple(calls)

    def _call(self, op: Op, loop: Loop) -> Call:
        item = self._placing.items[op.name]
        is_padded = op.name in loop.padded
        sources = () if is_padded else self._placing.sources(op, loop.level)
        writes = not op.output_state and not isinstance(op, Reduction)
        result = self._placing.places[op.output.name].expression if writes else ""
        return Call(item, sources, result, is_padded=is_padded)

    def _keep(self, tensor: QuantizedTensor, source: Place | None) -> tuple[Action, ...]:
        """What becomes of a new element: copies into the array of all, and into the output."""
        found: list[Action] = []
        schedule, stored = self._schedule, self._placing.stored.get(tensor.name)
        clock = schedule.clocks.get(tensor.name)
        if source is None or clock is None:
            return ()
        tick = "self->position" if clock.level == 0 else "tick"
        if stored is not None:
            target = numbered(stored.array, stored.size, stored.counter or tick)
            found.append(Keep(source, target, tensor.size, stored.counter))
        answer = self._placing.outputs.get(tensor.name)
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
            result = "" if op.output_state else self._placing.places[op.output.name].expression
            if not isinstance(op, Reduction):
                calls.append(Call(self._placing.items[op.name], self._placing.sources(op), result))
            elif result:
                calls.append(Call(self._placing.items[op.name], (), result, is_end=True))
        written = {op.output.name for op in line.ops}
        for name, answer in self._placing.outputs.items():
            if name in written and self._placing.places[name] != answer.place:
                calls.append(Keep(self._placing.places[name], answer.place, answer.tensor.size))
        return tuple(calls)

    def _once(self, part: Begin | Line) -> tuple[Action, ...]:
        return self._line(part) if isinstance(part, Line) else self._begin(part)

    def _begin(self, begin: Begin) -> tuple[Action, ...]:
        """States that start from vectors, each vector given once."""
        calls = []
        for op in begin.ops:
            names = dict.fromkeys(load.source.name for load in op.loads)
            sources = tuple(self._placing.places[name].expression for name in names)
            calls.append(Call(self._placing.items[op.name], sources, "", is_begin=True))
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
                source = self._placing.element(output, "tick", ticks, False)
                calls = (Keep(source, numbered("output", output.size, "tick"), output.size),)
            uses_tick = any(re.search(r"\btick\b", text) for text in _texts(calls))
            parts.append(PlannedPart(position, position + ticks, calls, uses_tick))
            position += ticks
        return parts


def _texts(calls: Sequence[Action]) -> list[str]:
    """All expressions of some calls."""
    found: list[str] = []
    for call in calls:
        if isinstance(call, Keep):
            found += [call.source.expression, call.target.expression]
        elif isinstance(call, Call):
            found += [*call.sources, call.result, *_texts(call.inner)]
    return found
