"""Layers that scale and shift each feature. None reaches a chip: `fold_affine` merges them into their neighbours."""

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

from edgelstm.ir import FloatArray, KerasLayer, Observe, Op, QuantizedTensor, Ranges
from edgelstm.ops.dense import DenseLayer

Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class AffineLayer(KerasLayer):
    """factor * x + offset, feature by feature.

    Attributes:
        factor: (size,).
        offset: (size,).
    """

    takes_mask: ClassVar[bool] = True

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
        """As the Dense that computes the same."""
        return self.as_dense().quantize(ranges, input_tensor)

    def after(self, first: "AffineLayer") -> Self:
        """The layer that computes both, `first` before this one."""
        with np.errstate(over="ignore", invalid="ignore"):
            factor, offset = self.factor * first.factor, self.factor * first.offset + self.offset
        return replace(self, factor=factor, offset=offset)

    def as_dense(self) -> DenseLayer:
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
