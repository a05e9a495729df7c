"""The float side: a layer as Keras describes it, what every layer implements, and a model of layers."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Protocol, Self

import numpy as np

from edgelstm.ir.arrays import BoolArray, FloatArray
from edgelstm.ir.inputs import InputLayout, beside
from edgelstm.ir.ops import Op
from edgelstm.ir.tensors import QuantizedTensor, Tensor

Observe = Callable[[str, FloatArray], None]
"""Called by `Layer.forward` with the name and values of each array whose range calibration needs."""

Ranges = Mapping[str, tuple[float, float]]
"""(minimum, maximum) of each observed array, by name."""


@dataclass(frozen=True)
class SourceLayer:
    """A layer as a Keras file describes it, before we know whether we can compile it.

    Attributes:
        class_name: Keras' class name, "LSTM".
        name: the user's name for the layer.
        config: the layer's `config` object, plain JSON values. Never executed.
        weights: the layer's variables in the order Keras stores them.
        keras_major: 2 for Keras 2 and tf_keras, 3 for Keras 3 (defaults differ between them).
        inputs: the layers whose outputs it takes, by name; "" is the model's input.
        is_per_step: whether it is in a TimeDistributed, and so sees a step at a time as a single vector.
    """

    class_name: str
    name: str
    config: Mapping[str, Any]
    weights: tuple[FloatArray, ...] = ()
    keras_major: int = 3
    inputs: tuple[str, ...] = ("",)
    is_per_step: bool = False


class LayerBuilder(Protocol):
    """What builds our layers for a class of Keras: one of our layers, or what makes several of them."""

    @property
    def reads_ids(self) -> bool:
        """See `Layer.reads_ids`."""

    def problems_in(self, source: SourceLayer, inputs: tuple[Tensor, ...]) -> list[str]:
        """Say what in `source` we do not compile, one line each, without the layer's name; [] if all is well."""

    def build(self, source: SourceLayer, inputs: tuple[Tensor, ...]) -> "tuple[Layer, ...]":
        """Build the layers that `source` stands for (several where an activation becomes a layer of its own)."""


@dataclass(frozen=True, eq=False)
class Layer(ABC):
    """A layer with float weights, as trained. `input` is its first input."""

    observed_parts: ClassVar[tuple[str, ...]] = ()
    """What `compute` reports beside the output, as "<layer>/<part>"."""

    takes_mask: ClassVar[bool] = False
    """Whether Keras' layer, like ours, leaves out the steps that a mask leaves out."""

    reads_ids: ClassVar[bool] = False
    """Whether the input is a model's input of ids; no other layer may read that."""

    name: str
    input: Tensor
    output: Tensor

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """All that the layer reads."""
        return (self.input,)

    def with_inputs(self, inputs: tuple[Tensor, ...]) -> Self:
        """The same layer on other tensors of the same sizes."""
        return replace(self, input=inputs[0])

    @abstractmethod
    def compute(self, inputs: tuple[FloatArray, ...], observe: Observe) -> FloatArray:
        """Compute a whole batch in float: (batch, time, size) or (batch, size), as each input tensor says."""

    def mask(self, inputs: tuple[FloatArray, ...]) -> BoolArray | None:
        """Which steps of the output count, (batch, time); None where all do that count in the inputs."""
        return None

    @abstractmethod
    def to_op(self, ranges: Ranges, inputs: tuple[QuantizedTensor, ...]) -> Op:
        """Choose scales from the observed ranges and round the weights."""

    @property
    def parameters(self) -> int:
        """How many trained numbers the layer holds."""
        return 0


@dataclass(frozen=True, eq=False)
class UnaryLayer(Layer):
    """A layer with one input: the methods of `Layer` in terms of it."""

    @abstractmethod
    def forward(self, inputs: FloatArray, observe: Observe) -> FloatArray:
        """See `Layer.compute`."""

    @abstractmethod
    def quantize(self, ranges: Ranges, input_tensor: QuantizedTensor) -> Op:
        """See `Layer.to_op`."""

    def compute(self, inputs: tuple[FloatArray, ...], observe: Observe) -> FloatArray:
        """See `Layer.compute`."""
        return self.forward(inputs[0], observe)

    def to_op(self, ranges: Ranges, inputs: tuple[QuantizedTensor, ...]) -> Op:
        """See `Layer.to_op`."""
        return self.quantize(ranges, inputs[0])


@dataclass(frozen=True, eq=False)
class KerasLayer(UnaryLayer):
    """A layer with one input that a class of Keras stands for: a `LayerBuilder` too."""

    @classmethod
    @abstractmethod
    def keras_problems(cls, source: SourceLayer, input_tensor: Tensor) -> list[str]:
        """See `LayerBuilder.problems_in`."""

    @classmethod
    @abstractmethod
    def from_keras(cls, source: SourceLayer, input_tensor: Tensor) -> tuple[Layer, ...]:
        """See `LayerBuilder.build`."""

    @classmethod
    def problems_in(cls, source: SourceLayer, inputs: tuple[Tensor, ...]) -> list[str]:
        """See `LayerBuilder.problems_in`."""
        if len(inputs) != 1:
            return [f"has {len(inputs)} inputs; exactly one is supported"]
        return cls.keras_problems(source, inputs[0])

    @classmethod
    def build(cls, source: SourceLayer, inputs: tuple[Tensor, ...]) -> tuple[Layer, ...]:
        """See `LayerBuilder.build`."""
        return cls.from_keras(source, inputs[0])


@dataclass(frozen=True)
class FloatModel:
    """A graph of float layers, each after those whose outputs it reads; inputs and outputs are as in `Model`.

    `timesteps` is None where the model accepts any length.
    """

    name: str
    input: Tensor
    layers: tuple[Layer, ...]
    timesteps: int | None
    further_inputs: tuple[Tensor, ...] = field(default=(), kw_only=True)
    output_names: tuple[str, ...] = field(default=(), kw_only=True)

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """All inputs."""
        return (self.input, *self.further_inputs)

    @property
    def layout(self) -> InputLayout[Tensor]:
        """How arrays of inputs are laid out."""
        return InputLayout.of(self.inputs)

    @property
    def output(self) -> Tensor:
        """The first of the outputs."""
        return self.outputs[0]

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """All outputs."""
        if not self.output_names:
            return (self.layers[-1].output if self.layers else self.input,)
        yielded = {layer.output.name: layer.output for layer in self.layers}
        return tuple(yielded[name] for name in self.output_names)

    def forward(self, inputs: FloatArray, observe: Observe = lambda name, values: None) -> FloatArray:
        """Compute the whole model in float on inputs as `layout` says; reports inputs and every output to `observe`.

        Several outputs stand side by side. At a masked step a sequence is what it was at the step before, 0 at first;
        nothing of it is reported.
        """
        values: dict[str, FloatArray] = self.layout.split(inputs)
        masks: dict[str, BoolArray] = {}
        for name, given in values.items():
            self._observe_input(name, given, observe)
        for layer in self.layers:
            sources = tuple(values[tensor.name] for tensor in layer.inputs)
            mask = next((masks[tensor.name] for tensor in layer.inputs if tensor.name in masks), None)
            own = layer.mask(sources)
            if own is not None:
                mask = own if mask is None else mask & own
            result = _observed(layer, sources, observe) if mask is None else _masked(layer, sources, mask, observe)
            if mask is not None and layer.output.is_sequence:
                masks[layer.output.name] = mask
            values[layer.output.name] = result
        return beside([values[tensor.name] for tensor in self.outputs])

    def _observe_input(self, name: str, values: FloatArray, observe: Observe) -> None:
        """Report an input, without the steps that all who read it leave out."""
        readers = [layer for layer in self.layers if name in [tensor.name for tensor in layer.inputs]]
        counted = [
            mask for layer in readers if layer.input.name == name and (mask := layer.mask((values,))) is not None
        ]
        is_masked = bool(readers) and len(counted) == len(readers)
        seen = values[np.any(counted, axis=0)] if is_masked else values
        if seen.size:
            observe(name, seen)

    @property
    def parameters(self) -> int:
        """How many trained numbers the model holds."""
        return sum(layer.parameters for layer in self.layers)


def _observed(layer: Layer, inputs: tuple[FloatArray, ...], observe: Observe) -> FloatArray:
    result = layer.compute(inputs, observe)
    observe(layer.output.name, result)
    return result


def _masked(layer: Layer, inputs: tuple[FloatArray, ...], mask: BoolArray, observe: Observe) -> FloatArray:
    """Compute a layer on the steps that count, for sequences with equally many of them at a time."""
    batch, timesteps = mask.shape
    steps = (timesteps,) if layer.output.is_sequence else ()
    result = np.zeros((batch, *steps, layer.output.size), inputs[0].dtype)
    counts = mask.sum(axis=1)
    # The step before the first that counts is number -1, which is the 0 appended behind the others.
    latest = np.cumsum(mask, axis=1) - 1
    for count in np.unique(counts[counts > 0]):
        rows = np.flatnonzero(counts == count)
        packed = tuple(values[rows][mask[rows]].reshape(len(rows), count, -1) for values in inputs)
        found = _observed(layer, packed, observe)
        if layer.output.is_sequence:
            padded = np.concatenate([found, np.zeros_like(found[:, :1])], axis=1)
            found = np.take_along_axis(padded, latest[rows][..., None], axis=1)
        result[rows] = found
    return result
