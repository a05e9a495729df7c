"""Integer arithmetic on tensors of whole numbers, with the gradients of the real numbers that they stand for.

Tensors are float64, which holds every int32 and every sum of products of int8 exactly, so that the forward values are
those of `edgelstm.numerics.fixedpoint`. Rounding passes gradients on as they are; what is clamped passes none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from edgelstm.ir import AnyArray
from edgelstm.numerics.fixedpoint import Multiplier

Tensor = Any
"""A tensor of the backend."""

Constants = Mapping[str, Tensor]

HALF_TABLE = 2**15
"""Where a table over all int16 values has that of 0."""


@dataclass(frozen=True)
class Straight:
    """The arithmetic on the backend of `keras`."""

    keras: ModuleType

    @property
    def ops(self) -> Any:
        """Keras' operations."""
        return self.keras.ops

    def through(self, exact: Tensor, smooth: Tensor) -> Tensor:
        """The value of `exact` with the gradient of `smooth`."""
        stop = self.ops.stop_gradient
        return stop(exact) + (smooth - stop(smooth))

    def half_up(self, values: Tensor) -> Tensor:
        """To the nearest whole number, halves up."""
        return self.through(self.ops.floor(values + 0.5), values)

    def away(self, values: Tensor) -> Tensor:
        """To the nearest whole number, halves away from zero."""
        rounded = self.ops.sign(values) * self.ops.floor(self.ops.abs(values) + 0.5)
        return self.through(rounded, values)

    def saturate8(self, values: Tensor) -> Tensor:
        """Clamp to int8."""
        return self.ops.clip(values, -128.0, 127.0)

    def saturate16(self, values: Tensor) -> Tensor:
        """Clamp to int16."""
        return self.ops.clip(values, -32768.0, 32767.0)

    def requantize(self, values: Tensor, constants: Constants, name: str) -> Tensor:
        """`fixedpoint.requantize` by the constants that `multipliers` made under that name."""
        high = self.half_up(values * constants[f"{name}_left"] * constants[f"{name}_mantissa"])
        return self.away(high * constants[f"{name}_right"])

    def look_up(self, table: Tensor, values: Tensor, smooth: Tensor) -> Tensor:
        """Results of a table over all int16 values, with the gradient of a smooth function."""
        index = self.ops.cast(self.ops.stop_gradient(values), "int32") + HALF_TABLE
        return self.through(self.ops.take(table, index, axis=0), smooth)


def multipliers(name: str, factors: Sequence[Multiplier]) -> dict[str, AnyArray]:
    """Multipliers, one for each result, as `Straight.requantize` wants them: all parts are exact in float64."""
    shifts = np.array([factor.shift for factor in factors])
    return {
        f"{name}_left": np.ldexp(1.0, np.maximum(shifts, 0)),
        f"{name}_mantissa": np.ldexp(np.array([float(factor.mantissa) for factor in factors]), -31),
        f"{name}_right": np.ldexp(1.0, np.minimum(shifts, 0)),
    }


def every_int16() -> AnyArray:
    """The arguments of a table."""
    return np.arange(-HALF_TABLE, HALF_TABLE, dtype=np.int64)
