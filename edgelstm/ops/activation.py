"""Relu and its kin, sigmoid and tanh as layers of their own: int8 in, int8 out, a table of 256 results.

(The relu of a Dense is fused there; softmax has its own file.)
"""

import math
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from edgelstm.errors import UnsupportedModelError
from edgelstm.ir import (
    Constant,
    FloatArray,
    IntArray,
    KerasLayer,
    Layer,
    Observe,
    Op,
    Quantization,
    QuantizedTensor,
    Ranges,
    SourceLayer,
    Tensor,
    TfliteOperator,
    UnaryOp,
)
from edgelstm.numerics.contracts import Contract
from edgelstm.numerics.int8_tables import leaky_relu_table, relu6_table, relu_table, sigmoid_table, tanh_table
from edgelstm.ops import scales
from edgelstm.ops.activation16 import BUILTINS as INT16_FUNCTIONS
from edgelstm.ops.activation16 import Activation16
from edgelstm.ops.relus import leaky_slope, relu_ceiling, relu_problems
from edgelstm.ops.softmax import SoftmaxLayer
from edgelstm.ops.sources import activation

SUPPORTED = ("linear", "relu", "relu6", "leaky_relu", "sigmoid", "tanh", "softmax")

_BUILTINS = {"relu": "RELU", "relu6": "RELU6", "leaky_relu": "LEAKY_RELU", "sigmoid": "LOGISTIC", "tanh": "TANH"}
_FIXED_OUTPUTS = {"sigmoid": scales.SIGMOID_OUTPUT, "tanh": scales.TANH_OUTPUT}


def activation_problems(source: SourceLayer) -> list[str]:
    """A line if the layer's activation is not one of ours."""
    function = activation(source)
    if function in SUPPORTED:
        return []
    return [f"activation={function!r} is not supported, only {', '.join(SUPPORTED)}"]


def image_activation_problems(source: SourceLayer) -> list[str]:
    """A line if the activation of a layer that yields an image joins its channels, which our rows do not tell apart."""
    if activation(source) != "softmax":
        return []
    return ["a softmax over the channels of an image is not supported; put a TimeDistributed(Flatten()) before it"]


def activation_layers(name: str, function: str, input_tensor: Tensor) -> tuple[Layer, ...]:
    """The layer that applies `function`, one of SUPPORTED with Keras' own numbers; none for "linear"."""
    if function == "linear":
        return ()
    if function == "softmax":
        return (SoftmaxLayer.after(name, input_tensor),)
    if function == "relu6":
        return (ActivationLayer.of(name, input_tensor, "relu", ceiling=6.0),)
    return (ActivationLayer.of(name, input_tensor, function, slope=0.2 if function == "leaky_relu" else 0.0),)


@dataclass(frozen=True, eq=False)
class ActivationLayer(KerasLayer):
    """An elementwise function.

    Attributes:
        function: "relu", "leaky_relu", "sigmoid" or "tanh".
        slope: of leaky_relu below 0.
        ceiling: what relu and leaky_relu clamp at above. Their int8 needs no clamping: its scale ends there, or below
            where calibration saw no such values.
    """

    takes_mask: ClassVar[bool] = True
    reads_images: ClassVar[bool] = True

    function: str
    slope: float = 0.0
    ceiling: float = math.inf

    @classmethod
    def of(
        cls, name: str, input_tensor: Tensor, function: str, slope: float = 0.0, ceiling: float = math.inf
    ) -> "ActivationLayer":
        """The layer that follows `input_tensor`."""
        output = Tensor(name, input_tensor.size, input_tensor.is_sequence, channels=input_tensor.channels)
        return cls(name, input_tensor, output, function, slope, ceiling)

    @classmethod
    def keras_problems(cls, source: SourceLayer, input_tensor: Tensor) -> list[str]:
        """A function we do not know, or a relu with a threshold or with numbers that make no sense."""
        if source.class_name != "Activation":
            return relu_problems(source)
        return activation_problems(source) + (image_activation_problems(source) if input_tensor.channels else [])

    @classmethod
    def from_keras(cls, source: SourceLayer, input_tensor: Tensor) -> tuple[Layer, ...]:
        """Build the layer from Keras' Activation, ReLU or LeakyReLU."""
        if source.class_name == "Activation":
            return activation_layers(source.name, activation(source), input_tensor)
        slope, ceiling = leaky_slope(source), relu_ceiling(source)
        return (cls.of(source.name, input_tensor, "leaky_relu" if slope else "relu", slope, ceiling),)

    @property
    def output_limits(self) -> tuple[float, float]:
        """See `Layer.output_limits`; sigmoid and tanh have fixed scales."""
        return (0.0 if self.function == "relu" else -math.inf), self.ceiling

    def forward(self, inputs: FloatArray, observe: Observe) -> FloatArray:
        """Same shape as the input."""
        if self.function == "relu":
            return np.clip(inputs, 0.0, self.ceiling)
        if self.function == "leaky_relu":
            return np.minimum(np.where(inputs < 0.0, inputs * self.slope, inputs), self.ceiling)
        if self.function == "tanh":
            return np.tanh(inputs)
        sigmoid: FloatArray = 0.5 * (1.0 + np.tanh(0.5 * inputs))
        return sigmoid

    def quantize(self, ranges: Ranges, input_tensor: QuantizedTensor) -> "Activation":
        """Sigmoid and tanh have fixed output scales; those of the others follow their ranges."""
        quantization = _FIXED_OUTPUTS.get(self.function)
        if quantization is None:
            # A relu that calibration saw yield nothing but 0 would get a scale that its input's cannot be brought to.
            finest = input_tensor.quantization.scale * max(1.0, self.slope) * 2.0**-16
            observed = scales.output_range(self.output.name, ranges)
            quantization = replace(observed, scale=scales.float32(max(observed.scale, finest)))
        output = QuantizedTensor(self.output.name, input_tensor.size, input_tensor.is_sequence, quantization)
        return Activation(self.name, input_tensor, output, self.function, scales.float32(self.slope))

    @property
    def has_int16(self) -> bool:
        """TFLM has sigmoid and tanh on int16 values."""
        return self.function in INT16_FUNCTIONS

    def to_ops16(self, ranges: Ranges, inputs: tuple[QuantizedTensor, ...]) -> tuple[Op, ...]:
        """See `Layer.to_ops16`."""
        return (Activation16.on(self.output.name, inputs[0], self.function),)


@dataclass(frozen=True, eq=False)
class Activation(UnaryOp):
    """The integer function: a table indexed by the input.

    Attributes:
        function: a key of TFLite's names for them. No layer becomes "relu6": the end of an int8 scale is a ceiling
            that costs no steps, while TFLM's RELU6 cannot change the scale.
        slope: of leaky_relu below 0.
    """

    kind: ClassVar[str] = "activation"

    function: str
    slope: float = 0.0

    def problems(self, contract: Contract) -> list[str]:
        """A relu's requantized values must fit 32 bits, and TFLM's RELU6 leaves the scale as it is."""
        source, result = self.input.quantization, self.output.quantization
        ratio = source.scale / result.scale * max(1.0, self.slope)
        found = []
        if self.function not in _FIXED_OUTPUTS and ratio >= 2.0**20:
            found.append(f"layer {self.name!r}: its input scale is {ratio:g} times its output scale")
        if self.function == "relu6" and min(source.scale, result.scale) < 2.0**-24:
            found.append(f"layer {self.name!r}: 6 has more than 2^26 steps of a scale")
        if self.function == "relu6" and contract is Contract.TFLM and source != result:
            found.append(f"layer {self.name!r}: input and output of a RELU6 differ in scale or zero point")
        return found

    def table(self, contract: Contract) -> IntArray:
        """The 256 stored outputs for the stored inputs -128..127, as int8."""
        source, result = self.input.quantization, self.output.quantization
        if self.function in _FIXED_OUTPUTS:
            table = sigmoid_table if self.function == "sigmoid" else tanh_table
            return table(contract, source.scale, source.zero_point)
        scaling = (source.scale, source.zero_point, result.scale, result.zero_point)
        if self.function == "leaky_relu":
            return leaky_relu_table(contract, *scaling, self.slope)
        return (relu_table if self.function == "relu" else relu6_table)(contract, *scaling)

    def simulate(
        self, contract: Contract, values: IntArray, state: tuple[IntArray, ...]
    ) -> tuple[IntArray, tuple[IntArray, ...]]:
        """Compute one evaluation; see `Op.simulate`."""
        return self.table(contract)[values.astype(np.int64) + 128], ()

    def constants(self, contract: Contract) -> tuple[Constant, ...]:
        """The table."""
        comment = f"{self.function} of the stored inputs -128..127, int8"
        return (Constant("table", self.table(contract), "tables", comment),)

    def to_tflite(self, batch: int, timesteps: int) -> tuple[TfliteOperator, ...]:
        """Write one operator."""
        source, result = (tensor.to_tflite(batch, timesteps) for tensor in (self.input, self.output))
        options = {"alpha": self.slope} if self.function == "leaky_relu" else {}
        return (TfliteOperator(_BUILTINS[self.function], (source,), (result,), options, version=2),)

    @classmethod
    def from_tflite(cls, operator: TfliteOperator, input_tensor: QuantizedTensor) -> Self:
        """Rebuild the op from the operator of its function."""
        function = next(name for name, builtin in _BUILTINS.items() if builtin == operator.builtin)
        output = QuantizedTensor.from_tflite(operator.outputs[0], is_sequence=input_tensor.is_sequence)
        wanted: Quantization | None = _FIXED_OUTPUTS.get(function)
        if wanted is not None and output.quantization != wanted:
            raise UnsupportedModelError(
                [f"{operator.builtin} {output.name!r}: only scale {wanted.scale}, zero point {wanted.zero_point}"]
            )
        slope = float(operator.options.get("alpha", 0.0))
        return cls(name=output.name, input=input_tensor, output=output, function=function, slope=slope)
