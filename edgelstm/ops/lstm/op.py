"""The integer LSTM step in both contracts.

Formulas: the integer LSTM of TensorFlow Lite (8-bit inputs and hidden state, 16-bit cell state) and of TensorFlow Lite
Micro, compared with the runtimes themselves in the tests.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
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
from edgelstm.numerics.fixedpoint import (
    Int64Array,
    requantize,
    saturate8,
    saturate16,
)
from edgelstm.numerics.gate_functions import GateFunction
from edgelstm.ops import scales
from edgelstm.ops.lstm.arithmetic import Gate, GateArithmetic, LstmArithmetic, lstm_arithmetic
from edgelstm.ops.lstm.base import LstmOp
from edgelstm.ops.lstm.operator import as_custom, lstm_operator
from edgelstm.ops.lstm.step import next_cell, unit_by_unit

_EFFECTIVE_HIDDEN = 4
"""The intermediate that gives LiteRT the hidden state's quantization."""


@dataclass(frozen=True, eq=False)
class Lstm(LstmOp):
    """The integer LSTM step.

    Attributes:
        gates: input, forget, cell, output.
        cell_clip: the real bound of the cell state, 0 for none.
        gate: the function of input, forget and output gate; with another than sigmoid the op is `native`.
        written: scale and zero point with which a step writes the hidden state, where they are not the output's.
            TensorFlow's converter leaves such files behind; LiteRT takes the bytes of one scale for those of another.
        recurrent: those with which the gates read it, likewise.
        shows_cell: whether other ops read the cell state.
    """

    kind: ClassVar[str] = "lstm"

    gates: tuple[Gate, ...]
    cell_clip: float = 0.0
    gate: GateFunction = GateFunction.SIGMOID
    written: Quantization | None = None
    recurrent: Quantization | None = None
    shows_cell: bool = False

    @property
    def is_native(self) -> bool:
        """The runtimes' integer LSTM knows sigmoid alone, starts from zeros and keeps its cell state to itself."""
        return self.gate is not GateFunction.SIGMOID or self.shows_cell or bool(self.initial_state)

    @property
    def exposed(self) -> Mapping[str, QuantizedTensor]:
        """See `Op.exposed`."""
        tensor = QuantizedTensor(f"{self.output.name}/cell_steps", self.units, True, self.cell)
        return {"cell": tensor} if self.shows_cell else {}

    def exposing(self, array: str) -> Self:
        """See `Op.exposing`."""
        return replace(self, shows_cell=True) if array == "cell" else super().exposing(array)

    @property
    def library(self) -> tuple[str, ...]:
        """See `Op.library`."""
        return ("activations", *(("hard_sigmoid",) if self.gate.factor else ()))

    @property
    def hidden(self) -> Quantization:
        """See `LstmOp.hidden`."""
        return self.recurrent or self.output.quantization

    def facts(self, contract: Contract) -> LstmArithmetic:
        """Every integer of the step that is not a weight."""
        # TFLite Micro takes the state's own scale for both.
        written = self.hidden if contract is Contract.TFLM else self.written or self.output.quantization
        source = self.input.quantization
        return lstm_arithmetic(contract, self.gates, source, written, self.hidden, self.cell, self.cell_clip)

    def matrices(self, contract: Contract) -> tuple[Matrix, ...]:
        """Kernel and recurrent kernel, unit by unit: the four gates of a unit stand together."""
        gates = self.facts(contract).gates
        return (
            Matrix(
                unit_by_unit([gate.kernel for gate in self.gates]),
                np.stack([gate.input_bias for gate in gates], axis=1).ravel(),
                tuple(gate.input_multiplier for gate in gates),
            ),
            Matrix(
                unit_by_unit([gate.recurrent_kernel for gate in self.gates]),
                np.stack([gate.recurrent_bias for gate in gates], axis=1).ravel(),
                tuple(gate.recurrent_multiplier for gate in gates),
            ),
        )

    def problems(self, contract: Contract) -> list[str]:
        """Sums must fit 32 bits, and the hidden scale must not be absurdly small."""
        facts = self.facts(contract)
        found = self.initial_problems()
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
        i, f, o = (self.gate.integers(contract, z[index]) for index in (0, 1, 3))
        g = activations.tanh(contract, z[2], 3)
        cell = next_cell(contract, arithmetic, i * g, f * cell)
        squashed = activations.tanh(contract, cell, arithmetic.cell_integer_bits)
        hidden = saturate8(requantize(squashed * o, arithmetic.output_multiplier) + arithmetic.hidden_zero_point)
        output = hidden.astype(np.int8)
        return output, (output, cell.astype(np.int16))

    def to_tflite(self, batch: int, timesteps: int) -> tuple[TfliteOperator, ...]:
        """Write one UNIDIRECTIONAL_SEQUENCE_LSTM, or a custom operator like it for what that cannot say."""
        written = self.written or self.output.quantization
        operator = lstm_operator(
            self.input, self.output, written, self.gates, self.state, self.cell_clip, batch, timesteps
        )
        if not self.is_native:
            return (operator,)
        exposed = [tensor.to_tflite(batch, timesteps) for tensor in self.exposed.values()]
        return (as_custom(operator, self.gate, self.vectors_to_tflite(batch), exposed),)

    @classmethod
    def from_tflite(cls, operator: TfliteOperator, input_tensor: QuantizedTensor) -> Self:
        """Rebuild the op from one of the two operators, as `check_tflite` accepts them."""
        inputs = [tensor for tensor in operator.inputs if tensor is not None]
        kernels, recurrents, biases = inputs[1:5], inputs[5:9], inputs[9:13]
        hidden, cell = inputs[13:15]
        output = QuantizedTensor.from_tflite(operator.outputs[0], is_sequence=True)
        gates = tuple(
            Gate(_data(w), w.scales[0], _data(r), r.scales[0], _data(b))
            for w, r, b in zip(kernels, recurrents, biases, strict=True)
        )
        return cls(
            name=output.name,
            input=input_tensor,
            output=output,
            gates=gates,
            cell=Quantization(cell.scales[0], 0, "int16"),
            cell_clip=float(operator.options.get("cell_clip", 0.0)),
            gate=GateFunction(operator.options.get("gate", "sigmoid")),
            written=_other_than(output.quantization, operator.intermediates[_EFFECTIVE_HIDDEN]),
            recurrent=_other_than(output.quantization, hidden),
            shows_cell=len(operator.outputs) > 1,
        )


def _other_than(expected: Quantization, tensor: TfliteTensor) -> Quantization | None:
    found = Quantization(tensor.scales[0], tensor.zero_points[0])
    return None if found == expected else found


def _data(tensor: TfliteTensor) -> AnyArray:
    assert tensor.data is not None
    return tensor.data


def _dot(values: IntArray, weights: AnyArray) -> Int64Array:
    """Products of int8 sum up exactly in float64, which has a fast matrix product."""
    exact: Int64Array = np.rint(values.astype(np.float64) @ weights.T.astype(np.float64)).astype(np.int64)
    return exact


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
