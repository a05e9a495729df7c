"""Where a mask reaches what would ignore it, or what Keras keeps it from."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from edgelstm.frontends.keras_operations import OPERATOR
from edgelstm.ir import Layer, SourceLayer
from edgelstm.ops.bidirectional import FORWARDS_AGAIN
from edgelstm.ops.embedding import EmbeddingLayer
from edgelstm.ops.global_pooling import GlobalMaxLayer
from edgelstm.ops.masking import MaskingLayer
from edgelstm.ops.recurrent import RecurrentLayer
from edgelstm.ops.reverse import ReverseLayer
from edgelstm.ops.taken_step import TakenStepLayer

_BACKWARD_HALF = (
    'is the backward half of a Bidirectional that yields a sequence, of which the mask of "{}" leaves steps out; only '
    "its last step or its mean is supported behind a mask: set return_sequences=False, or read it by a "
    "GlobalAveragePooling1D alone"
)
_LARGEST = (
    '(GlobalMax) takes the largest of all steps in Keras, of those too that the mask of "{}" leaves out; '
    "GlobalAveragePooling1D and return_sequences=False leave them out"
)
_OPERATOR = 'is an operator, where Keras drops the mask of "{}"; keras.layers.Add, Multiply and Concatenate keep it'
_REVERSE = (
    '(Reverse) needs every step of a sequence of which the mask of "{}" leaves some out; a masked sequence can be read '
    "backwards only right behind its mask"
)
_TAKEN = (
    'takes a step that the mask of "{}" may leave out; set return_sequences=False on the last recurrent layer instead'
)


def mask_problems(layers: Sequence[Layer], sources: Sequence[SourceLayer]) -> Iterator[str]:
    """Layers that a mask reaches, of which Keras' would ignore it, or merge it with steps that all count.

    Args:
        layers: ours, in order of execution.
        sources: what Keras calls them.
    """
    reach = _Reach({source.name: source for source in sources})
    for layer in layers:
        found = {tensor.name: reach.masked.get(tensor.name, "") for tensor in layer.inputs if tensor.is_sequence}
        origins = sorted({origin for origin in found.values() if origin})
        if isinstance(layer, MaskingLayer) or (isinstance(layer, EmbeddingLayer) and layer.mask_zero):
            reach.masked[layer.output.name] = layer.name
            reach.maskings.add(layer.output.name)
        if not origins:
            continue
        problem = reach.problem(layer, origins[0]) or _joined(layer, found, origins)
        if problem:
            yield f'layer "{layer.name}" {problem}'
        if layer.output.is_sequence:
            reach.masked[layer.output.name] = origins[0]
            if isinstance(layer, RecurrentLayer):
                reach.held.add(layer.output.name)


@dataclass(frozen=True)
class _Reach:
    """How far masks reach.

    Attributes:
        sources: by name.
        masked: the layers whose mask sequences have, by the sequence's name.
        maskings: the sequences that come from those layers.
        held: the sequences whose masked steps repeat the step before.
    """

    sources: Mapping[str, SourceLayer]
    masked: dict[str, str] = field(default_factory=dict)
    maskings: set[str] = field(default_factory=set)
    held: set[str] = field(default_factory=set)

    def problem(self, layer: Layer, origin: str) -> str:
        """What a layer does otherwise than Keras' with the mask of its input; "" for nothing."""
        source = self.sources.get(layer.name)
        if isinstance(layer, TakenStepLayer):
            return "" if layer.input.name in self.held else _TAKEN.format(origin)
        if source is not None and source.config.get(OPERATOR):
            return f"({source.class_name}) {_OPERATOR.format(origin)}"
        if isinstance(layer, GlobalMaxLayer):
            return _LARGEST.format(origin)
        if isinstance(layer, ReverseLayer) and layer.input.name not in self.maskings:
            return (_BACKWARD_HALF if self._is_backward_result(layer) else _REVERSE).format(origin)
        # Keras' Softmax lays a mask of time steps over the classes; an activation of that name does not.
        is_blind = source is not None and source.class_name == "Softmax"
        if not layer.takes_mask or is_blind or isinstance(layer, MaskingLayer):
            return f'({type(layer).__name__.removesuffix("Layer")}) does not follow the mask of "{origin}"'
        return ""

    def _is_backward_result(self, layer: Layer) -> bool:
        source = self.sources.get(layer.name.removesuffix(FORWARDS_AGAIN))
        return source is not None and source.class_name == "Bidirectional" and source.name != layer.name


def _joined(layer: Layer, found: Mapping[str, str], origins: Sequence[str]) -> str:
    """What keeps a layer's inputs apart, by their masks."""
    if layer.reads_states and len(layer.inputs) > 1:
        return (
            f'reads a sequence that "{origins[0]}" masks, and starts from given states: Keras 3 drops the mask then, '
            "other versions do not; take away one of the two"
        )
    if len(origins) > 1:
        maskers = " and ".join(f'"{origin}"' for origin in origins)
        return f"joins sequences of which {maskers} leave out steps, each its own; use one mask"
    if len(set(found.values())) > 1:
        return f'joins what the mask of "{origins[0]}" leaves out with steps that count'
    return ""
