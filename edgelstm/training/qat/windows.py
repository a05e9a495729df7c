"""What each tap of a window sees of a tensor, and pools, which are windows without weights."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce

import numpy as np

from edgelstm.ir import AnyArray
from edgelstm.ops.global_pooling import GlobalAverage, GlobalMax
from edgelstm.ops.pooling import AveragePool, MaxPool
from edgelstm.ops.window import Window
from edgelstm.training.qat.fake_op import FakeOp, zero_points
from edgelstm.training.qat.straight import Constants, Straight, Tensor, multipliers


def padded(straight: Straight, values: Tensor, window: Window, axis: int, fill: float = 0.0) -> Tensor:
    """The values with a window's padding along an axis."""
    widths = [(window.before, window.behind) if index == axis else (0, 0) for index in range(len(values.shape))]
    return straight.ops.pad(values, widths, constant_values=fill) if any(map(any, widths)) else values


def tap_slices(straight: Straight, values: Tensor, window: Window, axis: int) -> list[Tensor]:
    """What each tap sees of padded values, whose length along the axis is known."""
    count = (values.shape[axis] - window.span) // window.stride + 1
    last = (count - 1) * window.stride + 1
    found = []
    for tap in range(window.taps):
        first = tap * window.dilation
        cut = [slice(None)] * len(values.shape)
        cut[axis] = slice(first, first + last, window.stride)
        found.append(values[tuple(cut)])
    return found


class FakeMaxPool(FakeOp[MaxPool]):
    """`MaxPool.apply`, which no padding ever wins."""

    def call(
        self, straight: Straight, constants: Constants, weights: Constants, values: tuple[Tensor, ...]
    ) -> Mapping[str, Tensor]:
        """See `FakeOp.call`."""
        whole = padded(straight, values[0], self.op.window, axis=1, fill=-128.0)
        seen = tap_slices(straight, whole, self.op.window, axis=1)
        return {self.op.output.name: reduce(straight.ops.maximum, seen)}


class FakeAveragePool(FakeOp[AveragePool]):
    """The mean of stored values; padding, which is 0, does not count."""

    def call(
        self, straight: Straight, constants: Constants, weights: Constants, values: tuple[Tensor, ...]
    ) -> Mapping[str, Tensor]:
        """See `FakeOp.call`."""
        window = self.op.window
        sums = sum(tap_slices(straight, padded(straight, values[0], window, axis=1), window, axis=1))
        steps = np.pad(np.ones(values[0].shape[1]), (window.before, window.behind))
        counts = sum(tap_slices(straight, steps[None], window, axis=1))
        return {self.op.output.name: straight.away(sums / np.asarray(counts)[0, :, None])}


class FakeGlobalMax(FakeOp[GlobalMax]):
    """The largest of all steps."""

    def call(
        self, straight: Straight, constants: Constants, weights: Constants, values: tuple[Tensor, ...]
    ) -> Mapping[str, Tensor]:
        """See `FakeOp.call`."""
        return {self.op.output.name: straight.ops.max(values[0], axis=1)}


@dataclass(frozen=True, eq=False)
class FakeGlobalAverage(FakeOp[GlobalAverage]):
    """The mean of all steps, in a scale of its own."""

    def constants(self, op: GlobalAverage) -> Mapping[str, AnyArray]:
        """See `FakeOp.constants`."""
        return {**zero_points(op), **multipliers("mean", [op.facts(self.contract).multiplier])}

    def call(
        self, straight: Straight, constants: Constants, weights: Constants, values: tuple[Tensor, ...]
    ) -> Mapping[str, Tensor]:
        """See `FakeOp.call`; the multiplier is divided as `global_pooling.divided` does it."""
        steps = values[0].shape[1]
        shift = steps.bit_length() - 1
        mantissa = straight.ops.floor(constants["mean_mantissa"] * 2.0 ** (31 + shift) / steps) * 2.0**-31
        # left * right is 2^shift of the multiplier: only one of them is not 1.
        power = constants["mean_left"] * constants["mean_right"] * 2.0**-shift
        parts = {
            "mean_left": straight.ops.maximum(power, 1.0),
            "mean_mantissa": mantissa,
            "mean_right": straight.ops.minimum(power, 1.0),
        }
        centred = straight.ops.sum(values[0] - constants["input_zero"], axis=1)
        stored = straight.requantize(centred, parts, "mean") + constants["output_zero"]
        return {self.op.output.name: straight.saturate8(stored)}
