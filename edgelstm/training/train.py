"""Training a project's model."""

import math
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from edgelstm.data import Dataset, check_dataset
from edgelstm.errors import DataError, EdgelstmError, ModelError, OutputError, ProjectError
from edgelstm.ir import MOST_IDS, AnyArray
from edgelstm.project import Project
from edgelstm.report.metrics import check_class_ids, evaluate, fit_targets
from edgelstm.training.backend import load_keras
from edgelstm.training.network import build_network, output_shape

OnEpoch = Callable[[int, int, dict[str, float]], None]
"""Called after each epoch with its number from 1 on, the number of epochs, and losses and metrics by name."""

_PREDICT_BATCH = 256


@dataclass(frozen=True)
class TrainedModel:
    """What training made.

    Attributes:
        path: the saved .keras file.
        metric: "accuracy", "rmse" or "none", as in `report.metrics.Accuracy`.
        float_value: the metric on the test data, or on the training data where there are none.
        epochs: how many were trained.
        seconds: wall-clock time of training and saving.
        warnings: what the user should know, one sentence each.
    """

    path: Path
    metric: str
    float_value: float | None
    epochs: int
    seconds: float
    warnings: tuple[str, ...] = ()


def train(project: Project, dataset: Dataset, *, on_epoch: OnEpoch = lambda *_: None) -> TrainedModel:
    """Train the model that `project` describes and save it.

    The same seed, data and versions give the same weights, on the same kind of processor and with as many threads:
    floats that are added in another order round otherwise. An interrupted training leaves nothing behind.

    Args:
        project: its [model] section says what to train and where to save it.
        dataset: with targets `y`; `x_test` and `y_test` are only measured on.
        on_epoch: told about the progress; what it raises ends the training.

    Raises:
        ToolMissingError: Keras is not installed.
        ProjectError: the user's `build` failed, or the model's file does not end in .keras.
        DataError: the data cannot be trained on.
        ModelError: training failed or diverged.
        OutputError: the model cannot be saved.
    """
    started_s = time.monotonic()
    if project.model_path.suffix != ".keras":
        raise ProjectError(f"training writes a .keras file, but model.file is {project.model.file}")
    if dataset.y is None:
        raise DataError("the data has no targets y to train on", 'give "y" along with "x"')
    _check_inputs(dataset, MOST_IDS)
    keras = load_keras(project.model.seed)
    try:
        network = build_network(keras, project, dataset)
        for layer in network.layers:
            if isinstance(layer, keras.layers.Embedding):
                _check_inputs(dataset, layer.input_dim)
        _fit(keras, network, project, dataset, on_epoch)
        metric, float_value = _measure(network, dataset)
        _save(network, project.model_path)
    except EdgelstmError:
        raise
    except Exception as error:
        raise ModelError(f"training failed: {type(error).__name__}: {error!s:.500}") from error
    return TrainedModel(
        path=project.model_path,
        metric=metric,
        float_value=float_value,
        epochs=project.model.epochs,
        seconds=time.monotonic() - started_s,
        warnings=_warnings(dataset),
    )


def _check_inputs(dataset: Dataset, vocabulary: int) -> None:
    """Data of two axes are ids, those of four are images. Several inputs are checked when the model is quantized."""
    if dataset.inputs:
        return
    if dataset.x.ndim == 2:
        check_dataset(dataset, 1, dataset.x.shape[1], vocabulary=vocabulary)
        return
    shape = dataset.training.x.shape if dataset.x.ndim in (3, 4) else (0, 0, 0)
    check_dataset(dataset, input_size=shape[2], timesteps=shape[1])


def _inputs(dataset: Dataset, *, is_test: bool = False) -> object:
    """What Keras is given: an array, or one by the name of each input."""
    if dataset.inputs:
        return {one.name: one.x_test if is_test else one.x for one in dataset.inputs}
    return dataset.x_test if is_test else dataset.x


def _fit(keras: ModuleType, network: Any, project: Project, dataset: Dataset, on_epoch: OnEpoch) -> None:
    section = project.model

    def epoch_ended(epoch: int, logs: Mapping[str, float]) -> None:
        figures = {name: float(value) for name, value in logs.items()}
        if not math.isfinite(figures["loss"]):
            raise ModelError(
                f"training diverged: the loss became {figures['loss']} in epoch {epoch + 1}",
                "lower model.learning_rate, or scale the data to about -1..1",
            )
        on_epoch(epoch + 1, section.epochs, figures)

    shape = output_shape(network, dataset)
    validation = None
    if dataset.x_test is not None and dataset.y_test is not None:
        test_shape = (len(dataset.x_test), *shape[1:])
        validation = (_inputs(dataset, is_test=True), _targets(test_shape, dataset.y_test))
    assert dataset.y is not None
    network.fit(
        _inputs(dataset),
        _targets(shape, dataset.y),
        epochs=section.epochs,
        batch_size=section.batch_size,
        validation_data=validation,
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=epoch_ended)],
        verbose=0,
    )


def _targets(shape: tuple[int, ...], y: AnyArray) -> AnyArray:
    targets = fit_targets(shape, y)
    if targets.ndim < len(shape):
        check_class_ids(targets, shape[-1])
    return targets


def _measure(network: Any, dataset: Dataset) -> tuple[str, float | None]:
    test = dataset.test
    inputs = _inputs(dataset, is_test=dataset.x_test is not None)
    output = network.predict(inputs, batch_size=_PREDICT_BATCH, verbose=0)
    accuracy = evaluate(test.y, output, output, dataset.labels, test.lengths)
    return accuracy.metric, accuracy.float_value


def _save(network: Any, path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".edgelstm-") as beside:
            unfinished = Path(beside) / path.name
            network.save(unfinished)
            unfinished.replace(path)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error


def _warnings(dataset: Dataset) -> tuple[str, ...]:
    if dataset.lengths is None:
        return ()
    return (
        "training ignores lengths: the network also learns from the padding behind shorter sequences, "
        "which the firmware will not see",
    )
