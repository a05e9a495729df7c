"""What runs when, and where each tensor lives.

A model is cut into phases: one loop over time through all ops that yield sequences, then one straight line through
the rest. A tensor lives from the op that writes it to the last one that reads it; the arena gives tensors that live at
the same time different bytes. What leaves the loop lives until the line has read it, and through the next steps too.
"""

import bisect
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edgelstm.codegen.names import layer_identifiers
from edgelstm.errors import UnsupportedModelError
from edgelstm.ir import Model, Op, StateArray

ARENA_ALIGNMENT = 4

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
    ]
)
"""Endings that templates put behind a layer's symbol, beside its states and constants."""


@dataclass(frozen=True)
class Place:
    """Where a tensor lives: a C array and the offset of the tensor's first element in it."""

    array: str
    offset: int = 0

    @property
    def expression(self) -> str:
        """C expression of the first element's address."""
        return f"&{self.array}[{self.offset}]" if self.offset else self.array

    def element(self, index: str) -> str:
        """C expression of an element."""
        return f"{self.array}[{self.offset} + {index}]" if self.offset else f"{self.array}[{index}]"


INPUT = Place("input")
OUTPUT = Place("output")


@dataclass(frozen=True, eq=False)
class PlannedOp:
    """An op with its C identifier and the places of its inputs and its output."""

    op: Op
    identifier: str
    sources: tuple[Place, ...]
    result: Place


@dataclass(frozen=True, eq=False)
class Plan:
    """The layout of the generated C.

    Attributes:
        loop: ops of the loop over time, in order, without aliases.
        line: ops after the loop, in order, without aliases.
        output_copy: where the output must be copied from, None where the last op writes it itself.
        state: (identifier, declaration) of every state array.
        arena_bytes: size of the scratch that ops share.
    """

    loop: tuple[PlannedOp, ...]
    line: tuple[PlannedOp, ...]
    output_copy: Place | None
    state: tuple[tuple[str, StateArray], ...]
    arena_bytes: int

    @property
    def state_bytes(self) -> int:
        """Size of all state arrays."""
        return sum(array.size * np.dtype(array.dtype).itemsize for _, array in self.state)


def make_plan(model: Model) -> Plan:
    """Plan a model. Raises UnsupportedModelError for what cannot be written as C."""
    problems = [problem for op in model.ops for problem in op.problems(model.contract)]
    if all(op.is_alias for op in model.ops):
        problems.append("the model has no layer that computes anything")
    elif any(op.is_alias and op.input.name == model.input.name for op in model.ops):
        problems.append(
            "a layer reads the last step of the model's input, which C does not keep; put a Dense before it"
        )
    problems += [
        f"layer {op.name!r} reads a sequence and a single vector"
        for op in model.ops
        if len({tensor.is_sequence for tensor in op.inputs}) > 1
    ]
    if problems:
        raise UnsupportedModelError(problems)
    computing = [op for op in model.ops if not op.is_alias]
    endings = DERIVED | {array.name for op in computing for array in op.state}
    endings |= {constant.name for op in computing for constant in op.constants(model.contract)}
    names = layer_identifiers((op.name for op in computing), frozenset(endings))
    identifiers = dict(zip(map(id, computing), names, strict=True))
    places, arena_bytes = _places(model, identifiers)
    planned = [
        PlannedOp(op, identifiers[id(op)], tuple(places[tensor.name] for tensor in op.inputs), places[op.output.name])
        for op in computing
    ]
    final = places[model.output.name]
    return Plan(
        loop=tuple(item for item in planned if item.op.output.is_sequence),
        line=tuple(item for item in planned if not item.op.output.is_sequence),
        output_copy=None if final == OUTPUT else final,
        state=tuple((f"{item.identifier}_{array.name}", array) for item in planned for array in item.op.state),
        arena_bytes=arena_bytes,
    )


def _places(model: Model, identifiers: dict[int, str]) -> tuple[dict[str, Place], int]:
    """Give each tensor a place: an argument, a state array, the place of what it is an alias of, or the arena."""
    places = {model.input.name: INPUT}
    scratch: list[Lifetime] = []
    lifetimes = _lifetimes(model)
    for op in model.ops:
        if op.is_alias:
            continue
        if op.output_state:
            places[op.output.name] = Place(f"self->{identifiers[id(op)]}_{op.output_state}")
        elif op.output.name == model.output.name:
            places[op.output.name] = OUTPUT
        else:
            scratch.append(lifetimes[op.output.name])
    offsets, arena_bytes = pack_lifetimes(scratch)
    places |= {name: Place("self->arena", offset) for name, offset in offsets.items()}
    for op in model.ops:
        if op.is_alias:
            places[op.output.name] = places[op.input.name]
    return places, arena_bytes


@dataclass(frozen=True)
class Lifetime:
    """A tensor's bytes, and the first and last position in the order of execution at which they are needed."""

    name: str
    size_bytes: int
    first: int
    last: int

    def meets(self, other: "Lifetime") -> bool:
        """Whether both are needed at one position."""
        return self.first <= other.last and other.first <= self.last


def pack_lifetimes(tensors: list[Lifetime]) -> tuple[Mapping[str, int], int]:
    """Offsets in one arena, the largest tensor first, each at the lowest offset that nothing alive at its time has.

    Returns:
        (offset by name, bytes of the arena).
    """
    placed: list[tuple[Lifetime, int]] = []
    for tensor in sorted(tensors, key=lambda tensor: (-tensor.size_bytes, tensor.first)):
        offset = 0
        for other, start in placed:
            if tensor.meets(other) and start < offset + tensor.size_bytes and offset < start + other.size_bytes:
                offset = start + other.size_bytes
        bisect.insort(placed, (tensor, offset), key=lambda one: one[1])
    arena_bytes = max((offset + tensor.size_bytes for tensor, offset in placed), default=0)
    return {tensor.name: offset for tensor, offset in placed}, arena_bytes


def _lifetimes(model: Model) -> Mapping[str, Lifetime]:
    """By tensor. One that the line reads outlives the loop: `output` may be called again, and `step` after it."""
    order = [*(op for op in model.ops if op.output.is_sequence), *(op for op in model.ops if not op.output.is_sequence)]
    loop_length = sum(op.output.is_sequence for op in order)
    roots: dict[str, str] = {}
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    for position, op in enumerate(order):
        name = op.output.name
        roots[name] = roots.get(op.input.name, op.input.name) if op.is_alias else name
        first.setdefault(roots[name], position)
        for tensor in (*op.inputs, op.output):
            last[roots.get(tensor.name, tensor.name)] = position
    lifetimes = {}
    for op in model.ops:
        name = op.output.name
        if roots[name] == name:
            leaves = first[name] < loop_length <= last[name]
            size_bytes = -(-op.output.size // ARENA_ALIGNMENT) * ARENA_ALIGNMENT
            lifetimes[name] = Lifetime(
                name, size_bytes, 0 if leaves else first[name], len(order) if leaves else last[name]
            )
    return lifetimes
