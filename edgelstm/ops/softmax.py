"""Softmax over the features of a vector or of each step."""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from edgelstm.errors import UnsupportedModelError
from edgelstm.ir import (
    FloatArray,
    IntArray,
    KerasLayer,
    Layer,
    Observe,
    Op,
    QuantizedTensor,
    Ranges,
    SourceLayer,
    Tensor,
    TfliteOperator,
    UnaryOp,
)
from edgelstm.numerics.contracts import Contract
from edgelstm.numerics.softmax import SoftmaxScaling, softmax, softmax_scaling
from edgelstm.ops import scales
from edgelstm.ops.options import axis_problems
from edgelstm.ops.softmax16 import Softmax16

MOST_CLASSES = 511


@dataclass(frozen=True, eq=False)
class SoftmaxLayer(KerasLayer):
    """exp(x) / sum(exp(x)) along the features."""

    takes_mask: ClassVar[bool] = True

    @classmethod
    def keras_problems(cls, source: SourceLayer, input_tensor: Tensor) -> list[str]:
        """Only the feature axis is supported."""
        return axis_problems(source, input_tensor)

    @classmethod
    def from_keras(cls, source: SourceLayer, input_tensor: Tensor) -> tuple[Layer, ...]:
        """Build the layer from Keras' Softmax."""
        return (cls.after(source.name, input_tensor),)

    @classmethod
    def after(cls, name: str, input_tensor: Tensor) -> "SoftmaxLayer":
        """The layer that follows `input_tensor`."""
        return cls(name=name, input=input_tensor, output=Tensor(name, input_tensor.size, input_tensor.is_sequence))

    def forward(self, inputs: FloatArray, observe: Observe) -> FloatArray:
        """Same shape as the input."""
        powers = np.exp(inputs - inputs.max(axis=-1, keepdims=True))
        result: FloatArray = powers / powers.sum(axis=-1, keepdims=True)
        return result

    def quantize(self, ranges: Ranges, input_tensor: QuantizedTensor) -> "Softmax":
        """The output's scale is fixed."""
        output = QuantizedTensor(self.output.name, input_tensor.size, input_tensor.is_sequence, scales.SIGMOID_OUTPUT)
        return Softmax(name=self.name, input=input_tensor, output=output)

    @property
    def has_int16(self) -> bool:
        """See `Layer.has_int16`."""
        return True

    def to_ops16(self, ranges: Ranges, inputs: tuple[QuantizedTensor, ...]) -> tuple[Op, ...]:
        """See `Layer.to_ops16`."""
        return (Softmax16.on(self.output.name, inputs[0]),)


@dataclass(frozen=True, eq=False)
class Softmax(UnaryOp):
    """The fixed-point softmax, the same in both contracts."""

    kind: ClassVar[str] = "softmax"

    beta: float = 1.0

    @property
    def library(self) -> tuple[str, ...]:
        """See `Op.library`."""
        return ("softmax",)

    def problems(self, contract: Contract) -> list[str]:
        """TFLite's fixed-point softmax shifts by up to 31 bits only, which bounds the number of classes."""
        found = []
        if self.input.size > MOST_CLASSES:
            found.append(f"layer {self.name!r}: softmax over {self.input.size} values; at most {MOST_CLASSES}")
        if not self.beta * self.input.quantization.scale * 2.0**26 > 1.0:
            found.append(
                f"layer {self.name!r}: input scale {self.input.quantization.scale:g} times beta {self.beta:g} is not "
                "above 2^-26, where TensorFlow Lite ends the process"
            )
        return found

    def facts(self, contract: Contract) -> SoftmaxScaling:
        """How input differences become Q5.26."""
        return softmax_scaling(self.input.quantization.scale, self.beta)

    def simulate(
        self, contract: Contract, values: IntArray, state: tuple[IntArray, ...]
    ) -> tuple[IntArray, tuple[IntArray, ...]]:
        """Compute one evaluation; see `Op.simulate`."""
        return softmax(values.astype(np.int64), self.facts(contract)).astype(np.int8), ()

    def to_tflite(self, batch: int, timesteps: int) -> tuple[TfliteOperator, ...]:
        """Write one SOFTMAX."""
        source, result = (tensor.to_tflite(batch, timesteps) for tensor in (self.input, self.output))
        return (TfliteOperator("SOFTMAX", (source,), (result,), {"beta": self.beta}, version=2),)

    @classmethod
    def from_tflite(cls, operator: TfliteOperator, input_tensor: QuantizedTensor) -> Self:
        """Rebuild the op from a SOFTMAX."""
        output = QuantizedTensor.from_tflite(operator.outputs[0], is_sequence=input_tensor.is_sequence)
        if output.quantization != scales.SIGMOID_OUTPUT:
            raise UnsupportedModelError([f"SOFTMAX {output.name!r}: only output scale 1/256, zero point -128"])
        beta = float(operator.options.get("beta", 1.0))
        return cls(name=output.name, input=input_tensor, output=output, beta=beta)
