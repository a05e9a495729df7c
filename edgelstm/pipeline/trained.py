"""The trained model of a project: used as it is, or trained where it is missing or out of date."""

import json
from dataclasses import replace
from pathlib import Path

from edgelstm import __version__
from edgelstm.data import Dataset
from edgelstm.errors import ModelError, OutputError
from edgelstm.output import content_hash, hash_file, unfinished_folder, write_atomically
from edgelstm.pipeline.finetuned import fine_tuning_in_words, finetune, require_int8
from edgelstm.pipeline.request import BuildRequest, Data
from edgelstm.project import Project
from edgelstm.report.progress import Progress
from edgelstm.training import TrainedModel, train
from edgelstm.training.qat.tune import Schedule

RECORD = ".edgelstm-training.json"
"""Beside edgelstm.toml: from what the model file was trained, so that a change is noticed."""


def ensure_trained(request: BuildRequest, data: Data, progress: Progress) -> Path:
    """Return the model file, training it first where needed.

    A model that edgelstm did not train is never replaced.
    """
    project = request.project
    if project is None or project.model.file.endswith(".tflite"):
        return _existing(request.model)
    if not request.may_train:
        if not request.model.exists():
            raise ModelError(f"there is no {request.model}", "run `edgelstm train` first")
        return request.model
    if not request.model.exists():
        progress.note(f"{request.model.name} is missing: training it")
        train_model(project, data, progress)
    elif not _is_ours(project, request.model):
        progress.note(f"using {request.model.name} as it is: edgelstm did not train it")
    elif _recorded(project).get("key") != training_key(project, data):
        progress.note("settings or data have changed since the last training: training again")
        train_model(project, data, progress)
    else:
        progress.note(f"reused {request.model.name}: settings and data are unchanged")
    return request.model


def train_model(project: Project, data: Data, progress: Progress) -> TrainedModel:
    """Train and record from what; OutputError if the model there is somebody else's."""
    if project.model_path.exists() and not _is_ours(project, project.model_path):
        raise OutputError(
            f"{project.model_path} was not trained by edgelstm, and training would overwrite it",
            "move it away, or set another file in [model] of edgelstm.toml",
        )
    if data.dataset is None:
        raise ModelError(f"there is no data to train {project.model_path} on", "set source in [data] of edgelstm.toml")
    trained = _trained(project, data, data.dataset, progress)
    for warning in trained.warnings:
        progress.warn(warning)
    record = {"key": training_key(project, data), "sha256": hash_file(trained.path)}
    write_atomically(project.folder / RECORD, json.dumps(record) + "\n")
    figure = "" if trained.float_value is None else f", {trained.metric} {trained.float_value:.4f}"
    progress.note(f"trained {trained.path.name} in {trained.seconds:.1f} s{figure}")
    return trained


def _trained(project: Project, data: Data, dataset: Dataset, progress: Progress) -> TrainedModel:
    def on_epoch(epoch: int, epochs: int, figures: dict[str, float]) -> None:
        progress.advance("training", epoch, epochs)

    if not project.model.qat_epochs:
        return train(project, dataset, on_epoch=on_epoch)
    request = BuildRequest.of(project)
    require_int8(request)
    # The model is there when all of it is done: what is half done would look like somebody else's.
    with unfinished_folder(project.folder) as folder:
        inside = replace(project.model, file=f"{folder.name}/{project.model_path.name}")
        trained = train(replace(project, model=inside), dataset, on_epoch=on_epoch)
        model = project.model
        schedule = Schedule(model.qat_epochs, model.batch_size, model.qat_learning_rate, model.seed)
        found = finetune(trained.path, request, data, schedule, progress)
        write_atomically(project.model_path, found.content)
    progress.note(fine_tuning_in_words(found))
    seconds = trained.seconds + found.seconds
    return replace(trained, path=project.model_path, float_value=found.after.float_value, seconds=seconds)


def training_key(project: Project, data: Data) -> str:
    """Hash of everything that decides what training yields."""
    source = b""
    if project.model.build is not None:
        path = project.folder / project.model.build.rsplit(":", 1)[0]
        source = path.read_bytes() if path.is_file() else b""
    integers = f"{project.quantize} {project.build.contract}" if project.model.qat_epochs else ""
    return content_hash(__version__, repr(project.model), source, data.sha256, integers)


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise ModelError(f"there is no model file {path}", "give a .keras, .h5 or .tflite file")
    return path


def _recorded(project: Project) -> dict[str, str]:
    try:
        record = json.loads((project.folder / RECORD).read_text())
    except (OSError, ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def _is_ours(project: Project, path: Path) -> bool:
    return _recorded(project).get("sha256") == hash_file(path)
