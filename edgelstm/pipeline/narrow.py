"""`--weights int4`: which models may be asked for it, and what it came to."""

from edgelstm.errors import ProjectError
from edgelstm.ir import FloatModel, Model
from edgelstm.numerics.contracts import Contract
from edgelstm.pipeline.request import BuildRequest
from edgelstm.project.settings import DATA, INT4, INT8
from edgelstm.quantization import narrow_layers, with_narrow_weights
from edgelstm.report.progress import Progress


def as_asked(float_model: FloatModel, request: BuildRequest) -> FloatModel:
    """The model to quantize; ProjectError where the contract has no such weights."""
    if request.weights != INT4:
        return float_model
    if request.contract is Contract.TFLM:
        raise ProjectError(
            "--weights int4 and --contract tflm exclude each other: TensorFlow Lite Micro has no LSTM with such "
            "weights, so that no official interpreter could judge it",
            "leave one of them out; int4 follows our own arithmetic, described in docs/numerics.md",
        )
    if request.rounding == DATA:
        raise ProjectError(
            "--weights int4 and --rounding data exclude each other: weights of 4 bits have a search of their own",
            "leave one of them out",
        )
    if request.activations != INT8:
        raise ProjectError(
            f"--weights int4 and --activations {request.activations} exclude each other: layers on int16 follow "
            "TensorFlow Lite Micro, which has no such weights",
            "leave one of them out",
        )
    return with_narrow_weights(float_model)


def note_weights(model: Model, request: BuildRequest, progress: Progress) -> None:
    """Tell which layers of a quantized model have weights of 4 bits, where they were asked for."""
    if request.weights != INT4:
        return
    if names := narrow_layers(model):
        progress.note(f"weights of 4 bits in {', '.join(names)}; those of other layers have 8")
    else:
        progress.warn("--weights int4 gains nothing here: the model has no recurrent layer and no large Dense")


def require_weights(file: str, model: Model, request: BuildRequest) -> None:
    """Raise ProjectError where a model that was read has 8 bits already."""
    if request.weights == INT4 and not narrow_layers(model):
        raise ProjectError(
            f"--weights int4 is asked for, but {file} is quantized already, with weights of 8 bits",
            "give the float model that it was made of",
        )
