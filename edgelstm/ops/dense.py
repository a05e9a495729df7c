"""Dense: float layer, per-channel quantization, and the integer op in both contracts."""

import math
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from edgelstm.ir import (
    AnyArray,
    FloatArray,
    Layer,
    Matrix,
    Observe,
    Op,
    QuantizedTensor,
    Ranges,
    SourceLayer,
    Tensor,
    TfliteOperator,
    TfliteTensor,
)
from edgelstm.numerics.contracts import Contract
from edgelstm.numerics.fixedpoint import Multiplier, exact_multiplier, quantize_multiplier
from edgelstm.ops import scales, weight_bits
from edgelstm.ops.activation import image_activation_problems
from edgelstm.ops.conv2d import pointwise_layers
from edgelstm.ops.dense16 import Dense16
from edgelstm.ops.fully_connected import FullyConnected
from edgelstm.ops.kernel_layer import KernelLayer, bias_of, fused_ceiling, kernel_problems
from edgelstm.ops.options import last_axis
from edgelstm.ops.rows import RoundedRows
from edgelstm.ops.sources import LARGEST_SIZE, array, integer


@dataclass(frozen=True, eq=False)
class DenseLayer(KernelLayer):
    """A trained Dense layer, on a vector or on each step of a sequence; its kernel is (input size, units).

    `bits` is what a weight is to take, 8 or 4.
    """

    takes_mask: ClassVar[bool] = True
    reads_images: ClassVar[bool] = True

    bits: int = weight_bits.WIDE

    def with_narrow_weights(self) -> Self:
        """See `Layer.with_narrow_weights`."""
        is_large = self.kernel.size >= weight_bits.LEAST_DENSE_WEIGHTS
        return replace(self, bits=weight_bits.NARROW) if is_large else self

    @classmethod
    def keras_problems(cls, source: SourceLayer, input_tensor: Tensor) -> list[str]:
        """Say which options or weights we do not compile."""
        units = integer(source, "units")
        results = input_tensor.size // last_axis(input_tensor) * units
        problems = [f"makes {results} values a step, more than {LARGEST_SIZE}"] if results > LARGEST_SIZE else []
        if input_tensor.channels:
            problems += image_activation_problems(source)
        return problems + kernel_problems(source, (last_axis(input_tensor), units))

    @classmethod
    def from_keras(cls, source: SourceLayer, input_tensor: Tensor) -> tuple[Layer, ...]:
        """Build the layer; all activations but relu and relu6 become a layer of their own."""
        if input_tensor.channels:
            return pointwise_layers(source, input_tensor, array(source, 0))
        return cls.of(source, input_tensor, array(source, 0)).with_activation(source)

    @classmethod
    def of(cls, source: SourceLayer, input_tensor: Tensor, kernel: FloatArray) -> "DenseLayer":
        """The layer with this kernel and everything else from a Keras layer."""
        units, ceiling = kernel.shape[1], fused_ceiling(source)
        return cls(
            name=source.name,
            input=input_tensor,
            output=Tensor(source.name, units, input_tensor.is_sequence),
            kernel=kernel,
            bias=bias_of(source, units),
            relu=ceiling is not None,
            ceiling=math.inf if ceiling is None else ceiling,
        )

    def forward(self, inputs: FloatArray, observe: Observe) -> FloatArray:
        """(batch, [time,] input size) -> (batch, [time,] units)."""
        return self.clamped(inputs @ self.kernel + self.bias)

    def quantize(self, ranges: Ranges, input_tensor: QuantizedTensor) -> "Dense":
        """Round weights with one scale per output."""
        rows = RoundedRows.of(self.kernel.T, self.bias, input_tensor.quantization.scale, bits=self.bits)
        dense = Dense(
            name=self.name,
            input=input_tensor,
            output=QuantizedTensor(
                self.output.name,
                self.output.size,
                self.output.is_sequence,
                scales.output_range(self.output.name, ranges),
            ),
            kernel=rows.kernel,
            kernel_scales=rows.scales,
            bias=rows.bias,
            relu=self.relu,
            bits=self.bits,
        )
        return _away_from_ties(dense)

    @property
    def has_int16(self) -> bool:
        """See `Layer.has_int16`."""
        return True

    def to_ops16(self, ranges: Ranges, inputs: tuple[QuantizedTensor, ...]) -> tuple[Op, ...]:
        """See `Layer.to_ops16`."""
        rows = RoundedRows.of(self.kernel.T, self.bias, inputs[0].quantization.scale, "int64")
        quantization = scales.output_range16(self.output.name, ranges)
        output = QuantizedTensor(self.output.name, self.output.size, self.output.is_sequence, quantization)
        return (Dense16(self.name, inputs[0], output, rows.kernel, rows.scales, rows.bias, self.relu),)


def _away_from_ties(dense: "Dense") -> "Dense":
    """Raise the output scale by single float32 steps until integers reproduce LiteRT's float64 rounding."""
    for _ in range(32):
        if not dense.inexact_outputs(Contract.LITERT):
            break
        old = dense.output.quantization
        scale = float(np.nextafter(np.float32(old.scale), np.float32(np.inf)))
        dense = replace(dense, output=replace(dense.output, quantization=replace(old, scale=scale)))
    return dense


@dataclass(frozen=True, eq=False)
class Dense(FullyConnected):
    """The integer Dense: int8 in, int8 out. `bits` is what a weight takes, 8 or 4."""

    kind: ClassVar[str] = "dense"

    bits: int = weight_bits.WIDE

    @property
    def is_native(self) -> bool:
        """Whether weights have 4 bits."""
        return self.bits == weight_bits.NARROW

    def matrices(self, contract: Contract) -> tuple[Matrix, ...]:
        """See `RowsOp.matrices`."""
        return tuple(replace(matrix, bits=self.bits) for matrix in super().matrices(contract))

    def rounds_once(self, contract: Contract) -> bool:
        """LiteRT's kernel multiplies in float64, which `exact_multiplier` reproduces."""
        return contract is not Contract.TFLM

    def multipliers(self, contract: Contract) -> tuple[Multiplier, ...]:
        """One multiplier per output.

        Where none equals LiteRT's float64 (see `problems`), the nearest is returned.
        """
        if contract is Contract.TFLM:
            return self.tflm_multipliers()
        exact = zip(self._exact_multipliers(), self.factors(), strict=True)
        return tuple(multiplier or quantize_multiplier(factor) for multiplier, factor in exact)

    def _exact_multipliers(self) -> list[Multiplier | None]:
        low, high = scales.accumulator_range(self.kernel, self.folded_bias())
        return [
            exact_multiplier(factor, int(lowest), int(highest))
            for factor, lowest, highest in zip(self.factors(), low, high, strict=True)
        ]

    def inexact_outputs(self, contract: Contract) -> list[int]:
        """Outputs whose rounding no integer multiplier reproduces for every sum."""
        if contract is Contract.TFLM:
            return []
        return [row for row, multiplier in enumerate(self._exact_multipliers()) if multiplier is None]

    def problems(self, contract: Contract) -> list[str]:
        """Sums must fit, see `RowsOp`, and integers must reproduce LiteRT's rounding."""
        if found := super().problems(contract):
            return found
        inexact = self.inexact_outputs(contract)
        if not inexact:
            return []
        return [
            f"layer {self.name!r}: the scales of outputs {inexact} make sums fall on rounding ties that only float64 "
            "decides; quantize again with edgelstm, which avoids such scales"
        ]

    def weight_tensors(self, kernel: AnyArray, axis: int = 0) -> tuple[TfliteTensor, TfliteTensor]:
        """See `RowsOp.weight_tensors`."""
        weights, bias = super().weight_tensors(kernel, axis)
        return replace(weights, dtype=f"int{self.bits}"), bias

    @classmethod
    def from_tflite(cls, operator: TfliteOperator, input_tensor: QuantizedTensor) -> Self:
        """See `FullyConnected`."""
        kernel = operator.inputs[1]
        bits = weight_bits.of_dtype(kernel.dtype) if kernel is not None else weight_bits.WIDE
        return replace(super().from_tflite(operator, input_tensor), bits=bits)
