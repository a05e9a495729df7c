"""A trained model, trained on in the integers that a build makes of it."""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

import numpy as np

from edgelstm.data import Dataset
from edgelstm.errors import DataError, EdgelstmError, ModelError, ModelFormatError, ProjectError
from edgelstm.frontends.keras import build_float_model, load_keras
from edgelstm.frontends.keras_rewrite import require_rewritable, with_weights
from edgelstm.frontends.keras_source import KerasSource, read_keras
from edgelstm.ir import AnyArray, FloatArray, FloatModel, Model, Ranges
from edgelstm.ops import registry as ops_registry
from edgelstm.pipeline.calibrated import calibrated
from edgelstm.pipeline.quantized import is_tflite
from edgelstm.pipeline.quantized_model import checked
from edgelstm.pipeline.request import BuildRequest, Data
from edgelstm.project.settings import DATA, INT8, TF
from edgelstm.quantization import quantize
from edgelstm.report.metrics import Accuracy, Task, check_class_ids, evaluate, fit_targets, infer_task
from edgelstm.report.progress import Progress, Silent
from edgelstm.training.backend import load_keras as import_keras
from edgelstm.training.losses import loss_for
from edgelstm.training.qat.network import FakeNetwork, head_of, require_trainable
from edgelstm.training.qat.tune import OnEpoch, Schedule, Tuned, tune
from edgelstm.verification.accuracy import measure_accuracy, run_samples, run_simulator

FROZEN = frozenset({"BatchNormalization", "LayerNormalization", "Normalization", "Rescaling"})
"""Keras classes whose weights stay as they are: they are statistics, or scale what others are trained for."""

AGREEMENT = 0.001
"""Of the metric, by which the trained network may differ from the integers of a build before one should know."""

VALIDATION_SHARE = 10
"""One in so many training sequences is kept to choose the best epoch by."""


@dataclass(frozen=True, eq=False)
class FineTuned:
    """What fine-tuning made.

    Attributes:
        content: of the .keras file.
        before: float and deployed model on the test data, as they were.
        after: the same of the file that was made.
        trained_value: the metric of the network that was trained, on the same data and the weights of the file; it
            says what `after.quantized_value` will be.
        tuned: what happened in which epoch.
        seconds: wall-clock time of all of it.
    """

    content: bytes
    before: Accuracy
    after: Accuracy
    trained_value: float | None
    tuned: Tuned
    seconds: float


def finetune(path: Path, request: BuildRequest, data: Data, schedule: Schedule, progress: Progress) -> FineTuned:
    """Fine-tune a .keras file.

    A tenth of the training data, chosen by the seed, is not trained on; what the integers achieve on it decides which
    epoch is kept, or that none is. Test data are measured on in the end alone. The same seed, data and versions make
    the same file.

    Raises:
        ProjectError: other activations or weights than int8 are asked for.
        ToolMissingError: Keras is not installed.
        ModelFormatError: it is no .keras file.
        UnsupportedModelError: layers that cannot be compiled, or not trained in integers; all of them.
        DataError: the data do not fit the model, or have no targets.
        ModelError: the training failed or diverged.
    """
    started_s = time.monotonic()
    require_int8(request)
    if is_tflite(path):
        raise ModelFormatError(f"{path.name} is a .tflite file", "give the .keras file that it came from")
    require_rewritable(path)
    source = read_keras(path)
    float_model = build_float_model(source, ops_registry)
    if data.dataset is None or data.dataset.y is None:
        raise DataError("fine-tuning needs targets", 'give --data with "y" along with "x"')
    dataset = checked(data.dataset, float_model, progress)
    keras = import_keras(schedule.seed)
    deployment = _Deployment(source, dataset, request, _split(dataset, schedule.seed)[1])
    model, ranges = deployment.calibrated(float_model)
    require_trainable(model, head_of(model, decides=True))
    before = measure_accuracy(float_model, model, ranges, dataset)
    try:
        network, tuned = _tuned(keras, source, deployment, model, dataset, schedule, progress)
        content = with_weights(path, dict(zip(deployment.paths, tuned.arrays, strict=True)))
        after, trained_value = _measured(content, network, tuned, deployment, dataset)
    except EdgelstmError:
        raise
    except Exception as error:
        raise ModelError(f"fine-tuning failed: {type(error).__name__}: {error!s:.500}") from error
    _warn_disagreement(trained_value, after.quantized_value, progress)
    return FineTuned(content, before, after, trained_value, tuned, time.monotonic() - started_s)


def require_int8(request: BuildRequest) -> None:
    """Raise ProjectError for integers that are not trained in."""
    other = [name for name in (request.activations, request.weights) if name != INT8]
    other += ["--rounding data"] if request.rounding == DATA else []
    other += ["--calibration tf"] if request.calibration == TF else []
    if other:
        raise ProjectError(f"fine-tuning is for int8, not {' and '.join(other)}", "leave one of the two out")


def _tuned(
    keras: ModuleType,
    source: KerasSource,
    deployment: "_Deployment",
    model: Model,
    dataset: Dataset,
    schedule: Schedule,
    progress: Progress,
) -> tuple[FakeNetwork, Tuned]:
    """Build the network and train it, on what is not kept to validate on."""
    arrays = deployment.arrays
    task, targets = _targets(dataset, _output_shape(deployment.rebuild(arrays), dataset))
    head = head_of(model, decides=task != "regression")
    network = FakeNetwork.of(keras, deployment.rebuild, arrays, deployment.is_trained, model, head)
    rank = 3 if model.outputs[0].is_sequence else 2
    loss = loss_for(keras, task, is_sparse=targets.ndim < rank, from_logits=True, named=source.loss)
    kept = _split(dataset, schedule.seed)[0]
    samples = dataset.training.take(kept)
    return network, tune(network, deployment, arrays, samples, targets[kept], loss, schedule, _told(progress))


def _told(progress: Progress) -> OnEpoch:
    def on_epoch(epoch: int, epochs: int, loss: float, score: float) -> None:
        progress.advance("fine-tuning", epoch, epochs)
        progress.detail(f"epoch {epoch}: loss {loss:.6g}, error of the integers on the validation data {score:.6g}")

    return on_epoch


def _warn_disagreement(trained: float | None, deployed: float | None, progress: Progress) -> None:
    """Where Keras' backend has no float64 (JAX by default), integers are not all exact while training."""
    if trained is not None and deployed is not None and abs(trained - deployed) > AGREEMENT * abs(deployed):
        progress.warn(f"the network that was trained achieves {trained:.5f}, the integers of a build {deployed:.5f}")


def fine_tuning_in_words(found: FineTuned) -> str:
    """What it did to the deployed model, in a line."""
    before, after = found.before, found.after
    figures = ""
    if before.quantized_value is not None and after.quantized_value is not None:
        figures = f"{after.metric} of int8 {before.quantized_value:.4f} -> {after.quantized_value:.4f}, "
    kept = f"epoch {found.tuned.epoch} did best" if found.tuned.epoch else "no epoch did better, weights are unchanged"
    return f"fine-tuned in {found.seconds:.0f} s: {figures}{kept}"


class _Deployment:
    """What a build makes of the weights of a Keras file; see `tune.Deployment`."""

    def __init__(self, source: KerasSource, dataset: Dataset, request: BuildRequest, validation: AnyArray) -> None:
        self._source, self._dataset, self._request = source, dataset, request
        self._validation = dataset.training.take(validation)
        self.paths = tuple(dict.fromkeys(path for layer in source.layers for path in layer.weight_paths))
        found: dict[str, FloatArray] = {}
        trained: dict[str, bool] = dict.fromkeys(self.paths, True)
        for layer in source.layers:
            for path, array in zip(layer.weight_paths, layer.weights, strict=True):
                found[path] = array
                trained[path] &= layer.class_name not in FROZEN
        self.arrays = tuple(found[path] for path in self.paths)
        self.is_trained = tuple(trained[path] for path in self.paths)

    def rebuild(self, arrays: Sequence[FloatArray]) -> FloatModel:
        """See `tune.Deployment`."""
        named = dict(zip(self.paths, arrays, strict=True))
        layers = tuple(
            replace(layer, weights=tuple(named[path] for path in layer.weight_paths)) for layer in self._source.layers
        )
        return build_float_model(replace(self._source, layers=layers), ops_registry)

    def calibrated(self, model: FloatModel) -> tuple[Model, Ranges]:
        """See `tune.Deployment`."""
        found = calibrated(model, self._dataset, self._request, Silent())
        return found.model, found.ranges

    def quantized(self, model: FloatModel, ranges: Ranges) -> Model:
        """See `tune.Deployment`."""
        calibration = self._dataset.calibration.x
        timesteps = model.timesteps or self._request.timesteps or model.layout.timesteps(calibration)
        return quantize(model, ranges, timesteps, self._request.contract)

    def score(self, model: Model) -> float:
        """See `tune.Deployment`: the share of errors, or the root mean squared error, on the validation data."""
        output = run_simulator(model, self._validation)
        accuracy = evaluate(self._validation.y, output, output, self._dataset.labels, self._validation.lengths)
        assert accuracy.quantized_value is not None
        return 1.0 - accuracy.quantized_value if accuracy.metric == "accuracy" else accuracy.quantized_value


def _split(dataset: Dataset, seed: int) -> tuple[AnyArray, AnyArray]:
    """Indices of the sequences to train on, and of those to validate on; the same where there are too few."""
    count = len(dataset.x)
    order = np.random.default_rng(seed).permutation(count)
    validation = count // VALIDATION_SHARE
    return (order[validation:], order[:validation]) if validation else (order, order)


def _output_shape(model: FloatModel, dataset: Dataset) -> tuple[int, ...]:
    """Of all training sequences."""
    return (len(dataset.x), *model.forward(dataset.training.x[:1].astype(np.float32)).shape[1:])


def _targets(dataset: Dataset, shape: tuple[int, ...]) -> tuple[Task, AnyArray]:
    """What the model does, and the targets as a loss takes them."""
    assert dataset.y is not None
    targets = fit_targets(shape, dataset.y)
    if targets.ndim < len(shape):
        check_class_ids(targets, shape[-1])
    return infer_task(shape, dataset.y), targets


def _measured(
    content: bytes, network: FakeNetwork, tuned: Tuned, deployment: _Deployment, dataset: Dataset
) -> tuple[Accuracy, float | None]:
    """Read the file back and quantize it as a build does: what it achieves, and what the trained network says."""
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "model.keras"
        written.write_bytes(content)
        float_model = load_keras(written)
    model, ranges = deployment.calibrated(float_model)
    after = measure_accuracy(float_model, model, ranges, dataset)
    network.set_weights(tuned.arrays)
    network.refresh(float_model, model)
    test = dataset.test
    output = run_samples(network.outputs, test)
    return after, evaluate(test.y, output, output, dataset.labels, test.lengths).quantized_value
