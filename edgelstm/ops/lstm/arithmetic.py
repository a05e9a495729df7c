"""The integers of an LSTM step, derived from weights and scales as the runtimes do when they load a model.

Gate order is Keras' and TFLite's: input, forget, cell, output.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from edgelstm.ir import AnyArray, Quantization
from edgelstm.numerics.contracts import Contract
from edgelstm.numerics.fixedpoint import Int64Array, Multiplier, quantize_multiplier
from edgelstm.ops import scales

GATES = ("input", "forget", "cell", "output")


@dataclass(frozen=True, eq=False)
class Gate:
    """One gate's integers.

    Attributes:
        kernel: int8 (units, input size), zero point 0.
        recurrent_kernel: int8 (units, units), zero point 0.
        bias: int32 (units,), scale input scale * kernel_scale.
    """

    kernel: AnyArray
    kernel_scale: float
    recurrent_kernel: AnyArray
    recurrent_scale: float
    bias: AnyArray


@dataclass(frozen=True, eq=False)
class GateArithmetic:
    """What turns one gate's dot products into a Q3.12 pre-activation. Zero points are folded into the biases.

    `recurrent_part_is_wide` tells whether the requantized recurrent part may leave the range in which adding the
    input part to it is safe in 32 bits, so that C must clamp it first.
    """

    name: str
    input_bias: Int64Array
    input_multiplier: Multiplier
    recurrent_bias: Int64Array
    recurrent_multiplier: Multiplier
    recurrent_part_is_wide: bool


@dataclass(frozen=True, eq=False)
class LstmArithmetic:
    """Every integer of a step that is not a weight.

    Attributes:
        gates: input, forget, cell, output.
        cell_integer_bits: n of the cell state's Q(n).(15 - n).
        cell_shift: right shift that brings i * g to the cell's scale.
        cell_limit: the cell state is clamped to +- this; None where it is not.
        output_multiplier: brings o * tanh(c), Q0.30, to the hidden state's scale.
        hidden_zero_point: zero point of the hidden state.
    """

    gates: tuple[GateArithmetic, ...]
    cell_integer_bits: int
    cell_shift: int
    cell_limit: int | None
    output_multiplier: Multiplier
    hidden_zero_point: int


@lru_cache(maxsize=64)
def lstm_arithmetic(
    contract: Contract,
    gates: tuple[Gate, ...],
    source: Quantization,
    hidden: Quantization,
    recurrent: Quantization,
    cell: Quantization,
    cell_clip: float,
) -> LstmArithmetic:
    """Derive the step's integers.

    Args:
        contract: the rounding rules.
        gates: input, forget, cell, output.
        source: scale and zero point of the input.
        hidden: of the hidden state as a step writes it.
        recurrent: of the hidden state as the gates read it.
        cell: of the cell state.
        cell_clip: real bound of the cell state, 0 for none.
    """
    exponent = round(math.log2(cell.scale))
    if contract is not Contract.TFLM:
        output_multiplier = quantize_multiplier(scales.float32(2.0**-15 / hidden.scale * 2.0**-15))
        cell_clip = scales.float32(cell_clip)
    else:
        output_multiplier = quantize_multiplier(2.0**-30 / hidden.scale)
    limit = math.trunc(max(-32768.0, min(32767.0, cell_clip / cell.scale)))
    # A bound below one step is none at all to LiteRT, while TFLM then holds the cell at 0.
    is_clipped = limit > 0 if contract is not Contract.TFLM else cell_clip > 0
    return LstmArithmetic(
        gates=tuple(
            _gate_arithmetic(contract, name, gate, source, recurrent) for name, gate in zip(GATES, gates, strict=True)
        ),
        cell_integer_bits=15 + exponent,
        cell_shift=30 + exponent,
        cell_limit=limit if is_clipped else None,
        output_multiplier=output_multiplier,
        hidden_zero_point=hidden.zero_point,
    )


def _gate_arithmetic(
    contract: Contract, name: str, gate: Gate, source: Quantization, hidden: Quantization
) -> GateArithmetic:
    kernel_rows = gate.kernel.astype(np.int64).sum(axis=1)
    recurrent_rows = gate.recurrent_kernel.astype(np.int64).sum(axis=1)
    recurrent_bias = -hidden.zero_point * recurrent_rows
    recurrent_multiplier = _gate_multiplier(contract, gate.recurrent_scale, hidden.scale)
    reach = int(scales.accumulator_reach(gate.recurrent_kernel, recurrent_bias).max())
    return GateArithmetic(
        name=name,
        input_bias=gate.bias.astype(np.int64) - source.zero_point * kernel_rows,
        input_multiplier=_gate_multiplier(contract, gate.kernel_scale, source.scale),
        recurrent_bias=recurrent_bias,
        recurrent_multiplier=recurrent_multiplier,
        recurrent_part_is_wide=reach << max(recurrent_multiplier.shift, 0) >= 2**30,
    )


def _gate_multiplier(contract: Contract, weight_scale: float, value_scale: float) -> Multiplier:
    """LiteRT rounds the product of scales to float32, TFLM keeps it in float64."""
    product = weight_scale * value_scale
    return quantize_multiplier(
        (scales.float32(product) if contract is not Contract.TFLM else product) / scales.GATE_SCALE
    )
