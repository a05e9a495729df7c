"""Make the schedule of a model."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from edgelstm.errors import UnsupportedModelError
from edgelstm.ir import Model, Op, Pace, QuantizedTensor, Reduction, Tensor
from edgelstm.schedule.checks import clashes, refuse_masked_output, refuse_outputs
from edgelstm.schedule.parts import BEFORE, Begin, Clock, Copy, Line, Loop, Part, Schedule, is_virtual


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
    problems += dict.fromkeys(clashes(model, runs, clocks))
    if problems:
        raise UnsupportedModelError(problems)
    schedule = _arrange(model, timesteps, clocks, ready, runs)
    refuse_outputs(schedule)
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
    refuse_masked_output(schedule)
    if not output.is_sequence or (schedule.is_streaming and not schedule.is_virtual(output)):
        return schedule
    if clocks[output.name].level and not schedule.is_virtual(output):
        return schedule
    rest = (*schedule.rest, Copy(clocks[output.name].count))
    return replace(schedule, rest=rest, stored=schedule.stored | _roots(output, schedule.producers))


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
