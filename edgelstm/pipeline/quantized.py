"""From a model file to a quantized model and its .tflite, or straight from a .tflite."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from edgelstm import __version__
from edgelstm.data import Dataset
from edgelstm.device.compilers import find_compiler
from edgelstm.device.targets import load_target
from edgelstm.errors import DataError, EdgelstmError, ModelFormatError, ProjectError
from edgelstm.frontends.keras import load_keras
from edgelstm.frontends.tflite import LARGEST_FILE_BYTES, int8_file, load_tflite, model_from_tflite
from edgelstm.identifiers import as_model_name
from edgelstm.ir import FloatModel, Model, Tensor
from edgelstm.output import OutputFolder, content_hash, hash_file
from edgelstm.pipeline import narrow
from edgelstm.pipeline.accuracy_warnings import warn_of_accuracy, warn_untested
from edgelstm.pipeline.calibrated import calibrated, check_window
from edgelstm.pipeline.drift_limit import refuse_unmeasured, require_little_drift
from edgelstm.pipeline.quantization_notes import note_native, warn_ignored, warn_several_scales
from edgelstm.pipeline.quantized_model import Quantized, checked
from edgelstm.pipeline.request import BuildRequest, Data
from edgelstm.pipeline.stages import MODEL, REPORT, begin
from edgelstm.pipeline.step_file import STEP, StepFile, measured, step_file
from edgelstm.project.settings import AUTO, INT8, INT16, TF
from edgelstm.report.progress import Progress
from edgelstm.report.result import accuracy_from_mapping, accuracy_mapping
from edgelstm.tflite import check_tflite, read_tflite, write_tflite
from edgelstm.tflite.export import to_tflite_model
from edgelstm.verification.accuracy import measure_accuracy, measure_quantized

TFLITE, STEP_TFLITE = "model.tflite", "model_step.tflite"


def ensure_quantized(
    model_path: Path, request: BuildRequest, data: Data, folders: Sequence[OutputFolder], progress: Progress
) -> Quantized:
    """Quantize, or take back what an earlier build of the same things wrote, and put model.tflite into each folder."""
    key = _key(model_path, request, data)
    stale = [folder for folder in folders if not folder.is_current(MODEL, key)]
    current = [folder for folder in folders if folder not in stale]
    quantized = _reopen(current[0], request) if current else None
    if quantized is not None:
        progress.note(f"reused {TFLITE}: model, data and options are unchanged")
    else:
        quantized, stale = quantize_file(model_path, request, data, progress), list(folders)
        warn_untested(quantized.accuracy, data, progress)
    for folder in stale:
        record = folder.record(MODEL)
        is_same = record is not None and record.files.get(TFLITE) == quantized.sha256
        # The C of the same model is the same, and so may be the firmware.
        begin(folder, REPORT if is_same else MODEL)
        folder.forget(MODEL)
        accuracy = None if quantized.accuracy is None else accuracy_mapping(quantized.accuracy)
        step = {} if quantized.step is None else {STEP_TFLITE: quantized.step.tflite}
        folder.install(MODEL, key, {TFLITE: quantized.tflite, **step}, {"accuracy": accuracy})
    return quantized


def _reopen(folder: OutputFolder, request: BuildRequest) -> Quantized | None:
    """Rebuild the model from the file that an earlier build wrote; None if the manifest makes no sense."""
    record = folder.record(MODEL)
    values = record.facts.get("accuracy") if record else None
    try:
        accuracy = None if values is None else accuracy_from_mapping(values)
    except (LookupError, TypeError, AttributeError, ValueError):
        return None
    tflite = (folder.path / TFLITE).read_bytes()
    model = model_from_tflite(tflite, request.model.stem, request.contract)
    model = replace(model, name=request.name or model.name)
    return Quantized(model, tflite, accuracy, _step(model, request))


def _step(model: Model, request: BuildRequest) -> StepFile | None:
    return step_file(model) if request.tflite_recurrent == STEP else None


def quantize_file(path: Path, request: BuildRequest, data: Data, progress: Progress) -> Quantized:
    """Read, calibrate, quantize, export and measure; an int8 .tflite is only read."""
    loaded = load(path, request, progress)
    if isinstance(loaded, Model):
        refuse_unmeasured(path, request)
        return as_read(path, loaded, request, data, progress)
    if data.dataset is None:
        raise DataError(
            f"{path.name} is a float model: quantization needs data to choose its scales from",
            f"give --data data.npz with {_arrays_of(loaded.inputs)}",
        )
    dataset = checked(data.dataset, loaded, progress)
    found = calibrated(loaded, dataset, request, progress)
    model = found.model
    tflite = write_tflite(to_tflite_model(model))
    check_tflite(tflite, foreign=request.calibration == TF)
    warn_several_scales(model, "leaving --calibration tf out", progress)
    step = _step(model, request)
    accuracy = measure_accuracy(
        loaded, model, found.ranges, dataset, lambda done, total: progress.advance("measuring accuracy", done, total)
    )
    progress.note(f"quantized to {INT16 if model.has_int16 else INT8} on {found.sequences} calibration sequences")
    warn_of_accuracy(accuracy, len(dataset.test.x), request.margin, progress)
    require_little_drift(loaded, model, dataset.test, request, progress)
    if step is not None:
        step = measured(step, loaded, model, dataset, progress)
    return Quantized(model, tflite, accuracy, step)


def load(path: Path, request: BuildRequest, progress: Progress) -> Model | FloatModel:
    """Read a model file; a float model gets the name that is asked for, or the file's."""
    loaded = load_tflite(path, request.contract) if is_tflite(path) else load_keras(path)
    if isinstance(loaded, Model):
        return loaded
    progress.note(f"read {path.name}: {loaded.parameters} parameters")
    return replace(loaded, name=request.name or as_model_name(path.stem))


def float_with_data(request: BuildRequest, data: Data, progress: Progress) -> tuple[FloatModel, Dataset]:
    """The float model of a request, and data that fit it, to compare integers with.

    Raises:
        ProjectError: the model is quantized already.
        DataError: there are no data, or they do not fit.
    """
    loaded = load(request.model, request, progress)
    if isinstance(loaded, Model):
        raise ProjectError(
            f"{request.model.name} is quantized already, so that there is nothing to compare it with",
            "give the Keras model that it came from",
        )
    if data.dataset is None:
        raise DataError(
            "errors are measured on data, and scales chosen on them",
            "give --data data.npz with an array x, and x_test if there is",
        )
    return loaded, checked(data.dataset, loaded, progress)


def as_read(path: Path, model: Model, request: BuildRequest, data: Data, progress: Progress) -> Quantized:
    """A model that is quantized already; DataError where data that were given do not fit it."""
    dataset = None if data.dataset is None else checked(data.dataset, model, progress)
    check_window(model.timesteps, request)
    narrow.require_weights(path.name, model, request)
    progress.note(f"read {path.name}, which is quantized already: {model.parameters} parameters")
    note_native(model, progress)
    warn_ignored(request, model, progress)
    warn_several_scales(model, "quantizing the Keras model", progress)
    model = replace(model, name=request.name or model.name)
    accuracy = None
    if dataset is not None and dataset.test.y is not None:
        accuracy = measure_quantized(
            model, dataset, lambda done, total: progress.advance("measuring accuracy", done, total)
        )
    return Quantized(model, int8_file(path.read_bytes()), accuracy, _step(model, request), was_read=True)


def is_tflite(path: Path) -> bool:
    """Tell a .tflite from a Keras file by its content; ModelFormatError if it cannot be read."""
    try:
        with path.open("rb") as stream:
            return stream.read(8)[4:] == b"TFL3"
    except OSError as error:
        raise ModelFormatError(f"cannot read {path}: {error.strerror}", "give a .keras, .h5 or .tflite file") from error


def is_own_tflite(path: Path) -> bool:
    """Whether edgelstm wrote this .tflite: its description says so."""
    try:
        is_small = path.stat().st_size <= LARGEST_FILE_BYTES
        return is_small and read_tflite(path.read_bytes()).description.startswith("edgelstm: ")
    except (OSError, EdgelstmError):
        return False


def _arrays_of(inputs: Sequence[Tensor]) -> str:
    if len(inputs) == 1:
        return "an array x of inputs"
    return "an array for each input: " + ", ".join(f"x.{tensor.name}" for tensor in inputs)


def _cost_key(request: BuildRequest) -> tuple[str, ...]:
    """What decides costs, where these decide the integers."""
    if request.activations != AUTO or not request.limits.are_set:
        return ()
    targets = [target for target in map(load_target, request.targets) if target.memory]
    return (
        str(request.limits), *map(repr, targets), request.choices, str(request.runner),
        *(find_compiler(target, request.compiler).label for target in targets),
    )  # fmt: skip


def _key(path: Path, request: BuildRequest, data: Data) -> str:
    return content_hash(
        __version__, hash_file(path) or "", data.sha256, str(request.contract), request.name or path.stem,
        str(request.timesteps), str(request.calibration_samples), request.tflite_recurrent,
        str(request.margin), request.clip, request.calibration, request.activations, request.weights,
        str(request.rounding),
        str(request.cell_bits), str(request.max_drift), str(request.drift_steps),
        *_cost_key(request),
    )  # fmt: skip
