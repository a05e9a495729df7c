"""How far a mask reaches: layers that Keras' mask does not reach as ours would are refused.

A mask is found by its value, also behind affine layers.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from edgelstm.frontends.keras_entries import label
from edgelstm.frontends.keras_operations import OPERATOR
from edgelstm.ir import Layer, SourceLayer, Tensor
from edgelstm.ops.affine import AffineLayer
from edgelstm.ops.bidirectional import FORWARDS_AGAIN
from edgelstm.ops.embedding import EmbeddingLayer
from edgelstm.ops.global_pooling import GlobalMaxLayer
from edgelstm.ops.last_step import LastStepLayer
from edgelstm.ops.masking import MaskingLayer
from edgelstm.ops.recurrent import RecurrentLayer
from edgelstm.ops.reverse import ReverseLayer
from edgelstm.ops.taken_step import TAKEN, TakenStepLayer

_BACKWARD_HALF = (
    'is the backward half of a Bidirectional that yields a sequence, of which the mask of "{}" leaves steps out; only '
    "its last step or its mean is supported behind a mask: set return_sequences=False, or read it by a "
    "GlobalAveragePooling1D alone"
)
_LARGEST = (
    '(GlobalMax) takes the largest of all steps in Keras, of those too that the mask of "{}" leaves out; '
    "GlobalAveragePooling1D and return_sequences=False leave them out"
)
_REVERSE = (
    '(Reverse) needs every step of a sequence of which the mask of "{}" leaves some out; a masked sequence can be read '
    "backwards only right behind its mask"
)
_STATES = (
    'reads a sequence that "{}" masks, and starts from given states: Keras 3 drops the mask then, other versions do '
    "not; take away one of the two"
)
_TAKEN = (
    'takes a step that the mask of "{}" may leave out; set return_sequences=False on the last recurrent layer instead'
)


class Reading(NamedTuple):
    """A layer of Keras and what it reads, whatever is built for it."""

    source: SourceLayer
    inputs: tuple[Tensor, ...]


def mask_problems(layers: Sequence[Layer], readings: Sequence[Reading], output_names: Sequence[str]) -> Iterator[str]:
    """A line for each layer that would compute something else than Keras' behind a mask.

    Args:
        layers: ours, in order of execution.
        readings: the layers of Keras for which they were built.
        output_names: of several outputs.
    """
    both = [source.name for source, _ in readings if source.class_name == "Bidirectional"]
    halves = {f"{name}{part}" for name in both for part in (FORWARDS_AGAIN, "/forward", "/backward")}
    reach = _Reach({source.name: why for source, _ in readings if (why := _why_ended(source)) is not None}, halves)
    for layer in layers:
        yield from reach.over(layer)
    for source, inputs in readings:
        origin = next((reach.masked[one.name] for one in inputs if one.name in reach.masked), None)
        if origin is not None and source.name in reach.ended:
            why = reach.ended[source.name]
            yield f'{label(source.name, source.class_name)} does not follow the mask of "{origin}"{why}'
    for name in output_names or [layer.output.name for layer in layers[-1:]]:
        if name in reach.backwards:
            yield f"the model's output is {reach.order_of(name)}"


def behind_affine(layers: Sequence[Layer]) -> list[Layer]:
    """The layers, each Masking with those affine ones in mind that stand in front of it, before they join others."""
    yielded = {layer.output.name: layer for layer in layers}
    found: list[Layer] = []
    for layer in layers:
        affine: list[AffineLayer] = []
        before = yielded.get(layer.input.name)
        while isinstance(layer, MaskingLayer) and isinstance(before, AffineLayer):
            affine.append(before)
            before = yielded.get(before.input.name)
        found.append(layer.behind(affine) if isinstance(layer, MaskingLayer) and affine else layer)
    return found


def _why_ended(source: SourceLayer) -> str | None:
    """Why no mask goes on behind a layer of Keras, "" where its class says enough; None where one does."""
    if source.class_name == "Softmax":
        # It lays a mask of time steps over the classes; an activation of that name does not.
        return ""
    if source.class_name in ("Normalization", "Rescaling") and source.keras_major < 3:
        return ": before Keras 3 it ends there; normalize the data, or save the model with Keras 3"
    if source.is_per_step:
        return None
    # An index takes a step that a mask may leave out; whether it can be followed depends on what it reads.
    if source.config.get(OPERATOR) and source.class_name != TAKEN:
        return ': it ends at every operation, such as "+" and those of keras.ops; use a layer (Add, Multiply, ...)'
    return ": it ends there" if source.class_name in ("Flatten", "Reshape") else None


class _Reach:
    """What masks reach so far.

    Attributes:
        ended: why no mask goes on behind layers of Keras, by name.
        masked: by the name of a sequence, the layer whose mask it has.
        backwards: those that run backwards over what is masked.
    """

    def __init__(self, ended: dict[str, str], halves: Collection[str]) -> None:
        self.ended = ended
        self._halves = halves
        self.masked: dict[str, str] = {}
        self._maskings: set[str] = set()
        self._turned: set[str] = set()
        self._held: set[str] = set()
        self.backwards: set[str] = set()

    def over(self, layer: Layer) -> Iterator[str]:
        """Go on over a layer; yields why it cannot follow."""
        found = {tensor.name: self.masked.get(tensor.name, "") for tensor in layer.inputs if tensor.is_sequence}
        origins = sorted({origin for origin in found.values() if origin})
        if isinstance(layer, MaskingLayer) or (isinstance(layer, EmbeddingLayer) and layer.mask_zero):
            self.masked[layer.output.name] = layer.name
            self._maskings.add(layer.output.name)
        if not origins or layer.name in self.ended:
            return
        if problem := self._problem(layer, origins, joins_others=len(set(found.values())) > 1):
            yield problem
            if isinstance(layer, ReverseLayer):
                self.masked[layer.output.name] = origins[0]
            return
        if layer.output.is_sequence:
            self.masked[layer.output.name] = origins[0]
        if isinstance(layer, RecurrentLayer):
            self._held.add(layer.output.name)
        if isinstance(layer, ReverseLayer):
            self._turned.add(layer.output.name)
        elif layer.input.name in self._turned and layer.name not in self._halves:
            self.backwards.add(layer.output.name)

    def order_of(self, name: str) -> str:
        """Why the steps of a sequence that runs backwards stay unread."""
        return (
            f'the steps of "{name}", which runs backwards over what "{self.masked[name]}" masks: Keras then lays the '
            "mask over them the wrong way round; let only the last step be read, with return_sequences=False"
        )

    def _problem(self, layer: Layer, origins: Sequence[str], *, joins_others: bool) -> str:
        kind = type(layer).__name__.removesuffix("Layer")
        backwards = [tensor.name for tensor in layer.inputs if tensor.name in self.backwards]
        found = self._kind_problem(layer)
        if found is None and (not layer.takes_mask or isinstance(layer, MaskingLayer)):
            found = f'({kind}) does not follow the mask of "{{}}"'
        elif not found and backwards and not isinstance(layer, LastStepLayer):
            found = f"({kind}) reads {self.order_of(backwards[0])}"
        elif not found and layer.reads_states and len(layer.inputs) > 1:
            found = _STATES
        if found:
            return f'layer "{layer.name}" {found.replace("{}", origins[0])}'
        return _joint_problem(layer, origins, joins_others=joins_others)

    def _kind_problem(self, layer: Layer) -> str | None:
        """What a layer of this kind may not do with a masked sequence, "" for nothing; None for other kinds."""
        if isinstance(layer, TakenStepLayer):
            # Masked steps repeat the one before, in which a recurrent layer's result stays as it is.
            return "" if layer.input.name in self._held else _TAKEN
        if isinstance(layer, GlobalMaxLayer):
            return _LARGEST
        if isinstance(layer, ReverseLayer) and layer.input.name not in self._maskings:
            return _BACKWARD_HALF if layer.name in self._halves else _REVERSE
        return None


def _joint_problem(layer: Layer, origins: Sequence[str], *, joins_others: bool) -> str:
    if len(origins) > 1:
        maskers = " and ".join(f'"{origin}"' for origin in origins)
        return f'layer "{layer.name}" joins sequences of which {maskers} leave out steps, each its own; use one mask'
    if joins_others:
        return f'layer "{layer.name}" joins what the mask of "{origins[0]}" leaves out with steps that count'
    return ""
