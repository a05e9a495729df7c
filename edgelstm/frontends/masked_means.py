"""The mean of a masked Bidirectional's sequence: a mean of each half, which needs no step in its place again."""

from collections.abc import Sequence

from edgelstm.ir import Layer, Tensor
from edgelstm.ops.bidirectional import FORWARDS_AGAIN
from edgelstm.ops.concatenate import ConcatenateLayer
from edgelstm.ops.embedding import EmbeddingLayer
from edgelstm.ops.global_pooling import GlobalAverageLayer
from edgelstm.ops.masking import MaskingLayer
from edgelstm.ops.reverse import ReverseLayer


def means_of_halves(layers: Sequence[Layer], output_names: Sequence[str]) -> list[Layer]:
    """Where a mask leaves steps out, put each mean of concatenated sequences before the concatenation.

    A sequence that is turned around there has the same mean before. Masked, it could not be turned around, because its
    steps that count lie where data decide.

    Args:
        layers: in order of execution.
        output_names: of several outputs, which stay as they are.
    """
    graph, masked = list(layers), _masked(layers)
    for mean in [layer for layer in graph if isinstance(layer, GlobalAverageLayer)]:
        joined = _only_read_by(mean, mean.input, graph, output_names)
        if not isinstance(joined, ConcatenateLayer) or joined.output.name not in masked:
            continue
        turned = _only_read_by(joined, joined.inputs[-1], graph, output_names)
        # Both halves of a Bidirectional have one mask; other sequences may each have their own, or none.
        if isinstance(turned, ReverseLayer) and turned.name == joined.name + FORWARDS_AGAIN:
            graph = _replaced(graph, mean, joined, turned)
    return graph


def _masked(layers: Sequence[Layer]) -> set[str]:
    """The sequences of which a mask leaves steps out."""
    found: set[str] = set()
    for layer in layers:
        is_masking = isinstance(layer, MaskingLayer) or (isinstance(layer, EmbeddingLayer) and layer.mask_zero)
        if layer.output.is_sequence and (is_masking or found & {tensor.name for tensor in layer.inputs}):
            found.add(layer.output.name)
    return found


def _only_read_by(reader: Layer, tensor: Tensor, graph: Sequence[Layer], output_names: Sequence[str]) -> Layer | None:
    """What yields a tensor that nothing else reads."""
    readers = [layer for layer in graph if tensor.name in [source.name for source in layer.inputs]]
    if readers != [reader] or tensor.name in output_names:
        return None
    return next((layer for layer in graph if layer.output.name == tensor.name), None)


def _replaced(graph: Sequence[Layer], mean: Layer, joined: Layer, turned: ReverseLayer) -> list[Layer]:
    """The graph with means of the halves, joined in the place of the mean of what was joined."""
    sources = (*joined.inputs[:-1], turned.input)
    halves = [
        GlobalAverageLayer(name, source, Tensor(name, source.size, is_sequence=False))
        for source, name in ((source, f"{mean.name}/of_{index}") for index, source in enumerate(sources, 1))
    ]
    first, *others = (half.output for half in halves)
    both = ConcatenateLayer(mean.name, first, mean.output, tuple(others))
    found: list[Layer] = []
    for layer in graph:
        if layer is mean:
            found += [*halves, both]
        elif layer is not joined and layer is not turned:
            found.append(layer)
    return found
