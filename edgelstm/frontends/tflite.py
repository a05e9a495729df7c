"""Reads a .tflite, ours or TensorFlow's: int8 into a Model, float into a FloatModel."""

import math
from dataclasses import replace
from pathlib import Path

from edgelstm.errors import ModelFormatError, UnsupportedModelError
from edgelstm.frontends.tflite_attention import join_attention
from edgelstm.frontends.tflite_ends import integer_part
from edgelstm.frontends.tflite_float import float_model
from edgelstm.frontends.tflite_graph import STRUCTURAL, read_graph
from edgelstm.frontends.tflite_kind import WAY_AROUND, Kind, is_vector, kind_of, vocabulary_of
from edgelstm.ir import FloatModel, Model, QuantizedTensor, TfliteModel, TfliteOperator, TfliteTensor
from edgelstm.numerics.contracts import Contract
from edgelstm.ops.registry import TFLITE_OPERATORS
from edgelstm.ops.unflatten import held_name
from edgelstm.quantization.quantize import contract_of
from edgelstm.tflite import read_subgraphs, read_tflite, write_tflite
from edgelstm.tflite.check import check_records
from edgelstm.tflite.records import quoted
from edgelstm.tflite.scaling import read_scaling

LARGEST_FILE_BYTES = 64 << 20
SMALLEST_SCALE, LARGEST_SCALE = 2.0**-60, 2.0**60
"""Scales beyond these are damage; products of two still fit float32."""

_NAME_MARK = "edgelstm: "


def load_tflite(path: Path, contract: Contract | None) -> Model | FloatModel:
    """Read a file: an integer one to what it computes, a float one to the layers that are yet to be quantized.

    Where no contract is wanted, the file's operators decide.

    Raises:
        ModelFormatError: it is damaged.
        UnsupportedModelError: listing all that we do not compile, and what to do instead.
    """
    if path.stat().st_size > LARGEST_FILE_BYTES:
        raise ModelFormatError(
            f"{path.name} is larger than {LARGEST_FILE_BYTES >> 20} MiB", "no microcontroller holds it"
        )
    return read_model(path.read_bytes(), path.stem, contract)


def read_model(data: bytes, name: str, contract: Contract | None) -> Model | FloatModel:
    """`load_tflite` of a file's bytes."""
    subgraphs = read_subgraphs(data)
    if kind_of(integer_part(subgraphs[0])) is Kind.FLOAT:
        return float_model(subgraphs, name)
    return model_from_tflite(data, name, contract)


def model_from_tflite(data: bytes, name: str, contract: Contract | None) -> Model:
    """Rebuild an integer model; `name` serves where the file does not carry the one we gave it."""
    records = integer_part(read_tflite(data))
    if kind_of(records) is not Kind.INTEGER:
        raise UnsupportedModelError(["the model is float32; it has no int8 yet"], WAY_AROUND)
    _refuse_unknown(records)
    check_records(records, foreign=True)
    if records.description.startswith(_NAME_MARK):
        name = records.description.removeprefix(_NAME_MARK)
    inputs = {source.name: _input_tensor(records, source) for source in records.inputs}
    timesteps = next(source.shape[1] for source in records.inputs if inputs[source.name].is_sequence)
    inputs |= {
        source.name: _held(inputs[source.name], source.shape[1])
        for source in records.inputs
        if inputs[source.name].is_sequence and (source.shape[1] != timesteps or _is_written_whole(records, source))
    }
    scalings = read_scaling(records.metadata, {name: tensor.size for name, tensor in inputs.items()})
    inputs |= {name: replace(inputs[name], scaling=scaling) for name, scaling in scalings.items()}
    ops = read_graph(join_attention(records), inputs, timesteps)
    rules = contract_of(ops, contract)
    problems = [problem for op in ops for problem in op.problems(rules)]
    if problems:
        raise UnsupportedModelError(problems)
    first = next(tensor for tensor in inputs.values() if tensor.is_sequence)
    further = [tensor for tensor in inputs.values() if tensor is not first]
    names = tuple(tensor.name for tensor in records.outputs) if len(records.outputs) > 1 else ()
    return Model(name, first, ops, timesteps, rules, further_inputs=tuple(further), output_names=names)


def _input_tensor(records: TfliteModel, source: TfliteTensor) -> QuantizedTensor:
    vocabulary = vocabulary_of(records, source)
    if vocabulary:
        return QuantizedTensor.of_ids(source.name, vocabulary)
    if len(records.inputs) > 1 and is_vector(source):
        return QuantizedTensor.from_tflite(source, is_sequence=False)
    step = QuantizedTensor.from_tflite(source, is_sequence=True)
    return replace(step, size=math.prod(source.shape[2:]))


def _is_written_whole(records: TfliteModel, source: TfliteTensor) -> bool:
    """Whether the file has our RESHAPE of an input that is given whole though it is as long as the first."""
    return any(
        operator.builtin == "RESHAPE"
        and operator.outputs[0].name == held_name(source.name)
        and operator.inputs[0] == source
        and operator.outputs[0].shape == source.shape
        for operator in records.operators
    )


def _held(sequence: QuantizedTensor, timesteps: int) -> QuantizedTensor:
    """An input that is given whole."""
    return replace(sequence, size=timesteps * sequence.size, is_sequence=False, timesteps=timesteps)


def int8_file(data: bytes) -> bytes:
    """The file without what brings its inputs to int8 and its outputs from it; the same bytes where it has none."""
    records = read_tflite(data)
    part = integer_part(records)
    return data if part is records else write_tflite(part)


def _name_of(operator: TfliteOperator) -> str:
    return operator.outputs[0].name if operator.outputs else ""


def _refuse_unknown(records: TfliteModel) -> None:
    problems = [
        f"operator {operator.builtin} (output {quoted(_name_of(operator))}) is not supported"
        for operator in records.operators
        if operator.builtin not in (*TFLITE_OPERATORS, *STRUCTURAL)
    ]
    extreme = {
        tensor.name
        for operator in records.operators
        for tensor in (*operator.inputs, *operator.outputs)
        if tensor is not None and not all(SMALLEST_SCALE <= scale <= LARGEST_SCALE for scale in tensor.scales)
    }
    problems += [
        f"tensor {name!r} has a scale outside {SMALLEST_SCALE:g}..{LARGEST_SCALE:g}" for name in sorted(extreme)
    ]
    if problems:
        raise UnsupportedModelError(problems, WAY_AROUND)
