"""Dense and the convolutions: int8 rows that meet a vector, a window of steps or a patch of an image."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from edgelstm.ir import AnyArray, Layer
from edgelstm.ops import scales
from edgelstm.ops.conv1d import Conv1D
from edgelstm.ops.conv2d import Conv2D
from edgelstm.ops.dense import Dense
from edgelstm.ops.depthwise import DepthwiseConv1D
from edgelstm.ops.kernel_layer import KernelLayer
from edgelstm.ops.rows import RowsOp
from edgelstm.training.qat.fake_op import AnyOp, FakeOp, Rounded, zero_points
from edgelstm.training.qat.straight import Constants, Straight, Tensor, multipliers
from edgelstm.training.qat.windows import padded, tap_slices


@dataclass(frozen=True, eq=False)
class FakeRows(FakeOp[AnyOp]):
    """Sums of products, and what `RowsOp.scaled` makes of them."""

    op: RowsOp  # type: ignore[assignment]
    trained: ClassVar[tuple[str, ...]] = ("kernel", "bias")

    def constants(self, op: RowsOp) -> Mapping[str, AnyArray]:  # type: ignore[override]
        """See `FakeOp.constants`."""
        return {
            **zero_points(op),
            **multipliers("result", op.multipliers(self.contract)),
            "factors": np.array(op.factors()),
            "lowest": np.array(float(op.lowest_output)),
        }

    def rounded(self, layer: Layer, op: RowsOp) -> Mapping[str, Rounded]:  # type: ignore[override]
        """See `FakeOp.rounded`: a scale for each row, which is the last axis of the layer's kernel."""
        assert isinstance(layer, KernelLayer)
        per_row = np.broadcast_to(np.array(op.kernel_scales), (len(op.bias),))
        bias = np.array([scales.float32(op.input.quantization.scale * scale) for scale in per_row])
        return {
            "kernel": Rounded(op.kernel.T.reshape(layer.kernel.shape), per_row),
            "bias": Rounded(op.bias, bias),
        }

    def call(
        self, straight: Straight, constants: Constants, weights: Constants, values: tuple[Tensor, ...]
    ) -> Mapping[str, Tensor]:
        """See `FakeOp.call`."""
        sums = self.sums(straight, weights["kernel"], values[0] - constants["input_zero"]) + weights["bias"]
        if self.op.rounds_once(self.contract):
            scaled = straight.away(sums * constants["factors"])
        else:
            scaled = straight.requantize(sums, constants, "result")
        stored = straight.ops.clip(scaled + constants["output_zero"], constants["lowest"], 127.0)
        return {self.op.output.name: self.flat(straight, stored)}

    @abstractmethod
    def sums(self, straight: Straight, kernel: Tensor, inputs: Tensor) -> Tensor:
        """Products of a kernel, in the layer's shape, with inputs less their zero point."""

    def flat(self, straight: Straight, results: Tensor) -> Tensor:
        """The results (..., rows) as the op yields them."""
        return results


class FakeDense(FakeRows[Dense]):
    """`Dense.evaluate`. LiteRT's kernel multiplies by float64 factors, which is what `constants` has."""

    def sums(self, straight: Straight, kernel: Tensor, inputs: Tensor) -> Tensor:
        """See `FakeRows.sums`."""
        return straight.ops.matmul(inputs, kernel)


class FakeConv1D(FakeRows[Conv1D]):
    """A kernel (taps, input size, filters) over time."""

    op: Conv1D

    def sums(self, straight: Straight, kernel: Tensor, inputs: Tensor) -> Tensor:
        """See `FakeRows.sums`."""
        taps = tap_slices(straight, padded(straight, inputs, self.op.window, axis=1), self.op.window, axis=1)
        return sum(straight.ops.matmul(values, kernel[tap]) for tap, values in enumerate(taps))


class FakeDepthwiseConv1D(FakeRows[DepthwiseConv1D]):
    """A kernel (taps, outputs), as many outputs for each input side by side."""

    op: DepthwiseConv1D

    def sums(self, straight: Straight, kernel: Tensor, inputs: Tensor) -> Tensor:
        """See `FakeRows.sums`."""
        taps = tap_slices(straight, padded(straight, inputs, self.op.window, axis=1), self.op.window, axis=1)
        wide = [straight.ops.repeat(values, self.op.per_input, axis=-1) for values in taps]
        return sum(values * kernel[tap] for tap, values in enumerate(wide))


class FakeConv2D(FakeRows[Conv2D]):
    """A kernel (steps, features, channels, filters) over patches of an image."""

    op: Conv2D

    def sums(self, straight: Straight, kernel: Tensor, inputs: Tensor) -> Tensor:
        """See `FakeRows.sums`."""
        op = self.op
        image = straight.ops.reshape(inputs, (-1, inputs.shape[1], op.features, op.channels))
        image = padded(straight, padded(straight, image, op.window, axis=1), op.across, axis=2)
        return sum(
            straight.ops.matmul(values, kernel[step, feature])
            for step, rows in enumerate(tap_slices(straight, image, op.window, axis=1))
            for feature, values in enumerate(tap_slices(straight, rows, op.across, axis=2))
        )

    def flat(self, straight: Straight, results: Tensor) -> Tensor:
        """See `FakeRows.flat`: features after each other, the filters of each side by side."""
        return straight.ops.reshape(results, (-1, results.shape[1], self.op.output.size))
