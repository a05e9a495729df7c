"""Operators on int16 vectors, one behind the other."""

import numpy as np

from edgelstm.ir import TfliteOperator, TfliteTensor
from edgelstm.ops import scales
from edgelstm.ops.projection import Projection
from edgelstm.ops.projections import within_16_bits

Q15 = 2.0**-15
"""The scale of what LOGISTIC and TANH yield, and of hidden states between -1 and 1."""

_LARGEST_BIAS = 2.0**46
"""Kernels multiply sums of 48 bits."""


class Int16Graph:
    """The operators of one layer as they are added; each method returns the tensor it made, (1, size)."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.operators: list[TfliteOperator] = []

    def flat(self, source: TfliteTensor) -> TfliteTensor:
        """Without the axis of time."""
        flat = TfliteTensor(self._label("flat_input"), (1, source.shape[-1]), "int8", source.scales, source.zero_points)
        return self._reshape(source, flat)

    def widened(self, source: TfliteTensor) -> TfliteTensor:
        """Int8 to int16, exactly: any value less its zero point has 9 bits."""
        return self._add("QUANTIZE", (source,), self._tensor("input", source.shape[-1], source.scales[0] / 128), 3)

    def narrowed(self, source: TfliteTensor, result: TfliteTensor) -> None:
        """Int16 to the int8 tensor that the next layer reads."""
        flat = TfliteTensor(self._label("flat_output"), source.shape, "int8", result.scales, result.zero_points)
        self._add("QUANTIZE", (source,), flat, 3)
        self._reshape(flat, result)

    def projected(self, name: str, source: TfliteTensor, projection: Projection) -> TfliteTensor:
        """FULLY_CONNECTED with the weights and biases of the C, biases in 64 bits as int16 asks for."""
        zeros = (0,) * len(projection.scales)
        bias_scales = tuple(scales.float32(source.scales[0] * scale) for scale in projection.scales)
        steps = np.rint(projection.bias * (projection.value.scale / source.scales[0]))
        steps = np.clip(steps, -_LARGEST_BIAS, _LARGEST_BIAS).astype(np.int64)
        shape = projection.weights.shape
        weights = TfliteTensor(self._label(name), shape, "int8", projection.scales, zeros, data=projection.weights)
        bias = TfliteTensor(self._label(f"{name}_bias"), shape[:1], "int64", bias_scales, zeros, data=steps)
        result = self._tensor(f"{name}_sums", shape[0], within_16_bits(projection).result_scale)
        return self._add("FULLY_CONNECTED", (source, weights, bias), result, 4, fused_activation_function="NONE")

    def combined(
        self, builtin: str, name: str, one: TfliteTensor, other: TfliteTensor, scale: float, fused: str = "NONE"
    ) -> TfliteTensor:
        """ADD, SUB or MUL, element by element."""
        version = {"ADD": 2, "SUB": 3, "MUL": 4}[builtin]
        options = {"fused_activation_function": fused, **({} if builtin == "MUL" else {"pot_scale_int16": False})}
        return self._add(builtin, (one, other), self._tensor(name, one.shape[-1], scale), version, **options)

    def squashed(self, builtin: str, name: str, source: TfliteTensor) -> TfliteTensor:
        """LOGISTIC or TANH."""
        return self._add(builtin, (source,), self._tensor(name, source.shape[-1], Q15), 3)

    def state(self, size: int, scale: float) -> TfliteTensor:
        """The hidden state before the step, an input of the graph."""
        return self._tensor("state", size, scale)

    def _reshape(self, source: TfliteTensor, result: TfliteTensor) -> TfliteTensor:
        return self._add("RESHAPE", (source,), result, 1, new_shape=result.shape)

    def _add(
        self, builtin: str, inputs: tuple[TfliteTensor, ...], result: TfliteTensor, version: int, **options: object
    ) -> TfliteTensor:
        self.operators.append(TfliteOperator(builtin, inputs, (result,), options, version=version))
        return result

    def _tensor(self, name: str, size: int, scale: float) -> TfliteTensor:
        return TfliteTensor(self._label(name), (1, size), "int16", (scale,), (0,))

    def _label(self, name: str) -> str:
        return f"{self._name}/{name}"
