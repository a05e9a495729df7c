"""Cells that a float .tflite spells out for every step of a sequence, folded back into layers."""

from edgelstm.frontends.tflite_cells import Step, steps_in
from edgelstm.frontends.tflite_layers import LayerStack
from edgelstm.frontends.tflite_nodes import Leaf, Node

_COMPARISONS = 8
"""Times that weights are gone through to see what a first step computes."""


class Unrolled:
    """The recurrent layers that have been recognised.

    Attributes:
        aliases: formulas that turned out to be a step of a layer.
    """

    def __init__(self, stack: LayerStack) -> None:
        self.aliases: dict[Node, Node] = {}
        self._stack = stack
        self._steps: dict[str, tuple[str, Step]] = {}
        self._cells: dict[Leaf, Node | None] = {}

    def recognised(self, node: Node) -> Node:
        """A step of a layer where the formula is one, else the formula itself."""
        for step in steps_in(node, self.aliases):
            self._stack.work(step.numbers)
            leaf = self._next(step) or self._second(step)
            if leaf is not None:
                self._cells[leaf] = step.next_cell
                return leaf
        return node

    def _next(self, step: Step) -> Leaf | None:
        """The step after one that was recognised."""
        hidden = step.hidden
        if not isinstance(hidden, Leaf) or hidden.sequence not in self._steps:
            return None
        source, known = self._steps[hidden.sequence]
        expected = Leaf(step.value.size, source, hidden.step + 1)
        if step.value != expected or self._cells.get(hidden) is not step.cell or not step.same_layer(known):
            return None
        return Leaf(step.units, hidden.sequence, hidden.step + 1)

    def _second(self, step: Step) -> Leaf | None:
        """The second step of a new layer, whose state is what its first step makes of zeros."""
        value = step.value
        if not isinstance(value, Leaf) or value.step != 1 or isinstance(step.hidden, Leaf):
            return None
        self._stack.work(_COMPARISONS * step.numbers)
        if not step.follows_zeros(Leaf(value.size, value.sequence, 0), self.aliases):
            return None
        output = self._stack.recurrent(step, self._stack.tensors[value.sequence])
        self._steps[output.name] = (value.sequence, step)
        self.aliases[step.hidden] = Leaf(step.units, output.name, 0)
        return Leaf(step.units, output.name, 1)
