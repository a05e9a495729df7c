"""Run the float model on calibration sequences and record the range of every tensor and cell state.

Each sequence starts from a reset state and the cell is observed at every step. (TensorFlow's calibrator does neither:
its ranges are those of a state that leaks from sample to sample, seen only at each sample's end.)
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from edgelstm.errors import DataError
from edgelstm.ir import AnyArray, FloatArray, FloatModel, Ranges

BATCH = 256


def calibrate(
    model: FloatModel,
    inputs: FloatArray,
    lengths: AnyArray | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Ranges:
    """Observe `inputs` (N, T, size), of which sequence n counts only its first lengths[n] steps.

    Returns:
        (minimum, maximum) by tensor name.
    """
    ranges: dict[str, tuple[float, float]] = {}

    def observe(name: str, values: FloatArray) -> None:
        low, high = float(values.min()), float(values.max())
        if name in ranges:
            low, high = min(low, ranges[name][0]), max(high, ranges[name][1])
        ranges[name] = (low, high)

    done = 0
    for batch in equal_lengths(len(inputs), inputs.shape[1], lengths):
        model.forward(inputs[batch.samples, : batch.timesteps].astype(np.float32), observe)
        done += len(batch.samples)
        on_progress(done, len(inputs))
    if unseen := [layer.output.name for layer in model.layers if layer.output.name not in ranges]:
        raise DataError(
            f"the calibration data never reach {', '.join(unseen)}: a mask leaves out all of their steps",
            "check the value of the mask, and give sequences with steps that count",
        )
    unbounded = [name for name, bounds in ranges.items() if not np.all(np.isfinite(bounds))]
    if unbounded:
        raise DataError(
            f"the model yields infinite or undefined values at {', '.join(unbounded)} on the calibration data",
            "check the weights and the data's units; train with a smaller learning rate",
        )
    return ranges


@dataclass(frozen=True, eq=False)
class LengthBatch:
    """Samples that share a sequence length.

    Attributes:
        samples: indices into the data.
        timesteps: how many leading steps count.
    """

    samples: AnyArray
    timesteps: int


def equal_lengths(count: int, timesteps: int, lengths: AnyArray | None, batch: int = BATCH) -> Iterator[LengthBatch]:
    """Split samples 0..count-1 into batches of one length each."""
    all_lengths = np.full(count, timesteps) if lengths is None else np.asarray(lengths)
    for length in np.unique(all_lengths):
        members = np.flatnonzero(all_lengths == length)
        for start in range(0, len(members), batch):
            yield LengthBatch(members[start : start + batch], int(length))
