"""From a float model and a stream to how far the integers go from it."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from edgelstm.data import Dataset, fit_dataset, load_dataset
from edgelstm.data.dataset import Samples
from edgelstm.ir import FloatModel
from edgelstm.pipeline.calibrated import calibrated
from edgelstm.pipeline.quantized import float_with_data
from edgelstm.pipeline.request import BuildRequest, Data
from edgelstm.report.drift import DriftReport, WiderCells
from edgelstm.report.progress import Progress
from edgelstm.verification.drift import measure_drift
from edgelstm.verification.stream import Stream


def drift(request: BuildRequest, data: Data, source: Path | None, progress: Progress) -> DriftReport:
    """Quantize the model of a request and run it along a stream of `request.drift_steps`.

    Where cell states are clipped, it runs once more with the cell scale that holds them.

    Args:
        request: whose data choose the scales.
        data: what it names.
        source: a file whose array x is the stream; None for the test data.
        progress: is told of every stage.

    Raises:
        ProjectError: the model is quantized already.
        DataError: there are no data, or they do not fit.
        UnsupportedModelError: the model does not run along a stream; each layer that waits for a window is named.
    """
    loaded, dataset = float_with_data(request, data, progress)
    test = dataset.test if source is None else _stream(source, loaded)
    report = _measured(loaded, dataset, test, request, progress)
    if report.cell_bits is None:
        return report
    progress.note(f"once more with --cell-bits {report.cell_bits}, because cell states are clipped")
    wider = _measured(loaded, dataset, test, replace(request, cell_bits=report.cell_bits), progress)
    return replace(report, wider=WiderCells(report.cell_bits, wider.error_percent))


def _measured(
    loaded: FloatModel, dataset: Dataset, test: Samples, request: BuildRequest, progress: Progress
) -> DriftReport:
    model = calibrated(loaded, dataset, request, progress).model
    return measure_drift(Stream(loaded, model), test, request.drift_steps, progress)


def _stream(source: Path, model: FloatModel) -> Samples:
    """A file's sequences, of any length; a single one may lack the first axis."""
    found = load_dataset(str(source), base=Path())
    is_one = found.x.ndim == 2 and not model.input.vocabulary
    whole = replace(found, x=np.asarray(found.x)[np.newaxis], y=None) if is_one else found
    return fit_dataset(whole, model.inputs, None)[0].training
