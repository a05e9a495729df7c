"""From a model file to a quantized model and its .tflite, or straight from a .tflite."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgelstm import __version__
from edgelstm.codegen.names import c_identifier
from edgelstm.data import check_dataset
from edgelstm.errors import DataError, ModelFormatError
from edgelstm.frontends.keras import load_keras
from edgelstm.frontends.tflite import load_tflite, model_from_tflite
from edgelstm.ir import Model
from edgelstm.output import OutputFolder, content_hash
from edgelstm.pipeline.request import BuildRequest, Data
from edgelstm.quantization import calibrate, quantize
from edgelstm.report.metrics import Accuracy
from edgelstm.report.progress import Progress
from edgelstm.report.result import accuracy_from_mapping, accuracy_mapping
from edgelstm.tflite import check_tflite, write_tflite
from edgelstm.tflite.export import to_tflite_model
from edgelstm.verification.accuracy import measure_accuracy

STAGE = "model"
TFLITE = "model.tflite"


@dataclass(frozen=True, eq=False)
class Quantized:
    """A quantized model, its file, and how well it does; `accuracy` is None without data or from a .tflite."""

    model: Model
    tflite: bytes
    accuracy: Accuracy | None

    @property
    def sha256(self) -> str:
        """Hash of the file."""
        return hashlib.sha256(self.tflite).hexdigest()


def ensure_quantized(
    model_path: Path, request: BuildRequest, data: Data, folder: OutputFolder, progress: Progress
) -> Quantized:
    """Quantize, or take back what an earlier build of the same things wrote, and put model.tflite into `folder`."""
    key = _key(model_path, request, data)
    if folder.is_current(STAGE, key):
        record = folder.record(STAGE)
        facts: Mapping[str, Any] = record.facts if record else {}
        progress.note(f"reused {TFLITE}: model, data and options are unchanged")
        return reopen((folder.path / TFLITE).read_bytes(), request, facts.get("accuracy"))
    folder.forget(STAGE)
    quantized = quantize_file(model_path, request, data, progress)
    install(quantized, key, folder)
    return quantized


def install(quantized: Quantized, key: str, folder: OutputFolder) -> None:
    """Write model.tflite and remember its accuracy."""
    accuracy = None if quantized.accuracy is None else accuracy_mapping(quantized.accuracy)
    folder.install(STAGE, key, {TFLITE: quantized.tflite}, {"accuracy": accuracy})


def reopen(tflite: bytes, request: BuildRequest, accuracy: Mapping[str, Any] | None) -> Quantized:
    """Rebuild the model from the file it was written to."""
    model = model_from_tflite(tflite, request.model.stem, request.contract)
    return Quantized(model, tflite, None if accuracy is None else accuracy_from_mapping(accuracy))


def quantize_file(path: Path, request: BuildRequest, data: Data, progress: Progress) -> Quantized:
    """Read, calibrate, quantize, export and measure."""
    if is_tflite(path):
        model = load_tflite(path, request.contract)
        _check_data(data, model.input.size, model.timesteps, progress)
        model = replace(model, name=request.name or model.name)
        progress.note(f"read {path.name}: {len(model.ops)} operations, already quantized")
        return Quantized(model, path.read_bytes(), None)
    float_model = load_keras(path)
    float_model = replace(float_model, name=request.name or c_identifier(path.stem))
    progress.note(f"read {path.name}: {len(float_model.layers)} layers, {float_model.parameters} parameters")
    if data.dataset is None:
        raise DataError(
            "quantization needs data to choose its scales from", "give --data data.npz with an array x of inputs"
        )
    _check_data(data, float_model.input.size, float_model.timesteps, progress)
    calibration = data.dataset.calibration
    count = request.calibration_samples or len(calibration.x)
    timesteps = request.timesteps or float_model.timesteps or calibration.x.shape[1]
    ranges = calibrate(
        float_model,
        calibration.x[:count],
        None if calibration.lengths is None else calibration.lengths[:count],
        lambda done, total: progress.advance("calibration", done, total),
    )
    model = quantize(float_model, ranges, timesteps, request.contract)
    tflite = write_tflite(to_tflite_model(model))
    check_tflite(tflite)
    accuracy = measure_accuracy(
        float_model, model, data.dataset, lambda done, total: progress.advance("accuracy", done, total)
    )
    progress.note(f"quantized to int8 on {min(count, len(calibration.x))} calibration sequences")
    _warn_saturation(accuracy, progress)
    return Quantized(model, tflite, accuracy)


def is_tflite(path: Path) -> bool:
    """Tell a .tflite from a Keras file by its content; ModelFormatError if it cannot be read."""
    try:
        with path.open("rb") as stream:
            return stream.read(8)[4:] == b"TFL3"
    except OSError as error:
        raise ModelFormatError(f"cannot read {path}: {error.strerror}", "give a .keras, .h5 or .tflite file") from error


def _check_data(data: Data, input_size: int, timesteps: int | None, progress: Progress) -> None:
    if data.dataset is not None:
        for warning in check_dataset(data.dataset, input_size, timesteps):
            progress.warn(warning)


def _warn_saturation(accuracy: Accuracy, progress: Progress) -> None:
    clipped = [
        f"{channel} ({percent:.1f} %)"
        for channel, percent in enumerate(accuracy.saturated_inputs_percent)
        if percent >= 1.0
    ]
    if clipped:
        progress.warn(
            f"test inputs leave the calibrated range in channels {', '.join(clipped)}: calibrate on data that covers it"
        )


def _key(path: Path, request: BuildRequest, data: Data) -> str:
    return content_hash(
        __version__, path.read_bytes(), data.sha256, request.contract.value, request.name or path.stem,
        str(request.timesteps), str(request.calibration_samples),
    )  # fmt: skip
