"""Names and places: what each layer is called in the C, and where each tensor stands.

A tensor's place is an argument of a function, a state array, the arena, or, where a later loop reads every element of a
sequence, an array of all of them.
"""

from collections.abc import Sequence

from edgelstm.codegen.lifetimes import lifetimes, pack_lifetimes
from edgelstm.codegen.names import layer_identifiers
from edgelstm.codegen.places import Place, index_of, piece
from edgelstm.codegen.plan import Arena, Cleared, PlannedInput, PlannedOp, PlannedOutput, Stored
from edgelstm.ir import Op, QuantizedTensor, Reduction
from edgelstm.schedule import Line, Schedule

DERIVED = frozenset(
    [
        "scale",
        "weights",
        "input_scales",
        "recurrent_scales",
        "gate_factors",
        "cell_factors",
        "cell_constants",
        "row_scales",
        "second_weights",
        "second_row_scales",
        "softmax",
        "steps",
        "count",
        "feature",
        "patch",
        "selftest",
    ]
)
"""Endings that templates put behind a layer's symbol, beside its states and constants."""

_RESULTS = frozenset(["last_step", "leaky_relu", "relu", "relu6", "sigmoid", "softmax", "tanh"])
"""What stands behind the name of a user's layer where a layer of ours yields its result."""

_ARENAS = {"int8": "arena", "int16": "arena16"}
"""Members of the model's struct, by the type of what lies there."""


class Placing:
    """The model's ops under their names, and the places of all tensors.

    Attributes:
        items: ops by name, without aliases.
        inputs, outputs: of the model, by name.
        stored: arrays of whole sequences, by the tensor's name.
        places: of all other tensors, by name.
        arenas: that results share.
    """

    def __init__(self, schedule: Schedule) -> None:
        self._schedule, self._model = schedule, schedule.model
        computing = [op for op in self._model.ops if not op.is_alias]
        inputs, outputs = self._model.inputs, self._model.outputs
        named = [f"input_{tensor.name}" for tensor in inputs] if len(inputs) > 1 else []
        named += [f"output_{_of_user(tensor.name)}" for tensor in outputs] if len(outputs) > 1 else []
        names = list(layer_identifiers((*(op.name for op in computing), *named), self._endings(computing)))
        self.items = {op.name: PlannedOp(op, names.pop(0)) for op in computing}
        self.inputs = {
            tensor.name: PlannedInput(tensor, names.pop(0) if len(inputs) > 1 else "input") for tensor in inputs
        }
        self.outputs = {
            tensor.name: PlannedOutput(tensor, names.pop(0) if len(outputs) > 1 else "output") for tensor in outputs
        }
        self.stored = {name: self._store(name) for name in sorted(schedule.stored, key=self._position)}
        self.places: dict[str, Place] = {name: one.place for name, one in self.inputs.items()}
        self.arenas = self._find_places()

    def _endings(self, computing: Sequence[Op]) -> frozenset[str]:
        """All that stands behind a layer's symbol somewhere, so that no other layer may be called so."""
        endings = DERIVED | {array.name for op in computing for array in op.state}
        if any(isinstance(op, Reduction) and not op.output_state for op in computing):
            endings |= {"output"}
        if any(op.pace is not None and op.pace.lag for op in computing):
            endings |= {"padding"}
        if any(op.loads for op in computing):
            endings |= {"begin"}
        return endings | {constant.name for op in computing for constant in op.constants(self._model.contract)}

    def _position(self, name: str) -> int:
        return next((index for index, op in enumerate(self._model.ops) if op.output.name == name), -1)

    def _store(self, name: str) -> Stored:
        """The array of a stored sequence. Where it has no pace of its own, the position counts its elements."""
        producer = self._schedule.producers.get(name)
        tensor = self.inputs[name].tensor if producer is None else producer.output
        identifier = self.inputs[name].identifier if producer is None else self.items[producer.name].identifier
        clock = self._schedule.clocks[name]
        counter = f"self->{identifier}_count" if clock.paces else ""
        return Stored(f"self->{identifier}_steps", clock.count, tensor.size, counter, tensor.quantization.dtype)

    def _find_places(self) -> tuple[Arena, ...]:
        """Give a place to each tensor that an op writes, and to each vector that is an alias."""
        model, schedule = self._model, self._schedule
        places = self.places
        is_direct = schedule.is_streaming or not model.output.is_sequence
        read = {tensor.name for op in model.ops for tensor in op.inputs}
        alive, scratch = lifetimes(schedule), []
        for item in self.items.values():
            name = item.op.output.name
            if item.op.output_state:
                places[name] = Place(f"self->{item.identifier}_{item.op.output_state}")
                shown = item.op.exposed.items()
                places |= {tensor.name: Place(f"self->{item.identifier}_{array}") for array, tensor in shown}
            elif name in self.outputs and is_direct and name not in read:
                places[name] = self.outputs[name].place
            else:
                scratch.append(alive[name])
        arenas = []
        for dtype, array in _ARENAS.items():
            offsets, size = pack_lifetimes([one for one in scratch if one.dtype == dtype])
            places |= {name: Place(f"self->{array}", offset) for name, offset in offsets.items()}
            arenas += [Arena(array, dtype, size)] if size else []
        for op in model.ops:
            if op.is_alias and not op.output.is_sequence:
                places[op.output.name] = self._last(op.input)
        return tuple(arenas)

    def _last(self, tensor: QuantizedTensor) -> Place:
        """The last element of a sequence: where the latest stands, or in the array of all."""
        if not self._schedule.is_virtual(tensor):
            return self.places[tensor.name]
        count = self._schedule.clocks[tensor.name].count
        return self.element(tensor, None, count, False)

    def element(self, tensor: QuantizedTensor, tick: str | None, count: int, is_reversed: bool) -> Place:
        """An element of a stored or virtual sequence: that of a tick, or the last."""
        if self._schedule.is_virtual(tensor):
            op = self._schedule.producers[tensor.name]
            if op.repeats and op.input.size == op.output.size:
                return self.places[op.input.name]
            if op.repeats:
                return piece(self.places[op.input.name], op.output.size, index_of(tick, count, is_reversed))
            return self.element(op.input, tick, count, not is_reversed)
        stored = self.stored[tensor.name]
        return piece(Place(stored.array), stored.size, index_of(tick, count, is_reversed))

    def _read(self, tensor: QuantizedTensor, level: int) -> Place:
        if tensor.is_sequence and self._schedule.reads_stored(tensor, level):
            return self.element(tensor, "tick", self._schedule.clocks[tensor.name].count, False)
        return self.places[tensor.name]

    def sources(self, op: Op, level: int | None = None) -> tuple[str, ...]:
        """What an op reads in a loop of that level, or in a line."""
        return tuple(
            self.stored[tensor.name].array
            if index in op.whole_inputs
            else (self.places[tensor.name] if level is None else self._read(tensor, level)).expression
            for index, tensor in enumerate(op.step_inputs)
        )

    def cleared(self) -> list[Cleared]:
        """Results of paced ops that are read outside of what they pace."""
        read = {
            tensor.name
            for part in self._schedule.rest
            if isinstance(part, Line)
            for op in part.ops
            for tensor in op.stepped
            if tensor.is_sequence and not isinstance(op, Reduction)
        }
        found = []
        for item in self.items.values():
            tensor = item.op.output
            clock = self._schedule.clocks.get(tensor.name)
            if tensor.name in read and clock is not None and clock.paces and not item.op.output_state:
                found.append(Cleared(self.places[tensor.name], tensor.size, tensor.quantization.zero_point))
        return found


def _of_user(name: str) -> str:
    """The name of the user's layer of which a tensor is the result."""
    layer, _, part = name.rpartition("/")
    return layer if layer and part in _RESULTS else name
