"""What a schedule is made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from edgelstm.ir import Model, Op, Pace, Reduction, Tensor

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
        """Elements of the outputs that are sequences; 1 where none is."""
        sequences = [tensor for tensor in self.model.outputs if tensor.is_sequence]
        return self.clocks[sequences[0].name].count if sequences else 1

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
