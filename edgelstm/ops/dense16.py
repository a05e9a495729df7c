"""Dense on int16 values with int8 weights, as TensorFlow Lite Micro computes it."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from edgelstm.ir import Constant, IntArray, Matrix
from edgelstm.numerics.contracts import Contract
from edgelstm.numerics.fixedpoint import Int64Array, Multiplier, requantize_wide
from edgelstm.ops.fully_connected import FullyConnected
from edgelstm.ops.sums16 import exact_products, sum_problems


@dataclass(frozen=True, eq=False)
class Dense16(FullyConnected):
    """The integer Dense: int16 in, int16 out, a bias of int64."""

    kind: ClassVar[str] = "dense16"
    needs_tflm: ClassVar[bool] = True

    @property
    def library(self) -> tuple[str, ...]:
        """See `Op.library`."""
        return ("rows16",)

    @property
    def lowest_output(self) -> int:
        """What results are clamped at; 0 stands for real 0."""
        return 0 if self.relu else -(2**15)

    def multipliers(self, contract: Contract) -> tuple[Multiplier, ...]:
        """One multiplier per output."""
        return self.tflm_multipliers()

    def rounds_once(self, contract: Contract) -> bool:
        """See RowsFacts."""
        return True

    def problems(self, contract: Contract) -> list[str]:
        """Sums and what becomes of them must fit."""
        return sum_problems(f"layer {self.name!r}:", self.kernel, self.folded_bias(), self.multipliers(contract))

    def matrices(self, contract: Contract) -> tuple[Matrix, ...]:
        """The kernel, one row per output."""
        return (Matrix(self.kernel, self.folded_bias(), value_dtype="int16"),)

    def constants(self, contract: Contract) -> tuple[Constant, ...]:
        """One multiplier per output."""
        multipliers = self.multipliers(contract)
        mantissas = np.array([multiplier.reduced_mantissa for multiplier in multipliers], np.int16)
        shifts = np.array([15 - multiplier.shift for multiplier in multipliers], np.int8)
        meaning = "input scale * kernel scale / output scale of each output, as multiplier / 2^shift"
        return Constant("multiplier", mantissas, "weights", meaning), Constant("shift", shifts, "weights", "")

    def evaluate(self, contract: Contract, values: IntArray) -> IntArray:
        """See `RowsOp.evaluate`."""
        return self.scaled(contract, exact_products(values, self.kernel) + self.folded_bias())

    def scaled(self, contract: Contract, sums: Int64Array) -> IntArray:
        """See `RowsOp.scaled`."""
        columns = [
            requantize_wide(sums[..., row], multiplier) for row, multiplier in enumerate(self.multipliers(contract))
        ]
        stored: IntArray = np.clip(np.stack(columns, axis=-1), self.lowest_output, 2**15 - 1).astype(np.int16)
        return stored
