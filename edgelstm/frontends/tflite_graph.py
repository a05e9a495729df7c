"""The operators of an int8 .tflite to our ops: which tensor is what, and which operators are none of their own."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from edgelstm.errors import UnsupportedModelError
from edgelstm.frontends.tflite_forms import PADS, Padding, forms_of, read_padding
from edgelstm.frontends.tflite_images import flattened, image_shapes, is_form_of, kind_on
from edgelstm.ir import Op, QuantizedTensor, TfliteModel, TfliteOperator, TfliteTensor
from edgelstm.ops.flatten import Flatten
from edgelstm.ops.last_step import LastStep
from edgelstm.ops.patch import PatchOp
from edgelstm.ops.recurrent_op import RecurrentOp
from edgelstm.ops.registry import TFLITE_OPERATORS, WITH_CONSTANT
from edgelstm.ops.sources import LARGEST_SIZE
from edgelstm.ops.unflatten import Unflatten
from edgelstm.tflite.records import quoted

STRUCTURAL = ("QUANTIZE", "RESHAPE", "TRANSPOSE", *PADS)
"""Operators that become part of another op."""

_TIME_MAJOR = (1, 0, 2)


def read_graph(records: TfliteModel, inputs: Mapping[str, QuantizedTensor], timesteps: int) -> tuple[Op, ...]:
    """The ops of the file, in its order; each reads inputs or what another wrote, and each is read or an output."""
    reading = _Reading(inputs, timesteps)
    for operator in records.operators:
        reading.read(operator)
    outputs = [tensor.name for tensor in records.outputs]
    if problems := [*_output_problems(reading, outputs)]:
        raise UnsupportedModelError(problems)
    read = {source.name for op in reading.ops for source in op.inputs} | set(outputs)
    unread = [op.output.name for op in reading.ops[:-1] if not {tensor.name for tensor in _yielded_by(op)} & read]
    if unread or not reading.ops:
        raise UnsupportedModelError(
            [f"nothing reads {quoted(name)}" for name in unread] or ["the model has no operators"]
        )
    return tuple(reading.ops)


def _output_problems(reading: "_Reading", outputs: Sequence[str]) -> Iterator[str]:
    """One output is what the last op yields; several are what any op does, by its name."""
    written = {op.output.name: op.output for op in reading.ops}
    for name in dict.fromkeys(outputs):
        tensor = reading.tensors.get(name)
        if len(outputs) == 1 and reading.ops and tensor != reading.ops[-1].output:
            yield f"the output {quoted(name)} is not what the last operator writes"
        elif len(outputs) > 1 and (tensor is None or written.get(name) != tensor or outputs.count(name) > 1):
            yield f"the output {quoted(name)} is not what one operator writes, or is one twice"
        elif name in reading.cells:
            yield f"the output {quoted(name)} is a cell state"


def _yielded_by(op: Op) -> tuple[QuantizedTensor, ...]:
    """The output, and the states that others may read."""
    return op.output, *op.exposed.values()


class _Reading:
    """The ops read so far.

    Attributes:
        ops: in the order of the file.
        tensors: what each activation of the file is, by name: the input, or the output of an op.
        requantized: names that QUANTIZE wrote; only a CONCATENATION may read them, which does it itself.
        paddings: what was padded, by name; the op that reads it takes the padding over.
        cells: names of the cell states of all steps, and of their last.
    """

    def __init__(self, inputs: Mapping[str, QuantizedTensor], timesteps: int) -> None:
        self.ops: list[Op] = []
        self.tensors = dict(inputs)
        self.requantized: set[str] = set()
        self.paddings: dict[str, Padding] = {}
        self.cells: set[str] = set()
        self._timesteps = {name: timesteps for name, tensor in inputs.items() if tensor.is_sequence}
        for name, tensor in inputs.items():
            if not tensor.is_sequence and tensor.timesteps:
                op = Unflatten.of_held(tensor)
                if op.name in inputs:
                    raise UnsupportedModelError([f"two inputs are called {quoted(name)} and {quoted(op.name)}"])
                self.ops.append(op)
                self.tensors |= {name: op.output, op.output.name: op.output}
                self._timesteps |= {name: op.repeats, op.output.name: op.repeats}

    def read(self, operator: TfliteOperator) -> None:
        """Add the op that an operator is, or what it tells of another."""
        if len(operator.outputs) != 1 and operator.builtin != "CUSTOM:edgelstm.lstm":
            raise UnsupportedModelError([f"{operator.builtin} has {len(operator.outputs)} outputs, not 1"])
        label = f"{operator.builtin} {quoted(operator.outputs[0].name)}"
        names = [tensor.name for tensor in operator.inputs if tensor is not None and _is_activation(tensor)]
        if not names or any(name not in self.tensors for name in names):
            raise UnsupportedModelError([f"operator {label} does not read what another wrote before it"])
        if self.requantized.intersection(names) and operator.builtin != "CONCATENATION":
            raise UnsupportedModelError([f"{label} reads what a QUANTIZE wrote; only CONCATENATION may"])
        self._refuse_cells(operator, names)
        if operator.builtin in ("RESHAPE", "TRANSPOSE"):
            self._rearrange(operator, names[0])
            return
        if operator.builtin in PADS:
            self._pad(operator, names[0])
            return
        if operator.builtin == "QUANTIZE" and not _changes_width(operator):
            self.tensors[operator.outputs[0].name] = self.tensors[names[0]]
            self.requantized.add(operator.outputs[0].name)
            return
        inputs = tuple(self.tensors[name] for name in names)
        operator = flattened(operator, inputs[0], self._timesteps.get(names[0], 1))
        if any(tensor.vocabulary for tensor in inputs) and not TFLITE_OPERATORS[operator.builtin].reads_ids:
            raise UnsupportedModelError([f"{label} reads the ids of the input; only a GATHER does"])
        is_constant = operator.builtin in WITH_CONSTANT and len(inputs) == 1
        known = WITH_CONSTANT[operator.builtin] if is_constant else kind_on(operator, inputs[0])
        op: Op = known.read_tflite(operator, inputs)
        for name in names:
            if name in self.paddings:
                op = self.paddings[name].into(op)
        self._refuse_shapes(op, operator)
        self.ops.append(op)
        self.cells |= {tensor.name for tensor in op.exposed.values()}
        if isinstance(op, LastStep) and op.input.name in self.cells:
            self.cells.add(op.output.name)
        for tensor in _yielded_by(op):
            self.tensors[tensor.name] = tensor
            self._timesteps[tensor.name] = self._length(op)

    def _refuse_cells(self, operator: TfliteOperator, names: list[str]) -> None:
        """A cell state has 16 bits: its last step may be taken, and be what a recurrent layer starts from."""
        known = TFLITE_OPERATORS.get(operator.builtin)
        if known is not None and issubclass(known, LastStep | RecurrentOp):
            return
        for name in names:
            if self.tensors[name].name in self.cells:
                raise UnsupportedModelError([f"{operator.builtin} reads the cell state {quoted(name)}"])

    def _length(self, op: Op) -> int:
        """How many elements a sequence has that an op yields."""
        before = max((self._timesteps[tensor.name] for tensor in op.stepped if tensor.is_sequence), default=1)
        return op.repeats or (before if op.pace is None else op.pace.count(before))

    def _refuse_shapes(self, op: Op, operator: TfliteOperator) -> None:
        """The file's shapes must be those of the op on what came before it."""
        label = f"{operator.builtin} {quoted(operator.outputs[0].name)}"
        if isinstance(op, PatchOp):
            self._refuse_images(op, operator, label)
            return
        read = [tensor for tensor in operator.inputs if tensor is not None and _is_activation(tensor)]
        if op.state and not op.input.is_sequence:
            raise UnsupportedModelError([f"{label} reads a single vector, not a sequence"])
        for tensor, meant in (*zip(read, op.inputs, strict=True), (operator.outputs[0], op.output)):
            timesteps = self._timesteps.get(tensor.name) or self._timesteps.get(meant.name) or self._length(op)
            shapes = forms_of(meant, timesteps)
            if any(array.is_in_tflite for array in op.state):
                shapes = (shapes[2 if operator.options.get("time_major") else 0],)
            if tensor.shape not in shapes or meant.size > LARGEST_SIZE:
                raise UnsupportedModelError([f"{label} works on {tensor.shape} where {shapes[0]} was expected"])

    def _refuse_images(self, op: PatchOp, operator: TfliteOperator, label: str) -> None:
        """`_refuse_shapes` of an op on images."""
        source, result = operator.inputs[0], operator.outputs[0]
        assert source is not None
        padding = self.paddings.get(source.name)
        wider = sum(padding.features) if padding is not None else 0
        expected = image_shapes(op, self._timesteps[source.name], self._length(op), wider)
        if (source.shape, result.shape) != expected or op.output.size > LARGEST_SIZE:
            raise UnsupportedModelError([f"{label} makes {result.shape} of {source.shape}; expected {expected}"])

    def _rearrange(self, operator: TfliteOperator, name: str) -> None:
        """A RESHAPE, or a TRANSPOSE of time and batch, changes no byte of one sequence."""
        before, source, result = self.tensors[name], operator.inputs[0], operator.outputs[0]
        timesteps = self._timesteps.get(name, 1)
        self._timesteps[result.name] = timesteps
        shapes = forms_of(before, timesteps)
        known = source is not None and all(is_form_of(before, one.shape, timesteps) for one in (source, result))
        if operator.builtin == "RESHAPE" and source is not None and self._is_flattened(before, source, result):
            self.ops.append(Flatten.from_tflite(operator, before))
            self.tensors[result.name] = self.ops[-1].output
            return
        if operator.builtin == "RESHAPE" and source is not None and _is_unflattened(before, source, result):
            op = Unflatten.from_tflite(operator, before)
            self.ops.append(op)
            self.tensors[result.name], self._timesteps[result.name] = op.output, op.repeats
            return
        if operator.builtin == "TRANSPOSE":
            known = known and _permutation(operator) == _TIME_MAJOR
        if not known or source is None or source.scales != result.scales or source.zero_points != result.zero_points:
            found = None if source is None else source.shape
            raise UnsupportedModelError(
                [
                    f"{operator.builtin} {quoted(result.name)} from {found} to {result.shape}: only between "
                    f"{' and '.join(map(str, shapes))}"
                ]
            )
        if name in self.paddings:
            self.paddings[result.name] = self.paddings[name]
        if result.shape != shapes[0] or name in self.paddings:
            self.tensors[result.name] = before
            return
        self.tensors[name] = self.tensors[result.name] = self._renamed(before, name, result.name)

    def _is_flattened(self, before: QuantizedTensor, source: TfliteTensor, result: TfliteTensor) -> bool:
        """Whether a RESHAPE makes a vector of a whole sequence of several steps."""
        timesteps = self._timesteps[result.name]
        if not before.is_sequence or before.vocabulary or source.name in self.paddings or timesteps == 1:
            return False
        return is_form_of(before, source.shape, timesteps) and result.shape == (1, timesteps * before.size)

    def _pad(self, operator: TfliteOperator, name: str) -> None:
        """Keep what a PAD says for the op that reads its result."""
        result, tensor = operator.outputs[0].name, self.tensors[name]
        source = operator.inputs[0]
        timesteps = self._timesteps.get(name, 0)
        if name in self.paddings or source is None or not is_form_of(tensor, source.shape, timesteps):
            raise UnsupportedModelError([f"{operator.builtin} {quoted(result)} does not pad a sequence"])
        padding = read_padding(operator, tensor.size)
        self.tensors[result], self.paddings[result] = tensor, padding
        self._timesteps[result] = timesteps + sum(padding.steps)

    def _renamed(self, tensor: QuantizedTensor, flat_name: str, name: str) -> QuantizedTensor:
        """What wrote a flattened result takes the name behind the RESHAPE, unless an op has read the flat one."""
        is_read = any(source.name == flat_name for op in self.ops for source in op.inputs)
        index = next((index for index, op in enumerate(self.ops) if op.output.name == flat_name), None)
        if index is None or is_read or self.ops[index].exposed:
            return tensor
        op = self.ops[index]
        self.ops[index] = replace(op, name=name, output=replace(op.output, name=name))
        return self.ops[index].output


def _is_unflattened(before: QuantizedTensor, source: TfliteTensor, result: TfliteTensor) -> bool:
    """Whether a RESHAPE makes several steps of a vector."""
    shape = result.shape
    is_vector = not before.is_sequence and source.shape == (1, before.size) and source.scales == result.scales
    is_steps = len(shape) == 3 and shape[0] == 1 and 1 < shape[1] <= LARGEST_SIZE
    return is_vector and is_steps and math.prod(shape) == before.size and source.zero_points == result.zero_points


def _permutation(operator: TfliteOperator) -> tuple[int, ...]:
    wanted = operator.inputs[1] if len(operator.inputs) == 2 else None
    if wanted is None or wanted.data is None or math.prod(wanted.shape) > 8:
        return ()
    return tuple(int(axis) for axis in wanted.data.ravel())


def _changes_width(operator: TfliteOperator) -> bool:
    """Whether a QUANTIZE is an op of its own: others are part of the CONCATENATION behind them."""
    return any(tensor is not None and tensor.dtype == "int16" for tensor in (*operator.inputs, *operator.outputs))


def _is_activation(tensor: TfliteTensor) -> bool:
    return tensor.data is None and not tensor.is_variable
