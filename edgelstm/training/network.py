"""The network to train: the user's own, or LSTM layers and a head that follow from the targets."""

import math
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from edgelstm.data import Dataset
from edgelstm.errors import DataError, ProjectError
from edgelstm.ir import AnyArray
from edgelstm.project import ModelSection, Project
from edgelstm.report.metrics import infer_task
from edgelstm.training.losses import loss_for
from edgelstm.user_code import call_user_code

_MAX_CLASSES = 10_000
_ACTIVATION_OF_TASK = {"classification": "softmax", "binary": "sigmoid", "regression": "linear"}


@dataclass(frozen=True)
class Head:
    """The output layer that targets call for; `every_step` if it yields an output for each time step."""

    units: int
    activation: str
    every_step: bool


def head_for(y: AnyArray, timesteps: int, labels: tuple[str, ...]) -> Head:
    """Choose the output layer for targets.

    Args:
        y: (N,) or (N, 1) or (N, K) for one output a sequence; (N, T, 1) or (N, T, K) for one a time step.
            Class ids of every step may also be (N, T), but rows (N, T) that are one-hot count as K = T.
        timesteps: T.
        labels: names of the classes; there may be more than occur in `y`.

    Returns:
        A softmax for class ids and one-hot rows, sigmoids for other targets that are all 0 or 1, linear units
        for anything else, negative whole numbers included.

    Raises:
        DataError: the shape is none of these, or there are more than 10000 classes.
    """
    are_whole = y.dtype.kind in "iu"
    are_step_ids = y.ndim == 2 and are_whole and y.shape[1] == timesteps > 1 and not _are_one_hot(y)
    every_step = y.ndim == 3 or are_step_ids
    if y.ndim not in {1, 2, 3} or (every_step and y.shape[1] != timesteps):
        raise DataError(
            f"cannot train on targets of shape {y.shape} with {timesteps} time steps",
            "give one target a sequence, (N,) or (N, K), or one a step, (N, T, 1) or (N, T, K)",
        )
    width = (1, *y.shape[2 if every_step else 1 :])[-1]
    units = width if width > 1 else _classes(y, labels) if are_whole else 1
    task = infer_task((*y.shape[: 2 if every_step else 1], units), y)
    return Head(units, _ACTIVATION_OF_TASK[task], every_step)


def build_network(keras: ModuleType, project: Project, dataset: Dataset) -> Any:
    """Make a compiled, untrained `keras.Model` for the sequences of `dataset`, which must have targets `y`.

    Raises:
        ProjectError: the user's function failed, or returned something that cannot be trained here.
        DataError: the network's output does not fit the targets.
    """
    assert dataset.y is not None
    input_shape = dataset.x.shape[1:]
    if project.model.build is None:
        if dataset.inputs:
            raise DataError(
                "there are arrays of several inputs, and no model with several can be described in [model]",
                "write a function that builds the network: see `build`",
            )
        if len(input_shape) == 3:
            raise DataError(
                f"x of shape {dataset.x.shape} means images, and no layers for them can be described in [model]",
                "write a function that builds the network: see `build`",
            )
        if len(input_shape) != 2:
            raise DataError(
                f"x of shape {dataset.x.shape} means ids, and no Embedding for them can be described in [model]",
                "give x as (samples, time steps, channels), or write a function that builds the network: see `build`",
            )
        head = head_for(dataset.y, input_shape[0], dataset.labels)
        network = _stack(keras, project.model, input_shape, head)
    else:
        network = call_user_code(project.model.build, project.folder, input_shape, dataset)
        if not isinstance(network, keras.Model) or not isinstance(network.output_shape, tuple):
            raise ProjectError(
                f"{project.model.build} must return a keras.Model with one output, not {type(network).__name__}",
                "it is called with the shape (T, D), (T,) of ids, or (T, F, C) of images, and the data; "
                'use "import keras", not tf_keras',
            )
    if not network.compiled:
        _compile(keras, network, project.model, dataset)
    return network


def output_shape(network: Any, dataset: Dataset) -> tuple[int, ...]:
    """The shape of the network's outputs for `dataset.x`: (N, C) or (N, T, C)."""
    outer = dataset.x.shape[: len(network.output_shape) - 1]
    declared = network.output_shape[:-1]
    known = (actual if size is None else size for size, actual in zip(declared, outer, strict=True))
    return (*known, network.output_shape[-1])


def _are_one_hot(y: AnyArray) -> bool:
    return bool(np.isin(y, (0, 1)).all() and (y.sum(axis=-1) == 1).all())


def _classes(y: AnyArray, labels: tuple[str, ...]) -> int:
    """How many softmax units class ids need; 1 if they are not class ids, or only 0 and 1."""
    if y.min() < 0:
        return 1
    classes = max(len(labels), int(y.max()) + 1)
    if classes > _MAX_CLASSES:
        raise DataError(
            f"whole-number targets are class ids, but {classes} classes are more than {_MAX_CLASSES}",
            "give the targets as float32 if they are values, not classes",
        )
    return classes if classes > 2 else 1


def _stack(keras: ModuleType, section: ModelSection, input_shape: tuple[int, ...], head: Head) -> Any:
    network = keras.Sequential(name="model")
    network.add(keras.Input(input_shape, name="input"))
    for number, units in enumerate(section.lstm, start=1):
        is_last = number == len(section.lstm)
        network.add(keras.layers.LSTM(units, return_sequences=head.every_step or not is_last, name=f"lstm_{number}"))
        if section.dropout:
            network.add(keras.layers.Dropout(section.dropout, name=f"dropout_{number}"))
    for number, units in enumerate(section.dense, start=1):
        network.add(keras.layers.Dense(units, activation=section.activation, name=f"dense_{number}"))
    network.add(keras.layers.Dense(head.units, activation=head.activation, name="output"))
    return network


def _last_activation(network: Any) -> str:
    """Name what the network's outputs have passed; "" if they are sums."""
    layer = network.layers[-1]
    # A TimeDistributed has a layer, whose activation is its own.
    layer = getattr(layer, "layer", layer)
    if type(layer).__name__ == "Softmax":
        return "softmax"
    return str(getattr(getattr(layer, "activation", None), "__name__", ""))


def _compile(keras: ModuleType, network: Any, section: ModelSection, dataset: Dataset) -> None:
    assert dataset.y is not None
    shape = output_shape(network, dataset)
    task = infer_task(shape, dataset.y)
    activation = _last_activation(network)
    probabilities = "sigmoid" if task == "binary" else "softmax"
    loss = loss_for(keras, task, is_sparse=dataset.y.shape != shape, from_logits=activation != probabilities)
    # Falling to zero, the rate leaves the last epochs no noise that would make the result a matter of luck.
    steps = section.epochs * math.ceil(len(dataset.x) / section.batch_size)
    rate = keras.optimizers.schedules.CosineDecay(section.learning_rate, decay_steps=steps)
    network.compile(
        # Clipped, because the gradients of recurrent networks now and then explode.
        optimizer=keras.optimizers.Adam(learning_rate=rate, global_clipnorm=1.0),
        loss=loss,
        metrics=["mean_absolute_error" if task == "regression" else "accuracy"],
    )
