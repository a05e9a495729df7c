"""Layers of a FloatModel from what a float .tflite computes: each built as if Keras had described it."""

from collections.abc import Mapping
from typing import Any

from edgelstm.errors import UnsupportedModelError
from edgelstm.frontends.tflite_cells import Step
from edgelstm.frontends.tflite_nodes import (
    Apply,
    Joined,
    Leaf,
    Linear,
    Node,
    Product,
    State,
    Sum,
    constant,
    is_constant,
)
from edgelstm.ir import FloatArray, Layer, SourceLayer, Tensor
from edgelstm.ops.last_step import LastStepLayer
from edgelstm.ops.registry import KERAS_LAYERS
from edgelstm.ops.reverse import ReverseLayer
from edgelstm.tflite.records import quoted

_ACTIVATIONS = ("relu", "relu6", "sigmoid", "tanh", "softmax")
MOST_LAYERS = 512
MOST_WEIGHTS = 1 << 25
"""Of all layers: a file may give the same large constant to many."""

_MOST_WORK = 1 << 30
"""Numbers to copy, multiply and compare; likewise."""

_MOST_NESTED = 64


class LayerStack:
    """The layers found so far, in an order in which each finds its inputs.

    Attributes:
        layers: all of them.
        tensors: what they yield, and the model's input, by name.
    """

    def __init__(self, source: Tensor, timesteps: int) -> None:
        self.layers: list[Layer] = []
        self.tensors = {source.name: source}
        self.timesteps = timesteps
        self._work_left, self._weights_left = _MOST_WORK, MOST_WEIGHTS
        self._last_steps: dict[str, Tensor] = {}
        self._vectors: dict[Node, Tensor] = {}

    def add(
        self,
        class_name: str,
        inputs: tuple[Tensor, ...],
        config: Mapping[str, Any],
        weights: tuple[FloatArray, ...] = (),
    ) -> Tensor:
        """Build a layer of Keras' class; raises UnsupportedModelError with what the layer itself says against it."""
        self._weights_left -= sum(array.size for array in weights)
        if self._weights_left < 0:
            raise UnsupportedModelError([f"its layers have more than {MOST_WEIGHTS} weights"])
        name = f"{class_name.lower()}_{len(self.layers)}"
        source = SourceLayer(class_name, name, config, weights)
        known = KERAS_LAYERS.get(class_name)
        problems = known.problems_in(source, inputs) if known else ["is not supported"]
        if known is None or problems or len(self.layers) >= MOST_LAYERS:
            found = problems or [f"is one of more than {MOST_LAYERS} layers"]
            raise UnsupportedModelError([f"{class_name} {quoted(name)}: {problem}" for problem in found])
        built = known.build(source, inputs)
        for layer in built:
            self._append(layer)
        return built[-1].output if built else inputs[0]

    def _append(self, layer: Layer) -> None:
        self.layers.append(layer)
        self.tensors[layer.output.name] = layer.output

    def work(self, numbers: int) -> None:
        """Take note of work on so many numbers; raises UnsupportedModelError where it is absurdly much."""
        self._work_left -= numbers
        if self._work_left < 0:
            raise UnsupportedModelError(["its constants are used too many times"])

    def reversed(self, source: Tensor) -> Tensor:
        """A sequence from its end."""
        layer = ReverseLayer.of(source, f"reverse_{len(self.layers)}")
        self._append(layer)
        return layer.output

    def recurrent(self, step: Step, source: Tensor) -> Tensor:
        """An LSTM or GRU that yields every hidden state."""
        config = {
            "units": step.units,
            "return_sequences": True,
            "reset_after": step.reset_after,
            "activation": "tanh",
            "recurrent_activation": "sigmoid",
        }
        return self.add(step.kind, (source,), config, step.weights)

    def dense(self, source: Tensor, matrix: FloatArray, bias: FloatArray, function: str = "linear") -> Tensor:
        """A Dense with (units, size) weights."""
        config = {"units": len(matrix), "use_bias": True, "activation": function}
        return self.add("Dense", (source,), config, (matrix.T, bias))

    def affine(self, source: Tensor, factor: Any, offset: Any) -> Tensor:
        """Numbers, or one for each feature."""
        return self.add("Rescaling", (source,), {"scale": factor, "offset": offset})

    def apply(self, source: Tensor, function: str, slope: float = 0.0) -> Tensor:
        """An activation."""
        if function == "leaky_relu":
            return self.add("LeakyReLU", (source,), {"negative_slope": slope})
        return self.add("Activation", (source,), {"activation": function})

    def vector(self, node: Node, depth: int = 0) -> Tensor:
        """The tensor of a formula that describes what follows the end of the sequence."""
        if depth > _MOST_NESTED:
            raise UnsupportedModelError([f"a formula nested more than {_MOST_NESTED} times"])
        if node not in self._vectors:
            self._vectors[node] = self._build(node, depth + 1)
        return self._vectors[node]

    def _build(self, node: Node, depth: int) -> Tensor:
        if isinstance(node, Leaf):
            return self._last_step(node)
        if isinstance(node, Linear):
            return self._weighted(node, "linear", depth)
        if isinstance(node, Apply) and node.function in (*_ACTIVATIONS, "leaky_relu"):
            return self._activated(node, depth)
        if isinstance(node, Product | Sum | Joined):
            return self._combined(node, depth)
        what = "the state of a loop" if isinstance(node, State) else "a formula"
        raise UnsupportedModelError([f"{what} that no layer of ours computes"])

    def _activated(self, node: Apply, depth: int) -> Tensor:
        if isinstance(node.value, Linear) and len(node.value.terms) == 1 and node.function in _ACTIVATIONS:
            return self._weighted(node.value, node.function, depth)
        return self.apply(self.vector(node.value, depth), node.function, node.slope)

    def _combined(self, node: Product | Sum | Joined, depth: int) -> Tensor:
        if isinstance(node, Sum):
            return self._sum(node, depth)
        if isinstance(node, Joined):
            return self.add("Concatenate", tuple(self.vector(one, depth) for one in node.parts), {})
        for one, other in ((node.one, node.other), (node.other, node.one)):
            if isinstance(other, Linear) and is_constant(other):
                return self.affine(self.vector(one, depth), other.bias.tolist(), 0.0)
        return self.add("Multiply", (self.vector(node.one, depth), self.vector(node.other, depth)), {})

    def _sum(self, node: Sum, depth: int) -> Tensor:
        parts = [self.vector(other, depth) for other in node.others]
        linear = node.linear
        if linear is not None and linear.terms:
            parts.append(self.vector(linear, depth))
        result = self.add("Add", tuple(parts), {}) if len(parts) > 1 else parts[0]
        if linear is None or linear.terms:
            return result
        return self.affine(result, 1.0, linear.bias.tolist())

    def _weighted(self, node: Linear, function: str, depth: int) -> Tensor:
        if not node.terms:
            raise UnsupportedModelError(["a constant where a layer's output was expected"])
        zeros = constant(node.bias * 0).bias
        results = [
            self.dense(self.vector(source, depth), matrix, node.bias if index == 0 else zeros, function)
            for index, (source, matrix) in enumerate(node.terms)
        ]
        return results[0] if len(results) == 1 else self.add("Add", tuple(results), {})

    def _last_step(self, leaf: Leaf) -> Tensor:
        if leaf.step != self.timesteps - 1:
            raise UnsupportedModelError(
                [f"step {leaf.step + 1} of {self.timesteps} is used alone; only the last may be"]
            )
        if leaf.sequence not in self._last_steps:
            layer = LastStepLayer.after(self.tensors[leaf.sequence])
            self._append(layer)
            self._last_steps[leaf.sequence] = layer.output
        return self._last_steps[leaf.sequence]
