"""Sigmoid and tanh as layers of their own on int16 values, as TensorFlow Lite Micro computes them."""

import math
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from edgelstm.errors import UnsupportedModelError
from edgelstm.ir import IntArray, QuantizedTensor, TfliteOperator, UnaryOp
from edgelstm.numerics.activations import tflm_squash
from edgelstm.numerics.contracts import Contract
from edgelstm.ops import scales

BUILTINS = {"sigmoid": "LOGISTIC", "tanh": "TANH"}

_TABLE_SCALE = 3.0 * 2.0**12
"""Steps of the table's argument for a real 1."""

_LARGEST_SCALE = 2.0**15 / _TABLE_SCALE


@dataclass(frozen=True)
class ArgumentScaling:
    """What makes the table's argument of a stored value: (value * factor + half of 2^shift) >> shift."""

    factor: int
    shift: int


@dataclass(frozen=True, eq=False)
class Activation16(UnaryOp):
    """The integer function.

    Attributes:
        function: "sigmoid" or "tanh".
    """

    kind: ClassVar[str] = "activation16"
    needs_tflm: ClassVar[bool] = True

    function: str

    @classmethod
    def on(cls, name: str, tensor: QuantizedTensor, function: str) -> Self:
        """The op that follows `tensor`; its scale is fixed."""
        output = QuantizedTensor(name, tensor.size, tensor.is_sequence, scales.Q15, channels=tensor.channels)
        return cls(name, tensor, output, function)

    @property
    def library(self) -> tuple[str, ...]:
        """See `Op.library`."""
        return ("activations", "squash16")

    def facts(self, contract: Contract) -> ArgumentScaling:
        """As TFLite Micro prepares it: a power of two is multiplied exactly, others by 14 to 15 bits."""
        scale = self.input.quantization.scale
        exponent = round(math.log2(scale))
        if 2.0**exponent == scale and exponent + 12 in ((0,) if self.function == "sigmoid" else (0, 1)):
            return ArgumentScaling(3 << (exponent + 12), 0)
        factor, shift = scale * _TABLE_SCALE, 0
        while factor <= 32767.0 / 2.0 and shift <= 30:
            factor, shift = 2.0 * factor, shift + 1
        return ArgumentScaling(int(factor), shift)

    def problems(self, contract: Contract) -> list[str]:
        """The factor must fit 15 bits."""
        if self.input.quantization.scale < _LARGEST_SCALE:
            return []
        return [f"layer {self.name!r}: input scale {self.input.quantization.scale:g} is absurdly large"]

    def simulate(
        self, contract: Contract, values: IntArray, state: tuple[IntArray, ...]
    ) -> tuple[IntArray, tuple[IntArray, ...]]:
        """Compute one evaluation; see `Op.simulate`."""
        scaling = self.facts(contract)
        half = 1 << (scaling.shift - 1) if scaling.shift else 0
        arguments = (values.astype(np.int64) * scaling.factor + half) >> scaling.shift
        return tflm_squash(self.function, arguments).astype(np.int16), ()

    def to_tflite(self, batch: int, timesteps: int) -> tuple[TfliteOperator, ...]:
        """Write one operator."""
        source, result = (tensor.to_tflite(batch, timesteps) for tensor in (self.input, self.output))
        return (TfliteOperator(BUILTINS[self.function], (source,), (result,), version=3),)

    @classmethod
    def from_tflite(cls, operator: TfliteOperator, input_tensor: QuantizedTensor) -> Self:
        """Rebuild the op from the operator of its function."""
        function = next((name for name, builtin in BUILTINS.items() if builtin == operator.builtin), "")
        if not function:
            raise UnsupportedModelError(
                [f"{operator.builtin} {operator.outputs[0].name!r}: on int16, only sigmoid and tanh"]
            )
        return cls.on(operator.outputs[0].name, input_tensor, function)
