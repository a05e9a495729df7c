"""What cannot be scheduled, and why."""

from collections.abc import Iterator, Mapping, Sequence

from edgelstm.errors import UnsupportedModelError
from edgelstm.ir import Model, Op
from edgelstm.schedule.parts import BEFORE, Clock, Schedule, is_virtual


def clashes(model: Model, runs: Sequence[tuple[Op, Clock]], clocks: Mapping[str, Clock]) -> Iterator[str]:
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
                what = "only another one backwards, or made of a vector; put a Dense or Activation between"
                yield f"layer {op.name!r} needs the whole of the sequence {tensor.name!r}, which is {what}"
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


def refuse_masked_output(schedule: Schedule) -> None:
    """Nobody could tell which elements of such an output are there, unless a step says so that it yields."""
    output = schedule.model.output
    paces = schedule.clocks[output.name].paces if output.is_sequence else ()
    if any(pace.name for pace in paces) and not (schedule.is_streaming and len(paces) == 1):
        raise UnsupportedModelError(
            [f"the output {output.name!r} is a sequence of which a mask leaves steps out, behind layers with a pace"]
        )


def refuse_outputs(schedule: Schedule) -> None:
    """Outputs of which some would be there before others, or before the first sample."""
    outputs, clocks = schedule.model.outputs, schedule.clocks
    problems = [
        f"the output {tensor.name!r} depends on no sequence"
        for tensor in outputs
        if schedule.ready.get(tensor.name) == BEFORE
    ]
    sequences = [tensor for tensor in outputs if tensor.is_sequence]
    if len(outputs) > 1 and sequences:
        listed = ", ".join(repr(tensor.name) for tensor in sequences)
        is_paced = any(clocks[tensor.name].paces or schedule.is_virtual(tensor) for tensor in sequences)
        if is_paced or not schedule.is_streaming:
            problems.append(f"of several outputs, the sequences {listed} do not all have a new element at each sample")
    if problems:
        raise UnsupportedModelError(problems, "leave an output out, or build a model for each")
