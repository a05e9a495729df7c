"""From the counts of a sensor, int16, to the stored input: integers only.

For a channel whose counts are `lsb` real units each, the stored value is

    round((factor * lsb * count + offset) / scale) + zero_point

= floor(gain * count + start), with gain = factor * lsb / scale and start = offset / scale + zero_point + 1/2. C
computes (count * multiplier + addend) >> shift, with gain and start times 2^shift: a multiplier of 15 bits, so that the
sum stays within 32 bits, and the result at most one from the real one's while offset / scale is below 2^14.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgelstm.errors import ProjectError
from edgelstm.ir import IntArray, Model, QuantizedTensor

_LARGEST_MULTIPLIER = 2**15 - 1
_LARGEST_ADDEND = 2**30 - 1
_LARGEST_SHIFT = 30
_EVERY, _FEWEST_VALUES, _MOST_LISTED = 7, 16, 6
"""Counts are tried in steps; of the input's values so few would be no signal."""


@dataclass(frozen=True, eq=False)
class RawInput:
    """Constants of each channel.

    Attributes:
        multipliers: (channels,) int16.
        addends: (channels,) int32.
        shifts: (channels,) uint8.
        dtype: of the stored input.
    """

    multipliers: IntArray
    addends: IntArray
    shifts: IntArray
    dtype: str

    @classmethod
    def of(cls, model: Model, lsb: Sequence[float]) -> "RawInput":
        """For counts of `lsb` real units, one number for each channel or one for all.

        Raises:
            ProjectError: the model has several inputs or ids, or numbers and channels differ.
        """
        tensor = model.input
        if len(model.inputs) > 1 or tensor.vocabulary:
            raise ProjectError(
                "sensor counts are for a model with one input of values",
                "leave --raw-lsb out, and quantize in your code",
            )
        if len(lsb) not in (1, tensor.size):
            raise ProjectError(
                f"--raw-lsb has {len(lsb)} numbers for {tensor.size} channels",
                "give one for all, or one for each channel",
            )
        channels = [
            _channel(*pair) for pair in _real_lines(tensor, np.broadcast_to(np.array(lsb), tensor.size).tolist())
        ]
        multipliers, addends, shifts = (np.array(column) for column in zip(*channels, strict=True))
        raw = cls(
            multipliers.astype(np.int16),
            addends.astype(np.int32),
            shifts.astype(np.uint8),
            tensor.quantization.dtype,
        )
        raw.require_reach(lsb)
        return raw

    def require_reach(self, lsb: Sequence[float]) -> None:
        """Raise ProjectError where the counts of a channel reach, or tell apart, too little of what the model saw."""
        counts = np.arange(-(2**15), 2**15, _EVERY)[:, np.newaxis] * np.ones(len(self.shifts), np.int64)
        reached = [len(np.unique(column)) for column in self.apply(counts).T]
        every = 1 << np.iinfo(self.dtype).bits
        units = np.broadcast_to(np.array(lsb), len(reached))
        lost = [index for index, values in enumerate(reached) if values < _FEWEST_VALUES]
        if lost:
            per_count = self.multipliers / 2.0 ** self.shifts.astype(np.float64)
            listed = "\n".join(
                f"  - channel {index}: {_cure(float(units[index]), per_count[index] > every / _FEWEST_VALUES)}"
                for index in lost[:_MOST_LISTED]
            )
            raise ProjectError(
                f"int16 counts of these units reach less than {_FEWEST_VALUES} of the {every} input values:\n{listed}",
                "--raw-lsb is what one count of the sensor is in the units of the training data",
            )

    def apply(self, counts: IntArray) -> IntArray:
        """(..., channels) int16 to the stored input, as C does."""
        sums = counts.astype(np.int64) * self.multipliers + self.addends
        limits = np.iinfo(self.dtype)
        stored: IntArray = np.clip(sums >> self.shifts.astype(np.int64), limits.min, limits.max).astype(limits.dtype)
        return stored


def _cure(unit: float, is_coarse: bool) -> str:
    if is_coarse:
        return f"a count of {unit:.4g} is too coarse: give a smaller unit"
    reach = f"32767 counts are {2**15 * unit:.4g}"
    return f"{reach}: give a larger unit, or take an offset off the counts and the training data"


def _real_lines(tensor: QuantizedTensor, lsb: Sequence[float]) -> list[tuple[float, float]]:
    """Gain and start of each channel."""
    quantization, scaling = tensor.quantization, tensor.scaling
    factors = scaling.factors if scaling else (1.0,) * tensor.size
    offsets = scaling.offsets if scaling else (0.0,) * tensor.size
    return [
        (factor * unit / quantization.scale, offset / quantization.scale + quantization.zero_point + 0.5)
        for factor, offset, unit in zip(factors, offsets, lsb, strict=True)
    ]


def _channel(gain: float, start: float) -> tuple[int, int, int]:
    """Multiplier, addend and shift: as many bits as fit. Where a single count spans the range, it is clipped anyway."""
    room = min(_LARGEST_MULTIPLIER / max(abs(gain), 2.0**-45), _LARGEST_ADDEND / max(abs(start), 0.5))
    shift = max(0, min(_LARGEST_SHIFT, math.floor(math.log2(max(room, 1.0)))))
    limit, most = _LARGEST_MULTIPLIER, _LARGEST_ADDEND
    multiplier = max(-limit, min(limit, round(gain * 2**shift)))
    addend = max(-most, min(most, round(start * 2**shift)))
    return multiplier, addend, shift
