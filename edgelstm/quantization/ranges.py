"""Other ranges than those that calibration saw: wider ones, or narrower ones that clip where that costs least."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edgelstm.ir import AnyArray, FloatArray, FloatModel, Ranges
from edgelstm.quantization.calibration import equal_lengths

_BINS = 2048
_SHARES = np.linspace(1.0, 0.1, 91)
"""Of an end of a range, among which `clip_at_least_error` chooses."""


def widen(model: FloatModel, ranges: Ranges, margin: float) -> Ranges:
    """Both ends of every range times `margin`, as far as the layer's activation function reaches."""
    limits = {layer.output.name: layer.output_limits for layer in model.layers}
    widened = {}
    for name, (low, high) in ranges.items():
        least, largest = limits.get(name, (-np.inf, np.inf))
        widened[name] = max(low * margin, min(least, low)), min(high * margin, max(largest, high))
    return widened


def with_cell_bits(model: FloatModel, ranges: Ranges, bits: int | None) -> Ranges:
    """Let every cell state have at least that many integer bits, whatever calibration saw of it; None changes none.

    A cell state has a scale of a power of two: what reaches 2^bits has Q(bits).(15 - bits).
    """
    if bits is None:
        return ranges
    wider = {}
    for name in [f"{layer.name}/cell" for layer in model.layers if "cell" in layer.observed_parts]:
        low, high = ranges[name]
        wider[name] = min(low, -(2.0**bits)), max(high, 2.0**bits)
    return {**ranges, **wider}


def clip_at_least_error(
    model: FloatModel, inputs: FloatArray, lengths: AnyArray | None, ranges: Ranges
) -> Mapping[str, tuple[float, float]]:
    """Narrow each range of int8 to the part of it that has the least mean squared error on the data.

    Arguments are those of `calibrate`, and what it returned. Values outside are clipped; inside, the error is that of
    rounding to one of 256 values, a twelfth of the square of their distance. Parts of layers, "<layer>/<part>", have 16
    bits and keep their ranges.
    """
    found = {name: _Histogram.over(*bounds) for name, bounds in ranges.items() if "/" not in name}

    def observe(name: str, values: FloatArray) -> None:
        if name in found:
            found[name].add(values)

    for batch in equal_lengths(len(inputs), inputs.shape[1], lengths):
        model.forward(inputs[batch.samples, : batch.timesteps].astype(np.float32), observe)
    return {**ranges, **{name: histogram.best_range() for name, histogram in found.items()}}


@dataclass(frozen=True, eq=False)
class _Histogram:
    """How many values lie in each of `_BINS` equal parts of [low, high]."""

    low: float
    high: float
    counts: AnyArray

    @classmethod
    def over(cls, low: float, high: float) -> "_Histogram":
        return cls(low, high, np.zeros(_BINS, np.int64))

    def add(self, values: FloatArray) -> None:
        self.counts[:] += np.histogram(values, _BINS, (self.low, self.high))[0] if self.low < self.high else 0

    def best_range(self) -> tuple[float, float]:
        """The ends, each a share of what was seen, between which the error is least; the whole where nothing varies."""
        if self.low == self.high:
            return self.low, self.high
        edges = np.linspace(self.low, self.high, _BINS + 1)
        middles = (edges[:-1] + edges[1:]) / 2
        lows, highs = min(self.low, 0.0) * _SHARES, max(self.high, 0.0) * _SHARES
        below, count_below = self._clipped(lows[:, np.newaxis] - middles)
        above, count_above = self._clipped(middles - highs[:, np.newaxis])
        inside = self.counts.sum() - count_below[:, np.newaxis] - count_above
        rounding = ((highs - lows[:, np.newaxis]) / 255.0) ** 2 / 12.0
        errors = below[:, np.newaxis] + above + inside * rounding
        low, high = np.unravel_index(np.argmin(errors), errors.shape)
        return float(lows[low]), float(highs[high])

    def _clipped(self, beyond: FloatArray) -> tuple[FloatArray, FloatArray]:
        """What clipping costs, and how many values it takes, where bins lie `beyond` (ends, bins) an end."""
        counts = self.counts.astype(np.float64)
        cost: FloatArray = (np.maximum(beyond, 0.0) ** 2) @ counts
        taken: FloatArray = (beyond > 0.0).astype(np.float64) @ counts
        return cost, taken
