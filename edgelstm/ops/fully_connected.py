"""What the Dense on int8 and on int16 values have in common: TFLite's FULLY_CONNECTED, and TFLM's multipliers."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from edgelstm.ir import IntArray, QuantizedTensor, TfliteOperator, TfliteTensor
from edgelstm.numerics.contracts import Contract
from edgelstm.numerics.fixedpoint import Multiplier, quantize_multiplier
from edgelstm.ops import scales
from edgelstm.ops.reshape import reshape
from edgelstm.ops.rows import RowsOp, has_relu, read_weights


@dataclass(frozen=True, eq=False)
class FullyConnected(RowsOp):
    """A RowsOp on a vector, or on each step of a sequence."""

    def tflm_multipliers(self) -> tuple[Multiplier, ...]:
        """One for each output: TFLM rounds a per-tensor product of scales to float32 first, a per-row one not."""
        if len(self.kernel_scales) == 1:
            product = scales.float32(self.input.quantization.scale * self.kernel_scales[0])
            return (quantize_multiplier(product / self.output.quantization.scale),) * len(self.bias)
        return tuple(quantize_multiplier(factor) for factor in self.factors())

    def simulate(
        self, contract: Contract, values: IntArray, state: tuple[IntArray, ...]
    ) -> tuple[IntArray, tuple[IntArray, ...]]:
        """Compute one evaluation; see `Op.simulate`."""
        return self.evaluate(contract, values), ()

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
            reshape(source, flat_source),
            self._fully_connected(flat_source, flat_result),
            reshape(flat_result, result),
        )

    def _fully_connected(self, source: TfliteTensor, result: TfliteTensor) -> TfliteOperator:
        kernel, bias = self.weight_tensors(self.kernel)
        options = {"fused_activation_function": "RELU" if self.relu else "NONE"}
        return TfliteOperator("FULLY_CONNECTED", (source, kernel, bias), (result,), options, version=4)

    @classmethod
    def from_tflite(cls, operator: TfliteOperator, input_tensor: QuantizedTensor) -> Self:
        """Rebuild the op from a FULLY_CONNECTED with constant int8 weights."""
        kernel, bias = read_weights(operator)
        output = operator.outputs[0]
        return cls(
            name=output.name,
            input=input_tensor,
            output=QuantizedTensor.from_tflite(output, is_sequence=input_tensor.is_sequence),
            kernel=np.asarray(kernel.data),
            kernel_scales=kernel.scales,
            bias=bias,
            relu=has_relu(operator),
        )
