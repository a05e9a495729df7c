"""Which layers make a model wait for the end of its window, and why."""

from dataclasses import dataclass

from edgelstm.ir import Op
from edgelstm.schedule.parts import BEFORE, Loop, Schedule, is_virtual


@dataclass(frozen=True)
class Waiting:
    """A layer that can begin, or end, only behind the last sample.

    Attributes:
        name: the layer's.
        kind: the op's, of several in the layer the first.
        reason: what makes it wait, "reads its sequence from the end".
    """

    name: str
    kind: str
    reason: str


def waiting_layers(schedule: Schedule) -> tuple[Waiting, ...]:
    """All of them in the order of the model, those that only padding holds back behind; none of a model that streams.

    What waits only because its inputs do is not named, nor a Bidirectional twice.
    """
    if schedule.is_streaming:
        return ()
    padded = {name for part in schedule.rest if isinstance(part, Loop) for name in part.padded}
    found: list[Waiting] = []
    for op in schedule.model.ops:
        if (reason := _reason(op, schedule)) and not any(one.name.startswith(f"{_layer(op)}/") for one in found):
            found.append(Waiting(_layer(op), op.kind, reason))
    lags = [op for op in schedule.model.ops if op.name in padded]
    return (*found, *(Waiting(op.name, op.kind, "adds padding to the end of its sequence") for op in lags))


def _reason(op: Op, schedule: Schedule) -> str:
    """Why an op begins later than its inputs do; "" where it does not."""
    if op.wholes:
        return f'needs all of the sequence "{op.wholes[0].name}" at once'
    if not op.output.is_sequence:
        return ""
    begun = max((schedule.clocks[one.name].level for one in op.stepped if one.is_sequence), default=BEFORE)
    is_later = schedule.clocks[op.output.name].level > max(begun, 0)
    if op.repeats:
        return f'makes a sequence of the vector "{op.input.name}"' if is_later else ""
    late = [one.name for one in op.inputs if not one.is_sequence and schedule.ready[one.name] > BEFORE]
    if late:
        return f'starts from "{late[0]}", which is known behind the last sample only'
    if not is_later:
        return ""
    is_turned = op.needs_whole_input
    return "reads its sequence from the end" if is_turned else "joins sequences whose elements come at other times"


def _layer(op: Op) -> str:
    """The layer's name: what turns a sequence around is a part of one, and has a name within its."""
    is_part = is_virtual(op) and not op.repeats
    return (op.name.rpartition("/")[0] if is_part else "") or op.name
