"""The data of a model with several inputs: checked input by input, and laid out in one array as `InputLayout` says."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from edgelstm.data.check import check_dataset
from edgelstm.data.dataset import Dataset, InputArrays, as_steps, raise_all
from edgelstm.errors import DataError
from edgelstm.ir import FloatArray, InputLayout, Tensor


def fit_dataset(dataset: Dataset, inputs: Sequence[Tensor], timesteps: int | None) -> tuple[Dataset, tuple[str, ...]]:
    """Check a data set against a model, and lay out several inputs as one.

    Args:
        dataset: as loaded.
        inputs: of the model, in its order.
        timesteps: the model's window, T; None where it accepts any.

    Returns:
        the data set with all inputs in its `x`, and warnings.

    Raises:
        DataError: lists all that makes the data unusable.
    """
    if len(inputs) == 1:
        if dataset.inputs:
            listed = ", ".join(f'"x.{one.name}"' for one in dataset.inputs)
            raise DataError(f"the data has several inputs, {listed}, but the model has one", 'give one array "x"')
        (source,) = inputs
        return dataset, check_dataset(dataset, source.size, timesteps, vocabulary=source.vocabulary)
    _check_names({one.name for one in dataset.inputs}, [tensor.name for tensor in inputs])
    problems: dict[str, None] = {}
    warnings: dict[str, None] = {}
    given = {one.name: one for one in dataset.inputs}
    for tensor in inputs:
        try:
            warnings |= dict.fromkeys(_check_one(dataset, given[tensor.name], tensor, timesteps))
        except DataError as error:
            problems |= dict.fromkeys(line.removeprefix("  - ") for line in error.message.splitlines()[1:])
    shapes = "a sequence is (samples, time steps, channels), ids (samples, time steps), a vector (samples, channels)"
    raise_all(list(problems), shapes)
    layout = InputLayout.of(inputs)
    x = _joined("x", {name: one.x for name, one in given.items()}, layout)
    assert x is not None
    x_calib = _joined("x_calib", {name: one.x_calib for name, one in given.items()}, layout)
    x_test = _joined("x_test", {name: one.x_test for name, one in given.items()}, layout)
    return replace(dataset, x=x, x_calib=x_calib, x_test=x_test, inputs=()), tuple(warnings)


def _check_names(found: set[str], wanted: Sequence[str]) -> None:
    if found != set(wanted):
        raise DataError(
            f"the model has the inputs {', '.join(wanted)}; the data has {', '.join(sorted(found)) or 'one array x'}",
            "give an array for each: " + ", ".join(f'"x.{name}"' for name in wanted),
        )


def _check_one(dataset: Dataset, arrays: InputArrays, tensor: Tensor, timesteps: int | None) -> tuple[str, ...]:
    """Check one input as a data set of its own; a vector as a sequence of one step.

    `timesteps` is the window of those that come sample by sample.
    """
    name = f".{tensor.name}"
    alone = replace(dataset, x=arrays.x, x_calib=arrays.x_calib, x_test=arrays.x_test, inputs=())
    if tensor.is_sequence:
        return check_dataset(alone, tensor.size, timesteps, vocabulary=tensor.vocabulary, name=name)
    if any(lengths is not None for lengths in (dataset.lengths, dataset.lengths_calib, dataset.lengths_test)):
        raise_all(['"lengths" cannot be given where an input is a vector, or a sequence of another length'])
    if tensor.timesteps:
        size = tensor.size // tensor.timesteps
        return check_dataset(alone, size, tensor.timesteps, vocabulary=tensor.vocabulary, name=name)
    problems = [
        f'"x{suffix}{name}" has shape {x.shape}; expected (samples, {tensor.size} channels)'
        for suffix, x in (("", arrays.x), ("_calib", arrays.x_calib), ("_test", arrays.x_test))
        if x is not None and x.ndim != 2
    ]
    raise_all(problems)
    alone = replace(
        dataset,
        x=arrays.x[:, np.newaxis],
        x_calib=_one_step(arrays.x_calib),
        x_test=_one_step(arrays.x_test),
        inputs=(),
    )
    return check_dataset(alone, tensor.size, 1, name=name)


def _one_step(vectors: FloatArray | None) -> FloatArray | None:
    return None if vectors is None else vectors[:, np.newaxis]


def _joined(key: str, arrays: Mapping[str, FloatArray | None], layout: InputLayout[Tensor]) -> FloatArray | None:
    """One array of all inputs, where there are any."""
    there = {name: x for name, x in arrays.items() if x is not None}
    if not there:
        return None
    counts = {len(x) for x in there.values()}
    steps = {there[tensor.name].shape[1] for tensor in layout.sequences if tensor.name in there}
    if len(there) < len(arrays) or len(counts) > 1 or len(steps) > 1:
        shapes = ", ".join(f'"{key}.{name}" {x.shape}' for name, x in there.items())
        raise_all([f"every input needs as many samples and time steps as the others, but there are {shapes}"])
    sequences = {tensor.name for tensor in layout.sequences}
    joined: FloatArray = layout.join(
        {name: as_steps(x) if name in sequences else x.reshape(len(x), -1) for name, x in there.items()}
    )
    return joined
