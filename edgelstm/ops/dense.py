"""Dense: float layer, per-channel quantization, and the integer op in both contracts."""

import math
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from edgelstm.errors import UnsupportedModelError
from edgelstm.ir import (
    AnyArray,
    Constant,
    FloatArray,
    IntArray,
    Layer,
    Matrix,
    Observe,
    QuantizedTensor,
    Ranges,
    SourceLayer,
    Tensor,
    TfliteOperator,
    TfliteTensor,
    UnaryLayer,
    UnaryOp,
)
from edgelstm.numerics.contracts import Contract
from edgelstm.numerics.fixedpoint import (
    Int64Array,
    Multiplier,
    exact_multiplier,
    quantize_multiplier,
    requantize,
    requantize_once,
)
from edgelstm.ops import scales
from edgelstm.ops.activation import activation_layers, activation_problems
from edgelstm.ops.sources import activation, array, flag, integer, shape_problems


@dataclass(frozen=True, eq=False)
class DenseLayer(UnaryLayer):
    """A trained Dense layer that is linear or clamped, on a vector or on each step of a sequence.

    Attributes:
        kernel: (input size, units).
        bias: (units,).
        relu: whether the output is clamped at 0.
        ceiling: what the output is clamped at above, where `relu` is set. Its int8 needs no clamping: its scale ends
            there, or below where calibration saw no such values.
    """

    takes_mask: ClassVar[bool] = True

    kernel: FloatArray
    bias: FloatArray
    relu: bool
    ceiling: float = math.inf

    @property
    def parameters(self) -> int:
        """Kernel and bias."""
        return self.kernel.size + self.bias.size

    @classmethod
    def keras_problems(cls, source: SourceLayer, input_tensor: Tensor) -> list[str]:
        """Say which options or weights we do not compile."""
        units = integer(source, "units")
        shapes: list[tuple[int, ...]] = [(input_tensor.size, units)]
        if flag(source, "use_bias", default=True):
            shapes.append((units,))
        problems = activation_problems(source)
        if source.config.get("lora_rank"):
            problems.append("lora_rank is not supported; merge the adapter into the kernel first")
        return problems + shape_problems(source, shapes)

    @classmethod
    def from_keras(cls, source: SourceLayer, input_tensor: Tensor) -> tuple[Layer, ...]:
        """Build the layer; all activations but relu and relu6 become a layer of their own."""
        units = integer(source, "units")
        has_bias = flag(source, "use_bias", default=True)
        function = activation(source)
        ceilings = {"relu": math.inf, "relu6": 6.0}
        layer = cls(
            name=source.name,
            input=input_tensor,
            output=Tensor(source.name, units, input_tensor.is_sequence),
            kernel=array(source, 0),
            bias=array(source, 1) if has_bias else np.zeros(units, np.float32),
            relu=function in ceilings,
            ceiling=ceilings.get(function, math.inf),
        )
        if layer.relu:
            return (layer,)
        return layer, *activation_layers(f"{source.name}/{function}", function, layer.output)

    def forward(self, inputs: FloatArray, observe: Observe) -> FloatArray:
        """(batch, [time,] input size) -> (batch, [time,] units)."""
        outputs: FloatArray = inputs @ self.kernel + self.bias
        return np.clip(outputs, 0.0, self.ceiling) if self.relu else outputs

    def quantize(self, ranges: Ranges, input_tensor: QuantizedTensor) -> "Dense":
        """Round weights with one scale per output."""
        input_scale = input_tensor.quantization.scale
        per_row = [
            scales.symmetric_scale(row, bias, input_scale) for row, bias in zip(self.kernel.T, self.bias, strict=True)
        ]
        weight_scales = np.array(per_row)
        bias_scales = np.array([scales.float32(input_scale * scale) for scale in per_row])
        dense = Dense(
            name=self.name,
            input=input_tensor,
            output=QuantizedTensor(
                self.output.name,
                self.output.size,
                self.output.is_sequence,
                scales.output_range(self.output.name, ranges),
            ),
            kernel=scales.round_weights(self.kernel.T, weight_scales[:, None]),
            kernel_scales=tuple(per_row),
            bias=scales.round_bias(self.bias, bias_scales),
            relu=self.relu,
        )
        return _away_from_ties(dense)


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
class Dense(UnaryOp):
    """The integer Dense: int8 in, int8 out.

    Attributes:
        kernel: int8 (units, input size).
        kernel_scales: one scale for all rows, or one per row.
        bias: int32 (units,).
        relu: whether the output is clamped at real 0.
    """

    kind: ClassVar[str] = "dense"

    kernel: AnyArray
    kernel_scales: tuple[float, ...]
    bias: AnyArray
    relu: bool

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one evaluation."""
        return self.kernel.size

    @property
    def parameters(self) -> int:
        """Kernel and bias."""
        return self.kernel.size + self.bias.size

    def folded_bias(self) -> Int64Array:
        """The bias with the input's zero point folded in: bias - zero_point * row sum."""
        rows = self.kernel.astype(np.int64).sum(axis=1)
        folded: Int64Array = self.bias.astype(np.int64) - self.input.quantization.zero_point * rows
        return folded

    def factors(self) -> tuple[float, ...]:
        """Input scale * kernel scale / output scale of each output, in float64 as LiteRT computes it."""
        source, result = self.input.quantization.scale, self.output.quantization.scale
        factors = [source * scale / result for scale in self.kernel_scales]
        return tuple(factors * (len(self.bias) if len(factors) == 1 else 1))

    def multipliers(self, contract: Contract) -> tuple[Multiplier, ...]:
        """One multiplier per output.

        TFLM rounds a per-tensor product of scales to float32 first, a per-row one not. Where no multiplier equals
        LiteRT's float64 (see `problems`), the nearest is returned.
        """
        if contract is Contract.TFLM and len(self.kernel_scales) == 1:
            product = scales.float32(self.input.quantization.scale * self.kernel_scales[0])
            return (quantize_multiplier(product / self.output.quantization.scale),) * len(self.bias)
        if contract is Contract.TFLM:
            return tuple(quantize_multiplier(factor) for factor in self.factors())
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
        """Sums and their requantized values must fit 32 bits, and integers must reproduce LiteRT's rounding."""
        reach = int(scales.accumulator_reach(self.kernel, self.folded_bias()).max())
        largest = max(self.factors())
        if reach >= 2**31 or reach * largest >= 2**30 or largest >= 2**30:
            return [f"layer {self.name!r}: sums up to {reach} times {largest:g} do not fit 32 bits"]
        inexact = self.inexact_outputs(contract)
        if not inexact:
            return []
        return [
            f"layer {self.name!r}: the scales of outputs {inexact} make sums fall on rounding ties that only float64 "
            "decides; quantize again with edgelstm, which avoids such scales"
        ]

    def matrices(self, contract: Contract) -> tuple[Matrix, ...]:
        """The kernel, one row per output."""
        return (Matrix(self.kernel, self.folded_bias()),)

    def constants(self, contract: Contract) -> tuple[Constant, ...]:
        """One multiplier per output."""
        multipliers = self.multipliers(contract)
        return (
            Constant(
                "multiplier",
                np.array([multiplier.mantissa for multiplier in multipliers], np.int32),
                "weights",
                "input scale * kernel scale / output scale of each output, as multiplier * 2^(shift - 31)",
            ),
            Constant("shift", np.array([multiplier.shift for multiplier in multipliers], np.int8), "weights", ""),
        )

    @property
    def lowest_output(self) -> int:
        """The smallest stored output value."""
        return max(-128, self.output.quantization.zero_point) if self.relu else -128

    def simulate(
        self, contract: Contract, values: IntArray, state: tuple[IntArray, ...]
    ) -> tuple[IntArray, tuple[IntArray, ...]]:
        """Compute one evaluation; see `Op.simulate`."""
        product = values.astype(np.float64) @ self.kernel.T.astype(np.float64)
        accumulators = np.rint(product).astype(np.int64) + self.folded_bias()
        scale = requantize_once if contract is not Contract.TFLM else requantize
        columns = [
            scale(accumulators[..., row], multiplier) for row, multiplier in enumerate(self.multipliers(contract))
        ]
        outputs = np.stack(columns, axis=-1) + self.output.quantization.zero_point
        return np.clip(outputs, self.lowest_output, 127).astype(np.int8), ()

    def to_tflite(self, batch: int, timesteps: int) -> tuple[TfliteOperator, ...]:
        """Write a FULLY_CONNECTED, between two RESHAPEs for a sequence.

        tflite-runtime 2.14 reads outside the weights of a per-channel FULLY_CONNECTED with a rank-3 input.
        """
        source, result = (tensor.to_tflite(batch, timesteps) for tensor in (self.input, self.output))
        if not self.input.is_sequence:
            return (self._fully_connected(source, result),)
        rows = batch * timesteps
        flat_source = replace(source, name=f"{self.name}/flat_input", shape=(rows, self.input.size))
        flat_result = replace(result, name=f"{self.name}/flat_output", shape=(rows, self.output.size))
        return (
            _reshape(source, flat_source),
            self._fully_connected(flat_source, flat_result),
            _reshape(flat_result, result),
        )

    def _fully_connected(self, source: TfliteTensor, result: TfliteTensor) -> TfliteOperator:
        input_scale = self.input.quantization.scale
        zeros = (0,) * len(self.kernel_scales)
        bias_scales = tuple(scales.float32(input_scale * scale) for scale in self.kernel_scales)
        kernel = TfliteTensor(
            f"{self.name}/kernel", self.kernel.shape, "int8", self.kernel_scales, zeros, data=self.kernel
        )
        bias = TfliteTensor(f"{self.name}/bias", self.bias.shape, "int32", bias_scales, zeros, data=self.bias)
        options = {"fused_activation_function": "RELU" if self.relu else "NONE"}
        return TfliteOperator("FULLY_CONNECTED", (source, kernel, bias), (result,), options, version=4)

    @classmethod
    def from_tflite(cls, operator: TfliteOperator, input_tensor: QuantizedTensor) -> Self:
        """Rebuild the op from a FULLY_CONNECTED with constant int8 weights."""
        kernel = operator.inputs[1]
        bias = operator.inputs[2] if len(operator.inputs) > 2 else None
        output = operator.outputs[0]
        fused = operator.options.get("fused_activation_function", "NONE")
        if kernel is None or kernel.data is None or fused not in ("NONE", "RELU", "RELU6"):
            raise UnsupportedModelError(
                [f"FULLY_CONNECTED {output.name!r}: only constant weights, with RELU, RELU6 or nothing behind"]
            )
        no_bias = np.zeros(kernel.shape[0], np.int32)
        return cls(
            name=output.name,
            input=input_tensor,
            output=QuantizedTensor.from_tflite(output, is_sequence=input_tensor.is_sequence),
            kernel=kernel.data,
            kernel_scales=kernel.scales,
            bias=no_bias if bias is None or bias.data is None else bias.data,
            relu=fused != "NONE",
        )


def _reshape(source: TfliteTensor, result: TfliteTensor) -> TfliteOperator:
    numbers = np.array(result.shape, np.int32)
    wanted = TfliteTensor(f"{result.name}/shape", numbers.shape, "int32", data=numbers)
    return TfliteOperator("RESHAPE", (source, wanted), (result,), {"new_shape": list(result.shape)})
