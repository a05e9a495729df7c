"""The bytes of a constant in a .tflite file."""

import math

import numpy as np

from edgelstm.ir import AnyArray

PACKED_DTYPE = "int4"
"""A type of two elements to a byte, the first in its lower half. In records its elements are int8."""


def byte_count(shape: tuple[int, ...], dtype: str) -> int:
    """How many bytes a constant takes; `dtype` is one that numpy knows, or the packed one."""
    count = math.prod(shape)
    return (count + 1) // 2 if dtype == PACKED_DTYPE else count * np.dtype(dtype).itemsize


def to_bytes(data: AnyArray, dtype: str) -> bytes:
    """The bytes of a constant."""
    if dtype != PACKED_DTYPE:
        return data.astype(data.dtype.newbyteorder("<"), copy=False).tobytes()
    halves = np.append(data.ravel(), np.zeros(data.size % 2, np.int8)) & 15
    return (halves[0::2] | halves[1::2] << 4).astype(np.uint8).tobytes()


def from_bytes(content: AnyArray, shape: tuple[int, ...], dtype: str) -> AnyArray:
    """The constant of these bytes, uint8, of which there are `byte_count`."""
    if dtype != PACKED_DTYPE:
        return content.view(np.dtype(dtype).newbyteorder("<")).reshape(shape)
    signed = content.view(np.int8)
    halves = np.stack([np.left_shift(signed, 4) >> 4, signed >> 4], axis=-1)
    found: AnyArray = halves.ravel()[: math.prod(shape)].reshape(shape)
    return found
