"""The integer LSTM step on int16 values with int8 weights, as TensorFlow Lite Micro computes it.

Gates' sums have 64 bits there and a bias of int64; what follows is the step of the `tflm` contract, but for a hidden
state of int16. LiteRT has no such kernel.
"""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from edgelstm.ir import (
    AnyArray,
    IntArray,
    Matrix,
    Quantization,
    QuantizedTensor,
    TfliteOperator,
    TfliteTensor,
)
from edgelstm.numerics import activations
from edgelstm.numerics.contracts import Contract
from edgelstm.numerics.fixedpoint import Int64Array, requantize, requantize_wide, saturate16
from edgelstm.ops.lstm.arithmetic import Gate, GateArithmetic, LstmArithmetic, lstm_arithmetic
from edgelstm.ops.lstm.base import LstmOp
from edgelstm.ops.lstm.operator import lstm_operator
from edgelstm.ops.lstm.step import next_cell, unit_by_unit
from edgelstm.ops.sums16 import exact_products, sum_problems


@dataclass(frozen=True, eq=False)
class Lstm16(LstmOp):
    """The integer LSTM step.

    Attributes:
        gates: input, forget, cell, output; their biases are int64.
        cell_clip: the real bound of the cell state, 0 for none.
    """

    kind: ClassVar[str] = "lstm16"
    needs_tflm: ClassVar[bool] = True

    gates: tuple[Gate, ...]
    cell_clip: float = 0.0

    @property
    def library(self) -> tuple[str, ...]:
        """See `Op.library`."""
        return ("activations", "rows16", "squash16")

    def facts(self, contract: Contract) -> LstmArithmetic:
        """Every integer of the step that is not a weight."""
        hidden = self.output.quantization
        source = self.input.quantization
        return lstm_arithmetic(Contract.TFLM, self.gates, source, hidden, hidden, self.cell, self.cell_clip)

    def matrices(self, contract: Contract) -> tuple[Matrix, ...]:
        """Kernel and recurrent kernel, unit by unit: the four gates of a unit stand together."""
        gates = self.facts(contract).gates
        return (
            Matrix(
                unit_by_unit([gate.kernel for gate in self.gates]),
                np.stack([gate.input_bias for gate in gates], axis=1).ravel(),
                tuple(gate.input_multiplier for gate in gates),
                value_dtype="int16",
            ),
            Matrix(
                unit_by_unit([gate.recurrent_kernel for gate in self.gates]),
                np.stack([gate.recurrent_bias for gate in gates], axis=1).ravel(),
                tuple(gate.recurrent_multiplier for gate in gates),
                value_dtype="int16",
            ),
        )

    def problems(self, contract: Contract) -> list[str]:
        """Sums and what becomes of them must fit, and the hidden scale must not be absurdly small."""
        facts = self.facts(contract)
        found = []
        for gate, numbers in zip(self.gates, facts.gates, strict=True):
            where = f"layer {self.name!r}: the {numbers.name} gate's"
            found += sum_problems(where, gate.kernel, numbers.input_bias, (numbers.input_multiplier,))
            found += sum_problems(where, gate.recurrent_kernel, numbers.recurrent_bias, (numbers.recurrent_multiplier,))
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
            _preactivation(gate, numbers, values, hidden)
            for gate, numbers in zip(self.gates, arithmetic.gates, strict=True)
        ]
        i, f, o = (activations.sigmoid(Contract.TFLM, z[index]) for index in (0, 1, 3))
        g = activations.tanh(Contract.TFLM, z[2], 3)
        cell = next_cell(Contract.TFLM, arithmetic, i * g, f * cell)
        squashed = activations.tanh(Contract.TFLM, cell, arithmetic.cell_integer_bits)
        output = saturate16(requantize(squashed * o, arithmetic.output_multiplier)).astype(np.int16)
        return output, (output, cell.astype(np.int16))

    def to_tflite(self, batch: int, timesteps: int) -> tuple[TfliteOperator, ...]:
        """Write one UNIDIRECTIONAL_SEQUENCE_LSTM."""
        written = self.output.quantization
        return (
            lstm_operator(self.input, self.output, written, self.gates, self.state, self.cell_clip, batch, timesteps),
        )

    @classmethod
    def from_tflite(cls, operator: TfliteOperator, input_tensor: QuantizedTensor) -> Self:
        """Rebuild the op from the operator, as `check_tflite` accepts it."""
        inputs = [tensor for tensor in operator.inputs if tensor is not None]
        output = QuantizedTensor.from_tflite(operator.outputs[0], is_sequence=True)
        return cls(
            name=output.name,
            input=input_tensor,
            output=output,
            gates=tuple(
                Gate(_data(kernel), kernel.scales[0], _data(recurrent), recurrent.scales[0], _data(bias))
                for kernel, recurrent, bias in zip(inputs[1:5], inputs[5:9], inputs[9:13], strict=True)
            ),
            cell=Quantization(inputs[14].scales[0], 0, "int16"),
            cell_clip=float(operator.options.get("cell_clip", 0.0)),
        )


def _data(tensor: TfliteTensor) -> AnyArray:
    assert tensor.data is not None
    return tensor.data


def _preactivation(gate: Gate, numbers: GateArithmetic, values: IntArray, hidden: Int64Array) -> Int64Array:
    from_input = exact_products(values, gate.kernel) + numbers.input_bias
    from_hidden = exact_products(hidden, gate.recurrent_kernel) + numbers.recurrent_bias
    a = saturate16(requantize_wide(from_input, numbers.input_multiplier))
    r = saturate16(requantize_wide(from_hidden, numbers.recurrent_multiplier))
    return saturate16(a + r)
