"""Which inputs, cell states and outputs of a quantized model the test data clip.

Measured in float: an integer that was clipped does not tell by how much. Gates are left out: their Q3.12 ends at 8,
where sigmoid and tanh have settled, and no choice of ranges changes it.
"""

from collections.abc import Iterator

import numpy as np

from edgelstm.data.dataset import Samples
from edgelstm.ir import BoolArray, FloatArray, FloatModel, IntArray, Layer, Model, Quantization
from edgelstm.ops.scales import SIGMOID_OUTPUT, TANH_OUTPUT
from edgelstm.quantization.calibration import BATCH, equal_lengths
from edgelstm.report.saturation import Saturation

_FIXED = (SIGMOID_OUTPUT, TANH_OUTPUT)
"""Scales that follow no range: what lies beyond them is a rounding."""


def measure_saturation(float_model: FloatModel, model: Model, test: Samples) -> tuple[Saturation, ...]:
    """Run the float model on test sequences and compare with what the integers hold; the most clipped first."""
    counters = {counter.name: counter for counter in _counters(model)}

    def observe(name: str, values: FloatArray) -> None:
        if name in counters:
            counters[name].add(values)

    # Steps that a mask leaves out are missing from what is observed, which then does not say whose the others are.
    may_mask = any(type(layer).mask is not Layer.mask for layer in float_model.layers)
    for batch in equal_lengths(len(test.x), test.x.shape[1], test.lengths, 1 if may_mask else BATCH):
        for counter in counters.values():
            counter.begin(len(batch.samples))
        float_model.forward(test.x[batch.samples, : batch.timesteps].astype(np.float32), observe)
        for counter in counters.values():
            counter.end()
    found = [one for counter in counters.values() for one in counter.found()]
    return tuple(sorted(found, key=lambda one: -one.percent))


def _counters(model: Model) -> Iterator["_Counter"]:
    for tensor in model.inputs:
        if not tensor.vocabulary:
            name = "the input" if len(model.inputs) == 1 else f'input "{tensor.name}"'
            yield _Counter(
                tensor.name, [f"channel {index} of {name}" for index in range(tensor.size)], tensor.quantization
            )
    for op in model.ops:
        if op.output.quantization not in _FIXED:
            yield _Counter(op.output.name, [f'the output of "{op.name}"'], op.output.quantization)
        for array in op.state:
            if array.name == "cell":
                yield _Counter(f"{op.name}/cell", [f'the cell state of "{op.name}"'], array.quantization)


class _Counter:
    """Counts the values of an array that its integers cannot hold, for each channel or for all together."""

    def __init__(self, name: str, labels: list[str], quantization: Quantization) -> None:
        limits = np.iinfo(quantization.dtype)
        self.name = name
        self._labels = labels
        self._low = float(limits.min - quantization.zero_point) * quantization.scale
        self._high = float(limits.max - quantization.zero_point) * quantization.scale
        self._half_step = quantization.scale / 2
        self._values = 0
        self._clipped: IntArray = np.zeros(len(labels), np.int64)
        self._samples: IntArray = np.zeros(len(labels), np.int64)
        self._lowest, self._highest = np.zeros(len(labels)), np.zeros(len(labels))
        self._seen: BoolArray = np.zeros((0, len(labels)), bool)

    def begin(self, samples: int) -> None:
        """What follows is of so many sequences."""
        self._seen = np.zeros((samples, len(self._labels)), bool)

    def add(self, values: FloatArray) -> None:
        """(sequences, ..., channels), or of one sequence (..., channels)."""
        samples = len(self._seen)
        table = values.reshape(samples, -1, len(self._labels))
        beyond = (table < self._low - self._half_step) | (table > self._high + self._half_step)
        self._values += table.shape[0] * table.shape[1]
        self._clipped += beyond.sum(axis=(0, 1))
        self._seen |= beyond.any(axis=1)
        self._lowest = np.minimum(self._lowest, table.min(axis=(0, 1), initial=0.0))
        self._highest = np.maximum(self._highest, table.max(axis=(0, 1), initial=0.0))

    def end(self) -> None:
        """All of these sequences has been seen."""
        self._samples += self._seen.sum(axis=0)

    def found(self) -> Iterator[Saturation]:
        """Whatever was clipped."""
        for index, label in enumerate(self._labels):
            if self._clipped[index]:
                percent = 100.0 * float(self._clipped[index]) / self._values
                yield Saturation(label, percent, int(self._samples[index]), self._margin(index))

    def _margin(self, index: int) -> float | None:
        needed = 1.0
        for bound, reached in ((self._low, -self._lowest[index]), (self._high, self._highest[index])):
            if reached > abs(bound) + self._half_step:
                if abs(bound) <= self._half_step:
                    return None
                needed = max(needed, float(reached) / abs(bound))
        return needed
