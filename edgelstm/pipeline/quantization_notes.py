"""What to tell a user about the integers that a model got, or has already."""

from collections.abc import Iterator

from edgelstm.ir import FloatModel, Model
from edgelstm.ops.lstm import Lstm
from edgelstm.pipeline.request import BuildRequest
from edgelstm.project.settings import INT8, TF
from edgelstm.quantization import int8_layers
from edgelstm.report.progress import Progress


def warn_ignored(request: BuildRequest, model: Model, progress: Progress) -> None:
    """Warn of options that choose integers, of a model that has them."""
    if ignored := [*_ignored(request, model)]:
        progress.warn(
            f"{' and '.join(ignored)} changes nothing: the file is quantized already; give the model it comes from"
        )


def _ignored(request: BuildRequest, model: Model) -> Iterator[str]:
    """Options that choose integers, of a model that has them."""
    asked = {
        f"--activations {request.activations}": request.activations != INT8 and not model.has_int16,
        "--margin": request.margin != 1.0,
        f"--clip {request.clip}": request.clip != "none",
        "--cell-bits": request.cell_bits is not None,
        f"--calibration {request.calibration}": request.calibration == TF,
        f"--rounding {request.rounding}": request.rounding is not None,
    }
    if request.project is None:
        yield from (option for option, is_asked in asked.items() if is_asked)


def note_int8(float_model: FloatModel, progress: Progress) -> None:
    """Name the layers that stay int8 beside int16."""
    left = ", ".join(int8_layers(float_model))
    if left:
        progress.note(f"{left}: int8 between the layers on int16, for TensorFlow Lite Micro or edgelstm has no others")


def note_native(model: Model, progress: Progress) -> None:
    """Name the layers that no official interpreter judges."""
    own = ", ".join(op.name for op in model.ops if op.is_native)
    if own:
        progress.note(
            f"contract native: no official interpreter has integer kernels for {own}; the arithmetic is edgelstm's own "
            "(docs/numerics.md), judged by the float model"
        )


def warn_several_scales(model: Model, cure: str, progress: Progress) -> None:
    """Warn of what TensorFlow's converter does to hidden states, and of what avoids it."""
    names = [op.name for op in model.ops if isinstance(op, Lstm) and (op.written or op.recurrent)]
    if names:
        progress.warn(
            f"TensorFlow's converter gives the hidden state of {', '.join(names)} several scales, and nothing brings "
            f"one to the other: LiteRT computes so, and the C does, but it may cost accuracy; {cure} avoids it"
        )
