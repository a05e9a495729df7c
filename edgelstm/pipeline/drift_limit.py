"""Whether a model that is being built stays near its float model along a stream."""

from pathlib import Path

from edgelstm.data.dataset import Samples
from edgelstm.errors import DriftError
from edgelstm.ir import FloatModel, Model
from edgelstm.pipeline.request import BuildRequest
from edgelstm.report.drift import DriftReport, exceeded
from edgelstm.report.progress import Progress
from edgelstm.verification.drift import measure_drift
from edgelstm.verification.stream import Stream


def require_little_drift(
    float_model: FloatModel, model: Model, test: Samples, request: BuildRequest, progress: Progress
) -> None:
    """Raise DriftError where the request has a limit and the model exceeds it."""
    if request.max_drift is None:
        return
    report = measure_drift(Stream(float_model, model), test, request.drift_steps, progress)
    refuse_excess(report, request.max_drift)
    progress.note(f"drift over {report.steps} steps: {report.error_percent:.3g} % of full scale")


def refuse_excess(report: DriftReport, most_percent: float | None) -> None:
    """Raise DriftError where a report exceeds the limit."""
    problems = exceeded(report, most_percent)
    if problems:
        bits = report.cell_bits
        cure = "run `edgelstm drift` to see how it grows" if bits is None else f"choose --cell-bits {bits}"
        raise DriftError("\n".join(problems), f"{cure}, or reset the network now and then")


def refuse_unmeasured(path: Path, request: BuildRequest) -> None:
    """Raise DriftError where the request has a limit that cannot be checked, because there is no float model."""
    if request.max_drift is not None:
        raise DriftError(
            f"max_drift cannot be checked: {path.name} is quantized already, and has no float model",
            "give the Keras model it came from, or leave max_drift out",
        )
