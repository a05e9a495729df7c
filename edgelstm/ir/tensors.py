"""What flows between layers: float tensors, and integer tensors with their scale."""

from dataclasses import dataclass, field
from typing import Self

import numpy as np

from edgelstm.ir.arrays import FloatArray
from edgelstm.ir.records import TfliteTensor

MOST_IDS = 1 << 15
"""C keeps an id in an int16_t."""


@dataclass(frozen=True)
class Scaling:
    """What is done to each channel of an input before anything reads it: factor * value + offset, in float32."""

    factors: tuple[float, ...]
    offsets: tuple[float, ...]

    def apply(self, values: FloatArray) -> FloatArray:
        """(..., channels)."""
        scaled: FloatArray = values * np.array(self.factors, np.float32) + np.array(self.offsets, np.float32)
        return scaled

    def undo(self, values: FloatArray) -> FloatArray:
        """What `apply` makes these values of; a channel whose factor is 0 may be anything, and is 0."""
        factors = np.array(self.factors, np.float32)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            found = (values - np.array(self.offsets, np.float32)) / factors
        return np.where(np.isfinite(found), found, np.float32(0.0))


@dataclass(frozen=True)
class Tensor:
    """A float tensor between layers: (batch, time, size) for a sequence, (batch, size) for a vector.

    `timesteps` is the length of a sequence, None where any goes, or where nobody asked; of a vector that holds a whole
    sequence, step behind step, the length of that.
    `vocabulary` is 0, but for a model's input of ids, of size 1: then it says how many ids there are, from 0 on.
    `channels` is 0, but for an image (batch, time, features, channels), whose steps hold their features after each
    other, the channels of each side by side. Only layers that read images ask for it.
    `scaling` is None, but for a model's input whose values are scaled: what is quantized is the result.
    """

    name: str
    size: int
    is_sequence: bool
    timesteps: int | None = field(default=None, kw_only=True)
    vocabulary: int = field(default=0, kw_only=True)
    channels: int = field(default=0, kw_only=True)
    scaling: Scaling | None = field(default=None, kw_only=True)

    def scaled(self, values: FloatArray) -> FloatArray:
        """A model's input as layers read it."""
        return values if self.scaling is None else self.scaling.apply(values)


@dataclass(frozen=True)
class Quantization:
    """real = scale * (stored - zero_point). `scale` is a value that float32 represents exactly."""

    scale: float
    zero_point: int = 0
    dtype: str = "int8"


IDS = Quantization(1.0, 0, "int16")
"""Ids stand for themselves."""


@dataclass(frozen=True)
class QuantizedTensor(Tensor):
    """An integer tensor between ops."""

    quantization: Quantization

    def to_tflite(self, batch: int, timesteps: int) -> TfliteTensor:
        """Describe it for a .tflite file: (batch, timesteps, size), (batch, size) for a vector.

        A vector that holds a sequence is one there. Ids are (batch, timesteps) int32, which is what both official
        interpreters take.
        """
        held = 0 if self.is_sequence else self.timesteps or 0
        steps = held or timesteps
        if self.vocabulary:
            return TfliteTensor(self.name, (batch, steps), "int32")
        quantization = self.quantization
        return TfliteTensor(
            self.name,
            (batch, steps, self.size // max(1, held)) if self.is_sequence or held else (batch, self.size),
            quantization.dtype,
            (quantization.scale,),
            (quantization.zero_point,),
        )

    @classmethod
    def of_ids(cls, name: str, vocabulary: int) -> Self:
        """A model's input of ids from 0 to vocabulary - 1."""
        return cls(name, 1, is_sequence=True, quantization=IDS, vocabulary=vocabulary)

    @classmethod
    def from_tflite(cls, tensor: TfliteTensor, *, is_sequence: bool) -> Self:
        """Take size, scale and zero point from a file's description."""
        quantization = Quantization(tensor.scales[0], tensor.zero_points[0], tensor.dtype)
        return cls(tensor.name, tensor.shape[-1], is_sequence, quantization)
