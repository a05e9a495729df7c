"""The integer mean of a patch, channel by channel, at one scale."""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from edgelstm.errors import UnsupportedModelError
from edgelstm.ir import Constant, IntArray, QuantizedTensor, StateArray, TfliteOperator
from edgelstm.numerics.contracts import Contract
from edgelstm.ops.max_pool2d import PatchPool
from edgelstm.ops.pooling import (
    MOST_PADDED_TAPS,
    TICKS,
    AverageFacts,
    PaddedAverageFacts,
    reciprocals_constant,
    shared_reciprocals,
    steps_inside,
)
from edgelstm.ops.window import Window, same_window


def too_many_values(count: int) -> str:
    """Why an average with padding is refused."""
    return f"an average of {count} values with padding is too large; at most {MOST_PADDED_TAPS} are supported"


@dataclass(frozen=True, eq=False)
class AveragePool2D(PatchPool):
    """The int8 AVERAGE_POOL_2D of TensorFlow Lite: the mean of the stored values, ties away from stored 0.

    Padding does not count.

    Attributes:
        length: time steps of the input where there is padding of time or of features; else 0.
    """

    kind: ClassVar[str] = "average_pool2d"
    builtin: ClassVar[str] = "AVERAGE_POOL_2D"

    length: int = 0

    @classmethod
    def on(
        cls,
        name: str,
        source: QuantizedTensor,
        output: QuantizedTensor,
        windows: tuple[Window, Window],
        features: int,
        length: int,
    ) -> Self:
        """The op on an image of `length` steps; windows over time and features."""
        is_padded = any(one.before or one.behind for one in windows)
        return cls(name, source, output, *windows, features, length if is_padded else 0)

    @property
    def count(self) -> int:
        """Values of which each result that meets no border is the mean."""
        return self.window.taps * self.across.taps

    @property
    def padding(self) -> int:
        """See `Op.padding`: what adds nothing to a sum."""
        return 0

    @property
    def state(self) -> tuple[StateArray, ...]:
        """See `WindowOp.state`; with padding of time, also how many ticks there have been."""
        return (*super().state, *([TICKS] if self.window.behind else []))

    def facts(self, contract: Contract) -> AverageFacts | PaddedAverageFacts:
        """How C divides."""
        return PaddedAverageFacts(shared_reciprocals(self.count)[1]) if self.length else AverageFacts.of(self.count)

    def constants(self, contract: Contract) -> tuple[Constant, ...]:
        """With padding, a reciprocal for each number of values in a patch."""
        return (reciprocals_constant(self.count),) if self.length else ()

    def problems(self, contract: Contract) -> list[str]:
        """Padding is that of whole images, as TensorFlow Lite pads them."""
        found = super().problems(contract)
        sides = ((self.window, self.length), (self.across, self.features))
        if any(one.before or one.behind for one, _ in sides):
            if not self.length or any(one != same_window(one.taps, one.stride, 1, size) for one, size in sides):
                found.append(f"layer {self.name!r}: this padding of an average is not supported")
            if self.count > MOST_PADDED_TAPS:
                found.append(f"layer {self.name!r}: {too_many_values(self.count)}")
        if self.count >= 1 << 16:
            found.append(f"layer {self.name!r}: an average of {self.count} values is too large")
        return found

    def padded(self, before: int, behind: int) -> Self:
        """See `WindowOp.padded`; what an operator before this one pads does count."""
        if before or behind:
            raise UnsupportedModelError([f"layer {self.name!r}: an average that counts padding is not supported"])
        return self

    def padded_across(self, before: int, behind: int) -> Self:
        """See `padded`."""
        return self.padded(before, behind)

    def simulate(
        self, contract: Contract, values: IntArray, state: tuple[IntArray, ...]
    ) -> tuple[IntArray, tuple[IntArray, ...]]:
        """See `Op.step`."""
        result, after = super().simulate(contract, values, state[:2])
        if not self.length:
            return result, after
        steps = np.full((len(values), 1), self.window.taps)
        taps = after[0].reshape(len(values), self.window.taps, -1)
        if self.window.behind:
            ticks = state[2] + np.int32(1)
            steps, after = steps_inside(ticks, self.window.taps, self.length), (*after, ticks)
        # Before a result is due there may be none inside.
        counts = np.maximum(steps, 1) * self._features_inside()
        return _mean(self.patches(taps), counts[..., None]).reshape(len(values), -1), after

    def _features_inside(self) -> IntArray:
        """How many features each result sees."""
        first = self.across.stride * np.arange(self.results) - self.across.before
        inside: IntArray = np.minimum(first + self.across.taps, self.features) - np.maximum(first, 0)
        return inside

    def apply_patches(self, contract: Contract, patches: IntArray) -> IntArray:
        """See `PatchOp.apply_patches`: as if all counted."""
        return _mean(patches, np.full((1, 1, 1), self.count))

    @classmethod
    def from_tflite(cls, operator: TfliteOperator, input_tensor: QuantizedTensor) -> Self:
        """See `PatchPool.from_tflite`."""
        op, source = super().from_tflite(operator, input_tensor), operator.inputs[0]
        assert source is not None
        return cls.on(op.name, op.input, op.output, (op.window, op.across), op.features, source.shape[1])


def _mean(patches: IntArray, counts: IntArray) -> IntArray:
    """(batch, results, steps, features, channels) divided by (batch, results, 1)."""
    sums = patches.astype(np.int64).sum(axis=(2, 3))
    mean: IntArray = (np.sign(sums) * ((np.abs(sums) + counts // 2) // counts)).astype(np.int8)
    return mean
