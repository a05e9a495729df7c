"""SimpleRNN: the trained layer, and the integer op of the `native` contract (docs/numerics.md)."""

import math
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from edgelstm.ir import (
    FloatArray,
    IntArray,
    Layer,
    Matrix,
    Observe,
    QuantizedTensor,
    Ranges,
    SourceLayer,
    StateArray,
    Tensor,
    TfliteOperator,
)
from edgelstm.numerics import activations
from edgelstm.numerics.contracts import Contract
from edgelstm.numerics.fixedpoint import (
    Multiplier,
    quantize_multiplier,
    requantize,
    rounding_shift,
    saturate8,
    saturate16,
)
from edgelstm.ops import scales
from edgelstm.ops.projection import Projection, gates_library, padded_rows, projection_tensors
from edgelstm.ops.projections import project, projections_from
from edgelstm.ops.recurrent import RecurrentLayer, as_asked, output_tensor, recurrent_problems
from edgelstm.ops.recurrent_op import RecurrentOp
from edgelstm.ops.sources import activation, array, flag

ACTIVATIONS = ("tanh", "relu")

RELU_FRACTION_BITS = 5
"""Pre-activations of relu have the hidden state's scale with 5 more bits: four times what 8 bits span, on either side,
so that inhibition may take much of a large input part away before anything saturates."""


@dataclass(frozen=True, eq=False)
class SimpleRnnLayer(RecurrentLayer):
    """A trained SimpleRNN that yields its hidden state at every step.

    Attributes:
        kernel: (input size, units).
        recurrent_kernel: (units, units).
        bias: (units,).
        function: one of ACTIVATIONS.
    """

    kernel: FloatArray
    recurrent_kernel: FloatArray
    bias: FloatArray
    function: str

    @property
    def units(self) -> int:
        """Size of the hidden state."""
        return self.output.size

    @property
    def output_limits(self) -> tuple[float, float]:
        """See `Layer.output_limits`."""
        return (-1.0, 1.0) if self.function == "tanh" else (0.0, math.inf)

    @property
    def parameters(self) -> int:
        """Kernel, recurrent kernel and bias."""
        return self.kernel.size + self.recurrent_kernel.size + self.bias.size

    @classmethod
    def keras_problems(cls, source: SourceLayer, input_tensor: Tensor) -> list[str]:
        """Say which options or weights we do not compile."""
        problems = recurrent_problems(source, input_tensor, gates=1)
        function = activation(source)
        if function not in ACTIVATIONS:
            problems.append(f"activation={function!r} is not supported, only {', '.join(ACTIVATIONS)}")
        return problems

    @classmethod
    def from_keras(cls, source: SourceLayer, input_tensor: Tensor) -> tuple[Layer, ...]:
        """Build the layer, followed by a LastStepLayer where `return_sequences` is false."""
        output = output_tensor(source)
        has_bias = flag(source, "use_bias", default=True)
        layer = cls(
            name=source.name,
            input=input_tensor,
            output=output,
            kernel=array(source, 0),
            recurrent_kernel=array(source, 1),
            bias=array(source, 2) if has_bias else np.zeros(output.size, np.float32),
            function=activation(source),
        )
        return as_asked(layer, source)

    def run(self, inputs: FloatArray, states: tuple[FloatArray, ...], observe: Observe) -> FloatArray:
        """See `RecurrentLayer.run`."""
        batch, timesteps, _ = inputs.shape
        (hidden,) = states
        outputs = np.empty((batch, timesteps, self.units), inputs.dtype)
        for t in range(timesteps):
            sums = inputs[:, t] @ self.kernel + hidden @ self.recurrent_kernel + self.bias
            hidden = np.tanh(sums) if self.function == "tanh" else np.maximum(sums, 0.0)
            outputs[:, t] = hidden
        return outputs

    def quantize(self, ranges: Ranges, input_tensor: QuantizedTensor) -> "SimpleRnn":
        """Round weights row by row."""
        hidden = scales.at_least(scales.output_range(self.output.name, ranges), self._smallest_scale(input_tensor))
        output = QuantizedTensor(self.output.name, self.units, is_sequence=True, quantization=hidden)
        result_scale = _sum_scale(self.function, output)
        no_bias = np.zeros_like(self.bias)
        return SimpleRnn(
            name=self.name,
            input=input_tensor,
            output=output,
            kernel=project(self.kernel.T, self.bias, input_tensor.quantization, result_scale, self.bits),
            recurrent_kernel=project(self.recurrent_kernel.T, no_bias, hidden, result_scale, self.bits),
            function=self.function,
        )

    def _smallest_scale(self, input_tensor: QuantizedTensor) -> float:
        """Of the hidden state: sums of the input part must fit where calibration saw them all negative."""
        if self.function == "tanh":
            return scales.SMALLEST_Q15_TARGET
        largest = float((np.abs(self.kernel).sum(axis=0) * 256 * input_tensor.quantization.scale).max())
        return (largest + float(np.abs(self.bias).max(initial=0.0))) * 2.0**-22


def _sum_scale(function: str, output: QuantizedTensor) -> float:
    return scales.GATE_SCALE if function == "tanh" else output.quantization.scale * 2.0**-RELU_FRACTION_BITS


@dataclass(frozen=True, eq=False)
class SimpleRnnFacts:
    """What the template needs beside the op: the factor from tanh's Q0.15 to the hidden state's scale."""

    hidden_multiplier: Multiplier
    hidden_zero_point: int
    relu_fraction_bits: int
    padded_units: int


@dataclass(frozen=True, eq=False)
class SimpleRnn(RecurrentOp):
    """The integer SimpleRNN step.

    Attributes:
        kernel: (units, input size).
        recurrent_kernel: (units, units).
        function: one of ACTIVATIONS.
    """

    kind: ClassVar[str] = "simple_rnn"

    kernel: Projection
    recurrent_kernel: Projection
    function: str

    @property
    def is_native(self) -> bool:
        """No runtime has an integer kernel."""
        return True

    @property
    def library(self) -> tuple[str, ...]:
        """Headers of the gates and of tanh."""
        return ("activations", gates_library(self.kernel)) if self.function == "tanh" else (gates_library(self.kernel),)

    @property
    def units(self) -> int:
        """Size of the hidden state."""
        return self.output.size

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one step."""
        return self.units * (self.input.size + self.units)

    @property
    def parameters(self) -> int:
        """Kernel, recurrent kernel and bias."""
        return self.macs + self.units

    @property
    def state(self) -> tuple[StateArray, ...]:
        """The hidden state, which is also the output."""
        return (scales.hidden_state(self.units, self.output.quantization),)

    def facts(self, contract: Contract) -> SimpleRnnFacts:
        """See SimpleRnnFacts."""
        hidden = self.output.quantization
        multiplier = quantize_multiplier(2.0**-15 / hidden.scale)
        return SimpleRnnFacts(multiplier, hidden.zero_point, RELU_FRACTION_BITS, padded_rows(self.units))

    def matrices(self, contract: Contract) -> tuple[Matrix, ...]:
        """Kernel and recurrent kernel."""
        return self.kernel.matrix(), self.recurrent_kernel.matrix()

    def problems(self, contract: Contract) -> list[str]:
        """Sums must fit 32 bits, and the hidden scale must not be absurdly small."""
        found = self.initial_problems()
        if not (self.kernel.fits() and self.recurrent_kernel.fits()):
            found.append(f"layer {self.name!r}: its sums do not fit 32 bits, or its scales lie too far apart")
        if self.function == "tanh" and self.facts(contract).hidden_multiplier.shift > 0:
            found.append(f"layer {self.name!r}: hidden scale {self.output.quantization.scale:g} is not above 2^-15")
        return found

    def simulate(
        self, contract: Contract, values: IntArray, state: tuple[IntArray, ...]
    ) -> tuple[IntArray, tuple[IntArray, ...]]:
        """Compute one step; see `Op.simulate`."""
        sums = saturate16(self.kernel.apply(values) + self.recurrent_kernel.apply(state[0]))
        zero_point = self.output.quantization.zero_point
        if self.function == "tanh":
            squashed = activations.tanh(contract, sums, 3)
            stored = saturate8(requantize(squashed, self.facts(contract).hidden_multiplier) + zero_point)
        else:
            stored = saturate8(np.maximum(rounding_shift(sums, RELU_FRACTION_BITS), 0) + zero_point)
        output = stored.astype(np.int8)
        return output, (output,)

    def to_tflite(self, batch: int, timesteps: int) -> tuple[TfliteOperator, ...]:
        """Write a custom operator: it keeps the layer, no official interpreter runs it."""
        tensors = [
            *projection_tensors(f"{self.output.name}/kernel", self.kernel),
            *projection_tensors(f"{self.output.name}/recurrent_kernel", self.recurrent_kernel),
        ]
        states = [state.to_tflite(f"{self.output.name}/{state.name}", batch) for state in self.state]
        return (
            TfliteOperator(
                "CUSTOM:edgelstm.simple_rnn",
                (self.input.to_tflite(batch, timesteps), *tensors, *states, *self.vectors_to_tflite(batch)),
                (self.output.to_tflite(batch, timesteps),),
                {"activation": self.function},
            ),
        )

    @classmethod
    def from_tflite(cls, operator: TfliteOperator, input_tensor: QuantizedTensor) -> Self:
        """Rebuild the op from the custom operator that `check_tflite` accepts."""
        output = QuantizedTensor.from_tflite(operator.outputs[0], is_sequence=True)
        function = str(operator.options["activation"])
        values = (input_tensor.quantization, output.quantization)
        kernels = projections_from(operator.inputs[1:5], values, (_sum_scale(function, output),) * 2)
        return cls(output.name, input_tensor, output, kernels[0], kernels[1], function)
