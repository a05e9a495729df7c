"""What Keras' recurrent layers have in common: options, shapes of weights, states, and `return_sequences`."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

import numpy as np

from edgelstm.ir import FloatArray, KerasLayer, Layer, Observe, QuantizedTensor, Ranges, SourceLayer, Tensor, by_state
from edgelstm.ops import weight_bits
from edgelstm.ops.last_step import LastStepLayer
from edgelstm.ops.recurrent_op import RecurrentOp
from edgelstm.ops.reverse import ReverseLayer
from edgelstm.ops.sources import flag, integer, option_problems, shape_problems

# dropout, recurrent_dropout, unroll, stateful, use_cudnn, seed, initializers and regularizers change nothing at
# inference.
_REQUIRED_OPTIONS = {
    "time_major": False,
    "zero_output_for_mask": False,
}


@dataclass(frozen=True, eq=False)
class RecurrentLayer(KerasLayer):
    """A layer that yields its hidden state at every step.

    Attributes:
        initial_state: vectors that fill the states one after the other before the first step; () for zeros.
        bits: that a weight is to take, 8 or 4.
    """

    takes_mask: ClassVar[bool] = True
    reads_states: ClassVar[bool] = True

    state_parts: ClassVar[tuple[str, ...]] = ("",)
    """The states in Keras' order: "" for the output, else one of `observed_parts`."""

    initial_state: tuple[Tensor, ...] = field(default=(), kw_only=True)
    bits: int = field(default=weight_bits.WIDE, kw_only=True)

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """The sequence, and what to start from."""
        return self.input, *self.initial_state

    @property
    def output_limits(self) -> tuple[float, float]:
        """See `Layer.output_limits`: those of tanh, which states to start from may exceed."""
        return -1.0, 1.0

    def with_inputs(self, inputs: tuple[Tensor, ...]) -> Self:
        """See `Layer.with_inputs`."""
        return replace(self, input=inputs[0], initial_state=inputs[1:])

    def with_narrow_weights(self) -> Self:
        """See `Layer.with_narrow_weights`."""
        return replace(self, bits=weight_bits.NARROW)

    @classmethod
    def states(cls, source: SourceLayer) -> tuple[Tensor, ...]:
        """See `LayerBuilder.states`."""
        if not flag(source, "return_state", default=False):
            return ()
        output = output_tensor(source)
        return tuple(replace(output, name=_part_name(source.name, part)) for part in cls.state_parts)

    @classmethod
    def problems_in(cls, source: SourceLayer, inputs: tuple[Tensor, ...]) -> list[str]:
        """See `LayerBuilder.problems_in`."""
        problems = cls.keras_problems(source, inputs[0])
        return problems + initial_state_problems(inputs[1:], integer(source, "units"), len(cls.state_parts))

    @classmethod
    def build(cls, source: SourceLayer, inputs: tuple[Tensor, ...]) -> tuple[Layer, ...]:
        """See `LayerBuilder.build`."""
        return tuple(
            replace(layer, initial_state=inputs[1:]) if isinstance(layer, cls) else layer
            for layer in cls.from_keras(source, inputs[0])
        )

    @abstractmethod
    def run(self, inputs: FloatArray, states: tuple[FloatArray, ...], observe: Observe) -> FloatArray:
        """Compute (batch, time, input size) -> (batch, time, units) from states (batch, units)."""

    def forward(self, inputs: FloatArray, observe: Observe) -> FloatArray:
        """`run` from zeros."""
        zeros = np.zeros((len(inputs), self.output.size), inputs.dtype)
        return self.run(inputs, (zeros,) * len(self.state_parts), observe)

    def compute(self, inputs: tuple[FloatArray, ...], observe: Observe) -> FloatArray:
        """See `Layer.compute`."""
        if not self.initial_state:
            return self.forward(inputs[0], observe)
        states = tuple(np.concatenate([inputs[1 + index] for index in one], axis=-1) for one in self._by_state())
        return self.run(inputs[0], states, observe)

    @abstractmethod
    def quantize(self, ranges: Ranges, input_tensor: QuantizedTensor) -> RecurrentOp:
        """See `Layer.to_op`."""

    def to_op(self, ranges: Ranges, inputs: tuple[QuantizedTensor, ...]) -> RecurrentOp:
        """Choose scales that hold the states it starts from, too."""
        return replace(self.quantize({**ranges, **self._widened(ranges)}, inputs[0]), initial_state=inputs[1:])

    def _by_state(self) -> tuple[tuple[int, ...], ...]:
        sizes = [tensor.size for tensor in self.initial_state]
        return by_state(sizes, self.output.size, len(self.state_parts)) or ()

    def _widened(self, ranges: Ranges) -> Mapping[str, tuple[float, float]]:
        """The ranges of the states, with those of what they start from."""
        found = {}
        for part, vectors in zip(self.state_parts, self._by_state(), strict=False):
            name = _part_name(self.name, part)
            bounds = [ranges[one] for one in (name, *(self.initial_state[index].name for index in vectors))]
            found[name] = min(low for low, _ in bounds), max(high for _, high in bounds)
        return found


def _part_name(layer: str, part: str) -> str:
    return f"{layer}/{part}" if part else layer


def initial_state_problems(vectors: Sequence[Tensor], units: int, states: int) -> list[str]:
    """A line if there are vectors to start from, and they do not fill `states` states of that many units."""
    sizes = [one.size for one in vectors]
    if any(one.is_sequence for one in vectors):
        return ["its initial state has a sequence in it; give vectors, as return_state=True yields them"]
    if vectors and by_state(sizes, units, states) is None:
        return [f"its initial state has the sizes {sizes[:8]}, and not {states} times {units}"]
    return []


def recurrent_problems(source: SourceLayer, input_tensor: Tensor, gates: int, biases: int = 1) -> list[str]:
    """A line for each option, input or weight array that does not suit.

    Args:
        source: its weights are a kernel, a recurrent kernel and perhaps the bias.
        input_tensor: what it reads.
        gates: blocks of `units` columns in the kernels.
        biases: how many of each gate; several are rows of one array.
    """
    problems = option_problems(source, _REQUIRED_OPTIONS)
    if not input_tensor.is_sequence:
        problems.append("needs a sequence; set return_sequences=True on the layer before it")
    units = integer(source, "units")
    columns = gates * units
    shapes: list[tuple[int, ...]] = [(input_tensor.size, columns), (units, columns)]
    if flag(source, "use_bias", default=True):
        shapes.append((columns,) if biases == 1 else (biases, columns))
    return problems + shape_problems(source, shapes)


def output_tensor(source: SourceLayer) -> Tensor:
    """The hidden state of every step."""
    return Tensor(source.name, integer(source, "units"), is_sequence=True)


def as_asked(layer: Layer, source: SourceLayer) -> tuple[Layer, ...]:
    """The layer, behind a ReverseLayer where it goes backwards, and before a LastStepLayer where one step is asked for.

    A layer that goes backwards yields its steps in the order in which it computes them, as in Keras.
    """
    layers: list[Layer] = []
    if flag(source, "go_backwards", default=False):
        layers.append(ReverseLayer.of(layer.input, f"{source.name}/reversed"))
        layer = layer.with_inputs((layers[0].output,))
    layers.append(layer)
    if not flag(source, "return_sequences", default=False):
        layers.append(LastStepLayer.after(layer.output))
    return tuple(layers)
