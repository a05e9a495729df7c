"""What a Dense and a convolution have in common: int8 rows of weights that all meet one vector."""

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np

from edgelstm.errors import UnsupportedModelError
from edgelstm.ir import AnyArray, Constant, FloatArray, IntArray, Matrix, TfliteOperator, TfliteTensor, UnaryOp
from edgelstm.numerics.contracts import Contract
from edgelstm.numerics.fixedpoint import Int64Array, Multiplier, requantize, requantize_once
from edgelstm.ops import scales, weight_bits


@dataclass(frozen=True, eq=False)
class RoundedRows:
    """Float rows and their biases in integers.

    Attributes:
        kernel: int8 (rows, columns).
        scales: one for each row.
        bias: int32 (rows,), in steps of input scale * row scale.
    """

    kernel: AnyArray
    scales: tuple[float, ...]
    bias: AnyArray

    @classmethod
    def of(
        cls,
        kernel: FloatArray,
        bias: FloatArray,
        input_scale: float,
        dtype: str = "int32",
        bits: int = weight_bits.WIDE,
    ) -> "RoundedRows":
        """Round a float kernel (rows, columns) to so many bits, and bias (rows,) to `dtype`."""
        per_row = weight_bits.row_scales(kernel, bias, input_scale, bits)
        bias_scales = np.array([scales.float32(input_scale * scale) for scale in per_row])
        return cls(
            kernel=weight_bits.round_weights(kernel, np.array(per_row)[:, None], bits),
            scales=tuple(per_row),
            bias=scales.round_bias(bias, bias_scales, dtype),
        )


@dataclass(frozen=True)
class RowsFacts:
    """What the template needs beside the op.

    Attributes:
        rows: how many there are.
        columns: how many values a row meets.
        rounds_once: whether sums are rounded once on their way to the output's scale, or twice.
    """

    rows: int
    columns: int
    rounds_once: bool


@dataclass(frozen=True, eq=False)
class RowsOp(UnaryOp):
    """An op with int8 rows, which makes an output of each.

    Attributes:
        kernel: int8 (rows, columns).
        kernel_scales: one scale for all rows, or one per row.
        bias: int32 (rows,).
        relu: whether the output is clamped at real 0.
    """

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

    @abstractmethod
    def multipliers(self, contract: Contract) -> tuple[Multiplier, ...]:
        """One for each output."""

    @abstractmethod
    def rounds_once(self, contract: Contract) -> bool:
        """See RowsFacts."""

    def facts(self, contract: Contract) -> RowsFacts:
        """See RowsFacts."""
        return RowsFacts(self.kernel.shape[0], self.kernel.shape[1], self.rounds_once(contract))

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

    def problems(self, contract: Contract) -> list[str]:
        """Sums and their requantized values must fit 32 bits."""
        reach = int(scales.accumulator_reach(self.kernel, self.folded_bias()).max())
        largest = max(self.factors())
        if reach < 2**31 and reach * largest < 2**30 and largest < 2**30:
            return []
        return [f"layer {self.name!r}: sums up to {reach} times {largest:g} do not fit 32 bits"]

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

    def evaluate(self, contract: Contract, values: IntArray) -> IntArray:
        """Compute (..., rows) int8 from stored values (..., columns)."""
        product = values.astype(np.float64) @ self.kernel.T.astype(np.float64)
        return self.scaled(contract, np.rint(product).astype(np.int64) + self.folded_bias())

    def scaled(self, contract: Contract, sums: Int64Array) -> IntArray:
        """Bring sums (..., rows) to the output's scale."""
        scale = requantize_once if self.rounds_once(contract) else requantize
        columns = [scale(sums[..., row], multiplier) for row, multiplier in enumerate(self.multipliers(contract))]
        outputs = np.stack(columns, axis=-1) + self.output.quantization.zero_point
        stored: IntArray = np.clip(outputs, self.lowest_output, 127).astype(np.int8)
        return stored

    def weight_tensors(self, kernel: AnyArray, axis: int = 0) -> tuple[TfliteTensor, TfliteTensor]:
        """The kernel as an operator wants it, its rows along `axis`, and the bias: as a .tflite file has them."""
        input_scale = self.input.quantization.scale
        zeros = (0,) * len(self.kernel_scales)
        bias_scales = tuple(scales.float32(input_scale * scale) for scale in self.kernel_scales)
        bias_type = str(self.bias.dtype)
        return (
            TfliteTensor(f"{self.name}/kernel", kernel.shape, "int8", self.kernel_scales, zeros, axis, kernel),
            TfliteTensor(f"{self.name}/bias", self.bias.shape, bias_type, bias_scales, zeros, data=self.bias),
        )


def read_weights(operator: TfliteOperator) -> tuple[TfliteTensor, AnyArray]:
    """The kernel and the values of the bias of an operator; UnsupportedModelError where it has no constant kernel."""
    kernel = operator.inputs[1]
    bias = operator.inputs[2] if len(operator.inputs) > 2 else None
    output = operator.outputs[0]
    is_clamped = operator.options["fused_activation_function"] not in ("NONE", "RELU") and not _ends_at_6(operator)
    if kernel is None or kernel.data is None or is_clamped:
        what = f"{operator.builtin} {output.name!r}"
        raise UnsupportedModelError([f"{what}: only constant weights with no activation or RELU are supported"])
    outputs = output.shape[-1]
    return kernel, np.zeros(outputs, np.int32) if bias is None or bias.data is None else bias.data


def has_relu(operator: TfliteOperator) -> bool:
    """Whether an operator that `read_weights` accepts clamps its output at real 0."""
    return bool(operator.options["fused_activation_function"] != "NONE")


def _ends_at_6(operator: TfliteOperator) -> bool:
    """Whether a RELU6 clamps nothing above, because the output's scale ends at 6 or below."""
    output = operator.outputs[0]
    is_relu6 = operator.options["fused_activation_function"] == "RELU6"
    return is_relu6 and output.zero_points[0] + round(6.0 / output.scales[0]) >= 127
