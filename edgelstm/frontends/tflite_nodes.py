"""Vectors of one time step, as formulas over what a float .tflite computes them from.

The converter spells one layer in many ways: biases fused or added, gates split before or behind a sum, terms left out
where a state is 0. Sums of matrix products are therefore kept in one form, `Linear`, whatever the order in the file.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from edgelstm.errors import UnsupportedModelError
from edgelstm.ir import FloatArray

MOST_TERMS = 16
"""Terms of one sum."""

_MOST_EVALUATED = 256
"""Nodes of one formula that is computed to be compared."""


@dataclass(frozen=True)
class Leaf:
    """One step of a sequence.

    Attributes:
        size: features.
        sequence: name of the tensor.
        step: from 0; LOOP for the step that a loop is in.
    """

    size: int
    sequence: str
    step: int


LOOP = -1


@dataclass(frozen=True)
class State:
    """What a loop carries from step to step: its variable `index`."""

    size: int
    index: int


@dataclass(frozen=True, eq=False)
class Linear:
    """Sum of matrix (size, n) times node, and a bias. Without terms it is a constant."""

    size: int
    terms: "tuple[tuple[Node, FloatArray], ...]"
    bias: FloatArray


@dataclass(frozen=True, eq=False)
class Apply:
    """A function of each value: "sigmoid", "tanh", "relu", "relu6", "leaky_relu", "one_minus"; or "softmax" of all."""

    size: int
    function: str
    value: "Node"
    slope: float = 0.0


@dataclass(frozen=True, eq=False)
class Product:
    """Element by element."""

    size: int
    one: "Node"
    other: "Node"


@dataclass(frozen=True, eq=False)
class Sum:
    """Of nodes that are no Linear, and of one that is."""

    size: int
    others: "tuple[Node, ...]"
    linear: Linear | None = None


@dataclass(frozen=True, eq=False)
class Joined:
    """One vector behind the other."""

    size: int
    parts: "tuple[Node, ...]" = field(default=())


Node: TypeAlias = Leaf | State | Linear | Apply | Product | Sum | Joined


def constant(values: FloatArray) -> Linear:
    """A vector that never changes."""
    return Linear(values.size, (), values.reshape(-1))


def is_constant(node: Node) -> bool:
    """Whether it depends on nothing."""
    return isinstance(node, Linear) and not node.terms


def add(one: Node, other: Node) -> Node:
    """The sum; a constant of size 1 counts for every element."""
    one, other = _same_size(one, other)
    linears = [node for node in (_linear_part(one), _linear_part(other)) if node is not None]
    others = (*_other_parts(one), *_other_parts(other))
    linear = linears[0] if len(linears) == 1 else _add_linear(*linears) if linears else None
    if len(others) > MOST_TERMS:
        raise UnsupportedModelError([f"a sum of more than {MOST_TERMS} terms"])
    if linear is not None and not others:
        return linear
    return Sum(one.size, others, linear)


def multiply(one: Node, other: Node) -> Node:
    """The product; a constant times a Linear is a Linear."""
    one, other = _same_size(one, other)
    for node, factor in ((one, other), (other, one)):
        if isinstance(node, Linear) and isinstance(factor, Linear) and not factor.terms:
            terms = tuple((source, matrix * factor.bias[:, None]) for source, matrix in node.terms)
            return Linear(node.size, terms, node.bias * factor.bias)
    return Product(one.size, one, other)


def part(node: Node, first: int, end: int) -> Node:
    """Some elements of a vector, where each is computed for itself."""
    if (first, end) == (0, node.size):
        return node
    if isinstance(node, Linear):
        terms = tuple((source, matrix[first:end]) for source, matrix in node.terms)
        return Linear(end - first, terms, node.bias[first:end])
    if isinstance(node, Apply) and node.function != "softmax" and isinstance(node.value, Linear):
        return Apply(end - first, node.function, part(node.value, first, end), node.slope)
    raise UnsupportedModelError(["a part is taken of a vector that is no sum of matrix products"])


def _linear_part(node: Node) -> Linear | None:
    return node if isinstance(node, Linear) else node.linear if isinstance(node, Sum) else None


def _other_parts(node: Node) -> tuple[Node, ...]:
    return () if isinstance(node, Linear) else node.others if isinstance(node, Sum) else (node,)


def _add_linear(one: Linear, other: Linear) -> Linear:
    if len(one.terms) + len(other.terms) > MOST_TERMS:
        raise UnsupportedModelError([f"a sum of more than {MOST_TERMS} terms"])
    return Linear(one.size, (*one.terms, *other.terms), one.bias + other.bias)


def _same_size(one: Node, other: Node) -> tuple[Node, Node]:
    """Both, a constant of size 1 repeated."""
    size = max(one.size, other.size)
    both = [
        constant(np.broadcast_to(node.bias, size)) if isinstance(node, Linear) and node.size == 1 != size else node
        for node in (one, other)
    ]
    if both[0].size != both[1].size:
        raise UnsupportedModelError([f"vectors of {one.size} and {other.size} values are combined"])
    return both[0], both[1]


class Evaluation:
    """Computes formulas from the values of some leaves, to compare them with what a layer would compute."""

    def __init__(self, known: Mapping["Node", FloatArray], aliases: Mapping["Node", "Node"]) -> None:
        self._known, self._aliases = known, aliases
        self._done: dict[int, FloatArray] = {}
        self._left = _MOST_EVALUATED

    def of(self, node: Node) -> FloatArray:
        """The vector; LookupError where it depends on other leaves, or is too large a formula."""
        node = self._aliases.get(node, node)
        self._left -= 1
        if self._left < 0:
            raise LookupError("too large a formula")
        if node in self._known:
            return self._known[node]
        if id(node) not in self._done:
            with np.errstate(all="ignore"):
                self._done[id(node)] = self._compute(node)
        return self._done[id(node)]

    def _compute(self, node: Node) -> FloatArray:
        if isinstance(node, Linear):
            return sum((matrix @ self.of(source) for source, matrix in node.terms), node.bias)
        if isinstance(node, Product):
            return self.of(node.one) * self.of(node.other)
        if isinstance(node, Sum):
            total = np.zeros(node.size, np.float32) if node.linear is None else self.of(node.linear)
            return sum((self.of(other) for other in node.others), total)
        if isinstance(node, Apply) and node.function in _FUNCTIONS:
            return np.asarray(_FUNCTIONS[node.function](self.of(node.value)))
        raise LookupError(f"a formula depends on {type(node).__name__}")


def sigmoid(values: FloatArray) -> FloatArray:
    """1 / (1 + exp(-x))."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * values)))


_FUNCTIONS: Mapping[str, Callable[[FloatArray], FloatArray]] = {
    "sigmoid": sigmoid,
    "tanh": np.tanh,
    "one_minus": lambda values: 1.0 - values,
}
