"""The integer GRU step of the `native` contract; docs/numerics.md has the formulas and their reasons."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Self

import numpy as np

from edgelstm.ir import IntArray, Matrix, Quantization, QuantizedTensor, StateArray, TfliteOperator
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
from edgelstm.numerics.gate_functions import GateFunction
from edgelstm.ops import scales
from edgelstm.ops.projection import Projection, gates_library, padded_rows, projection_tensors
from edgelstm.ops.projections import projections_from, within_16_bits
from edgelstm.ops.recurrent_op import RecurrentOp

GATES = ("update", "reset", "candidate")
HIDDEN_Q15 = Quantization(2.0**-15, 0, "int16")
"""The hidden state between steps: a GRU keeps old values by adding small differences, which 8 bits would lose."""


@dataclass(frozen=True, eq=False)
class GruFacts:
    """What the template needs beside the op: the factor from Q0.15 to the hidden state's scale, and by how much the
    product of the reset gate and what it acts on is shifted."""

    hidden_multiplier: Multiplier
    hidden_zero_point: int
    padded_units: int
    reset_shift: int


@dataclass(frozen=True, eq=False)
class Gru(RecurrentOp):
    """The integer GRU step.

    Attributes:
        kernels: of update, reset and candidate, (units, input size) each.
        recurrent_kernels: (units, units) each.
        reset_after: whether the reset gate acts on the recurrent sums, or on the hidden state before them.
        gate: the function of update and reset gate.
    """

    kind: ClassVar[str] = "gru"

    filled: ClassVar[tuple[tuple[str, ...], ...]] = (("hidden", "hidden_q15"),)

    kernels: tuple[Projection, ...]
    recurrent_kernels: tuple[Projection, ...]
    reset_after: bool
    gate: GateFunction

    @property
    def is_native(self) -> bool:
        """No runtime has an integer kernel."""
        return True

    @property
    def library(self) -> tuple[str, ...]:
        """Headers of the gates and activations."""
        return ("activations", gates_library(self.kernels[0]), *(("hard_sigmoid",) if self.gate.factor else ()))

    @property
    def units(self) -> int:
        """Size of the hidden state."""
        return self.output.size

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one step."""
        return 3 * self.units * (self.input.size + self.units)

    @property
    def parameters(self) -> int:
        """Kernels, recurrent kernels and biases, as Keras counts them."""
        return self.macs + (6 if self.reset_after else 3) * self.units

    @property
    def state(self) -> tuple[StateArray, ...]:
        """The hidden state as the kernels and the next layer see it, and as it is carried on."""
        return (
            scales.hidden_state(self.units, self.output.quantization),
            StateArray("hidden_q15", "int16", self.units, 0, HIDDEN_Q15),
        )

    @cached_property
    def recurrent_parts(self) -> tuple[Projection, ...]:
        """The recurrent kernels as they are computed: what the reset gate multiplies fits 16 bits."""
        if not self.reset_after:
            return self.recurrent_kernels
        return (*self.recurrent_kernels[:2], within_16_bits(self.recurrent_kernels[2]))

    @property
    def reset_shift(self) -> int:
        """From Q0.15 times the candidate's recurrent part to Q3.12."""
        return 15 - round(math.log2(self.recurrent_parts[2].result_scale / scales.GATE_SCALE))

    def facts(self, contract: Contract) -> GruFacts:
        """See GruFacts."""
        hidden = self.output.quantization
        multiplier = quantize_multiplier(HIDDEN_Q15.scale / hidden.scale)
        return GruFacts(multiplier, hidden.zero_point, padded_rows(self.units), self.reset_shift)

    def matrices(self, contract: Contract) -> tuple[Matrix, ...]:
        """Of each gate kernel and recurrent kernel; the candidate's in a stream of its own unless `reset_after`."""
        return self._matrices(3 if self.reset_after else 2)[: 6 if self.reset_after else 4]

    def second_matrices(self, contract: Contract) -> tuple[Matrix, ...]:
        """The candidate's, which must wait for all reset gates."""
        return () if self.reset_after else self._matrices(3)[4:]

    def _matrices(self, gates: int) -> tuple[Matrix, ...]:
        pairs = zip(self.kernels[:gates], self.recurrent_parts[:gates], strict=True)
        return tuple(one.matrix() for pair in pairs for one in pair)

    def problems(self, contract: Contract) -> list[str]:
        """Sums must fit 32 bits, and the hidden scale must not be absurdly small."""
        found = self.initial_problems()
        found += [
            f"layer {self.name!r}: the {name} gate's sums do not fit 32 bits, or its scales lie too far apart"
            for name, pair in zip(GATES, zip(self.kernels, self.recurrent_parts, strict=True), strict=True)
            if not all(one.fits() for one in pair)
        ]
        if self.reset_after and self.recurrent_parts[2].reach >= 2**15:
            found.append(f"layer {self.name!r}: the candidate's recurrent weights are too large for the reset gate")
        if self.facts(contract).hidden_multiplier.shift > 0:
            found.append(f"layer {self.name!r}: hidden scale {self.output.quantization.scale:g} is not above 2^-15")
        return found

    def simulate(
        self, contract: Contract, values: IntArray, state: tuple[IntArray, ...]
    ) -> tuple[IntArray, tuple[IntArray, ...]]:
        """Compute one step; see `Op.simulate`."""
        hidden, carried = state[0], state[1].astype(np.int64)
        gates = [
            self.gate.integers(contract, _sum(self.kernels[index], values, self.recurrent_parts[index].apply(hidden)))
            for index in (0, 1)
        ]
        candidate = activations.tanh(contract, self._candidate(values, hidden, carried, gates[1]), 3)
        # z * h + (1 - z) * n in Q0.15, where 1 is 2^15; rounded once, half up.
        carried = (gates[0] * carried + (2**15 - gates[0]) * candidate + 2**14) >> 15
        output = self._to_hidden(carried)
        return output, (output, carried.astype(np.int16))

    def _candidate(self, values: IntArray, hidden: IntArray, carried: Int64Array, reset: Int64Array) -> Int64Array:
        """The candidate's pre-activation, Q3.12."""
        if self.reset_after:
            recalled = self.recurrent_parts[2].apply(hidden)
            return _sum(self.kernels[2], values, rounding_shift(reset * recalled, self.reset_shift))
        kept = self._to_hidden(rounding_shift(reset * carried, 15))
        return _sum(self.kernels[2], values, self.recurrent_parts[2].apply(kept))

    def _to_hidden(self, carried: Int64Array) -> IntArray:
        """Q0.15 to 8 bits."""
        facts = self.facts(Contract.NATIVE)
        stored: IntArray = saturate8(requantize(carried, facts.hidden_multiplier) + facts.hidden_zero_point).astype(
            np.int8
        )
        return stored

    def to_tflite(self, batch: int, timesteps: int) -> tuple[TfliteOperator, ...]:
        """Write a custom operator: it keeps the layer, no official interpreter runs it."""
        tensors = [
            tensor
            for gate, *pair in zip(GATES, self.kernels, self.recurrent_kernels, strict=True)
            for role, projection in zip(("kernel", "recurrent_kernel"), pair, strict=True)
            for tensor in projection_tensors(f"{self.output.name}/{gate}_{role}", projection)
        ]
        states = [state.to_tflite(f"{self.output.name}/{state.name}", batch) for state in self.state]
        return (
            TfliteOperator(
                "CUSTOM:edgelstm.gru",
                (self.input.to_tflite(batch, timesteps), *tensors, *states, *self.vectors_to_tflite(batch)),
                (self.output.to_tflite(batch, timesteps),),
                {"reset_after": self.reset_after, "gate": self.gate.value},
            ),
        )

    @classmethod
    def from_tflite(cls, operator: TfliteOperator, input_tensor: QuantizedTensor) -> Self:
        """Rebuild the op from the custom operator that `check_tflite` accepts."""
        output = QuantizedTensor.from_tflite(operator.outputs[0], is_sequence=True)
        values = (input_tensor.quantization, output.quantization) * len(GATES)
        projections = projections_from(operator.inputs[1:13], values, (scales.GATE_SCALE,) * 6)
        return cls(
            name=output.name,
            input=input_tensor,
            output=output,
            kernels=projections[0::2],
            recurrent_kernels=projections[1::2],
            reset_after=bool(operator.options["reset_after"]),
            gate=GateFunction(operator.options["gate"]),
        )


def _sum(kernel: Projection, values: IntArray, recurrent_part: Int64Array) -> Int64Array:
    """Input part and recurrent part of a gate, Q3.12. Only their sum is clipped: large parts may cancel out."""
    return saturate16(kernel.apply(values) + recurrent_part)
