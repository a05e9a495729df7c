"""What a tensor of a float .tflite is known to be."""

from dataclasses import dataclass
from typing import TypeAlias

from edgelstm.frontends.tflite_nodes import Node
from edgelstm.ir import AnyArray, Tensor


@dataclass(frozen=True)
class Sequence:
    """All steps of a layer's output, in whatever order of batch and time."""

    tensor: Tensor


@dataclass(frozen=True)
class Count:
    """The counter that a loop keeps as its variable `index`, and what has been added to it."""

    index: int
    offset: int = 0


@dataclass(frozen=True)
class Numbers:
    """A vector of integers, some of them counters."""

    values: tuple[int | Count, ...]


@dataclass(frozen=True)
class Below:
    """Whether counters are below a limit: the condition of a loop."""

    limits: tuple[tuple[Count, int], ...]


@dataclass(frozen=True)
class Store:
    """An array of one row a step, which a loop keeps as its variable `index`."""

    index: int


@dataclass(frozen=True)
class Rows:
    """The rows of a store before a counter, or those behind it."""

    index: int
    count: Count
    is_before: bool


@dataclass(frozen=True)
class Written:
    """A store in which the row of a counter is a vector."""

    index: int
    count: Count
    node: Node


@dataclass(frozen=True)
class Unusable:
    """What nothing of ours can stand for; `what` says what it is."""

    what: str


Value: TypeAlias = AnyArray | Node | Sequence | Count | Numbers | Below | Store | Rows | Written | Unusable
