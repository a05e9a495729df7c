"""Which of our tensors the outputs of Keras' layers are: results, and states that other recurrent layers start from."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from edgelstm.ir import Layer, LayerBuilder, SourceLayer, Tensor, TensorReference
from edgelstm.ops.last_step import LastStepLayer
from edgelstm.ops.unflatten import UnflattenLayer

MOST_PIECES = 64
"""Of one concatenation of states."""

Pieces = tuple[Tensor, ...]
"""What a reference means: one tensor, or the vectors that stand one behind the other in joined cell states."""


class KerasTensors:
    """What is known so far of a model's layers, in their order.

    Attributes:
        held: the layers that make sequences of the inputs that are given whole.
    """

    def __init__(self, inputs: Mapping[str, Tensor]) -> None:
        self.held = tuple(
            UnflattenLayer.of_held(tensor) for tensor in inputs.values() if tensor.timesteps and not tensor.is_sequence
        )
        self._results: dict[str, Pieces | None] = {name: (tensor,) for name, tensor in inputs.items()}
        self._results |= {layer.input.name: (layer.output,) for layer in self.held}
        self._further: dict[str, tuple[Tensor, ...]] = {}
        self._ends: dict[TensorReference, LastStepLayer] = {}
        self._vectors: set[str] = set()
        self._cells: set[str] = set()

    def read(self, reference: TensorReference) -> Pieces | None:
        """The pieces, or None where a problem hides them."""
        known = self._results.get(reference.layer)
        if not reference.output or known is None:
            return known
        further = self._further.get(reference.layer, ())
        return (further[reference.output - 1],) if 1 <= reference.output <= len(further) else None

    def last_steps(self, references: Sequence[TensorReference]) -> Iterator[LastStepLayer]:
        """The layers that yield the states which nobody has read before."""
        for reference in references:
            layer = self._ends.get(reference)
            if layer is not None and layer.name not in self._vectors:
                self._vectors.add(layer.name)
                yield layer

    def passes(self, layer: SourceLayer, pieces: Pieces | None) -> None:
        """A layer computes nothing, and yields what it reads; or what it yields is not known."""
        self._results[layer.name] = pieces

    def yields(self, layer: SourceLayer, builder: LayerBuilder, built: Sequence[Layer], current: Tensor) -> None:
        """A layer stands for `built`; where these are none, it yields `current`."""
        self._results[layer.name] = (built[-1].output if built else current,)
        known = {one.output.name: one.output for one in built}
        for one in built:
            parts = [f"{one.name}/{part}" for part in one.observed_parts]
            known |= {part: replace(one.output, name=part) for part in parts}
            self._cells |= {LastStepLayer.after(known[part]).name for part in parts}
            self._vectors |= {one.name} if isinstance(one, LastStepLayer) else set()
        sequences = tuple(known[one.name] for one in builder.sequences(layer))
        ends = tuple(LastStepLayer.after(known[state.name]) for state in builder.states(layer))
        self._further[layer.name] = (*sequences, *(end.output for end in ends))
        self._ends |= {TensorReference(layer.name, index): end for index, end in enumerate(ends, 1 + len(sequences))}

    def joined_cells(self, layer: SourceLayer) -> Pieces | None:
        """The pieces of a Concatenate of states of which one is a cell state at least; None for any other layer."""
        found = [self.read(reference) for reference in layer.inputs]
        pieces = tuple(piece for one in found for piece in one or ())
        is_whole = None not in found and len(pieces) <= MOST_PIECES and layer.config.get("axis", -1) in (-1, 1)
        if layer.class_name != "Concatenate" or not is_whole or not self._has_cell(pieces):
            return None
        return None if any(piece.is_sequence for piece in pieces) else pieces

    def problems(self, layer: SourceLayer, builder: LayerBuilder | None, *, vanishes: bool) -> Iterator[str]:
        """What of the outputs of other layers a layer may not read; one that vanishes passes all on."""
        for name, output in layer.inputs:
            if output and self._results.get(name) is not None and not 1 <= output <= len(self._further.get(name, ())):
                yield f'takes output {output} of "{name}"; beside output 0 only the states of recurrent layers are read'
        if vanishes:
            return
        others = layer.inputs[: 1 if builder is not None and builder.reads_states else None]
        pieces = [piece for reference in others for piece in self.read(reference) or ()]
        if self._has_cell(pieces) and self.joined_cells(layer) is None:
            yield "reads a cell state; only the initial state of a recurrent layer may: use the hidden state"

    def output_problems(self, reference: TensorReference) -> Iterator[str]:
        """The model's output is a layer's result, or a hidden state."""
        name, output = reference
        if output and self._results.get(name) is not None and not 1 <= output <= len(self._further.get(name, ())):
            yield f'the model yields output {output} of "{name}", which has no such'
        if self._has_cell(self.read(reference) or ()):
            yield "the model's output is a cell state; only hidden states can be one"

    def _has_cell(self, pieces: Sequence[Tensor]) -> bool:
        return any(piece.name in self._cells for piece in pieces)
