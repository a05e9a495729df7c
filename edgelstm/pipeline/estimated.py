"""From a model, trained or not, to what it costs on each target. Nothing is kept."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from edgelstm.data import Dataset
from edgelstm.device.targets import Target, list_targets, load_target
from edgelstm.errors import TargetError
from edgelstm.ir import FloatModel, Model, Ranges
from edgelstm.pipeline.assumed import assumed_data, on_assumed_data, trained_ranges, trained_weights
from edgelstm.pipeline.calibrated import calibrated
from edgelstm.pipeline.costs import Costed, costs_on
from edgelstm.pipeline.quantized import as_read, load
from edgelstm.pipeline.quantized_model import Quantized, checked, fitted
from edgelstm.pipeline.request import BuildRequest, Data, read_data
from edgelstm.pipeline.stand_in import Sizes, stand_in
from edgelstm.project import Project
from edgelstm.report.estimate import Estimate
from edgelstm.report.progress import Progress, Silent
from edgelstm.tflite import write_tflite
from edgelstm.tflite.export import to_tflite_model
from edgelstm.training.untrained import save_untrained

MOST_CALIBRATION = 2048
"""Sequences: more would change the ranges, and so what a step costs, by very little."""


def chips() -> tuple[str, ...]:
    """The names of all targets that are microcontrollers."""
    return tuple(name for name in list_targets() if load_target(name).memory)


def estimate_model(
    request: BuildRequest, progress: Progress | None = None, names: Sequence[str] = ()
) -> tuple[Estimate, ...]:
    """What a model costs on each of the targets of these names, or the request's.

    A float model without data is quantized on data made up for it, and a project that is not trained yet is taken as
    training would begin, with larger weights.

    Raises:
        EdgelstmError: what is wrong with model, data or targets. What only hides a figure is in the estimates.
    """
    news = progress or Silent()
    targets = _targets(request, names)
    data = read_data(request.data, request.base)
    if request.project is not None and data.dataset is not None and not request.model.exists():
        network = _untrained(request.project, data.dataset, request, news)
        return costs_on(targets, _measured(network, data.dataset, request, news, trained_ranges), request, news)
    return costs_on(targets, _read(request.model, request, data, news), request, news)


def estimate_sizes(
    sizes: Sequence[Sizes], request: BuildRequest, progress: Progress | None = None
) -> tuple[Estimate, ...]:
    """What models of these sizes would cost on each of the request's targets, before anything is trained.

    Raises:
        TargetError: a layer's weights alone are more than any target holds; lists all such.
    """
    news = progress or Silent()
    targets = _targets(request, ())
    room = max(load_target(name).region("flash").size_bytes for name in chips())
    too_large = [
        f"{one.label} on {one.inputs} inputs: {one.weights} bytes of weights" for one in sizes if one.weights > room
    ]
    if too_large:
        listed = "\n".join(f"  - {problem}" for problem in too_large)
        raise TargetError(
            f"no target has the flash for this, the largest having {room} bytes:\n{listed}", "choose fewer units"
        )
    found: list[Estimate] = []
    for one in sizes:
        costed = _assumed(stand_in(one), request)
        found += (replace(each, model=one.label) for each in costs_on(targets, costed, request, news))
    return tuple(found)


def _targets(request: BuildRequest, names: Sequence[str]) -> list[Target]:
    targets = [load_target(name) for name in names or request.targets]
    for target in targets:
        if not target.memory:
            raise TargetError(f"{target.name} has no memory that a model could fill", "choose a microcontroller")
    request.require_wide_weights(targets)
    return targets


def _untrained(project: Project, dataset: Dataset, request: BuildRequest, progress: Progress) -> FloatModel:
    """The network that training would begin with, on the scale that it would end with."""
    progress.note(f"{request.model.name} is not trained yet: its weights are random, as large as after training")
    if request.optimize == "speed":
        progress.note("with --optimize speed a step costs up to a third more where training drives gates far from 0")
    with tempfile.TemporaryDirectory(prefix="edgelstm-") as work:
        path = Path(work) / "model.keras"
        save_untrained(project, dataset, path)
        network = load(path, replace(request, name=request.name or request.model.stem), Silent())
    assert isinstance(network, FloatModel)
    return trained_weights(network, checked(dataset, network, Silent()))


def _read(path: Path, request: BuildRequest, data: Data, progress: Progress) -> Costed:
    loaded = load(path, request, progress)
    if isinstance(loaded, Model):
        quantized = as_read(path, loaded, request, data, progress)
        return Costed(quantized, None if data.dataset is None else fitted(data.dataset, loaded))
    if data.dataset is None:
        progress.note("no data were given: inputs of mean 0 and variance 1 are assumed; --data has it count on yours")
        return _assumed(loaded, request)
    return _measured(loaded, data.dataset, request, progress)


def _measured(
    float_model: FloatModel,
    dataset: Dataset,
    request: BuildRequest,
    progress: Progress,
    expected: Callable[[FloatModel, Ranges], Ranges] = lambda _, ranges: ranges,
) -> Costed:
    """On the user's data; see `calibrated`."""
    known = checked(dataset, float_model, progress)
    asked = min(request.calibration_samples or MOST_CALIBRATION, MOST_CALIBRATION)
    model = calibrated(float_model, known, replace(request, calibration_samples=asked), progress, expected).model
    return Costed(_exported(model), known)


def _assumed(float_model: FloatModel, request: BuildRequest) -> Costed:
    dataset = assumed_data(float_model, request.timesteps)
    return Costed(_exported(on_assumed_data(float_model, dataset, request)), dataset)


def _exported(model: Model) -> Quantized:
    return Quantized(model, write_tflite(to_tflite_model(model)), None)
