"""Layers that scale and shift each feature. None reaches a chip: `fold_affine` merges them into their neighbours."""

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

from edgelstm.ir import FloatArray, KerasLayer, Observe, Op, QuantizedTensor, Ranges
from edgelstm.ops.dense import DenseLayer
from edgelstm.ops.depthwise2d import DepthwiseConv2DLayer
from edgelstm.ops.window import Window

Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class AffineLayer(KerasLayer):
    """factor * x + offset, feature by feature.

    Attributes:
        factor: (size,).
        offset: (size,).
    """

    takes_mask: ClassVar[bool] = True
    reads_images: ClassVar[bool] = True

    factor: Float64Array
    offset: Float64Array

    @property
    def parameters(self) -> int:
        """Factors and offsets."""
        return self.factor.size + self.offset.size

    def forward(self, inputs: FloatArray, observe: Observe) -> FloatArray:
        """Same shape as the input."""
        outputs: FloatArray = inputs * float32(self.factor) + float32(self.offset)
        return outputs

    def quantize(self, ranges: Ranges, input_tensor: QuantizedTensor) -> Op:
        """As the layer that computes the same."""
        return self.alone().quantize(ranges, input_tensor)

    def repeated(self, count: int) -> tuple[Float64Array, Float64Array] | None:
        """Factor and offset of the first `count` features, where those of all others repeat them; else None."""
        first = self.factor[:count], self.offset[:count]
        both = zip((self.factor, self.offset), first, strict=True)
        return first if all((all_of.reshape(-1, count) == one).all() for all_of, one in both) else None

    def after(self, first: "AffineLayer") -> Self:
        """The layer that computes both, `first` before this one."""
        with np.errstate(over="ignore", invalid="ignore"):
            factor, offset = self.factor * first.factor, self.factor * first.offset + self.offset
        return replace(self, factor=factor, offset=offset)

    @property
    def needs_diagonal(self) -> bool:
        """Whether what computes it alone has a weight for each two features."""
        return not self.output.channels or self.repeated(self.output.channels) is None

    def alone(self) -> DenseLayer | DepthwiseConv2DLayer:
        """The same function as a layer with a kernel."""
        return self._as_dense() if self.needs_diagonal else self._as_convolution()

    def _as_convolution(self) -> DepthwiseConv2DLayer:
        """A depthwise convolution that sees one feature of one step: a weight for each channel."""
        channels = self.output.channels
        return DepthwiseConv2DLayer(
            name=self.name,
            input=self.input,
            output=self.output,
            kernel=float32(self.factor[:channels]).reshape(1, 1, channels),
            bias=float32(self.offset[:channels]),
            relu=False,
            window=Window(1),
            across=Window(1),
            features=self.output.size // channels,
        )

    def _as_dense(self) -> DenseLayer:
        """A linear Dense with a diagonal kernel: the same function for size * size multiply-accumulates.

        Each row has one weight, and a scale of its own, so that quantizing the kernel loses nothing.
        """
        return DenseLayer(
            name=self.name,
            input=self.input,
            output=self.output,
            kernel=np.diag(float32(self.factor)),
            bias=float32(self.offset),
            relu=False,
        )


def float32(values: Float64Array) -> FloatArray:
    """Round weights; those beyond float32 become infinite, which calibration reports."""
    with np.errstate(over="ignore"):
        return values.astype(np.float32)
