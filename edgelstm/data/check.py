"""Checking a data set against the model that it is meant for."""

from collections.abc import Iterator

import numpy as np

from edgelstm.data.dataset import Dataset, Samples, raise_all
from edgelstm.ir import AnyArray, FloatArray

MIN_CALIBRATION_SAMPLES = 50
"""Ranges observed on fewer sequences tend to be too narrow, so that the firmware saturates."""

_SHOWN = 10


def check_dataset(
    dataset: Dataset, input_size: int, timesteps: int | None, *, vocabulary: int = 0, name: str = ""
) -> tuple[str, ...]:
    """Check that `dataset` can be used with a model.

    Args:
        dataset: the data.
        input_size: the model's channels, D.
        timesteps: the model's window, T; None where it accepts any.
        vocabulary: how many ids there are, where the model takes ids (N, T); else 0.
        name: what stands behind the names of the arrays in messages, ".accel" of one input of several.

    Returns:
        Warnings: what is allowed but probably not meant, one sentence each.

    Raises:
        DataError: lists all that makes the data unusable.
    """
    problems: list[str] = []
    of_targets: list[str] = []
    for suffix, x, samples in _splits(dataset):
        if vocabulary:
            of_values = list(_id_problems(f"x{suffix}{name}", x, vocabulary, timesteps))
        else:
            of_values = list(_value_problems(f"x{suffix}{name}", x, input_size, timesteps))
        if not of_values:
            problems += _length_problems(f"lengths{suffix}", samples)
        problems += of_values
        of_targets += _target_problems(f"y{suffix}", samples, dataset.labels)
    of_targets += _orphans(dataset)
    if of_targets and not problems:
        raise_all(of_targets, "each sequence of x has its targets in y, at the same index")
    steps = "any number of" if timesteps is None else timesteps
    takes = (
        f"ids from 0 to {vocabulary - 1}" if vocabulary else f"time steps with {input_size} channels, finite numbers"
    )
    raise_all(problems + of_targets, f"the model takes sequences of {steps} {takes}")
    return tuple(_warnings(dataset, name))


def _splits(dataset: Dataset) -> Iterator[tuple[str, FloatArray, Samples]]:
    """Of each split the end of its names, its sequences, and with them what belongs to them."""
    splits = [("", dataset.x, dataset.training)]
    if dataset.x_calib is not None:
        splits.append(("_calib", dataset.x_calib, dataset.calibration))
    if dataset.x_test is not None:
        splits.append(("_test", dataset.x_test, dataset.test))
    for suffix, x, samples in splits:
        yield suffix, samples.x if x.ndim == 4 else x, samples


def _value_problems(name: str, x: FloatArray, input_size: int, timesteps: int | None) -> Iterator[str]:
    wrong_shape = [*_shape_problems(name, x, ("samples", "time steps", f"{input_size} channels"))]
    yield from wrong_shape
    if wrong_shape:
        return
    if x.shape[2] != input_size:
        yield f'"{name}" has {x.shape[2]} channels; the model expects {input_size}'
    yield from _window_problems(name, x, timesteps)
    wrong = ~np.isfinite(x)
    if wrong.any():
        sample, step, channel = np.unravel_index(int(wrong.argmax()), x.shape)
        yield (
            f'"{name}" has {int(wrong.sum())} values that are NaN, infinite or too large for float32, '
            f"the first at sample {sample}, step {step}, channel {channel}"
        )


def _id_problems(name: str, x: FloatArray, vocabulary: int, timesteps: int | None) -> Iterator[str]:
    wrong_shape = [*_shape_problems(name, x, ("samples", "time steps"))]
    yield from wrong_shape
    if wrong_shape:
        return
    yield from _window_problems(name, x, timesteps)
    wrong = ~((x >= 0) & (x < vocabulary) & (x == np.trunc(x)))
    if wrong.any():
        sample, step = np.unravel_index(int(wrong.argmax()), x.shape)
        yield (
            f'"{name}" has {int(wrong.sum())} values that are not ids from 0 to {vocabulary - 1}, '
            f"the first at sample {sample}, step {step}: {x[sample, step]:g}"
        )


def _shape_problems(name: str, x: FloatArray, axes: tuple[str, ...]) -> Iterator[str]:
    if x.dtype.kind != "f":
        yield f'"{name}" holds {x.dtype.name} values; build the data set with Dataset.from_arrays'
    elif x.ndim != len(axes):
        yield f'"{name}" has shape {x.shape}; expected ({", ".join(axes)})'
    elif 0 in x.shape:
        yield f'"{name}" is empty: its shape is {x.shape}'


def _window_problems(name: str, x: FloatArray, timesteps: int | None) -> Iterator[str]:
    if timesteps is not None and x.shape[1] != timesteps:
        yield f'"{name}" has {x.shape[1]} time steps; the model expects {timesteps}'


def _length_problems(name: str, samples: Samples) -> Iterator[str]:
    lengths, (count, steps, _) = samples.lengths, samples.x.shape
    if lengths is None:
        return
    if lengths.shape != (count,):
        yield f'"{name}" has shape {lengths.shape}; expected ({count},), one length a sample'
        return
    wrong = np.flatnonzero((lengths < 1) | (lengths > steps))
    if wrong.size:
        yield (
            f'"{name}" must lie in 1..{steps}, but {wrong.size} do not, first {lengths[wrong[0]]} at sample {wrong[0]}'
        )


def _target_problems(name: str, samples: Samples, labels: tuple[str, ...]) -> Iterator[str]:
    y = samples.y
    if y is None:
        return
    if y.dtype.kind not in "iuf":
        yield f'"{name}" holds {y.dtype.name} values; build the data set with Dataset.from_arrays'
        return
    if y.ndim == 0 or len(y) != len(samples.x):
        yield f'"{name}" has {len(y) if y.ndim else 0} targets for {len(samples.x)} samples'
        return
    if 0 in y.shape:
        yield f'"{name}" is empty: its shape is {y.shape}'
        return
    wrong = ~np.isfinite(y)
    if wrong.any():
        yield f'"{name}" has {int(wrong.sum())} NaN or infinite values, the first at sample {_first(wrong)}'
    elif labels:
        yield from _label_problems(name, y, len(labels))


def _label_problems(name: str, y: AnyArray, labels_count: int) -> Iterator[str]:
    is_ids = y.dtype.kind in "iu" and not (y.ndim > 1 and y.shape[-1] == labels_count)
    if is_ids:
        wrong = (y < 0) | (y >= labels_count)
        if wrong.any():
            yield (
                f'"{name}" has {int(wrong.sum())} class ids outside 0..{labels_count - 1} '
                f"(there are {labels_count} labels), the first at sample {_first(wrong)}"
            )
    elif y.ndim > 1 and y.shape[-1] != labels_count:
        yield f'"{name}" has {y.shape[-1]} values a target, but there are {labels_count} labels'


def _first(wrong: AnyArray) -> int:
    return int(np.unravel_index(int(wrong.argmax()), wrong.shape)[0])


def _orphans(dataset: Dataset) -> Iterator[str]:
    if dataset.x_test is None and dataset.y_test is not None:
        yield '"y_test" is there but "x_test" is not'
    if dataset.x_test is None and dataset.lengths_test is not None:
        yield '"lengths_test" is there but "x_test" is not'
    if dataset.x_calib is None and dataset.lengths_calib is not None:
        yield '"lengths_calib" is there but "x_calib" is not'
    if len(set(dataset.labels)) != len(dataset.labels):
        yield '"labels" has a name twice'


def _warnings(dataset: Dataset, name: str) -> Iterator[str]:
    calibration = dataset.calibration
    if len(calibration.x) < MIN_CALIBRATION_SAMPLES:
        yield (
            f"only {len(calibration.x)} sequences to calibrate on; "
            f"with fewer than {MIN_CALIBRATION_SAMPLES} the observed ranges may be too narrow"
        )
    constant = _constant_channels(calibration)
    if constant:
        shown = ", ".join(map(str, constant[:_SHOWN])) + (", ..." if len(constant) > _SHOWN else "")
        of_input = f" of {name[1:]}" if name else ""
        yield f"channels{of_input} that never change in the calibration data: {shown} (counted from 0)"
    if dataset.x_test is not None and dataset.y is not None and dataset.y_test is None:
        yield "there is no y_test, so accuracy against the true targets cannot be measured"


def _constant_channels(samples: Samples) -> list[int]:
    values = samples.x
    if samples.lengths is not None:
        values = values[np.arange(values.shape[1]) < samples.lengths[:, np.newaxis]]
    axes = tuple(range(values.ndim - 1))
    return [int(channel) for channel in np.flatnonzero(values.min(axis=axes) == values.max(axis=axes))]
