"""What convolutions over time have in common: float layers with a window, and integer ops alike in all contracts."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from edgelstm.ir import FloatArray, QuantizedTensor, Ranges, SourceLayer, Tensor
from edgelstm.numerics.contracts import Contract
from edgelstm.numerics.fixedpoint import Multiplier, quantize_multiplier
from edgelstm.ops import scales
from edgelstm.ops.kernel_layer import KernelLayer, bias_of, fused_ceiling
from edgelstm.ops.rows import RowsOp
from edgelstm.ops.window import Window, WindowOp
from edgelstm.ops.window_layer import WindowOptions, windowed


@dataclass(frozen=True, eq=False)
class ConvolutionLayer(KernelLayer):
    """A trained convolution over time; its kernel begins with the taps and ends with the outputs."""

    window: Window = field(kw_only=True)

    @classmethod
    def of(cls, source: SourceLayer, input_tensor: Tensor, kernel: FloatArray, options: WindowOptions) -> Self:
        """The layer with this kernel and window, and everything else from a Keras layer."""
        outputs, ceiling = kernel.shape[-1], fused_ceiling(source)
        window = options.window(input_tensor.timesteps)
        return cls(
            name=source.name,
            input=input_tensor,
            output=windowed(source.name, outputs, input_tensor, window),
            kernel=kernel,
            bias=bias_of(source, outputs),
            relu=ceiling is not None,
            ceiling=math.inf if ceiling is None else ceiling,
            window=window,
        )

    @property
    def is_padded(self) -> bool:
        """Whether some result sees padding."""
        return bool(self.window.before or self.window.behind)

    def quantized_output(self, ranges: Ranges) -> QuantizedTensor:
        """The output at the scale of its observed range."""
        return QuantizedTensor(
            self.output.name,
            self.output.size,
            is_sequence=True,
            quantization=scales.output_range(self.output.name, ranges),
        )


@dataclass(frozen=True, eq=False)
class ConvolutionOp(WindowOp, RowsOp):
    """An integer convolution over time: a row for each output."""

    @property
    def library(self) -> tuple[str, ...]:
        """The window's header."""
        return ("window",)

    def rounds_once(self, contract: Contract) -> bool:
        """Both runtimes multiply in integers, in two steps."""
        return False

    def multipliers(self, contract: Contract) -> tuple[Multiplier, ...]:
        """One multiplier per output, from the float64 product of the scales in both contracts."""
        return tuple(quantize_multiplier(factor) for factor in self.factors())

    @property
    def image_options(self) -> Mapping[str, object]:
        """What stands in the options of the operator on images."""
        return {
            "dilation_w_factor": self.window.dilation,
            "dilation_h_factor": 1,
            "fused_activation_function": "RELU" if self.relu else "NONE",
        }
