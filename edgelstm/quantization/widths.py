"""Which layers compute on int16 values, and what brings values from one width to the other between them."""

from collections.abc import Collection

from edgelstm.ir import FloatModel, Layer, Op, QuantizedTensor, Ranges
from edgelstm.ops.requantize import Requantize


def int16_layers(model: FloatModel) -> frozenset[str]:
    """The names of all layers that can."""
    return frozenset(layer.name for layer in model.layers if layer.has_int16)


def int8_layers(model: FloatModel) -> tuple[str, ...]:
    """The names of those that compute, and cannot."""
    return tuple(layer.name for layer in model.layers if not layer.has_int16 and not layer.moves)


class Widths:
    """Values as int8 and as int16, each made of the other once, when it is first asked for."""

    def __init__(self, model: FloatModel, ranges: Ranges, wide: Collection[str]) -> None:
        self._ranges, self._wide = ranges, wide
        self._made: dict[str, QuantizedTensor] = {}
        self._names = {layer.name for layer in model.layers} | {tensor.name for tensor in model.inputs}
        self._read_wide = _read_as_int16(model, wide)
        self._cells: set[str] = set()

    def is_wide_input(self, name: str) -> bool:
        """Whether an input of the model, or what only moves its values, is read by a layer on int16."""
        return name in self._read_wide

    def add_cell(self, name: str) -> None:
        """Let a cell state, which has a scale and 16 bits of its own, be read as it is."""
        self._cells.add(name)

    def ops_of(self, layer: Layer, inputs: tuple[QuantizedTensor, ...]) -> tuple[Op, ...]:
        """What a layer becomes on tensors of any width; its own op is the last."""
        if layer.moves:
            moved = layer.to_op(self._ranges, inputs)
            self._cells |= {moved.output.name} if inputs[0].name in self._cells else set()
            return (moved,)
        is_wide = layer.name in self._wide and layer.has_int16
        before: list[Op] = []
        sources = tuple(self._as_wanted(tensor, is_wide, before) for tensor in inputs)
        own = layer.to_ops16(self._ranges, sources) if is_wide else (layer.to_op(self._ranges, sources),)
        return *before, *own

    def _as_wanted(self, tensor: QuantizedTensor, is_wide: bool, before: list[Op]) -> QuantizedTensor:
        wanted = "int16" if is_wide else "int8"
        if tensor.vocabulary or tensor.quantization.dtype == wanted or tensor.name in self._cells:
            return tensor
        if tensor.name not in self._made:
            op = Requantize.to_int16(tensor) if is_wide else Requantize.to_int8(tensor, self._ranges)
            op = op.named(self._unused(op.name))
            before.append(op)
            self._made[tensor.name] = op.output
        return self._made[tensor.name]

    def _unused(self, name: str) -> str:
        while name in self._names:
            name += "_"
        self._names.add(name)
        return name


def _read_as_int16(model: FloatModel, wide: Collection[str]) -> set[str]:
    found: set[str] = set()
    for layer in reversed(model.layers):
        if (layer.moves and layer.output.name in found) or (layer.name in wide and layer.has_int16):
            found.update(tensor.name for tensor in layer.inputs)
    return found
