"""Which tensors live at the same time, and an arena for each type in which those have different elements.

A tensor lives from the op that writes it to the last one that reads it. One that crosses a loop's edge lives through
the whole loop; one that leaves the loop over the samples of a streaming model lives always, because the output may be
asked for after any sample, and more samples follow; and so does what a reset computes.
"""

import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgelstm.ir import Op, Reduction
from edgelstm.schedule import BEFORE, Begin, Line, Loop, Part, Schedule, is_virtual

ARENA_ALIGNMENT = 4


@dataclass(frozen=True)
class Lifetime:
    """A tensor's elements, and the first and last position in the order of execution at which they are needed."""

    name: str
    size: int
    first: int
    last: int
    dtype: str = "int8"

    def meets(self, other: "Lifetime") -> bool:
        """Whether both are needed at one position."""
        return self.first <= other.last and other.first <= self.last


def pack_lifetimes(tensors: Sequence[Lifetime]) -> tuple[Mapping[str, int], int]:
    """Offsets in one arena, the largest tensor first, each at the lowest offset that nothing alive at its time has.

    Returns:
        (offset by name, elements of the arena).
    """
    placed: list[tuple[Lifetime, int]] = []
    for tensor in sorted(tensors, key=lambda tensor: (-tensor.size, tensor.first)):
        offset = 0
        for other, start in placed:
            if tensor.meets(other) and start < offset + tensor.size and offset < start + other.size:
                offset = start + other.size
        bisect.insort(placed, (tensor, offset), key=lambda one: one[1])
    arena_size = max((offset + tensor.size for tensor, offset in placed), default=0)
    return {tensor.name: offset for tensor, offset in placed}, arena_size


def lifetimes(schedule: Schedule) -> Mapping[str, Lifetime]:
    """Of the tensors that ops write, by name; an alias lengthens the life of what it stands for."""
    roots = _roots(schedule)
    every = (*schedule.start, schedule.first, *schedule.rest)
    parts = [_ops_of(part) for part in every]
    total = sum(map(len, parts))
    uses: dict[str, list[int]] = {}
    loops: list[tuple[int, int]] = []
    position = 0
    for part, ops in zip(every, parts, strict=True):
        if isinstance(part, Loop):
            loops.append((position, position + len(ops) - 1))
        for op in ops:
            for name in _names(op, part):
                uses.setdefault(roots.get(name, name), []).append(position)
            position += 1
    found = {}
    for op in schedule.model.ops:
        name = op.output.name
        if roots.get(name, name) == name and name in uses:
            first, last = min(uses[name]), max(uses[name])
            crossed = [(begin, end) for begin, end in loops if _crosses(first, last, begin, end)]
            first, last = min([first, *(begin for begin, _ in crossed)]), max([last, *(end for _, end in crossed)])
            clock = schedule.clocks.get(name)
            if clock is not None and any(pace.name for pace in clock.paces):
                first = 0  # a reset writes it, for perhaps nothing else does
            if (schedule.is_streaming and crossed) or schedule.ready.get(name) == BEFORE:
                first, last = 0, total
            size = -(-op.output.size // ARENA_ALIGNMENT) * ARENA_ALIGNMENT
            found[name] = Lifetime(name, size, first, last, op.output.quantization.dtype)
    return found


def _names(op: Op, part: Part) -> list[str]:
    """The tensors that an op reads or writes in a part."""
    if isinstance(part, Begin):
        return [load.source.name for load in op.loads]
    if isinstance(op, Reduction):
        return [op.input.name] if isinstance(part, Loop) else [op.output.name]
    return [tensor.name for tensor in (*op.step_inputs, op.output)]


def _crosses(first: int, last: int, begin: int, end: int) -> bool:
    """Whether something alive from first to last is alive both inside and outside of a loop."""
    meets = first <= end and begin <= last
    return meets and not (begin <= first and last <= end)


def _ops_of(part: Part) -> tuple[Op, ...]:
    if isinstance(part, Loop):
        return tuple(op for op, _ in part.steps)
    return part.ops if isinstance(part, Begin | Line) else ()


def _roots(schedule: Schedule) -> Mapping[str, str]:
    """For each alias, the tensor whose bytes it is; what is stored apart has none."""
    roots: dict[str, str] = {}
    for op in schedule.model.ops:
        is_backwards = is_virtual(op) and op.input.is_sequence
        if op.is_alias and (op.input.name in roots or not is_backwards):
            roots[op.output.name] = roots.get(op.input.name, op.input.name)
    return roots
