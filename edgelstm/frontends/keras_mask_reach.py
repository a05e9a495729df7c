"""How far a mask reaches: layers that Keras' mask does not reach as ours would are refused.

A mask is found by its value, also behind affine layers.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from edgelstm.frontends.keras_entries import label
from edgelstm.ir import Layer, SourceLayer, Tensor
from edgelstm.ops.affine import AffineLayer
from edgelstm.ops.embedding import EmbeddingLayer
from edgelstm.ops.last_step import LastStepLayer
from edgelstm.ops.masking import MaskingLayer
from edgelstm.ops.reverse import ReverseLayer


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
    reach = _Reach({source.name: why for source, _ in readings if (why := _why_ended(source)) is not None})
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
    if source.is_operation:
        return ': it ends at every operation, such as "+" and those of keras.ops; use a layer (Add, Multiply, ...)'
    return ": it ends there" if source.class_name in ("Flatten", "Reshape") else None


class _Reach:
    """What masks reach so far.

    Attributes:
        ended: why no mask goes on behind layers of Keras, by name.
        masked: by the name of a sequence, the layer whose mask it has.
        backwards: those that run backwards over what is masked.
    """

    def __init__(self, ended: dict[str, str]) -> None:
        self.ended = ended
        self.masked: dict[str, str] = {}
        self._maskings: set[str] = set()
        self._turned: set[str] = set()
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
            return
        if layer.output.is_sequence:
            self.masked[layer.output.name] = origins[0]
        if isinstance(layer, ReverseLayer):
            self._turned.add(layer.output.name)
        elif layer.input.name in self._turned:
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
        if not layer.takes_mask or isinstance(layer, MaskingLayer):
            return f'layer "{layer.name}" ({kind}) does not follow the mask of "{origins[0]}"'
        if isinstance(layer, ReverseLayer) and layer.input.name not in self._maskings:
            return (
                f'layer "{layer.name}" (Reverse) needs every step of a sequence of which the mask of "{origins[0]}" '
                "leaves some out; a masked sequence can be read backwards only right behind its mask"
            )
        if backwards and not isinstance(layer, LastStepLayer):
            return f'layer "{layer.name}" ({kind}) reads {self.order_of(backwards[0])}'
        if layer.reads_states and len(layer.inputs) > 1:
            return (
                f'layer "{layer.name}" reads a sequence that "{origins[0]}" masks, and starts from given states: Keras '
                "3 drops the mask then, other versions do not; take away one of the two"
            )
        return _joint_problem(layer, origins, joins_others=joins_others)


def _joint_problem(layer: Layer, origins: Sequence[str], *, joins_others: bool) -> str:
    if len(origins) > 1:
        maskers = " and ".join(f'"{origin}"' for origin in origins)
        return f'layer "{layer.name}" joins sequences of which {maskers} leave out steps, each its own; use one mask'
    if joins_others:
        return f'layer "{layer.name}" joins what the mask of "{origins[0]}" leaves out with steps that count'
    return ""
