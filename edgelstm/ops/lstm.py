"""LSTM: float layer, its quantization, and the integer op in both contracts.

Gate order is Keras' and TFLite's: input, forget, cell, output. Formulas: TensorFlow Lite's integer LSTM
(8-bit inputs and hidden state, 16-bit cell state), as measured in the project's numerics notes, section 3.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Self

import numpy as np

from edgelstm.ir import (
    AnyArray,
    Constant,
    FloatArray,
    IntArray,
    Layer,
    Observe,
    Op,
    Quantization,
    QuantizedTensor,
    Ranges,
    SourceLayer,
    StateArray,
    Tensor,
    TfliteOperator,
    TfliteTensor,
)
from edgelstm.numerics import activations
from edgelstm.numerics.contracts import Contract
from edgelstm.numerics.fixedpoint import (
    Int64Array,
    Multiplier,
    quantize_multiplier,
    requantize,
    rounding_shift,
    saturate8,
    saturate16,
)
from edgelstm.ops import scales
from edgelstm.ops.last_step import LastStepLayer
from edgelstm.ops.sources import array, flag, integer, option_problems, shape_problems

GATES = ("input", "forget", "cell", "output")
GATE_SCALE = 2.0**-12
"""Gate pre-activations are Q3.12."""

_INERT_AT_INFERENCE = (
    "dropout, recurrent_dropout, unroll, stateful, use_cudnn, seed, initializers and regularizers"
)

_REQUIRED_OPTIONS = {
    "activation": "tanh",
    "recurrent_activation": "sigmoid",
    "go_backwards": False,
    "return_state": False,
    "time_major": False,
    "zero_output_for_mask": False,
}


@dataclass(frozen=True, eq=False)
class LstmLayer(Layer):
    """A trained LSTM that yields its hidden state at every step.

    Attributes:
        kernel: (input size, 4 * units).
        recurrent_kernel: (units, 4 * units).
        bias: (4 * units,).
    """

    kernel: FloatArray
    recurrent_kernel: FloatArray
    bias: FloatArray

    @property
    def units(self) -> int:
        """Size of the hidden and cell state."""
        return self.output.size

    @property
    def parameters(self) -> int:
        """Kernel, recurrent kernel and bias."""
        return self.kernel.size + self.recurrent_kernel.size + self.bias.size

    @classmethod
    def keras_problems(cls, source: SourceLayer, input_tensor: Tensor) -> list[str]:
        """Say which options or weights we do not compile."""
        problems = option_problems(source, _REQUIRED_OPTIONS)
        if not input_tensor.is_sequence:
            problems.append("needs a sequence; set return_sequences=True on the layer before it")
        units = integer(source, "units")
        shapes: list[tuple[int, ...]] = [(input_tensor.size, 4 * units), (units, 4 * units)]
        if flag(source, "use_bias", default=True):
            shapes.append((4 * units,))
        return problems + shape_problems(source, shapes)

    @classmethod
    def from_keras(cls, source: SourceLayer, input_tensor: Tensor) -> tuple[Layer, ...]:
        """Build the layer, followed by a LastStepLayer where `return_sequences` is false."""
        units = integer(source, "units")
        has_bias = flag(source, "use_bias", default=True)
        layer = cls(
            name=source.name,
            input=input_tensor,
            output=Tensor(source.name, units, is_sequence=True),
            kernel=array(source, 0),
            recurrent_kernel=array(source, 1),
            bias=array(source, 2) if has_bias else np.zeros(4 * units, np.float32),
        )
        if flag(source, "return_sequences", default=False):
            return (layer,)
        return layer, LastStepLayer.after(layer.output)

    @property
    def cell_range_name(self) -> str:
        """The name under which `forward` reports the cell state."""
        return f"{self.name}/cell"

    def forward(self, inputs: FloatArray, observe: Observe) -> FloatArray:
        """Compute (batch, time, input size) -> (batch, time, units) from a zero state."""
        batch, timesteps, _ = inputs.shape
        hidden = np.zeros((batch, self.units), inputs.dtype)
        cell = np.zeros_like(hidden)
        outputs = np.empty((batch, timesteps, self.units), inputs.dtype)
        for t in range(timesteps):
            gates = inputs[:, t] @ self.kernel + hidden @ self.recurrent_kernel + self.bias
            i, f, g, o = np.split(gates, 4, axis=1)
            cell = _sigmoid(f) * cell + _sigmoid(i) * np.tanh(g)
            observe(self.cell_range_name, cell)
            hidden = _sigmoid(o) * np.tanh(cell)
            outputs[:, t] = hidden
        return outputs

    def quantize(self, ranges: Ranges, input_tensor: QuantizedTensor) -> "Lstm":
        """Round weights per gate; the cell scale follows the largest cell value of any step."""
        output = QuantizedTensor(
            self.output.name,
            self.units,
            is_sequence=True,
            quantization=scales.output_range(self.output.name, ranges),
        )
        input_scale = input_tensor.quantization.scale
        gates = [
            _quantize_gate(kernel.T, recurrent.T, bias, input_scale, output.quantization.scale)
            for kernel, recurrent, bias in zip(
                np.split(self.kernel, 4, axis=1),
                np.split(self.recurrent_kernel, 4, axis=1),
                np.split(self.bias, 4),
                strict=True,
            )
        ]
        low, high = ranges[self.cell_range_name]
        return Lstm(
            name=self.name,
            input=input_tensor,
            output=output,
            gates=tuple(gates),
            cell=scales.cell_quantization(max(-low, high)),
        )


def _sigmoid(values: FloatArray) -> FloatArray:
    result: FloatArray = 0.5 * (1.0 + np.tanh(0.5 * values))
    return result


def _quantize_gate(
    kernel: FloatArray,
    recurrent_kernel: FloatArray,
    bias: FloatArray,
    input_scale: float,
    hidden_scale: float,
) -> "Gate":
    kernel_scale = scales.symmetric_scale(kernel, bias, input_scale)
    recurrent_scale = scales.symmetric_scale(recurrent_kernel, np.zeros(1), hidden_scale)
    return Gate(
        kernel=scales.round_weights(kernel, kernel_scale),
        kernel_scale=kernel_scale,
        recurrent_kernel=scales.round_weights(recurrent_kernel, recurrent_scale),
        recurrent_scale=recurrent_scale,
        bias=scales.round_bias(bias, scales.float32(input_scale * kernel_scale)),
    )


@dataclass(frozen=True, eq=False)
class Gate:
    """One gate's integers.

    Attributes:
        kernel: int8 (units, input size), zero point 0.
        recurrent_kernel: int8 (units, units), zero point 0.
        bias: int32 (units,), scale input scale * kernel_scale.
    """

    kernel: AnyArray
    kernel_scale: float
    recurrent_kernel: AnyArray
    recurrent_scale: float
    bias: AnyArray


@dataclass(frozen=True, eq=False)
class GateArithmetic:
    """What turns one gate's dot products into a Q3.12 pre-activation. Zero points are folded into the biases.

    `recurrent_part_is_wide` tells whether the requantized recurrent part may leave the range in which adding the
    input part to it is safe in 32 bits, so that C must clamp it first.
    """

    name: str
    input_bias: Int64Array
    input_multiplier: Multiplier
    recurrent_bias: Int64Array
    recurrent_multiplier: Multiplier
    recurrent_part_is_wide: bool


@dataclass(frozen=True, eq=False)
class LstmArithmetic:
    """Every integer of a step that is not a weight.

    Attributes:
        gates: input, forget, cell, output.
        cell_integer_bits: n of the cell state's Q(n).(15 - n).
        cell_shift: right shift that brings i * g to the cell's scale.
        cell_limit: the cell state is clamped to +- this; 0 where it is not.
        output_multiplier: brings o * tanh(c), Q0.30, to the hidden state's scale.
        hidden_zero_point: zero point of the hidden state.
    """

    gates: tuple[GateArithmetic, ...]
    cell_integer_bits: int
    cell_shift: int
    cell_limit: int
    output_multiplier: Multiplier
    hidden_zero_point: int


@dataclass(frozen=True, eq=False)
class Lstm(Op):
    """The integer LSTM step. `cell_clip` is the real bound of the cell state, 0 for none."""

    kind: ClassVar[str] = "lstm"
    library: ClassVar[tuple[str, ...]] = ("activations",)
    output_state: ClassVar[str] = "hidden"

    gates: tuple[Gate, ...]
    cell: Quantization
    cell_clip: float = 0.0

    @property
    def units(self) -> int:
        """Size of the hidden and cell state."""
        return self.output.size

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one step."""
        return 4 * self.units * (self.input.size + self.units)

    @property
    def parameters(self) -> int:
        """Kernel, recurrent kernel and bias."""
        return self.macs + 4 * self.units

    @property
    def state(self) -> tuple[StateArray, ...]:
        """The hidden state is also the output; the cell state is int16."""
        return (
            scales.hidden_state(self.units, self.output.quantization),
            StateArray("cell", "int16", self.units, 0, self.cell),
        )

    def facts(self, contract: Contract) -> LstmArithmetic:
        """Every integer of the step that is not a weight."""
        return _arithmetic(self, contract)

    def constants(self, contract: Contract) -> tuple[Constant, ...]:
        """Weights and folded biases, unit by unit: the four gates of a unit stand together."""
        gates = self.facts(contract).gates
        inputs, units = self.input.size, self.units
        return (
            Constant(
                "kernel",
                np.stack([gate.kernel for gate in self.gates], axis=1).reshape(4 * units, inputs),
                "weights",
                f"{units} units x 4 gates x {inputs} inputs, int8",
                is_matrix=True,
            ),
            Constant(
                "recurrent_kernel",
                np.stack([gate.recurrent_kernel for gate in self.gates], axis=1).reshape(4 * units, units),
                "weights",
                f"{units} units x 4 gates x {units} hidden values, int8",
                is_matrix=True,
            ),
            Constant(
                "input_bias",
                np.stack([gate.input_bias for gate in gates], axis=1).astype(np.int32),
                "weights",
                f"{units} units x 4 gates: bias - input zero point * kernel row sum",
            ),
            Constant(
                "recurrent_bias",
                np.stack([gate.recurrent_bias for gate in gates], axis=1).astype(np.int32),
                "weights",
                f"{units} units x 4 gates: - hidden zero point * recurrent kernel row sum",
            ),
        )

    def problems(self, contract: Contract) -> list[str]:
        """Sums must fit 32 bits, and the hidden scale must not be absurdly small."""
        facts = self.facts(contract)
        found = []
        for gate, numbers in zip(self.gates, facts.gates, strict=True):
            reach = max(
                scales.accumulator_reach(gate.kernel, numbers.input_bias).max(),
                scales.accumulator_reach(gate.recurrent_kernel, numbers.recurrent_bias).max(),
            )
            multipliers = numbers.input_multiplier, numbers.recurrent_multiplier
            if reach >= 2**31 or max(multiplier.shift for multiplier in multipliers) > 30:
                found.append(f"layer {self.name!r}: the {numbers.name} gate's sums do not fit 32 bits")
        if facts.output_multiplier.shift > 0:
            found.append(f"layer {self.name!r}: hidden scale {self.output.quantization.scale:g} is below 2^-31")
        return found

    def simulate(
        self, contract: Contract, values: IntArray, state: tuple[IntArray, ...]
    ) -> tuple[IntArray, tuple[IntArray, ...]]:
        """Compute one step; see `Op.simulate`."""
        hidden, cell = (array.astype(np.int64) for array in state)
        arithmetic = self.facts(contract)
        z = [
            _preactivation(contract, gate, numbers, values, hidden)
            for gate, numbers in zip(self.gates, arithmetic.gates, strict=True)
        ]
        i, f, o = (activations.sigmoid(contract, z[index]) for index in (0, 1, 3))
        g = activations.tanh(contract, z[2], 3)
        cell = _next_cell(contract, arithmetic, i * g, f * cell)
        squashed = activations.tanh(contract, cell, arithmetic.cell_integer_bits)
        hidden = saturate8(
            requantize(squashed * o, arithmetic.output_multiplier) + arithmetic.hidden_zero_point
        )
        output = hidden.astype(np.int8)
        return output, (output, cell.astype(np.int16))

    def to_tflite(self, batch: int, timesteps: int) -> tuple[TfliteOperator, ...]:
        """Write one UNIDIRECTIONAL_SEQUENCE_LSTM."""
        return (_to_operator(self, batch, timesteps),)

    @classmethod
    def from_tflite(cls, operator: TfliteOperator, input_tensor: QuantizedTensor) -> Self:
        """Rebuild the op from a UNIDIRECTIONAL_SEQUENCE_LSTM that `check_tflite` accepts."""
        inputs = [tensor for tensor in operator.inputs if tensor is not None]
        kernels, recurrents, biases = inputs[1:5], inputs[5:9], inputs[9:13]
        cell, output = inputs[14], operator.outputs[0]
        gates = tuple(
            Gate(_data(w), w.scales[0], _data(r), r.scales[0], _data(b))
            for w, r, b in zip(kernels, recurrents, biases, strict=True)
        )
        return cls(
            name=output.name,
            input=input_tensor,
            output=QuantizedTensor.from_tflite(output, is_sequence=True),
            gates=gates,
            cell=Quantization(cell.scales[0], 0, "int16"),
            cell_clip=float(operator.options.get("cell_clip", 0.0)),
        )


@lru_cache(maxsize=64)
def _arithmetic(op: Lstm, contract: Contract) -> LstmArithmetic:
    """Derive the step's integers (numerics notes, section 3, "Prepare")."""
    hidden, cell_clip = op.output.quantization, op.cell_clip
    exponent = round(math.log2(op.cell.scale))
    if contract is Contract.LITERT:
        output_multiplier = quantize_multiplier(scales.float32(2.0**-15 / hidden.scale * 2.0**-15))
        cell_clip = scales.float32(cell_clip)
    else:
        output_multiplier = quantize_multiplier(2.0**-30 / hidden.scale)
    return LstmArithmetic(
        gates=tuple(_gate_arithmetic(contract, op, name, gate) for name, gate in zip(GATES, op.gates, strict=True)),
        cell_integer_bits=15 + exponent,
        cell_shift=30 + exponent,
        cell_limit=math.trunc(max(-32768.0, min(32767.0, cell_clip / op.cell.scale))),
        output_multiplier=output_multiplier,
        hidden_zero_point=hidden.zero_point,
    )


def _gate_arithmetic(contract: Contract, op: Lstm, name: str, gate: Gate) -> GateArithmetic:
    source, hidden = op.input.quantization, op.output.quantization
    kernel_rows = gate.kernel.astype(np.int64).sum(axis=1)
    recurrent_rows = gate.recurrent_kernel.astype(np.int64).sum(axis=1)
    recurrent_bias = -hidden.zero_point * recurrent_rows
    recurrent_multiplier = _gate_multiplier(contract, gate.recurrent_scale, hidden.scale)
    reach = int(scales.accumulator_reach(gate.recurrent_kernel, recurrent_bias).max())
    return GateArithmetic(
        name=name,
        input_bias=gate.bias.astype(np.int64) - source.zero_point * kernel_rows,
        input_multiplier=_gate_multiplier(contract, gate.kernel_scale, source.scale),
        recurrent_bias=recurrent_bias,
        recurrent_multiplier=recurrent_multiplier,
        recurrent_part_is_wide=reach << max(recurrent_multiplier.shift, 0) >= 2**30,
    )


def _data(tensor: TfliteTensor) -> AnyArray:
    assert tensor.data is not None
    return tensor.data


def _gate_multiplier(contract: Contract, weight_scale: float, value_scale: float) -> Multiplier:
    """LiteRT rounds the product of scales to float32, TFLM keeps it in float64."""
    product = weight_scale * value_scale
    return quantize_multiplier((scales.float32(product) if contract is Contract.LITERT else product) / GATE_SCALE)


def _dot(values: IntArray, weights: AnyArray) -> Int64Array:
    """Products of int8 sum up exactly in float64, which has a fast matrix product."""
    return np.rint(values.astype(np.float64) @ weights.T.astype(np.float64)).astype(np.int64)


def _preactivation(
    contract: Contract, gate: Gate, numbers: GateArithmetic, values: IntArray, hidden: Int64Array
) -> Int64Array:
    from_input = _dot(values, gate.kernel) + numbers.input_bias
    from_hidden = _dot(hidden, gate.recurrent_kernel) + numbers.recurrent_bias
    a = saturate16(requantize(from_input, numbers.input_multiplier))
    r = requantize(from_hidden, numbers.recurrent_multiplier)
    if contract is Contract.TFLM:
        r = saturate16(r)
    return saturate16(a + r)


def _next_cell(
    contract: Contract, arithmetic: LstmArithmetic, update: Int64Array, kept: Int64Array
) -> Int64Array:
    if contract is Contract.LITERT:
        cell = saturate16(rounding_shift(kept, 15) + rounding_shift(update, arithmetic.cell_shift))
    else:
        # TFLM multiplies by a mantissa of 2^30 even where the factor is a power of two, and so rounds twice.
        forget = quantize_multiplier(2.0**-15)
        fresh = quantize_multiplier(2.0**-arithmetic.cell_shift)
        cell = saturate16(saturate16(requantize(kept, forget)) + saturate16(requantize(update, fresh)))
    if arithmetic.cell_limit > 0:
        cell = np.clip(cell, -arithmetic.cell_limit, arithmetic.cell_limit)
    return cell


def _to_operator(op: Lstm, batch: int, timesteps: int) -> TfliteOperator:
    name, units, hidden = op.name, op.units, op.output.quantization

    def weights(role: str, values: AnyArray, scale: float) -> TfliteTensor:
        return TfliteTensor(f"{name}/{role}", values.shape, str(values.dtype), (scale,), (0,), data=values)

    kernels = [weights(f"{g}_kernel", v.kernel, v.kernel_scale) for g, v in zip(GATES, op.gates, strict=True)]
    recurrents = [
        weights(f"{g}_recurrent_kernel", v.recurrent_kernel, v.recurrent_scale)
        for g, v in zip(GATES, op.gates, strict=True)
    ]
    biases = [
        weights(f"{g}_bias", v.bias, scales.float32(op.input.quantization.scale * v.kernel_scale))
        for g, v in zip(GATES, op.gates, strict=True)
    ]
    states = [
        TfliteTensor(
            f"{name}/{state.name}",
            (batch, units),
            state.dtype,
            (state.quantization.scale,),
            (state.quantization.zero_point,),
            is_variable=True,
        )
        for state in op.state
    ]
    absent: list[TfliteTensor | None] = [None] * 3
    # Four float intermediates belong to layer normalization; LiteRT takes the hidden scale from the fifth.
    intermediates = [TfliteTensor(f"{name}/intermediate_{index}", (0,), "float32") for index in range(4)]
    intermediates.append(
        TfliteTensor(f"{name}/effective_hidden", (0,), "int8", (hidden.scale,), (hidden.zero_point,))
    )
    return TfliteOperator(
        builtin="UNIDIRECTIONAL_SEQUENCE_LSTM",
        inputs=(
            op.input.to_tflite(batch, timesteps), *kernels, *recurrents, *absent,
            *biases, None, None, *states, *absent, None,
        ),
        outputs=(op.output.to_tflite(batch, timesteps),),
        options={"fused_activation_function": "TANH", "cell_clip": op.cell_clip, "time_major": False},
        intermediates=tuple(intermediates),
    )  # fmt: skip
