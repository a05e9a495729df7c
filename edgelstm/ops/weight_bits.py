"""Rows of weights in 8 or 4 bits: their scales, and their rounding."""

from collections.abc import Mapping

import numpy as np

from edgelstm.ir import AnyArray, FloatArray, IntArray
from edgelstm.ops import scales

NARROW = 4
WIDE = 8

LARGEST: Mapping[int, int] = {WIDE: 127, NARROW: 7}
"""The largest stored weight, and the smallest but for its sign, of so many bits: rows are symmetric."""

LEAST_DENSE_WEIGHTS = 512
"""A Dense with fewer keeps 8 bits: the code that reads 4 takes what they would save."""

_SHARES = np.linspace(1.0, 0.4, 61)
"""Of the scale that the largest weight asks for, among which `_least_error_scales` chooses."""


def of_dtype(dtype: str) -> int:
    """How many bits weights of a .tflite's tensor type have."""
    return NARROW if dtype == "int4" else WIDE


def row_scales(rows: FloatArray, bias: FloatArray, input_scale: float, bits: int) -> list[float]:
    """The scale of each row (rows, columns), which its bias (rows,) may raise: see `scales.symmetric_scale`.

    Weights of 8 bits are never clipped.
    """
    own = [scales.symmetric_scale(row, start, input_scale) for row, start in zip(rows, bias, strict=True)]
    if bits == WIDE:
        return own
    best = _least_error_scales(rows)
    chosen = [max(scale, float(other)) for scale, other in zip(own, best, strict=True)]
    return [scales.float32(scale) for scale in chosen]


def round_weights(weights: AnyArray, scale: AnyArray | float, bits: int) -> AnyArray:
    """Weights as integers of so many bits, each in an int8."""
    rounded: AnyArray = _rounded(weights, scale, LARGEST[bits]).astype(np.int8)
    return rounded


def least_error_factors(rows: FloatArray, step: float, lowest: FloatArray, largest: int) -> IntArray:
    """For each row (rows, columns) the whole number, from `lowest` (rows,) up, with which `step` scales it best.

    That is with the least squared error of rounding to 4 bits and of clipping.
    """
    whole = np.abs(rows).max(axis=1) / (LARGEST[NARROW] * step)
    candidates = np.clip(np.rint(np.multiply.outer(_SHARES, whole)), lowest, largest)
    best = np.argmin([_squared_errors(rows, factors * step) for factors in candidates], axis=0)
    found: IntArray = candidates[best, np.arange(len(rows))].astype(np.int64)
    return found


def _least_error_scales(rows: FloatArray) -> FloatArray:
    """The scale at which rounding a row to 4 bits, and clipping it, has the least squared error; 0 for one of zeros.

    With so few values it pays to clip the largest weights of a row, and to tell its many small ones apart.
    """
    whole = np.abs(rows).max(axis=1) / LARGEST[NARROW]
    candidates = np.multiply.outer(_SHARES, np.where(whole > 0.0, whole, 1.0))
    best = candidates[np.argmin([_squared_errors(rows, one) for one in candidates], axis=0), np.arange(len(rows))]
    found: FloatArray = np.where(whole > 0.0, best, 0.0)
    return found


def _squared_errors(rows: FloatArray, per_row: FloatArray) -> FloatArray:
    wide, steps = rows.astype(np.float64), per_row[:, None]
    found: FloatArray = ((wide - steps * _rounded(wide, steps, LARGEST[NARROW])) ** 2).sum(axis=1)
    return found


def _rounded(weights: AnyArray, scale: AnyArray | float, largest: int) -> AnyArray:
    rounded: AnyArray = np.clip(np.rint(weights / scale), -largest, largest)
    return rounded
