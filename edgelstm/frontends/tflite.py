"""Reads an int8 .tflite, ours or one with the same operators, back into a Model."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from edgelstm.errors import ModelFormatError, UnsupportedModelError
from edgelstm.frontends.tflite_forms import PADS, Padding, forms_of, read_padding
from edgelstm.ir import MOST_IDS, Model, Op, QuantizedTensor, TfliteModel, TfliteOperator, TfliteTensor
from edgelstm.numerics.contracts import Contract
from edgelstm.ops.flatten import Flatten
from edgelstm.ops.registry import TFLITE_OPERATORS
from edgelstm.ops.sources import LARGEST_SIZE
from edgelstm.quantization.quantize import contract_of
from edgelstm.tflite import check_tflite, read_tflite

LARGEST_FILE_BYTES = 64 << 20
MOST_TIMESTEPS = 1 << 20
SMALLEST_SCALE, LARGEST_SCALE = 2.0**-60, 2.0**60
"""Scales beyond these are damage; products of two still fit float32."""

_STRUCTURAL = ("RESHAPE", "QUANTIZE", *PADS)
"""Operators that become part of another op."""

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
    vocabulary = _vocabulary(records)
    if vocabulary:
        tensor = QuantizedTensor.of_ids(source.name, vocabulary)
    else:
        tensor = QuantizedTensor.from_tflite(source, is_sequence=True)
    ops = _graph(records, tensor)
    contract = contract_of(ops, contract)
    problems = [problem for op in ops for problem in op.problems(contract)]
    if problems:
        raise UnsupportedModelError(problems)
    return Model(name, tensor, ops, source.shape[1], contract)


def _refuse_unknown(records: TfliteModel) -> None:
    problems = [
        f"operator {operator.builtin} (output {operator.outputs[0].name!r}) is not supported"
        for operator in records.operators
        if operator.builtin not in (*TFLITE_OPERATORS, *_STRUCTURAL)
    ]
    if len(records.inputs) != 1 or len(records.outputs) != 1:
        problems.append(
            f"{len(records.inputs)} inputs and {len(records.outputs)} outputs; only one of each is supported"
        )
    else:
        problems += _id_problems(records) if _vocabulary(records) else _input_problems(records.inputs[0])
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
        raise UnsupportedModelError(
            problems, "give the Keras model itself to `edgelstm quantize`: it needs no converter"
        )


def _input_problems(source: TfliteTensor) -> list[str]:
    shape = source.shape
    is_usable = len(shape) == 3 and shape[0] == 1 and 1 <= shape[1] <= MOST_TIMESTEPS and source.dtype == "int8"
    if is_usable and source.scales:
        return []
    return [
        f"the input is {source.dtype} {shape}; only int8 (1, 1..{MOST_TIMESTEPS} time steps, features) is supported"
    ]


def _vocabulary(records: TfliteModel) -> int:
    """How many ids every table of the file has a row for; 0 where it has no table."""
    tables = [
        tensor.shape[0]
        for operator in records.operators
        if operator.builtin in TFLITE_OPERATORS and TFLITE_OPERATORS[operator.builtin].reads_ids
        for tensor in operator.inputs
        if tensor is not None and tensor.data is not None and tensor.shape
    ]
    return min(tables, default=0)


def _id_problems(records: TfliteModel) -> Iterator[str]:
    source, shape = records.inputs[0], records.inputs[0].shape
    if len(shape) != 2 or shape[0] != 1 or not 1 <= shape[1] <= MOST_TIMESTEPS or source.dtype != "int32":
        yield f"the ids are {source.dtype} {shape}; only int32 (1, 1..{MOST_TIMESTEPS} time steps) is supported"
    if _vocabulary(records) > MOST_IDS:
        yield f"there are {_vocabulary(records)} ids; at most {MOST_IDS} are supported"


class _Reading:
    """The ops read so far.

    Attributes:
        ops: in the order of the file.
        tensors: what each activation of the file is, by name: the input, or the output of an op.
        requantized: names that QUANTIZE wrote; only a CONCATENATION may read them, which does it itself.
        steps: names that a RESHAPE made of vectors, for a BROADCAST_TO to repeat.
        paddings: what was padded, by name; the op that reads it takes the padding over.
    """

    def __init__(self, records: TfliteModel, tensor: QuantizedTensor) -> None:
        self.ops: list[Op] = []
        self.tensors = {tensor.name: tensor}
        self.requantized: set[str] = set()
        self.steps: set[str] = set()
        self.paddings: dict[str, Padding] = {}
        self._timesteps = {tensor.name: records.inputs[0].shape[1]}

    def read(self, operator: TfliteOperator) -> None:
        """Add the op that an operator is, or what it tells of another."""
        names, label = _activation_names(operator), f"{operator.builtin} {operator.outputs[0].name!r}"
        if not names or any(name not in self.tensors for name in names):
            raise UnsupportedModelError([f"operator {label} does not read what another wrote before it"])
        if self.requantized.intersection(names) and operator.builtin != "CONCATENATION":
            raise UnsupportedModelError([f"{label} reads what a QUANTIZE wrote; only CONCATENATION may"])
        if self.steps.intersection(names) and operator.builtin != "BROADCAST_TO":
            raise UnsupportedModelError([f"{label} reads a vector as one step; only BROADCAST_TO may"])
        if operator.builtin == "RESHAPE":
            self._reshape(operator, names[0])
            return
        if operator.builtin == "QUANTIZE":
            self.tensors[operator.outputs[0].name] = self.tensors[names[0]]
            self.requantized.add(operator.outputs[0].name)
            return
        if operator.builtin in PADS:
            self._pad(operator, names[0])
            return
        inputs = tuple(self.tensors[name] for name in names)
        if any(tensor.vocabulary for tensor in inputs) and not TFLITE_OPERATORS[operator.builtin].reads_ids:
            raise UnsupportedModelError([f"{label} reads the ids of the input; only a GATHER does"])
        op: Op = TFLITE_OPERATORS[operator.builtin].read_tflite(operator, inputs)
        for name in names:
            if name in self.paddings:
                op = self.paddings[name].into(op)
        self._refuse_shapes(op, operator)
        self.ops.append(op)
        self.tensors[op.output.name] = op.output
        self._timesteps[op.output.name] = self._length(op)

    def _length(self, op: Op) -> int:
        """How many elements a sequence has that an op yields."""
        before = max((self._timesteps[tensor.name] for tensor in op.inputs if tensor.is_sequence), default=1)
        return op.repeats or (before if op.pace is None else op.pace.count(before))

    def _refuse_shapes(self, op: Op, operator: TfliteOperator) -> None:
        """The file's shapes must be those of the op on what came before it, or flat between two RESHAPEs."""
        read = [tensor for tensor in operator.inputs if tensor is not None and _is_activation(tensor)]
        for tensor, meant in (*zip(read, op.inputs, strict=True), (operator.outputs[0], op.output)):
            if tensor.name in self.steps:
                continue
            timesteps = self._timesteps.get(tensor.name) or self._timesteps.get(meant.name) or self._length(op)
            shapes = forms_of(meant, timesteps)
            if tensor.shape not in shapes or meant.size > LARGEST_SIZE:
                label = f"{operator.builtin} {operator.outputs[0].name!r}"
                raise UnsupportedModelError([f"{label} works on {tensor.shape} where {shapes[0]} was expected"])
        if op.state and not op.input.is_sequence:
            raise UnsupportedModelError([f"{operator.builtin} {op.name!r} reads a single vector, not a sequence"])

    def _reshape(self, operator: TfliteOperator, name: str) -> None:
        """A RESHAPE around an op on a sequence changes no byte: (1, T, n) to (T, n) or an image, and back."""
        before, result = self.tensors[name], operator.outputs[0]
        timesteps = self._timesteps.get(name, 1)
        self._timesteps[result.name] = timesteps
        forms = forms_of(before, timesteps)
        source = operator.inputs[0]
        shapes = (None if source is None else source.shape, result.shape)
        if not before.is_sequence and shapes == ((1, before.size), (1, 1, before.size)):
            self.tensors[result.name] = before
            self.steps.add(result.name)
            return
        is_whole = before.is_sequence and name not in self.paddings and not before.vocabulary
        if is_whole and shapes[0] in forms and result.shape == (1, timesteps * before.size) and timesteps > 1:
            self.ops.append(Flatten.from_tflite(operator, before))
            self.tensors[result.name] = self.ops[-1].output
            return
        if not before.is_sequence or not set(shapes) <= set(forms):
            raise UnsupportedModelError(
                [f"RESHAPE {result.name!r} from {shapes[0]} to {shapes[1]}: only {forms[0]} to {forms[1]} and back"]
            )
        if name in self.paddings:
            self.paddings[result.name] = self.paddings[name]
        if result.shape != forms[0] or name in self.paddings:
            self.tensors[result.name] = before
            return
        self.tensors[name] = self.tensors[result.name] = self._renamed(before, name, result.name)

    def _pad(self, operator: TfliteOperator, name: str) -> None:
        """Keep what a PAD says for the op that reads its result."""
        result, tensor = operator.outputs[0].name, self.tensors[name]
        source = operator.inputs[0]
        timesteps = self._timesteps.get(name, 0)
        if name in self.paddings or source is None or source.shape not in forms_of(tensor, timesteps):
            raise UnsupportedModelError([f"{operator.builtin} {result!r} does not pad a sequence"])
        padding = read_padding(operator)
        self.tensors[result], self.paddings[result] = tensor, padding
        self._timesteps[result] = timesteps + padding.before + padding.behind

    def _renamed(self, tensor: QuantizedTensor, flat_name: str, name: str) -> QuantizedTensor:
        """What wrote a flattened result takes the name behind the RESHAPE, unless an op has read the flat one."""
        is_read = any(source.name == flat_name for op in self.ops for source in op.inputs)
        index = next((index for index, op in enumerate(self.ops) if op.output.name == flat_name), None)
        if index is None or is_read:
            return tensor
        op = self.ops[index]
        self.ops[index] = replace(op, name=name, output=replace(op.output, name=name))
        return self.ops[index].output


def _activation_names(operator: TfliteOperator) -> list[str]:
    return [tensor.name for tensor in operator.inputs if tensor is not None and _is_activation(tensor)]


def _is_activation(tensor: TfliteTensor) -> bool:
    return tensor.data is None and not tensor.is_variable


def _graph(records: TfliteModel, tensor: QuantizedTensor) -> tuple[Op, ...]:
    """The ops of the file, in its order; each reads the input or what another wrote, and each is read."""
    reading = _Reading(records, tensor)
    for operator in records.operators:
        reading.read(operator)
    output = records.outputs[0].name
    if reading.ops and reading.tensors.get(output) != reading.ops[-1].output:
        raise UnsupportedModelError([f"the output {output!r} is not what the last operator writes"])
    read = {source.name for op in reading.ops for source in op.inputs}
    unread = [op.output.name for op in reading.ops[:-1] if op.output.name not in read]
    if unread or not reading.ops:
        raise UnsupportedModelError([f"nothing reads {name!r}" for name in unread] or ["the model has no operators"])
    return tuple(reading.ops)
