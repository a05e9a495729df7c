"""ADD and MUL of an int8 .tflite with a constant, as the converter writes BatchNormalization and Rescaling.

No layer of ours becomes one, because ours join the weights of a neighbour.
"""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from edgelstm.errors import UnsupportedModelError
from edgelstm.ir import (
    AnyArray,
    Constant,
    IntArray,
    Quantization,
    QuantizedTensor,
    TfliteOperator,
    TfliteTensor,
    UnaryOp,
)
from edgelstm.numerics.contracts import Contract
from edgelstm.numerics.fixedpoint import requantize
from edgelstm.ops.merge import Add, AddFacts, Multiply


@dataclass(frozen=True, eq=False)
class _MergeConstant(UnaryOp):
    """An int8 tensor and a constant for each of its features to one int8 tensor.

    Attributes:
        values: int8 (size,).
        constant: their scale and zero point.
    """

    merge: ClassVar[type[Add] | type[Multiply]]

    values: AnyArray
    constant: Quantization

    @property
    def merged(self) -> Add | Multiply:
        """The op that computes the same from two tensors."""
        other = QuantizedTensor(f"{self.name}/constant", self.input.size, self.input.is_sequence, self.constant)
        return self.merge(self.name, self.input, self.output, other)

    @property
    def parameters(self) -> int:
        """The constant."""
        return self.values.size

    def problems(self, contract: Contract) -> list[str]:
        """Those of two tensors."""
        return self.merged.problems(contract)

    @abstractmethod
    def second(self, contract: Contract) -> Constant:
        """What C combines with the input: the constant, as far as it can be computed beforehand."""

    def constants(self, contract: Contract) -> tuple[Constant, ...]:
        """See `second`."""
        return (self.second(contract),)

    def facts(self, contract: Contract) -> object:
        """Those of two tensors."""
        return self.merged.facts(contract)

    def simulate(
        self, contract: Contract, values: IntArray, state: tuple[IntArray, ...]
    ) -> tuple[IntArray, tuple[IntArray, ...]]:
        """See `Op.step`."""
        return self.merged.step(contract, (values, np.broadcast_to(self.values, values.shape)), ())

    def to_tflite(self, batch: int, timesteps: int) -> tuple[TfliteOperator, ...]:
        """One builtin operator."""
        (operator,) = self.merged.to_tflite(batch, timesteps)
        scale, zero_point = (self.constant.scale,), (self.constant.zero_point,)
        constant = TfliteTensor(f"{self.name}/constant", self.values.shape, "int8", scale, zero_point, data=self.values)
        inputs = (operator.inputs[0], constant)
        return (TfliteOperator(operator.builtin, inputs, operator.outputs, operator.options, version=operator.version),)

    @classmethod
    def from_tflite(cls, operator: TfliteOperator, input_tensor: QuantizedTensor) -> Self:
        """Rebuild the op from an operator that `check_tflite` accepts; a single number counts for every feature."""
        constants = [tensor for tensor in operator.inputs if tensor is not None and tensor.data is not None]
        output = QuantizedTensor.from_tflite(operator.outputs[0], is_sequence=input_tensor.is_sequence)
        if len(constants) != 1 or constants[0].data is None or constants[0].data.size not in (1, input_tensor.size):
            raise UnsupportedModelError(
                [f"{operator.builtin} {output.name!r}: only one number for each feature, or for all"]
            )
        values = np.broadcast_to(constants[0].data.ravel(), input_tensor.size)
        quantization = Quantization(constants[0].scales[0], constants[0].zero_points[0])
        return cls(output.name, input_tensor, output, values, quantization)


@dataclass(frozen=True, eq=False)
class AddConstant(_MergeConstant):
    """ADD."""

    kind: ClassVar[str] = "add_constant"
    merge: ClassVar[type[Add] | type[Multiply]] = Add

    def second(self, contract: Contract) -> Constant:
        """The constant's term of the sum."""
        facts = self.merged.facts(contract)
        assert isinstance(facts, AddFacts)
        wide = (self.values.astype(np.int64) - self.constant.zero_point) << facts.left_shift
        terms = requantize(wide, facts.other).astype(np.int32)
        return Constant("terms", terms, "other_constants", "The constant's term of each sum.")


@dataclass(frozen=True, eq=False)
class MultiplyConstant(_MergeConstant):
    """MUL."""

    kind: ClassVar[str] = "multiply_constant"
    merge: ClassVar[type[Add] | type[Multiply]] = Multiply

    def second(self, contract: Contract) -> Constant:
        """The constant without its zero point."""
        factors = (self.values.astype(np.int64) - self.constant.zero_point).astype(np.int16)
        scale = f"in steps of {self.constant.scale:.6g}"
        return Constant("factors", factors, "other_constants", f"What each value is multiplied with, {scale}.")
