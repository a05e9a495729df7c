"""When each op of a model runs: loops over time, what follows each, and which sequences are stored on the way.

Ops that take samples as they come share the first loop. What needs a sequence from its end, or all of it, starts a loop
of the next level over what was stored. The simulator and the generated C both follow this one schedule.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from edgelstm.errors import UnsupportedModelError
from edgelstm.ir import Model, Op, Pace, QuantizedTensor, Reduction, Tensor

BEFORE = -1
"""The level of what is known before the first sample."""


@dataclass(frozen=True)
class Clock:
    """When a sequence has a new element.

    Attributes:
        level: the loop's; a loop begins when all loops of lower levels have ended.
        ticks: of the loop.
        paces: of the ops between the loop's tick and the sequence, outermost first.
    """

    level: int
    ticks: int
    paces: tuple[Pace, ...] = ()

    @property
    def count(self) -> int:
        """How many elements there are in the end."""
        count = self.ticks
        for pace in self.paces:
            count = pace.count(count)
        return count


@dataclass(frozen=True, eq=False)
class Loop:
    """Ops that run at each tick, in order, each with the paces of its inputs: it runs where they have new elements.

    Attributes:
        level: see `Clock`.
        ticks: how many; for the first loop, of the window.
        steps: ops and paces.
        padded: names of ops that take padding, not their input: the loop flushes them.
    """

    level: int
    ticks: int
    steps: tuple[tuple[Op, tuple[Pace, ...]], ...]
    padded: frozenset[str] = frozenset()


@dataclass(frozen=True, eq=False)
class Begin:
    """Ops that take over the states they start from, before the loops of a level."""

    level: int
    ops: tuple[Op, ...]


@dataclass(frozen=True, eq=False)
class Line:
    """Ops that run once, behind the loops of a level."""

    level: int
    ops: tuple[Op, ...]


@dataclass(frozen=True, eq=False)
class Copy:
    """The stored output goes to the caller, an element a tick."""

    ticks: int


Part = Begin | Loop | Line | Copy


@dataclass(frozen=True, eq=False)
class Schedule:
    """The schedule of a model on a window of some length.

    Attributes:
        model: whose.
        clocks: of each sequence, by name.
        ready: the level behind whose loops a vector is known, by name; -1 of what is known before the first sample.
        start: what runs before the first sample, because it depends on given vectors alone.
        first: the loop over the samples.
        rest: what runs when the window is complete, in order.
        stored: sequences of which every element is kept for a later loop, by name.
    """

    model: Model
    clocks: Mapping[str, Clock]
    ready: Mapping[str, int]
    start: tuple[Begin | Line, ...]
    first: Loop
    rest: tuple[Part, ...]
    stored: frozenset[str]

    @property
    def is_streaming(self) -> bool:
        """Whether the output may be asked for after any sample, because nothing waits for the end of the window."""
        return not self.stored and all(isinstance(part, Line) for part in self.rest)

    @property
    def is_steady(self) -> bool:
        """Whether every op on a sequence yields at each sample, so that the model can be run one step at a time."""
        paced = any(op.pace is not None or op.repeats or isinstance(op, Reduction) for op in self.model.ops)
        return self.is_streaming and not paced

    @cached_property
    def producers(self) -> Mapping[str, Op]:
        """The op behind each tensor, by the tensor's name."""
        return {tensor.name: op for op in self.model.ops for tensor in (op.output, *op.exposed.values())}

    def is_virtual(self, tensor: Tensor) -> bool:
        """Whether a sequence is another one backwards, or made of a vector: elements are looked up there."""
        return is_virtual(self.producers.get(tensor.name))

    def reads_stored(self, tensor: Tensor, level: int) -> bool:
        """Whether a loop of this level finds the sequence stored, or virtual."""
        clock = self.clocks.get(tensor.name)
        return clock is not None and (clock.level < level or self.is_virtual(tensor))

    @property
    def output_count(self) -> int:
        """Elements of the output; 1 for a vector."""
        output = self.model.output
        return self.clocks[output.name].count if output.is_sequence else 1

    @property
    def slices(self) -> int:
        """All that runs behind the window."""
        return sum(slices_of(part) for part in self.rest)

    def steps_of(self, op: Op) -> int:
        """Elements of the op's first sequence, or of what it yields where it reads vectors alone; 1 for no sequence."""
        sequences = [tensor for tensor in (*op.inputs, op.output) if tensor.is_sequence]
        return self.clocks[sequences[0].name].count if sequences else 1


def slices_of(part: Part) -> int:
    """How many slices a part runs in."""
    return 1 if isinstance(part, Begin | Line) else part.ticks


def is_virtual(op: Op | None) -> bool:
    """Whether an op only says which stored element is meant; None is none that does."""
    return op is not None and op.is_alias and (op.needs_whole_input or op.repeats > 0)


def make_schedule(model: Model, timesteps: int) -> Schedule:
    """Schedule a model on a window of `timesteps` samples; raises UnsupportedModelError where nothing is left of it."""
    clocks = {tensor.name: Clock(0, timesteps) for tensor in model.inputs if tensor.is_sequence}
    ready = {tensor.name: BEFORE for tensor in model.inputs if not tensor.is_sequence}
    runs: list[tuple[Op, Clock]] = []
    problems: list[str] = []
    for op in model.ops:
        if not op.output.is_sequence:
            ready[op.output.name] = max(_level(tensor, clocks, ready) for tensor in op.inputs)
            if isinstance(op, Reduction):
                runs.append((op, _reader_clock(op, clocks, ready)))
            continue
        run = _reader_clock(op, clocks, ready)
        if op.repeats and run.level == 0:
            # What is given beforehand goes along with the samples where it is repeated as often as there are any.
            is_beside = op.repeats == model.timesteps and op.input.size == op.output.size
            run = Clock(0, timesteps) if is_beside else replace(run, level=1)
        if is_virtual(op):
            clocks[op.output.name] = run
            continue
        runs.append((op, run))
        after = run if op.pace is None else replace(run, paces=(*run.paces, op.pace))
        clocks |= dict.fromkeys((op.output.name, *(tensor.name for tensor in op.exposed.values())), after)
        if after.count < 1:
            problems.append(f"layer {op.name!r}: {run.count} time steps are too few for it")
    problems += _clashes(model, runs, clocks)
    if problems:
        raise UnsupportedModelError(problems)
    schedule = _arrange(model, timesteps, clocks, ready, runs)
    _refuse_outputs(schedule)
    return schedule


def _level(tensor: Tensor, clocks: Mapping[str, Clock], ready: Mapping[str, int]) -> int:
    return clocks[tensor.name].level if tensor.is_sequence else ready[tensor.name]


def _reader_clock(op: Op, clocks: Mapping[str, Clock], ready: Mapping[str, int]) -> Clock:
    """The clock at which an op runs: that of its inputs where they share one, else a loop over what they stored."""
    if op.repeats:
        return Clock(ready[op.input.name] + 1, op.repeats)
    sequences = [clocks[tensor.name] for tensor in op.stepped if tensor.is_sequence]
    level = max(clock.level for clock in sequences)
    complete = [ready[tensor.name] for tensor in op.inputs if not tensor.is_sequence]
    complete += [clocks[tensor.name].level for tensor in op.wholes]
    awaited = max(complete, default=BEFORE)
    if op.needs_whole_input or awaited >= level:
        return Clock(max(level, awaited) + 1, sequences[0].count)
    latest = {clock for clock in sequences if clock.level == level}
    if len(latest) == 1:
        (clock,) = latest
        if len(set(sequences)) == 1 or not clock.paces:
            return clock
    return Clock(level + 1, sequences[0].count)


def _clashes(model: Model, runs: Sequence[tuple[Op, Clock]], clocks: Mapping[str, Clock]) -> Iterator[str]:
    """Sequences of different lengths in one op, and elements that come when values say so in what must be stored."""
    producers = {op.output.name: op for op in model.ops}
    for op in model.ops:
        counts = {clocks[tensor.name].count for tensor in op.stepped if tensor.is_sequence}
        if len(counts) > 1:
            yield f"layer {op.name!r} joins sequences of {' and '.join(map(str, sorted(counts)))} time steps"
        for tensor in op.wholes:
            if clocks[tensor.name].count != op.whole_steps:
                yield f"layer {op.name!r} needs {op.whole_steps} time steps, and gets {clocks[tensor.name].count}"
            if is_virtual(producers.get(tensor.name)):
                what = "only another one backwards, or made of a vector"
                yield f"layer {op.name!r} needs the whole of a sequence that is {what}"
    levels = {op.name: clock.level for op, clock in runs}
    for op, clock in runs:
        if op.pace is not None and not op.pace.name and any(pace.name for pace in clock.paces):
            yield f"layer {op.name!r} counts time steps of a sequence of which a mask leaves some out"
    for op in model.ops:
        for tensor in op.inputs:
            if not tensor.is_sequence or not any(pace.name for pace in clocks[tensor.name].paces):
                continue
            if clocks[tensor.name].level < levels.get(op.name, 0) or is_virtual(op) or tensor in op.wholes:
                yield f"layer {op.name!r} needs the whole of a sequence of which a mask leaves steps out"


def _arrange(
    model: Model,
    timesteps: int,
    clocks: Mapping[str, Clock],
    ready: Mapping[str, int],
    runs: Sequence[tuple[Op, Clock]],
) -> Schedule:
    """Loops, flushes and lines, level by level."""
    before = tuple(op for op in model.ops if not op.output.is_sequence and ready[op.output.name] == BEFORE)
    start: list[Begin | Line] = [Line(BEFORE, before)] if before else []
    parts: list[Part] = []
    levels = 1 + max((*(clock.level for clock in clocks.values()), *ready.values()))
    for level in range(levels):
        here = [(op, clock) for op, clock in runs if clock.level == level]
        if begun := tuple(op for op, _ in here if op.loads):
            (parts if level else start).append(Begin(level, begun))
        for ticks in dict.fromkeys([clock.ticks for _, clock in here] or ([timesteps] if level == 0 else [])):
            of_loop = [(op, clock.paces) for op, clock in here if clock.ticks == ticks]
            loop = Loop(level, ticks, _ordered(of_loop, ()))
            parts += [loop, *_flushes(loop)]
        line = tuple(op for op in model.ops if not op.output.is_sequence and ready[op.output.name] == level)
        if line:
            parts.append(Line(level, line))
    first = parts[0]
    assert isinstance(first, Loop)
    stored = _stored(model, clocks, ready, runs)
    schedule = Schedule(model, clocks, ready, tuple(start), first, tuple(parts[1:]), stored)
    output = model.output
    _refuse_masked_output(schedule)
    if not output.is_sequence or (schedule.is_streaming and not schedule.is_virtual(output)):
        return schedule
    if clocks[output.name].level and not schedule.is_virtual(output):
        return schedule
    rest = (*schedule.rest, Copy(clocks[output.name].count))
    return replace(schedule, rest=rest, stored=schedule.stored | _roots(output, schedule.producers))


def _refuse_masked_output(schedule: Schedule) -> None:
    """Nobody could tell which elements of such an output are there, unless a step says so that it yields."""
    output = schedule.model.output
    paces = schedule.clocks[output.name].paces if output.is_sequence else ()
    if any(pace.name for pace in paces) and not (schedule.is_streaming and len(paces) == 1):
        raise UnsupportedModelError(
            [f"the output {output.name!r} is a sequence of which a mask leaves steps out, behind layers with a pace"]
        )


def _refuse_outputs(schedule: Schedule) -> None:
    """Outputs of which some would be there before others, or before the first sample."""
    outputs, clocks = schedule.model.outputs, schedule.clocks
    problems = [
        f"the output {tensor.name!r} depends on no sequence"
        for tensor in outputs
        if schedule.ready.get(tensor.name) == BEFORE
    ]
    sequences = [tensor for tensor in outputs if tensor.is_sequence]
    if len(outputs) > 1 and sequences:
        listed = ", ".join(repr(tensor.name) for tensor in outputs)
        if len(sequences) < len(outputs):
            problems.append(f"of the outputs {listed} some are sequences and some are single vectors")
        elif not schedule.is_streaming or any(
            clocks[tensor.name].paces or schedule.is_virtual(tensor) for tensor in outputs
        ):
            problems.append(f"the outputs {listed} are sequences that do not all have a new element at each sample")
    if problems:
        raise UnsupportedModelError(problems, "leave an output out, or build a model for each")


def _ordered(
    steps: Sequence[tuple[Op, tuple[Pace, ...]]], paces: tuple[Pace, ...]
) -> tuple[tuple[Op, tuple[Pace, ...]], ...]:
    """Steps so that those with more paces stand together behind the op that yields their inputs."""
    here = [op for op, own in steps if own == paces]
    inner = dict.fromkeys(own[: len(paces) + 1] for _, own in steps if own[: len(paces)] == paces and own != paces)
    openers = {
        child: next(op for op in reversed(here) if op.pace is not None and (*paces, op.pace) == child)
        for child in inner
    }
    last = {op.name for op in openers.values()}
    ordered = [(op, paces) for op in here if op.name not in last]
    for child, opener in openers.items():
        ordered += [(opener, paces), *_ordered(steps, child)]
    return tuple(ordered)


def _flushes(loop: Loop) -> list[Loop]:
    """A loop for each length of padding, from the outermost ops to the innermost."""
    groups = dict.fromkeys((paces, op.pace.lag) for op, paces in loop.steps if op.pace is not None and op.pace.lag)
    found = []
    for paces, lag in sorted(groups, key=lambda group: len(group[0])):
        roots = {
            op.name: (*paces, op.pace)
            for op, own in loop.steps
            if own == paces and op.pace is not None and op.pace.lag == lag
        }
        behind = tuple(
            (op, own[len(paces) :])
            for op, own in loop.steps
            if op.name in roots or any(own[: len(root)] == root for root in roots.values())
        )
        found.append(Loop(loop.level, lag, behind, frozenset(roots)))
    return found


def _stored(
    model: Model, clocks: Mapping[str, Clock], ready: Mapping[str, int], runs: Sequence[tuple[Op, Clock]]
) -> frozenset[str]:
    """Sequences that a later loop reads, or of which a line wants another than the last element."""
    producers = {tensor.name: op for op in model.ops for tensor in (op.output, *op.exposed.values())}
    levels = {op.name: clock.level for op, clock in runs}
    found: set[str] = set()
    for op in model.ops:
        if is_virtual(op):
            continue
        for tensor in op.inputs:
            is_looked_up = is_virtual(producers.get(tensor.name)) or tensor in op.wholes
            if tensor.is_sequence and (is_looked_up or clocks[tensor.name].level < levels.get(op.name, 0)):
                found |= _roots(tensor, producers)
    return frozenset(found)


def _roots(tensor: QuantizedTensor, producers: Mapping[str, Op]) -> frozenset[str]:
    """The stored sequence behind virtual ones; none behind a repeated vector."""
    producer = producers.get(tensor.name)
    if producer is not None and is_virtual(producer):
        return _roots(producer.input, producers)
    return frozenset([tensor.name]) if tensor.is_sequence else frozenset()
