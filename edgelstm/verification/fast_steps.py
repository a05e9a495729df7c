"""Steps of recurrent ops along a known sequence, with less to do at each: the same integers as `Op.step`.

What a step adds of its input is computed for all steps at once, and the four gates of an LSTM are one product.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgelstm.ir import IntArray, Op
from edgelstm.numerics import activations
from edgelstm.numerics.contracts import Contract
from edgelstm.numerics.fixedpoint import (
    Int64Array,
    Multiplier,
    high_multiply,
    requantize,
    saturate8,
    saturate16,
    wrap32,
)
from edgelstm.ops.lstm import Lstm
from edgelstm.ops.lstm.step import next_cell

State = tuple[IntArray, ...]
Step = Callable[[int, State], tuple[IntArray, State]]
"""From the number of a step and the state before it to what the op yields and the state behind it."""


def steps_of(op: Op, contract: Contract, values: IntArray) -> Step:
    """The steps of an op with one input, of which `values` (batch, time, size) are all."""
    if type(op) is Lstm:
        return _LstmSteps.of(op, contract, values)
    return lambda t, state: op.step(contract, (values[:, t],), state)


@dataclass(frozen=True, eq=False)
class _LstmSteps:
    """See `Step`. Columns are those of the gates i, f, o, g one behind the other.

    Attributes:
        from_input: (batch, time, columns) Q3.12, the input's part of the pre-activations.
        recurrent: (units, columns), whole numbers.
        bias: (columns,).
        scaling: of the recurrent part to Q3.12.
    """

    op: Lstm
    contract: Contract
    from_input: Int64Array
    recurrent: np.ndarray[Any, np.dtype[np.float64]]
    bias: Int64Array
    scaling: "_ColumnScaling"

    @classmethod
    def of(cls, op: Lstm, contract: Contract, values: IntArray) -> "_LstmSteps":
        gates = [(op.gates[index], op.facts(contract).gates[index]) for index in (0, 1, 3, 2)]
        real = values.astype(np.float64)
        parts = [
            saturate16(
                requantize(_whole(real @ gate.kernel.T.astype(np.float64)) + facts.input_bias, facts.input_multiplier)
            )
            for gate, facts in gates
        ]
        return cls(
            op,
            contract,
            np.concatenate(parts, axis=-1),
            np.concatenate([gate.recurrent_kernel.T.astype(np.float64) for gate, _ in gates], axis=1),
            np.concatenate([facts.recurrent_bias for _, facts in gates]),
            _ColumnScaling.of([facts.recurrent_multiplier for _, facts in gates], op.units),
        )

    def __call__(self, t: int, state: State) -> tuple[IntArray, State]:
        hidden, cell = state
        arithmetic, units = self.op.facts(self.contract), self.op.units
        from_hidden = self.scaling.apply(_whole(hidden.astype(np.float64) @ self.recurrent) + self.bias)
        if self.contract is Contract.TFLM:
            from_hidden = saturate16(from_hidden)
        z = saturate16(self.from_input[:, t] + from_hidden)
        gates = self.op.gate.integers(self.contract, z[:, : 3 * units])
        i, f, o = gates[:, :units], gates[:, units : 2 * units], gates[:, 2 * units :]
        g = activations.tanh(self.contract, z[:, 3 * units :], 3)
        after = next_cell(self.contract, arithmetic, i * g, f * cell.astype(np.int64))
        squashed = activations.tanh(self.contract, after, arithmetic.cell_integer_bits)
        scaled = requantize(squashed * o, arithmetic.output_multiplier)
        output = saturate8(scaled + arithmetic.hidden_zero_point).astype(np.int8)
        return output, (output, after.astype(np.int16))


@dataclass(frozen=True, eq=False)
class _ColumnScaling:
    """`requantize` with a multiplier for each column."""

    mantissas: Int64Array
    left: Int64Array
    right: Int64Array
    half: Int64Array
    rounds: Int64Array

    @classmethod
    def of(cls, multipliers: list[Multiplier], units: int) -> "_ColumnScaling":
        """One multiplier for each block of columns."""
        shifts = np.repeat(np.array([one.shift for one in multipliers], np.int64), units)
        right = np.maximum(-shifts, 0)
        half = np.where(right > 0, np.left_shift(1, np.maximum(right - 1, 0)), 0)
        mantissas = np.repeat(np.array([one.mantissa for one in multipliers], np.int64), units)
        return cls(mantissas, np.maximum(shifts, 0), right, half, (right > 0).astype(np.int64))

    def apply(self, sums: Int64Array) -> Int64Array:
        high = high_multiply(wrap32(sums << self.left), self.mantissas)
        result: Int64Array = (high + self.half - self.rounds * (high < 0)) >> self.right
        return result


def _whole(values: np.ndarray[Any, np.dtype[np.float64]]) -> Int64Array:
    """Products of int8 sum up exactly in float64."""
    whole: Int64Array = np.rint(values).astype(np.int64)
    return whole
