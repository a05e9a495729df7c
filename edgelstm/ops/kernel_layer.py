"""What the float layers with a kernel and a bias have in common: Dense and the convolutions."""

import math
from dataclasses import dataclass

import numpy as np

from edgelstm.ir import FloatArray, KerasLayer, Layer, SourceLayer
from edgelstm.ops.activation import activation_layers, activation_problems
from edgelstm.ops.sources import activation, array, flag, shape_problems

_CEILINGS = {"relu": math.inf, "relu6": 6.0}


@dataclass(frozen=True, eq=False)
class KernelLayer(KerasLayer):
    """A layer that is linear or clamped.

    Attributes:
        kernel: (..., outputs).
        bias: (outputs,).
        relu: whether the output is clamped at 0.
        ceiling: what the output is clamped at above, where `relu` is set. Its int8 needs no clamping: its scale ends
            there, or below where calibration saw no such values.
    """

    kernel: FloatArray
    bias: FloatArray
    relu: bool
    ceiling: float = math.inf

    @property
    def output_limits(self) -> tuple[float, float]:
        """See `Layer.output_limits`."""
        return (0.0, self.ceiling) if self.relu else (-math.inf, math.inf)

    @property
    def parameters(self) -> int:
        """Kernel and bias."""
        return self.kernel.size + self.bias.size

    def clamped(self, sums: FloatArray) -> FloatArray:
        """What becomes of (..., outputs)."""
        return np.clip(sums, 0.0, self.ceiling) if self.relu else sums

    def with_activation(self, source: SourceLayer) -> tuple[Layer, ...]:
        """This layer, and behind it one for an activation that it does not compute itself."""
        if self.relu:
            return (self,)
        function = activation(source)
        return self, *activation_layers(f"{source.name}/{function}", function, self.output)


def kernel_problems(source: SourceLayer, *kernels: tuple[int, ...]) -> list[str]:
    """Say what a layer with these kernels, the last with a bias behind it, has that none may have."""
    shapes = [*kernels]
    if flag(source, "use_bias", default=True):
        shapes.append(kernels[-1][-1:])
    problems = activation_problems(source)
    if source.config.get("lora_rank"):
        problems.append("lora_rank is not supported; merge the adapter into the kernel first")
    return problems + shape_problems(source, shapes)


def bias_of(source: SourceLayer, outputs: int) -> FloatArray:
    """The last weight array; zeros where the layer has no bias."""
    has_bias = flag(source, "use_bias", default=True)
    return array(source, len(source.weights) - 1) if has_bias else np.zeros(outputs, np.float32)


def fused_ceiling(source: SourceLayer) -> float | None:
    """What a relu that the layer computes itself is clamped at; None for another activation."""
    return _CEILINGS.get(activation(source))
