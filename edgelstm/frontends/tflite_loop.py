"""The WHILE loop that TensorFlow's converter makes of a recurrent layer, folded back into the layer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from edgelstm.errors import UnsupportedModelError
from edgelstm.frontends.tflite_cells import Step, steps_in
from edgelstm.frontends.tflite_layers import LayerStack
from edgelstm.frontends.tflite_nodes import LOOP, Leaf, Node, State
from edgelstm.frontends.tflite_values import Below, Count, Sequence, Store, Unusable, Value, Written
from edgelstm.ir import TfliteModel, TfliteOperator
from edgelstm.tflite.records import quoted

Run = Callable[[TfliteModel, Mapping[str, Value], "LoopCell"], tuple[Value, ...]]
"""Evaluates a subgraph from the values of its inputs."""


class LoopCell:
    """The cell in the body of a loop.

    Attributes:
        aliases: none; a body has each formula once.
        step: the cell, once it is recognised.
        result: what stands for its hidden state in the body.
    """

    def __init__(self) -> None:
        self.aliases: dict[Node, Node] = {}
        self.step: Step | None = None
        self.result: Node | None = None

    def recognised(self, node: Node) -> Node:
        """What stands for the new hidden state where the formula is one, else the formula itself."""
        for step in steps_in(node, self.aliases):
            is_input = isinstance(step.value, Leaf) and step.value.step == LOOP
            if self.step is None and is_input and isinstance(step.hidden, State):
                self.step, self.result = step, State(step.units, -1 - step.hidden.index)
                return self.result
        return node


@dataclass(frozen=True)
class _Variables:
    """What a loop starts from, and what its body makes of it."""

    initial: tuple[Value, ...]
    bound: tuple[Value, ...]
    after: tuple[Value, ...]

    def starts_from_zero(self, index: int) -> bool:
        """Whether a variable is nothing but zeros before the loop."""
        value = self.initial[index]
        return isinstance(value, np.ndarray) and not value.any()


def fold_loop(
    operator: TfliteOperator,
    initial: tuple[Value, ...],
    subgraphs: tuple[TfliteModel, ...],
    stack: LayerStack,
    run: Run,
) -> tuple[Value, ...]:
    """The values of a WHILE's outputs, once the layer that it is has been added."""
    label = f"WHILE {quoted(operator.outputs[0].name)}"
    condition, body = (_subgraph(operator, subgraphs, role, len(initial), label) for role in ("cond", "body"))
    bound = tuple(_bound(index, value, body) for index, value in enumerate(initial))
    cell = LoopCell()
    names = [tensor.name for tensor in body.inputs]
    variables = _Variables(initial, bound, run(body, dict(zip(names, bound, strict=True)), cell))
    step = cell.step
    if step is None or not _carries(step, cell, variables):
        raise _refused(f"{label}: its body is no LSTM or GRU that we recognise", body)
    names = [tensor.name for tensor in condition.inputs]
    (still,) = run(condition, dict(zip(names, bound, strict=True)), LoopCell())
    assert isinstance(step.value, Leaf)
    if not _counts_all(still, variables, stack.timesteps):
        raise _refused(f"{label} does not run once for each of {stack.timesteps} steps", body)
    output = stack.recurrent(step, stack.tensors[step.value.sequence])
    last = Leaf(output.size, output.name, stack.timesteps - 1)
    return tuple(
        last if after is cell.result else _left(value, before, after, cell, Sequence(output), stack.timesteps)
        for value, before, after in zip(initial, bound, variables.after, strict=True)
    )


def _refused(problem: str, body: TfliteModel) -> UnsupportedModelError:
    builtins = [operator.builtin for operator in body.operators]
    counted = ", ".join(f"{builtins.count(name)} {name}" for name in dict.fromkeys(builtins))
    return UnsupportedModelError([f"{problem}; it has {counted}"])


def _subgraph(
    operator: TfliteOperator, subgraphs: tuple[TfliteModel, ...], role: str, variables: int, label: str
) -> TfliteModel:
    index = int(operator.options[f"{role}_subgraph_index"])
    if not 1 <= index < len(subgraphs):
        raise UnsupportedModelError([f"{label}: its {role} is subgraph {index} of {len(subgraphs)}"])
    found = subgraphs[index]
    results = 1 if role == "cond" else variables
    if (len(found.inputs), len(found.outputs)) != (variables, results):
        raise UnsupportedModelError([f"{label}: its {role} has {len(found.inputs)} inputs for {variables} variables"])
    if any(inner.builtin == "WHILE" for inner in found.operators):
        raise UnsupportedModelError([f"{label}: there is a loop in its {role}"])
    return found


def _bound(index: int, value: Value, body: TfliteModel) -> Value:
    """What a variable is within the body: the value itself where the body hands it on."""
    if body.inputs[index].name == body.outputs[index].name or not isinstance(value, np.ndarray):
        return value
    if value.size == 1 and np.issubdtype(value.dtype, np.integer):
        return Count(index)
    if value.ndim == 3 and value.shape[1] == 1 and value.shape[0] > 1:
        return Store(index)
    return State(value.size, index)


def _carries(step: Step, cell: LoopCell, variables: _Variables) -> bool:
    """Whether the states start from zeros and become what the cell makes of them."""
    assert isinstance(step.hidden, State)
    carried = [(step.hidden, cell.result)]
    if step.kind == "LSTM":
        if not isinstance(step.cell, State):
            return False
        carried.append((step.cell, step.next_cell))
    return all(
        variables.after[state.index] is result and variables.starts_from_zero(state.index) for state, result in carried
    )


def _counts_all(still: Value, variables: _Variables, timesteps: int) -> bool:
    """Whether the loop ends with the sequence: counters go from 0 by 1, and the lowest limit is that of the steps."""
    if not isinstance(still, Below) or min((limit for _, limit in still.limits), default=0) != timesteps:
        return False
    counters = {value.index for value in variables.bound if isinstance(value, Count)}
    return all(
        count.offset == 0 and variables.after[index] == Count(index, 1) and variables.starts_from_zero(index)
        for count, _ in still.limits
        for index in (count.index, *counters)
    )


def _left(initial: Value, bound: Value, after: Value, cell: LoopCell, output: Sequence, timesteps: int) -> Value:
    """What a variable is behind the loop."""
    if after is bound and not isinstance(bound, State | Store | Count):
        return initial
    if isinstance(after, Written) and after.node is cell.result and isinstance(bound, Store):
        rows = initial.shape[0] if isinstance(initial, np.ndarray) else 0
        if after.index == bound.index and after.count.offset == 0 and rows == timesteps:
            return output
    return Unusable("what a loop leaves behind beside its hidden states")
