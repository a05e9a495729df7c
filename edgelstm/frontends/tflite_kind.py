"""Which of TensorFlow's kinds of .tflite a file is, and what to do where it is not one that we read."""

import math
from collections.abc import Iterator
from enum import Enum

from edgelstm.errors import UnsupportedModelError
from edgelstm.ir import MOST_IDS, MOST_INPUTS, TfliteModel, TfliteTensor
from edgelstm.ops.registry import TFLITE_OPERATORS
from edgelstm.ops.sources import LARGEST_SIZE
from edgelstm.tflite.records import mentions, quoted

MOST_TIMESTEPS = 1 << 20

_INTEGERS = ("int8", "int16")
"""What inputs may be."""

_CONVERT = (
    "converter.optimizations = [tf.lite.Optimize.DEFAULT], a representative_dataset, and "
    "target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]"
)
WAY_AROUND = "give the Keras model itself to `edgelstm quantize`: it needs no converter"


class Kind(Enum):
    """What a file computes in."""

    INTEGER = "int8"
    FLOAT = "float32"


def kind_of(model: TfliteModel) -> Kind:
    """The kind of a file, its ends left out; raises UnsupportedModelError naming all that keeps it from being read."""
    counts = f"{len(model.inputs)} inputs and {len(model.outputs)} outputs"
    if not (1 <= len(model.inputs) <= MOST_INPUTS and 1 <= len(model.outputs) <= MOST_INPUTS):
        raise UnsupportedModelError([f"{counts}; 1 to {MOST_INPUTS} of each are supported"], WAY_AROUND)
    activations = [tensor for tensor in mentions(model) if tensor.data is None and not tensor.is_variable]
    first = model.inputs[0]
    problems = [*_kind_problems(first, activations, model)]
    if first.dtype == "float32" and (len(model.inputs), len(model.outputs)) != (1, 1):
        problems.append(f"the model is float32, with {counts}; such a file is read with one of each")
    for source in model.inputs:
        vocabulary = vocabulary_of(model, source)
        if vocabulary:
            problems += _id_problems(source, vocabulary, activations)
        elif len(model.inputs) == 1 or not is_vector(source):
            problems += _input_problems(source)
    problems += [] if problems else _length_problems(model)
    if problems:
        raise UnsupportedModelError(problems, f"convert it with {_CONVERT}; or {WAY_AROUND}")
    return Kind.FLOAT if first.dtype == "float32" else Kind.INTEGER


def is_vector(source: TfliteTensor) -> bool:
    """Whether one of several inputs is a single vector."""
    shape = source.shape
    is_flat = len(shape) == 2 and shape[0] == 1 and 1 <= shape[1] <= LARGEST_SIZE
    return is_flat and source.dtype in _INTEGERS and bool(source.scales)


def vocabulary_of(model: TfliteModel, source: TfliteTensor) -> int:
    """How many ids every table that an input looks up has a row for; 0 where it looks up none.

    Where there is one input, all tables count: something may come between.
    """
    lookups = [
        operator
        for operator in model.operators
        if operator.builtin in TFLITE_OPERATORS and TFLITE_OPERATORS[operator.builtin].reads_ids
    ]
    if len(model.inputs) > 1:
        names = _forms(model, source)
        lookups = [one for one in lookups if names & {tensor.name for tensor in one.inputs if tensor is not None}]
    tables = [
        tensor.shape[0]
        for operator in lookups
        for tensor in operator.inputs
        if tensor is not None and tensor.data is not None and tensor.shape
    ]
    return min(tables, default=0)


def _forms(model: TfliteModel, source: TfliteTensor) -> set[str]:
    """The names under which RESHAPE passes an input on."""
    names = {source.name}
    for operator in model.operators:
        if operator.builtin == "RESHAPE" and operator.inputs and operator.inputs[0] is not None:
            names |= {tensor.name for tensor in operator.outputs} if operator.inputs[0].name in names else set()
    return names


def _length_problems(model: TfliteModel) -> Iterator[str]:
    """Sequences that do not come with the first are given whole."""
    if len({tensor.name for tensor in model.inputs}) < len(model.inputs):
        yield "two inputs have one name"
    sequences = [tensor for tensor in model.inputs if vocabulary_of(model, tensor) or len(tensor.shape) > 2]
    if not sequences:
        yield "none of the inputs is a sequence"
    for tensor in sequences:
        if tensor.shape[1] != sequences[0].shape[1] and math.prod(tensor.shape) > LARGEST_SIZE:
            yield (
                f"the input {quoted(tensor.name)} is given whole, for it has another length than "
                f"{quoted(sequences[0].name)}, but has more than {LARGEST_SIZE} values"
            )


def _kind_problems(source: TfliteTensor, activations: list[TfliteTensor], model: TfliteModel) -> Iterator[str]:
    """One line at most, for the kind; tensors of loops and shapes are neither float nor quantized."""
    constants = [tensor for tensor in mentions(model) if tensor.data is not None]
    if source.dtype == "uint8":
        yield "the model is quantized to uint8, as TensorFlow 1 did; only int8 is compiled"
    elif source.dtype == "float32":
        if any(tensor.dtype == "int8" for tensor in activations):
            mixed = [op.builtin for op in model.operators if op.outputs and op.outputs[0].dtype == "float32"]
            listed = ", ".join(dict.fromkeys(mixed))
            yield f"the model is quantized in part only: {listed[:200]} compute in float32"
        elif any(tensor.dtype == "int8" and tensor.scales for tensor in constants):
            yield "the model has dynamic range quantization: int8 weights, but float32 activations"


def _id_problems(source: TfliteTensor, vocabulary: int, activations: list[TfliteTensor]) -> Iterator[str]:
    shape = source.shape
    if len(shape) != 2 or shape[0] != 1 or not 1 <= shape[1] <= MOST_TIMESTEPS or source.dtype != "int32":
        yield f"the ids are {source.dtype} {shape}; only int32 (1, 1..{MOST_TIMESTEPS} time steps) is supported"
    if vocabulary > MOST_IDS:
        yield f"there are {vocabulary} ids; at most {MOST_IDS} are supported"
    if not any(tensor.dtype in _INTEGERS for tensor in activations):
        yield "the model is float32 and takes ids; only an int8 one is read from a .tflite"


def _input_problems(source: TfliteTensor) -> Iterator[str]:
    shape = source.shape
    is_image = len(shape) == 4 and source.dtype == "int8"
    size = math.prod(shape[2:]) if len(shape) == 3 or is_image else 0
    is_sequence = 1 <= size <= LARGEST_SIZE and 1 <= shape[1] <= MOST_TIMESTEPS
    if size and shape[0] > 1:
        yield f"the input {quoted(source.name)} is a batch of {shape[0]} sequences; convert the model with a batch of 1"
    elif not is_sequence or not (source.dtype == "float32" or (source.dtype in _INTEGERS and source.scales)):
        yield (
            f"the input is {source.dtype} {shape}; only int8, int16 or float32 (1, 1..{MOST_TIMESTEPS} time steps, "
            "features) is supported"
        )
