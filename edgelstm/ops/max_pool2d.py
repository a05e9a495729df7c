"""The integer pool of a patch, channel by channel, at one scale, and that which takes the largest value."""

from dataclasses import dataclass, replace
from typing import ClassVar, Self

from edgelstm.ir import IntArray, QuantizedTensor, TfliteOperator
from edgelstm.numerics.contracts import Contract
from edgelstm.ops.patch import PatchOp, features_of
from edgelstm.ops.patch_images import patch_operators, read_patch


@dataclass(frozen=True, eq=False)
class PatchPool(PatchOp):
    """A pool in integers; `builtin` stands for it in a .tflite file."""

    builtin: ClassVar[str]

    @property
    def library(self) -> tuple[str, ...]:
        """The window's header, and that of patches."""
        return ("window", "patch")

    def to_tflite(self, batch: int, timesteps: int) -> tuple[TfliteOperator, ...]:
        """Write one operator."""
        options = {"filter_height": self.window.taps, "filter_width": self.across.taps}
        return patch_operators(self, batch, timesteps, self.builtin, options=options, version=2)

    @classmethod
    def from_tflite(cls, operator: TfliteOperator, input_tensor: QuantizedTensor) -> Self:
        """Rebuild the op from its operator."""
        result = operator.outputs[0]
        taps = (operator.options["filter_height"], operator.options["filter_width"])
        window, across = read_patch(operator, taps)
        features = features_of(input_tensor.size, result.shape[3], f"{operator.builtin} {result.name!r}")
        output = replace(input_tensor, name=result.name, size=result.shape[2] * result.shape[3])
        return cls(result.name, input_tensor, output, window, across, features)


@dataclass(frozen=True, eq=False)
class MaxPool2D(PatchPool):
    """The int8 MAX_POOL_2D of TensorFlow Lite, which no padding ever wins."""

    kind: ClassVar[str] = "max_pool2d"
    builtin: ClassVar[str] = "MAX_POOL_2D"

    @property
    def padding(self) -> int:
        """See `Op.padding`."""
        return -128

    def apply_patches(self, contract: Contract, patches: IntArray) -> IntArray:
        """See `PatchOp.apply_patches`."""
        largest: IntArray = patches.max(axis=(2, 3))
        return largest
