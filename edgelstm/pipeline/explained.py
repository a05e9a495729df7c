"""From a float model and data to where its integers go wrong, and what to do about it."""

from edgelstm.pipeline.calibrated import calibrated
from edgelstm.pipeline.quantized import float_with_data
from edgelstm.pipeline.request import BuildRequest, Data
from edgelstm.project.settings import TF
from edgelstm.report.errors_found import ErrorReport
from edgelstm.report.progress import Progress
from edgelstm.verification.advice import Chosen, advise
from edgelstm.verification.error_bench import Bench
from edgelstm.verification.layer_errors import Errors, measure_layers


def explain(request: BuildRequest, data: Data, progress: Progress) -> ErrorReport:
    """Quantize the model of a request and measure each layer and gate on some of the test sequences.

    Raises:
        ProjectError: the model is quantized already.
        DataError: there are no data, or they do not fit.
    """
    loaded, dataset = float_with_data(request, data, progress)
    found = calibrated(loaded, dataset, request, progress)
    errors = Errors(Bench.of(loaded, found.model, dataset.test))
    layers, parts = measure_layers(errors, progress)
    # Ranges that are to be TensorFlow's cannot be others.
    is_fixed = request.calibration == TF
    chosen = Chosen(found.ranges, request.margin, found.with_ranges)
    return ErrorReport(
        sequences=len(errors.bench.samples.x),
        available=len(dataset.test.x),
        sqnr_db=errors.sqnr_db,
        inputs=tuple(errors.of_input(tensor.name) for tensor in loaded.inputs if not tensor.vocabulary),
        layers=layers,
        parts=parts,
        worst=errors.worst,
        advice=() if is_fixed else advise(errors, parts, chosen),
    )
