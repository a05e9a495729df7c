"""A float .tflite to a FloatModel: its operators are evaluated on formulas, and cells written out are folded back."""

from collections import Counter
from collections.abc import Mapping

import numpy as np

from edgelstm.errors import UnsupportedModelError
from edgelstm.frontends.tflite_arrays import folded
from edgelstm.frontends.tflite_kind import WAY_AROUND
from edgelstm.frontends.tflite_layers import LayerStack
from edgelstm.frontends.tflite_loop import LoopCell, fold_loop
from edgelstm.frontends.tflite_nodes import Linear, Node
from edgelstm.frontends.tflite_operands import Operands
from edgelstm.frontends.tflite_operators import FEWEST_INPUTS, OPERATORS
from edgelstm.frontends.tflite_unrolled import Unrolled
from edgelstm.frontends.tflite_values import Sequence, Unusable, Value
from edgelstm.ir import FloatModel, Layer, Tensor, TfliteModel, TfliteOperator, TfliteTensor
from edgelstm.ops.fold_affine import fold_affine
from edgelstm.ops.scaled_inputs import scaled_inputs
from edgelstm.tflite.records import quoted

_MOST_NUMBERS = 1 << 24
"""Numbers that sums and products of constants may take; a file may ask for the same large one many times."""


def float_model(subgraphs: tuple[TfliteModel, ...], name: str) -> FloatModel:
    """Build the layers that a float file computes.

    Raises:
        UnsupportedModelError: saying what was found where it is none of what we recognise.
    """
    main = subgraphs[0]
    source = main.inputs[0]
    tensor = Tensor("input", source.shape[2], is_sequence=True, timesteps=source.shape[1])
    stack = LayerStack(tensor, source.shape[1])
    evaluator = _Evaluator(subgraphs, stack)
    try:
        (result,) = evaluator.run(main, {source.name: Sequence(tensor)}, Unrolled(stack))
        output = _output(result, stack, main.outputs[0])
    except UnsupportedModelError as error:
        raise UnsupportedModelError([*error.problems, *_inventory(subgraphs)], error.hint or WAY_AROUND) from error
    (tensor,), layers = scaled_inputs((tensor,), _needed(stack.layers, output))
    return FloatModel(name, tensor, fold_affine(layers), source.shape[1])


def _output(result: Value, stack: LayerStack, output: TfliteTensor) -> Tensor:
    if isinstance(result, Sequence):
        return result.tensor
    if not isinstance(result, Node):
        raise UnsupportedModelError([f"the output {quoted(output.name)} does not follow from a layer"])
    return stack.vector(result)


def _needed(layers: list[Layer], output: Tensor) -> list[Layer]:
    """The layers that the output depends on; the one that yields it is the last."""
    wanted, needed = {output.name}, []
    for layer in reversed(layers):
        if layer.output.name in wanted:
            needed.append(layer)
            wanted.update(tensor.name for tensor in layer.inputs)
    return needed[::-1]


def _inventory(subgraphs: tuple[TfliteModel, ...]) -> list[str]:
    """Which operators there are, how many of each."""
    lines = []
    for index, subgraph in enumerate(subgraphs[:8]):
        counts = Counter(operator.builtin for operator in subgraph.operators)
        listed = ", ".join(f"{count} {name}" for name, count in counts.most_common(24))
        lines.append(f"subgraph {index} has {listed or 'no operators'}")
    return lines


class _Evaluator:
    """Runs operators on what is known of their inputs."""

    def __init__(self, subgraphs: tuple[TfliteModel, ...], stack: LayerStack) -> None:
        self._subgraphs, self._stack = subgraphs, stack
        self._numbers_left = _MOST_NUMBERS

    def run(self, model: TfliteModel, inputs: Mapping[str, Value], cells: Unrolled | LoopCell) -> tuple[Value, ...]:
        """The values of a subgraph's outputs."""
        values = dict(inputs)

        def value_of(tensor: TfliteTensor) -> Value:
            if tensor.data is not None:
                return np.asarray(tensor.data)
            if tensor.is_variable:
                return Unusable("a variable")
            if tensor.name not in values:
                raise UnsupportedModelError([f"nothing writes {quoted(tensor.name)} before it is read"])
            value = values[tensor.name]
            return cells.aliases.get(value, value) if isinstance(value, Node) else value

        for operator in model.operators:
            operands = tuple(None if tensor is None else value_of(tensor) for tensor in operator.inputs)
            results = self._results(operator, operands)
            for tensor, result in zip(operator.outputs, results, strict=True):
                values[tensor.name] = cells.recognised(result) if isinstance(result, Node) else result
        return tuple(value_of(tensor) for tensor in model.outputs)

    def _results(self, operator: TfliteOperator, operands: Operands) -> tuple[Value, ...]:
        label = f"{operator.builtin} {quoted(operator.outputs[0].name if operator.outputs else '')}"
        if not operator.outputs or len(operands) < FEWEST_INPUTS.get(operator.builtin, 1):
            raise UnsupportedModelError([f"{label} has {len(operands)} inputs and {len(operator.outputs)} outputs"])
        present = [operand for operand in operands if operand is not None]
        if operator.builtin == "WHILE":
            results = fold_loop(operator, tuple(present), self._subgraphs, self._stack, self.run)
        elif (known := folded(operator, present)) is not None:
            results = (known,)
        else:
            read = OPERATORS.get(operator.builtin)
            if read is None:
                raise UnsupportedModelError([f"{label} is not supported in a float file"])
            try:
                results = read(operator, operands, self._stack)
            except UnsupportedModelError as error:
                raise UnsupportedModelError([f"{label}: {problem}" for problem in error.problems]) from error
        if len(results) != len(operator.outputs):
            raise UnsupportedModelError([f"{label} has {len(operator.outputs)} outputs, not {len(results)}"])
        self._spend(results)
        return results

    def _spend(self, results: tuple[Value, ...]) -> None:
        for result in results:
            arrays = [result] if isinstance(result, np.ndarray) else []
            if isinstance(result, Linear):
                arrays = [result.bias, *(matrix for _, matrix in result.terms)]
            self._numbers_left -= sum(array.size for array in arrays if array.base is None)
        if self._numbers_left < 0:
            raise UnsupportedModelError([f"more than {_MOST_NUMBERS} numbers follow from its constants"])
