"""What of a recurrent layer can be rounded by itself."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from edgelstm.ir import AnyArray, FloatArray, IntArray, Observe, Quantization
from edgelstm.numerics.contracts import Contract
from edgelstm.numerics.fixedpoint import Int64Array
from edgelstm.ops import scales
from edgelstm.simulate import dequantize_array, quantize_array

WEIGHTS, SUM, FUNCTION, STATE = "weights", "sum", "function", "state"
"""The weights and biases of a gate; its pre-activation; the function on it; a state that is kept for the next step."""

GATE_SUMS = Quantization(scales.GATE_SCALE, 0, "int16")
"""Pre-activations, Q3.12."""

_RESULT = 2.0**-15
"""What functions yield is Q0.15."""


class Part(NamedTuple):
    """A gate or a state, and what of it: one of WEIGHTS, SUM, FUNCTION, STATE."""

    of: str
    what: str


@dataclass(frozen=True, eq=False)
class GateRows:
    """Rows of stored weights (units, columns) of a gate, which meet the input or the hidden state."""

    gate: str
    meets: str
    rows: AnyArray


@dataclass(frozen=True)
class Rounding:
    """Rounds those parts that are named, and leaves all others as they are."""

    parts: frozenset[Part] = frozenset()
    contract: Contract = Contract.LITERT

    def weights(self, gate: str, real: FloatArray, stored: FloatArray) -> FloatArray:
        """The weights as trained, or as they are stored."""
        return stored if Part(gate, WEIGHTS) in self.parts else real

    def sum(self, gate: str, values: FloatArray, quantization: Quantization = GATE_SUMS) -> FloatArray:
        """Pre-activations; beyond what 16 bits hold they are clipped, too."""
        return _rounded(values, quantization) if Part(gate, SUM) in self.parts else values

    def state(self, name: str, values: FloatArray, quantization: Quantization) -> FloatArray:
        """What is kept for the next step, likewise."""
        return _rounded(values, quantization) if Part(name, STATE) in self.parts else values

    def function(
        self,
        gate: str,
        values: FloatArray,
        real: Callable[[FloatArray], FloatArray],
        integers: Callable[[Int64Array], Int64Array],
        quantization: Quantization = GATE_SUMS,
    ) -> FloatArray:
        """A function, with what its integer form is off by at the nearest stored value; clipping counts as SUM's."""
        exact = real(values)
        if Part(gate, FUNCTION) not in self.parts:
            return exact
        stored = quantize_array(values, quantization)
        return exact + integers(stored.astype(np.int64)) * _RESULT - real(dequantize_array(stored, quantization))


def _rounded(values: FloatArray, quantization: Quantization) -> FloatArray:
    return dequantize_array(quantize_array(values, quantization), quantization)


def stored_rows(rows: IntArray, row_scales: AnyArray | float) -> FloatArray:
    """Stored weights (units, columns) as real numbers, (columns, units)."""
    real: FloatArray = (rows * np.reshape(row_scales, (-1, 1))).T
    return real


class MixedCell(Protocol):
    """A recurrent layer of which some parts are rounded; a Layer otherwise."""

    @property
    def gates(self) -> tuple[str, ...]:
        """Names under which `compute` reports what gates yield, behind the layer's name and a slash."""

    @property
    def parts(self) -> tuple[Part, ...]:
        """All that can be rounded."""

    def rows(self) -> Iterator[GateRows]:
        """The stored weights of each gate."""

    def compute(self, inputs: tuple[FloatArray, ...], observe: Observe) -> FloatArray:
        """See `Layer.compute`."""

    def with_rounding(self, rounding: Rounding) -> "MixedCell":
        """The same layer with other parts rounded."""
