"""One step of an LSTM or a GRU among the formulas of a float .tflite.

Written out for every step of a sequence, or once in the body of a loop, a cell is the same formula. Its first step
lacks what a state of 0 leaves out, so it is computed and compared instead.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from edgelstm.frontends.tflite_nodes import Apply, Evaluation, Leaf, Linear, Node, Product, Sum, sigmoid
from edgelstm.ir import FloatArray

TOLERANCE = 1e-5


@dataclass(frozen=True, eq=False)
class Step:
    """A step that was recognised.

    Attributes:
        kind: "LSTM" or "GRU", as Keras calls the layer.
        value: the input.
        hidden: the hidden state of the step before.
        cell: the cell state of the step before; None for a GRU.
        next_cell: the cell state of this step; None for a GRU.
        weights: kernel, recurrent kernel and bias as Keras keeps them.
        reset_after: of a GRU.
    """

    kind: str
    value: Node
    hidden: Node
    weights: tuple[FloatArray, ...]
    cell: Node | None = None
    next_cell: Node | None = None
    reset_after: bool = False

    @property
    def units(self) -> int:
        """Size of the hidden state."""
        return self.hidden.size

    @property
    def numbers(self) -> int:
        """How many weights there are."""
        return sum(array.size for array in self.weights)

    def same_layer(self, other: "Step") -> bool:
        """Whether two steps have the same weights."""
        return (self.kind, self.reset_after) == (other.kind, other.reset_after) and all(
            np.array_equal(one, two) for one, two in zip(self.weights, other.weights, strict=True)
        )

    def follows_zeros(self, first_input: Leaf, aliases: Mapping[Node, Node]) -> bool:
        """Whether `hidden` and `cell` are what the layer makes of its first input and states of 0."""
        values = np.random.default_rng(0).normal(size=(3, first_input.size)).astype(np.float32)
        for value in values:
            found = Evaluation({first_input: value}, aliases)
            try:
                results = [found.of(node) for node in (self.hidden, self.cell) if node is not None]
            except LookupError:
                return False
            expected = self._first_step(value)[: len(results)]
            if not all(np.allclose(one, two, TOLERANCE, TOLERANCE) for one, two in zip(results, expected, strict=True)):
                return False
        return True

    def _first_step(self, value: FloatArray) -> tuple[FloatArray, ...]:
        with np.errstate(all="ignore"):
            bias = self.weights[2] if self.weights[2].ndim == 1 else self.weights[2][0]
            gates = np.split(value @ self.weights[0] + bias, 4 if self.kind == "LSTM" else 3)
            if self.kind == "LSTM":
                cell = sigmoid(gates[0]) * np.tanh(gates[2])
                return sigmoid(gates[3]) * np.tanh(cell), cell
            recalled = self.weights[2][1][2 * self.units :] if self.reset_after else np.float32(0)
            return ((1 - sigmoid(gates[0])) * np.tanh(gates[2] + sigmoid(gates[1]) * recalled),)


def steps_in(node: Node, aliases: Mapping[Node, Node]) -> Iterator[Step]:
    """Every way to read a formula as a step of a cell: which of two vectors is the hidden state, it does not say."""
    if isinstance(node, Product):
        yield from _lstm_steps(node, aliases)
    elif isinstance(node, Sum) and node.linear is None:
        yield from _gru_steps(node, aliases)


def _lstm_steps(node: Product, aliases: Mapping[Node, Node]) -> Iterator[Step]:
    """sigmoid(output) * tanh(cell), cell = sigmoid(forget) * cell before + sigmoid(input) * tanh(candidate)."""
    for gate, squashed in _either(node):
        output_gate = _argument(gate, "sigmoid")
        cell = squashed.value if isinstance(squashed, Apply) and squashed.function == "tanh" else None
        if output_gate is None or not isinstance(cell, Sum) or cell.linear is not None or len(cell.others) != 2:
            continue
        for kept, fresh in (cell.others, cell.others[::-1]):
            for forget, before in _either(kept):
                for entered, candidate in _either(fresh):
                    gates = (
                        _argument(entered, "sigmoid"), _argument(forget, "sigmoid"), _argument(candidate, "tanh"),
                        output_gate,
                    )  # fmt: skip
                    for value, hidden, weights in _two_inputs(gates, aliases):
                        yield Step("LSTM", value, hidden, weights, aliases.get(before, before), cell)


def _gru_steps(node: Sum, aliases: Mapping[Node, Node]) -> Iterator[Step]:
    """update * hidden before + (1 - update) * tanh(candidate)."""
    if len(node.others) != 2:
        return
    for kept, fresh in (node.others, node.others[::-1]):
        for update, hidden in _either(kept):
            for rest, candidate in _either(fresh):
                is_rest = isinstance(rest, Apply) and rest.function == "one_minus" and rest.value is update
                squashed = candidate.value if isinstance(candidate, Apply) and candidate.function == "tanh" else None
                update_gate = _argument(update, "sigmoid")
                if is_rest and squashed is not None and update_gate is not None:
                    before = aliases.get(hidden, hidden)
                    yield from _reset_after(update_gate, squashed, before, aliases)
                    yield from _reset_before(update_gate, squashed, before, aliases)


def _reset_after(update: Linear, candidate: Node, hidden: Node, aliases: Mapping[Node, Node]) -> Iterator[Step]:
    """candidate = kernel * x + bias + reset * (recurrent kernel * hidden + its bias)."""
    if not isinstance(candidate, Sum) or candidate.linear is None or len(candidate.others) != 1:
        return
    for reset_gate, recalled in _either(candidate.others[0]):
        reset, inputs = _argument(reset_gate, "sigmoid"), candidate.linear
        if reset is None or not isinstance(recalled, Linear) or len(recalled.terms) != 1 or len(inputs.terms) != 1:
            continue
        whole = Linear(inputs.size, (*inputs.terms, *recalled.terms), inputs.bias)
        for value, found, (kernel, recurrent, bias) in _two_inputs((update, reset, whole), aliases):
            if found == hidden and aliases.get(recalled.terms[0][0], recalled.terms[0][0]) == hidden:
                recurrent_bias = np.concatenate([np.zeros(2 * hidden.size, np.float32), recalled.bias])
                biases = np.stack([bias, recurrent_bias])
                yield Step("GRU", value, hidden, (kernel, recurrent, biases), reset_after=True)


def _reset_before(update: Linear, candidate: Node, hidden: Node, aliases: Mapping[Node, Node]) -> Iterator[Step]:
    """candidate = kernel * x + recurrent kernel * (reset * hidden) + bias."""
    if not isinstance(candidate, Linear) or len(candidate.terms) != 2:
        return
    for source, _ in candidate.terms:
        for reset_gate, recalled in _either(source):
            reset = _argument(reset_gate, "sigmoid")
            if reset is None or aliases.get(recalled, recalled) != hidden:
                continue
            terms = tuple((hidden if node is source else node, rows) for node, rows in candidate.terms)
            whole = Linear(candidate.size, terms, candidate.bias)
            for value, found, weights in _two_inputs((update, reset, whole), aliases):
                if found == hidden:
                    yield Step("GRU", value, hidden, weights)


def _either(node: Node) -> tuple[tuple[Node, Node], ...]:
    """The factors of a product in both orders."""
    return ((node.one, node.other), (node.other, node.one)) if isinstance(node, Product) else ()


def _argument(node: Node, function: str) -> Linear | None:
    if isinstance(node, Apply) and node.function == function and isinstance(node.value, Linear):
        return node.value
    return None


def _two_inputs(
    gates: tuple[Linear | None, ...], aliases: Mapping[Node, Node]
) -> Iterator[tuple[Node, Node, tuple[FloatArray, ...]]]:
    """Yield input, hidden state and (kernel, recurrent kernel, bias) of gates that all read the same two vectors."""
    found = []
    for gate in gates:
        if gate is None or len(gate.terms) != 2:
            return
        found.append({aliases.get(node, node): matrix for node, matrix in gate.terms})
    if any(set(gate) != set(found[0]) or len(gate) != 2 for gate in found):
        return
    sizes = {gate.size for gate in gates if gate is not None}
    bias = np.concatenate([gate.bias for gate in gates if gate is not None])
    one, other = found[0]
    for value, hidden in ((one, other), (other, one)):
        if sizes == {hidden.size}:
            kernel, recurrent = (np.concatenate([gate[node] for gate in found]).T for node in (value, hidden))
            yield value, hidden, (kernel, recurrent, bias)
