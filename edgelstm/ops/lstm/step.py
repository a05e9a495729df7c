"""What the LSTM steps on int8 and on int16 values have in common."""

import numpy as np

from edgelstm.ir import AnyArray
from edgelstm.numerics.contracts import Contract
from edgelstm.numerics.fixedpoint import Int64Array, quantize_multiplier, requantize, rounding_shift, saturate16
from edgelstm.ops.lstm.arithmetic import LstmArithmetic


def unit_by_unit(kernels: list[AnyArray]) -> AnyArray:
    """Four (units, columns) as (4 * units, columns), the four rows of a unit together."""
    return np.stack(kernels, axis=1).reshape(-1, kernels[0].shape[1])


def next_cell(contract: Contract, arithmetic: LstmArithmetic, update: Int64Array, kept: Int64Array) -> Int64Array:
    """The cell state that follows from input gate * candidate and forget gate * cell."""
    if contract is not Contract.TFLM:
        cell = saturate16(rounding_shift(kept, 15) + rounding_shift(update, arithmetic.cell_shift))
    else:
        # TFLM multiplies by a mantissa of 2^30 even where the factor is a power of two, and so rounds twice.
        forget = quantize_multiplier(2.0**-15)
        fresh = quantize_multiplier(2.0**-arithmetic.cell_shift)
        cell = saturate16(saturate16(requantize(kept, forget)) + saturate16(requantize(update, fresh)))
    if arithmetic.cell_limit is not None:
        cell = np.clip(cell, -arithmetic.cell_limit, arithmetic.cell_limit)
    return cell
