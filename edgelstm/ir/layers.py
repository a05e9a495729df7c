"""The float side: a layer as Keras describes it, and what every layer implements."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple, Protocol, Self

from edgelstm.errors import UnsupportedModelError
from edgelstm.ir.arrays import BoolArray, FloatArray
from edgelstm.ir.ops import Op
from edgelstm.ir.tensors import QuantizedTensor, Tensor

Observe = Callable[[str, FloatArray], None]
"""Called by `Layer.forward` with the name and values of each array whose range calibration needs."""

Ranges = Mapping[str, tuple[float, float]]
"""(minimum, maximum) of each observed array, by name."""


class TensorReference(NamedTuple):
    """An output of a layer: the layer's name, "" for the model's input, and the output's number, from 0."""

    layer: str
    output: int = 0


@dataclass(frozen=True)
class SourceLayer:
    """A layer as a Keras file describes it, before we know whether we can compile it.

    Attributes:
        class_name: Keras' class name, "LSTM".
        name: the user's name for the layer.
        config: the layer's `config` object, plain JSON values. Never executed.
        weights: the layer's variables in the order Keras stores them.
        keras_major: 2 for Keras 2 and tf_keras, 3 for Keras 3 (defaults differ between them).
        inputs: what it takes; a recurrent layer's initial state follows its sequence.
        is_per_step: whether it is in a TimeDistributed, and so sees a step at a time as a single vector.
        weight_paths: where in the file each of `weights` is; () where nobody knows.
    """

    class_name: str
    name: str
    config: Mapping[str, Any]
    weights: tuple[FloatArray, ...] = ()
    keras_major: int = 3
    inputs: tuple[TensorReference, ...] = (TensorReference(""),)
    is_per_step: bool = False
    weight_paths: tuple[str, ...] = ()


class LayerBuilder(Protocol):
    """What builds our layers for a class of Keras: one of our layers, or what makes several of them."""

    @property
    def reads_ids(self) -> bool:
        """See `Layer.reads_ids`."""

    @property
    def reads_images(self) -> bool:
        """See `Layer.reads_images`."""

    def problems_in(self, source: SourceLayer, inputs: tuple[Tensor, ...]) -> list[str]:
        """Say what in `source` we do not compile, one line each, without the layer's name; [] if all is well."""

    def build(self, source: SourceLayer, inputs: tuple[Tensor, ...]) -> "tuple[Layer, ...]":
        """Build the layers that `source` stands for (several where an activation becomes a layer of its own)."""

    @property
    def reads_states(self) -> bool:
        """See `Layer.reads_states`."""

    def states(self, source: SourceLayer) -> tuple[Tensor, ...]:
        """The sequences whose last steps are the further outputs of `source`, its states; () where it has none."""

    def sequences(self, source: SourceLayer) -> tuple[Tensor, ...]:
        """Further outputs that are sequences themselves, in front of the states."""

    def view(self, source: SourceLayer, inputs: tuple[Tensor, ...]) -> Tensor:
        """What the layer behind reads where `build` makes none: the first input, perhaps seen otherwise."""


@dataclass(frozen=True, eq=False)
class Layer(ABC):
    """A layer with float weights, as trained. `input` is its first input."""

    observed_parts: ClassVar[tuple[str, ...]] = ()
    """What `compute` reports beside the output, as "<layer>/<part>"."""

    takes_mask: ClassVar[bool] = False
    """Whether Keras' layer, like ours, leaves out the steps that a mask leaves out."""

    reads_ids: ClassVar[bool] = False
    """Whether the input is a model's input of ids; no other layer may read that."""

    reads_states: ClassVar[bool] = False
    """Whether inputs behind the first are states to start from; no other layer may read a cell state."""

    moves: ClassVar[bool] = False
    """Whether it computes nothing, and so takes stored values of any type."""

    reads_images: ClassVar[bool] = False
    """Whether Keras' layer on an image is ours on its steps, or asks for the image's channels."""

    name: str
    input: Tensor
    output: Tensor

    @property
    def output_limits(self) -> tuple[float, float]:
        """What the output never leaves, whatever the input."""
        return -math.inf, math.inf

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """All that the layer reads."""
        return (self.input,)

    def with_inputs(self, inputs: tuple[Tensor, ...]) -> Self:
        """The same layer on other tensors of the same sizes."""
        return replace(self, input=inputs[0])

    def with_narrow_weights(self) -> Self:
        """The same layer, to be quantized with weights of 4 bits; unchanged where that gains nothing."""
        return self

    @classmethod
    def states(cls, source: SourceLayer) -> tuple[Tensor, ...]:
        """See `LayerBuilder.states`."""
        return ()

    @classmethod
    def sequences(cls, source: SourceLayer) -> tuple[Tensor, ...]:
        """See `LayerBuilder.sequences`."""
        return ()

    @abstractmethod
    def compute(self, inputs: tuple[FloatArray, ...], observe: Observe) -> FloatArray:
        """Compute a whole batch in float: (batch, time, size) or (batch, size), as each input tensor says."""

    @classmethod
    def view(cls, source: SourceLayer, inputs: tuple[Tensor, ...]) -> Tensor:
        """See `LayerBuilder.view`."""
        return inputs[0]

    def mask(self, inputs: tuple[FloatArray, ...]) -> BoolArray | None:
        """Which steps of the output count, (batch, time); None where all do that count in the inputs."""
        return None

    @abstractmethod
    def to_op(self, ranges: Ranges, inputs: tuple[QuantizedTensor, ...]) -> Op:
        """Choose scales from the observed ranges and round the weights."""

    @property
    def has_int16(self) -> bool:
        """Whether the layer can also compute on int16 values."""
        return False

    def to_ops16(self, ranges: Ranges, inputs: tuple[QuantizedTensor, ...]) -> tuple[Op, ...]:
        """`to_op` on int16 values, where the layer `has_int16`; the last op is the layer's."""
        raise UnsupportedModelError([f'layer "{self.name}" has no form on int16 values'])

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
