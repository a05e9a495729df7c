"""What the generated C is made of: calls of ops in the order of the schedule, places of tensors, and what is kept."""

from dataclasses import dataclass
from typing import ClassVar

from edgelstm.codegen.places import Place
from edgelstm.ir import Op, QuantizedTensor, StateArray
from edgelstm.schedule import Copy, Line, Loop, Schedule

_ELEMENT_BYTES = {"int8": 1, "int16": 2, "int32": 4}


@dataclass(frozen=True)
class PlannedInput:
    """An input of the model with its C identifier.

    A sequence is an argument of `step`, a vector one of `reset`, which keeps it.
    """

    tensor: QuantizedTensor
    identifier: str

    @property
    def place(self) -> Place:
        """Where ops find it."""
        return Place(self.identifier if self.tensor.is_sequence else f"self->{self.identifier}")


@dataclass(frozen=True)
class PlannedOutput:
    """An output of the model with its C identifier, which is an argument's name."""

    tensor: QuantizedTensor
    identifier: str

    @property
    def place(self) -> Place:
        """Where it is written."""
        return Place(self.identifier)


@dataclass(frozen=True, eq=False)
class PlannedOp:
    """An op with its C identifier."""

    op: Op
    identifier: str


@dataclass(frozen=True, eq=False)
class Call:
    """A call of an op's function.

    Attributes:
        item: which.
        sources: expressions of its inputs.
        result: expression of what it writes; "" where it writes its state alone.
        inner: what runs where it yields.
        is_end: whether it is the second function of a reduction, which yields.
        is_padded: whether it takes padding, and not its input.
        is_begin: whether it is the function that fills the states before the first step.
    """

    kind: ClassVar[str] = "call"

    item: PlannedOp
    sources: tuple[str, ...]
    result: str
    inner: "tuple[Action, ...]" = ()
    is_end: bool = False
    is_padded: bool = False
    is_begin: bool = False


@dataclass(frozen=True)
class Yield:
    """A step of a streaming model has written the output."""

    kind: ClassVar[str] = "yield"


@dataclass(frozen=True)
class Keep:
    """Copying an element to where it is kept; `counter` is the one to count it with, "" for none."""

    kind: ClassVar[str] = "keep"

    source: Place
    target: Place
    size: int
    counter: str = ""


Action = Call | Keep | Yield


@dataclass(frozen=True, eq=False)
class PlannedPart:
    """A stretch of slices behind the window: positions begin..end - 1, in which `tick` counts from 0 if it is used."""

    begin: int
    end: int
    calls: tuple[Action, ...]
    uses_tick: bool


@dataclass(frozen=True)
class Stored:
    """The array of all elements of a sequence, `counter` being how many are there ("" where the position says it)."""

    array: str
    count: int
    size: int
    counter: str
    dtype: str = "int8"

    @property
    def bytes(self) -> int:
        """Size of the array."""
        return self.count * self.size * _ELEMENT_BYTES[self.dtype]


@dataclass(frozen=True)
class Arena:
    """Scratch for tensors of one type: its member of the model's struct, and how many elements it has."""

    array: str
    dtype: str
    size: int

    @property
    def bytes(self) -> int:
        """Size of the array."""
        return self.size * _ELEMENT_BYTES[self.dtype]


@dataclass(frozen=True)
class Cleared:
    """A tensor that somebody reads though perhaps nothing has been written to it yet."""

    place: Place
    size: int
    value: int


@dataclass(frozen=True, eq=False)
class Plan:
    """The layout of the generated C.

    Attributes:
        schedule: what it follows.
        inputs: of the model, in its order.
        outputs: likewise.
        items: all ops that need code, in the model's order.
        start: what a reset computes from the vectors that it is given.
        step: what a sample sets off.
        line: what an output sets off in a streaming model.
        parts: what follows the window in others.
        state: (identifier, declaration) of every state array.
        stored: sequences of which all elements are kept.
        cleared: tensors that a reset sets.
        arenas: the scratch that ops share, an array for each type of its elements.
    """

    schedule: Schedule
    inputs: tuple[PlannedInput, ...]
    outputs: tuple[PlannedOutput, ...]
    items: tuple[PlannedOp, ...]
    start: tuple[Action, ...]
    step: tuple[Action, ...]
    line: tuple[Action, ...]
    parts: tuple[PlannedPart, ...]
    state: tuple[tuple[str, StateArray], ...]
    stored: tuple[Stored, ...]
    cleared: tuple[Cleared, ...]
    arenas: tuple[Arena, ...]

    @property
    def arena_bytes(self) -> int:
        """Size of all scratch."""
        return sum(arena.bytes for arena in self.arenas)

    @property
    def given(self) -> tuple[PlannedInput, ...]:
        """Vectors, which a reset takes and keeps."""
        return tuple(one for one in self.inputs if not one.tensor.is_sequence)

    @property
    def samples(self) -> tuple[PlannedInput, ...]:
        """Sequences, of which each step takes a sample."""
        return tuple(one for one in self.inputs if one.tensor.is_sequence)

    @property
    def state_bytes(self) -> int:
        """Size of all state arrays, and of the vectors that are kept."""
        kept = sum(one.tensor.size for one in self.given)
        return kept + sum(array.size * _ELEMENT_BYTES[array.dtype] for _, array in self.state)

    @property
    def stored_bytes(self) -> int:
        """Size of all stored sequences."""
        return sum(one.bytes for one in self.stored)

    @property
    def buffer_bytes(self) -> int:
        """Size of what is neither state nor kept by the caller."""
        words = 0 if self.schedule.is_streaming else 1 + len(self.counters)
        return self.arena_bytes + self.stored_bytes + 4 * words

    @property
    def counters(self) -> tuple[str, ...]:
        """Counters of elements, beside the position in the window."""
        named = tuple(one.counter for one in self.stored if one.counter)
        output, clocks = self.schedule.model.output, self.schedule.clocks
        is_counted = output.is_sequence and not self.schedule.is_streaming and bool(clocks[output.name].paces)
        is_written = is_counted and not isinstance(self.schedule.rest[-1], Copy)
        return (*named, *(["self->output_count"] if is_written else []))

    @property
    def padded(self) -> tuple[str, ...]:
        """Identifiers of the ops that take padding behind the window."""
        padded = {name for part in self.schedule.rest if isinstance(part, Loop) for name in part.padded}
        return tuple(item.identifier for item in self.items if item.op.name in padded)

    @property
    def macs(self) -> tuple[int, int]:
        """Multiply-accumulates of a sample, and of all that an output sets off."""
        rest = 0
        for part in self.schedule.rest:
            if isinstance(part, Loop):
                rest += part.ticks * sum(op.macs for op, _ in part.steps)
            elif isinstance(part, Line):
                rest += sum(op.macs for op in part.ops)
        return sum(op.macs for op, _ in self.schedule.first.steps), rest

    @property
    def yields_at_pace(self) -> bool:
        """Whether a step of a streaming model yields at some samples only."""
        output = self.schedule.model.output
        return output.is_sequence and bool(self.schedule.clocks[output.name].paces)
