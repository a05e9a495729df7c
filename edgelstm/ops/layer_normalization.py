"""LayerNormalization: the trained layer, and the integer op of the `native` contract (docs/numerics.md)."""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from edgelstm.ir import (
    AnyArray,
    Constant,
    FloatArray,
    IntArray,
    KerasLayer,
    Layer,
    Observe,
    QuantizedTensor,
    Ranges,
    SourceLayer,
    Tensor,
    TfliteOperator,
    TfliteTensor,
    UnaryOp,
)
from edgelstm.numerics.contracts import Contract
from edgelstm.numerics.fixedpoint import Multiplier, high_multiply, quantize_multiplier, requantize, saturate8
from edgelstm.numerics.layer_normalization import (
    LARGEST_EPSILON,
    LARGEST_SIZE,
    gained_step,
    least_shift,
    normalize,
    stored_epsilon,
)
from edgelstm.ops import scales
from edgelstm.ops.options import axis_problems, number
from edgelstm.ops.sources import array, flag, option_problems, shape_problems

_LARGEST_GAMMA = 32767
_LARGEST_BETA = 2**29


@dataclass(frozen=True, eq=False)
class LayerNormalizationLayer(KerasLayer):
    """(x - mean) / sqrt(variance + epsilon) * gamma + beta, over the features of a vector or of each step.

    Attributes:
        gamma: (size,), ones where the layer has none.
        beta: (size,), zeros where the layer has none.
        epsilon: added to the variance.
    """

    takes_mask: ClassVar[bool] = True

    gamma: FloatArray
    beta: FloatArray
    epsilon: float

    @property
    def parameters(self) -> int:
        """Gamma and beta."""
        return self.gamma.size + self.beta.size

    @classmethod
    def keras_problems(cls, source: SourceLayer, input_tensor: Tensor) -> list[str]:
        """Another axis than the features, the root of the mean square, a negative epsilon, too many features."""
        count = flag(source, "scale", default=True) + flag(source, "center", default=True)
        problems = axis_problems(source, input_tensor) + option_problems(source, {"rms_scaling": False})
        problems += shape_problems(source, [(input_tensor.size,)] * count)
        epsilon = number(source, "epsilon", 1e-3)
        if epsilon < 0.0:
            problems.append(f"epsilon={epsilon:g} is negative")
        if input_tensor.size > LARGEST_SIZE:
            problems.append(f"normalizes {input_tensor.size} features, more than {LARGEST_SIZE}")
        return problems

    @classmethod
    def from_keras(cls, source: SourceLayer, input_tensor: Tensor) -> tuple[Layer, ...]:
        """Build the layer; gamma comes before beta."""
        size = input_tensor.size
        output = Tensor(source.name, size, input_tensor.is_sequence)
        gamma = array(source, 0) if flag(source, "scale", default=True) else np.ones(size, np.float32)
        beta = array(source, -1) if flag(source, "center", default=True) else np.zeros(size, np.float32)
        return (cls(source.name, input_tensor, output, gamma, beta, number(source, "epsilon", 1e-3)),)

    def forward(self, inputs: FloatArray, observe: Observe) -> FloatArray:
        """Same shape as the input."""
        centred = inputs - inputs.mean(axis=-1, keepdims=True)
        variance = (centred * centred).mean(axis=-1, keepdims=True)
        # A vector whose values are all equal has no direction, not even where epsilon is 0.
        root = np.sqrt(np.maximum(variance + self.epsilon, np.finfo(np.float32).tiny))
        result: FloatArray = centred / root * self.gamma + self.beta
        return result

    def quantize(self, ranges: Ranges, input_tensor: QuantizedTensor) -> "LayerNormalization":
        """Round gamma to int16, or to fewer bits where beta exceeds it by far, and beta to int32."""
        size = input_tensor.size
        beta_per_gamma = gained_step(size) * _LARGEST_BETA
        largest_gamma = float(np.abs(self.gamma).max())
        from_beta = float(np.abs(self.beta).max()) / beta_per_gamma
        gamma_scale = scales.float32(max(largest_gamma / _LARGEST_GAMMA, from_beta, scales.SMALLEST_RANGE / 2**15))
        beta_scale = gamma_scale * gained_step(size)
        quantization = scales.at_least(scales.output_range(self.output.name, ranges), 2.0 * beta_scale)
        gamma = np.clip(np.rint(self.gamma / gamma_scale), -_LARGEST_GAMMA, _LARGEST_GAMMA)
        beta = np.clip(np.rint(self.beta.astype(np.float64) / beta_scale), -_LARGEST_BETA, _LARGEST_BETA)
        return LayerNormalization(
            name=self.name,
            input=input_tensor,
            output=QuantizedTensor(self.output.name, size, input_tensor.is_sequence, quantization),
            gamma=gamma.astype(np.int16),
            gamma_scale=gamma_scale,
            beta=beta.astype(np.int32),
            epsilon=self.epsilon,
        )


@dataclass(frozen=True)
class LayerNormalizationFacts:
    """What the template needs beside the op.

    Attributes:
        epsilon: in steps of variance * size^2 with 16 fraction bits.
        least_shift: of a distance from the mean, beside half of the zeros of what is under the root.
        multiplier: from the sum of the gained value and beta to the output.
    """

    epsilon: int
    least_shift: int
    multiplier: Multiplier


@dataclass(frozen=True, eq=False)
class LayerNormalization(UnaryOp):
    """The integer layer normalization.

    Attributes:
        gamma: int16 (size,) in -32767..32767, in steps of `gamma_scale`.
        gamma_scale: a float32 number.
        beta: int32 (size,), at most 2^29 in magnitude, in steps of `gamma_scale` * `gained_step`.
        epsilon: added to the variance, a real number.
    """

    kind: ClassVar[str] = "layer_normalization"

    gamma: AnyArray
    gamma_scale: float
    beta: AnyArray
    epsilon: float

    @property
    def is_native(self) -> bool:
        """No runtime has an integer kernel."""
        return True

    @property
    def library(self) -> tuple[str, ...]:
        """See `Op.library`."""
        return ("reciprocal_root",)

    @property
    def macs(self) -> int:
        """The squares, and the products with gamma."""
        return 2 * self.input.size

    @property
    def parameters(self) -> int:
        """Gamma and beta."""
        return self.gamma.size + self.beta.size

    def facts(self, contract: Contract) -> LayerNormalizationFacts:
        """See LayerNormalizationFacts."""
        size = self.input.size
        real = self.gamma_scale * gained_step(size) / self.output.quantization.scale
        epsilon = stored_epsilon(self.epsilon, size, self.input.quantization.scale)
        return LayerNormalizationFacts(epsilon, least_shift(size), quantize_multiplier(real))

    def constants(self, contract: Contract) -> tuple[Constant, ...]:
        """Gamma and beta."""
        beta_scale = self.gamma_scale * gained_step(self.input.size)
        return (
            Constant("gamma", self.gamma.astype(np.int16), "weights", f"Factors in steps of {self.gamma_scale:.9g}."),
            Constant("beta", self.beta.astype(np.int32), "weights", f"Summands in steps of {beta_scale:.9g}."),
        )

    def problems(self, contract: Contract) -> list[str]:
        """Sums must fit 32 bits, and no scale may be absurdly small."""
        if self.input.size > LARGEST_SIZE:
            return [f"layer {self.name!r}: normalizes {self.input.size} values; at most {LARGEST_SIZE}"]
        found, facts = [], self.facts(contract)
        if facts.epsilon >= LARGEST_EPSILON:
            found.append(
                f"layer {self.name!r}: input scale {self.input.quantization.scale:g} is absurdly small for "
                f"epsilon {self.epsilon:g}: the variance of the input counts for nothing beside it"
            )
        if facts.multiplier.shift > 0:
            found.append(f"layer {self.name!r}: output scale {self.output.quantization.scale:g} is absurdly small")
        return found

    def simulate(
        self, contract: Contract, values: IntArray, state: tuple[IntArray, ...]
    ) -> tuple[IntArray, tuple[IntArray, ...]]:
        """Compute one evaluation; see `Op.simulate`."""
        facts = self.facts(contract)
        normal = normalize(values.astype(np.int64), facts.epsilon)
        gained = high_multiply(normal, self.gamma.astype(np.int64) << 16) + self.beta.astype(np.int64)
        result = requantize(gained, facts.multiplier) + self.output.quantization.zero_point
        return saturate8(result).astype(np.int8), ()

    def to_tflite(self, batch: int, timesteps: int) -> tuple[TfliteOperator, ...]:
        """Write a custom operator: it keeps the layer, no official interpreter runs it."""
        name, size = self.output.name, self.input.size
        beta_scale = scales.float32(self.gamma_scale * gained_step(size))
        gamma = TfliteTensor(f"{name}/gamma", (size,), "int16", (self.gamma_scale,), (0,), data=self.gamma)
        beta = TfliteTensor(f"{name}/beta", (size,), "int32", (beta_scale,), (0,), data=self.beta)
        source, result = (tensor.to_tflite(batch, timesteps) for tensor in (self.input, self.output))
        options = {"epsilon": self.epsilon}
        return (TfliteOperator("CUSTOM:edgelstm.layer_normalization", (source, gamma, beta), (result,), options),)

    @classmethod
    def from_tflite(cls, operator: TfliteOperator, input_tensor: QuantizedTensor) -> Self:
        """Rebuild the op from the custom operator that `check_tflite` accepts."""
        output = QuantizedTensor.from_tflite(operator.outputs[0], is_sequence=input_tensor.is_sequence)
        gamma, beta = (np.asarray(tensor.data) for tensor in operator.inputs[1:] if tensor is not None)
        scale = next(tensor.scales[0] for tensor in operator.inputs[1:] if tensor is not None)
        return cls(output.name, input_tensor, output, gamma, scale, beta, float(operator.options["epsilon"]))
