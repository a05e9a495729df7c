"""TFLM's sigmoid as straight lines, for cores that have the flash for 4 KB: the C is `templates/c/lib/squash16.h`.

TFLM looks up |x| and interpolates: R(|x|) = 512 S[u] + (|x| - 512 u) d[u] with u = |x| / 512, d[u] = S[u + 1] - S[u],
and x in steps of 1 / (3 * 2^12). Sigmoid is (R + 512) >> 10 for x >= 0, else (2^25 - R + 511) >> 10. Within a piece of
512 steps both are a line V = start + slope * x, shifted; at an end of a piece its neighbour gives the same. Tanh is
(R(2 |x|) / 2 - 2^23 + 128) >> 8 for x >= 0, else its negative with 127: (V(2 x) - 2^24 - 256) >> 9, for a V of x < 0 is
odd, and one more changes nothing there. Beyond u = 254 R is what tanh has; sigmoid then needs a clamp to 1..32767.
"""

import numpy as np
import numpy.typing as npt

from edgelstm.numerics.activations import tflm_table
from edgelstm.numerics.fixedpoint import Int64Array

_PIECES = 256
_LAST = 255


def squash_table() -> npt.NDArray[np.int32]:
    """(512, 2): start and slope of the pieces from -2^17 on."""
    sigmoid = tflm_table().astype(np.int64)
    piece = np.arange(_PIECES)
    slope = np.where(piece < _LAST, np.append(np.diff(sigmoid), 0), 0)
    start = 512 * (np.where(piece < _LAST, sigmoid, 65535) - piece * slope)
    above = np.stack([start + 512, slope], axis=1)
    below = np.stack([2**25 + 511 - start, slope], axis=1)[::-1]
    table: npt.NDArray[np.int32] = np.concatenate([below, above]).astype(np.int32)
    return table


def squash_line(steps: Int64Array) -> Int64Array:
    """V of arguments in -2^17..2^17 - 1; C's `el_squash_line`."""
    start, slope = squash_table().astype(np.int64)[(steps >> 9) + _PIECES].T
    line: Int64Array = start + slope * steps
    return line
