"""Which inputs, cell states and outputs of a quantized model the test data clip.

Measured in float: an integer that was clipped does not tell by how much. Gates are left out: their Q3.12 ends at 8,
where sigmoid and tanh have settled, and no choice of ranges changes it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from edgelstm.data.dataset import Samples
from edgelstm.ir import BoolArray, FloatArray, FloatModel, IntArray, Layer, Model, Quantization, QuantizedTensor, Ranges
from edgelstm.ops.scales import SIGMOID_OUTPUT, TANH_OUTPUT
from edgelstm.quantization.calibration import BATCH, equal_lengths
from edgelstm.report.saturation import Saturation

_FIXED = (SIGMOID_OUTPUT, TANH_OUTPUT)
"""Scales that follow no range: what lies beyond them is a rounding."""


@dataclass(frozen=True)
class Clipping:
    """What test data clip.

    Attributes:
        inputs_percent: the share of values of every channel of the inputs that are no ids.
        found: all arrays of which values were clipped, the most clipped first.
    """

    inputs_percent: tuple[float, ...]
    found: tuple[Saturation, ...]


def measure_saturation(float_model: FloatModel, model: Model, test: Samples, ranges: Ranges) -> Clipping:
    """Run the float model on test sequences and compare with what the integers hold.

    Steps that a mask leaves out do not count. Margins are those of the `ranges` that the model was quantized with.
    """
    counters = {counter.name: counter for counter in _counters(model, ranges)}

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
    inputs = [counters[tensor.name].percent for tensor in model.inputs if not tensor.vocabulary]
    return Clipping(
        tuple(percent for channels in inputs for percent in channels),
        tuple(sorted(found, key=lambda one: -one.percent)),
    )


def _counters(model: Model, ranges: Ranges) -> Iterator["_Counter"]:
    for tensor in model.inputs:
        if not tensor.vocabulary:
            name = "the input" if len(model.inputs) == 1 else f'input "{tensor.name}"'
            labels = [f"{_place(tensor, index)} of {name}" for index in range(tensor.size)]
            yield _Counter(tensor.name, labels, tensor.quantization, ranges)
    for op in model.ops:
        # What only brings values from one width to the other has no range of its own.
        if op.output.quantization not in _FIXED and not op.is_alias and op.output.name in ranges:
            yield _Counter(op.output.name, [f'the output of "{op.name}"'], op.output.quantization, ranges)
        for array in op.state:
            if array.name == "cell":
                yield _Counter(f"{op.name}/cell", [f'the cell state of "{op.name}"'], array.quantization, ranges)


def _place(tensor: QuantizedTensor, index: int) -> str:
    """Of a channel, or of an element of a sequence that is given whole."""
    if tensor.is_sequence or not tensor.timesteps:
        return f"channel {index}"
    step, channel = divmod(index, tensor.size // tensor.timesteps)
    return f"step {step}, channel {channel}"


class _Counter:
    """Counts the values of an array that its integers cannot hold, for each channel or for all together."""

    def __init__(self, name: str, labels: list[str], quantization: Quantization, ranges: Ranges) -> None:
        limits = np.iinfo(quantization.dtype)
        self.name = name
        self._ends = ranges[name]
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

    @property
    def percent(self) -> tuple[float, ...]:
        """The share of values that were clipped, for each label."""
        return tuple(100.0 * float(count) / max(1, self._values) for count in self._clipped)

    def found(self) -> Iterator[Saturation]:
        """Whatever was clipped."""
        for index, (label, percent) in enumerate(zip(self._labels, self.percent, strict=True)):
            if percent:
                yield Saturation(label, percent, int(self._samples[index]), self._margin(index))

    def _margin(self, index: int) -> float | None:
        needed = 1.0
        sides = (
            (-self._low, -self._ends[0], -self._lowest[index]),
            (self._high, self._ends[1], self._highest[index]),
        )
        for bound, end, reached in sides:
            if reached > bound + self._half_step:
                if end <= self._half_step:
                    return None
                needed = max(needed, float(reached) / end)
        return needed
