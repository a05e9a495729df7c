"""Reads an int8 .tflite, ours or one with the same operators, back into a Model."""

from dataclasses import replace
from pathlib import Path

from edgelstm.errors import ModelFormatError, UnsupportedModelError
from edgelstm.ir import Model, Op, QuantizedTensor, TfliteModel, TfliteOperator, TfliteTensor
from edgelstm.numerics.contracts import Contract
from edgelstm.ops.registry import TFLITE_OPERATORS
from edgelstm.tflite import check_tflite, read_tflite

LARGEST_FILE_BYTES = 64 << 20

_NAME_MARK = "edgelstm: "


def load_tflite(path: Path, contract: Contract) -> Model:
    """Read a file; ModelFormatError if it is damaged, UnsupportedModelError listing all that we do not compile."""
    if path.stat().st_size > LARGEST_FILE_BYTES:
        raise ModelFormatError(
            f"{path.name} is larger than {LARGEST_FILE_BYTES >> 20} MiB", "no microcontroller holds it"
        )
    return model_from_tflite(path.read_bytes(), path.stem, contract)


def model_from_tflite(data: bytes, name: str, contract: Contract) -> Model:
    """Rebuild the model; `name` serves where the file does not carry the one we gave it."""
    records = read_tflite(data)
    _refuse_unknown(records)
    check_tflite(data)
    if records.description.startswith(_NAME_MARK):
        name = records.description.removeprefix(_NAME_MARK)
    source = records.inputs[0]
    tensor = QuantizedTensor.from_tflite(source, is_sequence=True)
    ops = _chain(records, tensor)
    return Model(name, tensor, ops, source.shape[1], contract)


def _refuse_unknown(records: TfliteModel) -> None:
    problems = [
        f"operator {operator.builtin} (output {operator.outputs[0].name!r}) is not supported"
        for operator in records.operators
        if operator.builtin not in TFLITE_OPERATORS and operator.builtin != "RESHAPE"
    ]
    if len(records.inputs) != 1 or len(records.outputs) != 1:
        problems.append(
            f"{len(records.inputs)} inputs and {len(records.outputs)} outputs; only one of each is supported"
        )
    elif len(records.inputs[0].shape) != 3 or records.inputs[0].dtype != "int8" or not records.inputs[0].scales:
        source = records.inputs[0]
        problems.append(f"the input is {source.dtype} {source.shape}; only int8 (1, time steps, features) is supported")
    if problems:
        raise UnsupportedModelError(
            problems, "give the Keras model itself to `edgelstm quantize`: it needs no converter"
        )


def _chain(records: TfliteModel, tensor: QuantizedTensor) -> tuple[Op, ...]:
    """Follow the operators from the input; each must read what the one before it wrote."""
    ops: list[Op] = []
    current, flat = records.inputs[0].name, ""
    for operator in records.operators:
        source = operator.inputs[0]
        if source is None or source.name not in (current, flat):
            raise UnsupportedModelError(
                [f"operator {operator.builtin} (output {operator.outputs[0].name!r}) does not read the one before it"],
                "only chains of layers are supported",
            )
        if operator.builtin == "RESHAPE":
            flat = _reshape(ops, operator, source)
            current = operator.outputs[0].name if flat == "" else current
            continue
        op = TFLITE_OPERATORS[operator.builtin].from_tflite(operator, ops[-1].output if ops else tensor)
        ops.append(op)
        current, flat = op.output.name, ""
    if current != records.outputs[0].name:
        raise UnsupportedModelError([f"the output {records.outputs[0].name!r} is not what the last operator writes"])
    return tuple(ops)


def _reshape(ops: list[Op], operator: TfliteOperator, source: TfliteTensor) -> str:
    """A RESHAPE around a Dense on a sequence changes no byte: (1, T, n) to (T, n) and back.

    Returns:
        the flat tensor's name, or "" where the sequence is restored and takes over the name.
    """
    result = operator.outputs[0]
    if source.shape[-1] != result.shape[-1] or {len(source.shape), len(result.shape)} != {2, 3}:
        raise UnsupportedModelError(
            [f"RESHAPE {source.name!r} from {source.shape} to {result.shape}: features must stay together"]
        )
    if len(result.shape) == 2:
        return result.name
    if ops:
        ops[-1] = replace(ops[-1], name=result.name, output=replace(ops[-1].output, name=result.name))
    return ""
