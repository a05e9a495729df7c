"""What the integer ops of recurrent layers have in common: the states that they start from."""

from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

from edgelstm.errors import UnsupportedModelError
from edgelstm.ir import Load, QuantizedTensor, TfliteOperator, TfliteTensor, UnaryOp, by_state


@dataclass(frozen=True, eq=False)
class RecurrentOp(UnaryOp):
    """An op whose hidden state is its output.

    Attributes:
        initial_state: vectors that fill the states one after the other before the first step; () for zeros.
    """

    output_state: ClassVar[str] = "hidden"

    initial_state: tuple[QuantizedTensor, ...] = field(default=(), kw_only=True)

    filled: ClassVar[tuple[tuple[str, ...], ...]] = (("hidden",),)
    """For each state of Keras' layer, the arrays that keep it."""

    @property
    def inputs(self) -> tuple[QuantizedTensor, ...]:
        """The sequence, and what to start from."""
        return self.input, *self.initial_state

    @property
    def step_inputs(self) -> tuple[QuantizedTensor, ...]:
        """The sequence."""
        return (self.input,)

    @property
    def loads(self) -> tuple[Load, ...]:
        """See `Op.loads`."""
        arrays = {array.name: array for array in self.state}
        found = []
        for names, vectors in zip(self.filled, self._by_state(), strict=False):
            start = 0
            for index in vectors:
                vector = self.initial_state[index]
                found += [Load(arrays[name], start, vector) for name in names]
                start += vector.size
        return tuple(found)

    @classmethod
    def read_tflite(cls, operator: TfliteOperator, inputs: tuple[QuantizedTensor, ...]) -> Self:
        """See `Op.read_tflite`."""
        if any(vector.is_sequence for vector in inputs[1:]):
            raise UnsupportedModelError(
                [f"layer {operator.outputs[0].name!r} starts from a sequence, not from vectors"]
            )
        return replace(cls.from_tflite(operator, inputs[0]), initial_state=inputs[1:])

    def vectors_to_tflite(self, batch: int) -> tuple[TfliteTensor, ...]:
        """The further inputs of a custom operator: what the op starts from."""
        return tuple(vector.to_tflite(batch, 1) for vector in self.initial_state)

    def initial_problems(self) -> list[str]:
        """Vectors must fill the states, and 32 bits hold all that is computed of them."""
        if self.initial_state and not self._by_state():
            return [f"layer {self.name!r}: the vectors that it starts from do not fill its states"]
        if all(load.is_exact for load in self.loads):
            return []
        return [f"layer {self.name!r}: the scales of the states that it starts from lie too far from its own"]

    def _by_state(self) -> tuple[tuple[int, ...], ...]:
        sizes = [vector.size for vector in self.initial_state]
        return by_state(sizes, self.output.size, len(self.filled)) or ()
