"""The ranges that a build quantizes with: as calibration data show them, or as TensorFlow's converter sees them."""

from dataclasses import dataclass

from edgelstm.data.dataset import Samples
from edgelstm.errors import DataError, ProjectError
from edgelstm.ir import FloatModel, Ranges
from edgelstm.pipeline.request import BuildRequest
from edgelstm.project.settings import DATA, INT4, INT8, TF
from edgelstm.quantization import as_converted, calibrate, calibrate_as_converter, clip_at_least_error
from edgelstm.report.progress import Progress


@dataclass(frozen=True, eq=False)
class Observed:
    """Ranges, and the model to quantize with them: the one that was asked for, or what the converter makes of it."""

    model: FloatModel
    ranges: Ranges


def observed(float_model: FloatModel, calibration: Samples, request: BuildRequest, progress: Progress) -> Observed:
    """Run the model on calibration data.

    Raises:
        ProjectError, DataError, UnsupportedModelError: no file of the converter's can be as it is asked for here.
    """

    def advance(done: int, total: int) -> None:
        progress.advance("calibration", done, total)

    if request.calibration == TF:
        _check_like_tf(calibration, request)
        converted = as_converted(float_model)
        return Observed(converted, calibrate_as_converter(converted, calibration.x, advance))
    if request.clip != "none" and request.activations != INT8:
        raise ProjectError(
            f"--clip {request.clip} chooses ranges for 256 values, and --activations {request.activations} has 65536",
            "leave one of them out",
        )
    ranges = calibrate(float_model, calibration.x, calibration.lengths, advance)
    if request.clip == "mse":
        ranges = clip_at_least_error(float_model, calibration.x, calibration.lengths, ranges)
    return Observed(float_model, ranges)


def _check_like_tf(calibration: Samples, request: BuildRequest) -> None:
    asked = {
        "--margin": request.margin != 1.0,
        "--clip": request.clip != "none",
        f"--activations {request.activations}": request.activations != INT8,
        "--weights int4": request.weights == INT4,
        "--cell-bits": request.cell_bits is not None,
        "--rounding data": request.rounding == DATA,
    }
    changing = " and ".join(option for option, is_asked in asked.items() if is_asked)
    if changing:
        raise ProjectError(
            f"--calibration tf chooses the integers of TensorFlow's converter, which {changing} would change",
            f"leave {changing} out, or --calibration tf",
        )
    if calibration.lengths is not None:
        raise DataError(
            "--calibration tf: the data has sequences of several lengths, which TensorFlow's converter does not know",
            "leave `lengths` out, and pad the calibration data as they were for the converter",
        )
