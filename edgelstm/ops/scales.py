"""From observed ranges to scales and zero points, as TensorFlow Lite's files need them."""

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from edgelstm.ir import AnyArray, Quantization, Ranges, StateArray

SMALLEST_CELL_EXPONENT = -15
LARGEST_CELL_EXPONENT = -9

GATE_SCALE = 2.0**-12
"""What sigmoid and tanh of a recurrent layer take is Q3.12."""

SMALLEST_Q15_TARGET = 2.0**-14
"""8 bits of a hidden state need not tell apart what its Q0.15 does not, and C shifts to the right only."""

SIGMOID_OUTPUT = Quantization(1.0 / 256.0, -128)
"""Scale and zero point that TFLite fixes for sigmoid and softmax outputs."""

TANH_OUTPUT = Quantization(1.0 / 128.0, 0)
"""Scale and zero point that TFLite fixes for tanh outputs."""

Q15 = Quantization(2.0**-15, 0, "int16")
"""What TFLite fixes for int16 outputs of sigmoid, tanh and softmax."""

WIDEST_INT8_STEP = 128
"""An int8 value less its zero point, which has 9 bits, times this fits int16."""

SMALLEST_RANGE = 2.0**-20


def float32(value: float) -> float:
    """Round to the nearest float32, the precision of scales in a .tflite file."""
    return float(np.float32(value))


def asymmetric_int8(low: float, high: float) -> Quantization:
    """Spread [low, high], widened to include 0, over the 256 values of int8."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = float32(max(high - low, SMALLEST_RANGE) / 255.0)
    zero_point = math.floor(-128.0 - low / scale + 0.5)
    return Quantization(scale, max(-128, min(127, zero_point)))


def symmetric_int16(low: float, high: float) -> Quantization:
    """Spread [low, high] over int16, whose zero point TFLite fixes at 0."""
    return Quantization(float32(max(-low, high, SMALLEST_RANGE) / 32767.0), 0, "int16")


def output_range16(name: str, ranges: Ranges) -> Quantization:
    """The int16 quantization of a tensor whose range was observed."""
    return symmetric_int16(*ranges[name])


def output_range(name: str, ranges: Ranges) -> Quantization:
    """The int8 quantization of a tensor whose range was observed."""
    return asymmetric_int8(*ranges[name])


def at_least(quantization: Quantization, smallest_scale: float) -> Quantization:
    """The same zero point at a scale that is not smaller: for a tensor of which calibration saw little but 0."""
    return replace(quantization, scale=float32(max(quantization.scale, smallest_scale)))


def symmetric_scale(weights: AnyArray, bias: AnyArray, input_scale: float) -> float:
    """The scale that maps the largest weight to 127.

    It is raised where the bias would otherwise leave 2^29 steps of input_scale * scale, which keeps every
    accumulator inside int32; weights that are all 0 get a scale fine enough for their bias. What counts as no weight
    at all is less the larger the inputs are: those of an ADC in counts of 2^23 are as small as the counts are large.
    """
    smallest = SMALLEST_RANGE / max(1.0, input_scale)
    largest_weight = float(np.max(np.abs(weights), initial=0.0))
    largest_bias = float(np.max(np.abs(bias), initial=0.0))
    floor = largest_bias / (2.0**29 * input_scale)
    if largest_weight == 0.0:
        return float32(max(largest_bias / (2.0**20 * input_scale), smallest))
    return float32(max(largest_weight / 127.0, floor, smallest / 127.0))


def round_weights(weights: AnyArray, scale: AnyArray | float) -> AnyArray:
    """Weights as int8 in -127..127: -128 is never used, which the packed dot products rely on."""
    rounded: AnyArray = np.clip(np.rint(weights / scale), -127, 127).astype(np.int8)
    return rounded


def round_bias(bias: AnyArray, scale: AnyArray | float, dtype: str = "int32") -> AnyArray:
    """Biases as int32, or as int64, which int16 activations want, in the same range."""
    rounded: AnyArray = np.clip(np.rint(bias / scale), -(2**30), 2**30).astype(dtype)
    return rounded


def cell_quantization(largest: float) -> Quantization:
    """The power-of-two scale of an int16 cell state that reaches +-`largest`."""
    exponent = math.ceil(math.log2(max(largest, 2.0**-15))) - 15
    exponent = max(SMALLEST_CELL_EXPONENT, min(LARGEST_CELL_EXPONENT, exponent))
    return Quantization(2.0**exponent, 0, "int16")


def hidden_state(size: int, quantization: Quantization) -> StateArray:
    """The declaration of a hidden state, which starts at real 0."""
    return StateArray("hidden", quantization.dtype, size, quantization.zero_point, quantization)


def accumulator_reach(weights: AnyArray, bias: AnyArray) -> npt.NDArray[np.int64]:
    """The largest magnitude, for each row, that bias + weights @ x passes through.

    It holds for any int8 x and any order of summation.
    """
    reach: npt.NDArray[np.int64] = np.abs(bias.astype(np.int64)) + 128 * np.abs(weights.astype(np.int64)).sum(axis=1)
    return reach


def accumulator_reach16(weights: AnyArray, bias: AnyArray) -> npt.NDArray[np.int64]:
    """`accumulator_reach` for int16 x."""
    reach: npt.NDArray[np.int64] = np.abs(bias.astype(np.int64)) + 2**15 * np.abs(weights.astype(np.int64)).sum(axis=1)
    return reach


def accumulator_range(weights: AnyArray, bias: AnyArray) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The smallest and largest value, for each row, of bias + weights @ x for int8 x."""
    wide = weights.astype(np.int64)
    low = bias + np.where(wide > 0, -128 * wide, 127 * wide).sum(axis=1)
    high = bias + np.where(wide > 0, 127 * wide, -128 * wide).sum(axis=1)
    return low, high
