"""Affine layers vanish: their neighbours' weights take them over, and the model computes the same function."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from edgelstm.errors import UnsupportedModelError
from edgelstm.ir import FloatArray, Layer, Tensor
from edgelstm.ops.affine import AffineLayer, float32
from edgelstm.ops.convolution import ConvolutionLayer
from edgelstm.ops.dense import DenseLayer
from edgelstm.ops.depthwise import DepthwiseConv1DLayer
from edgelstm.ops.depthwise2d import DepthwiseConv2DLayer
from edgelstm.ops.global_pooling import GlobalAverageLayer, GlobalMaxLayer
from edgelstm.ops.gru import GruLayer
from edgelstm.ops.kernel_layer import KernelLayer
from edgelstm.ops.last_step import LastStepLayer
from edgelstm.ops.lstm import LstmLayer
from edgelstm.ops.patch_layer import PatchLayer
from edgelstm.ops.pooling import AveragePoolLayer, MaxPoolLayer
from edgelstm.ops.repeat_vector import RepeatVectorLayer
from edgelstm.ops.reverse import ReverseLayer
from edgelstm.ops.simple_rnn import SimpleRnnLayer

_TRANSPARENT = (AveragePoolLayer, GlobalAverageLayer, LastStepLayer, RepeatVectorLayer, ReverseLayer)
"""What passes steps on as they are, in another order or number, or means of them."""

_CHOOSING = (GlobalMaxLayer, MaxPoolLayer)
"""What passes on the largest of several steps: the same before and behind factors of which none is negative."""

MOST_DIAGONAL = 1 << 22
"""Weights of all affine layers of a model that become a Dense: more fit no microcontroller."""


def fold_affine(layers: Sequence[Layer], output_names: Sequence[str] = ()) -> tuple[Layer, ...]:
    """Merge each affine layer into the layer before it, or those behind it, or make it a Dense where neither can.

    Before it goes first: a Dense has a scale for each of its outputs, so that large and small factors side by side
    cost no precision there.

    Args:
        layers: in order of execution.
        output_names: of several outputs, which stay as they are.

    Raises:
        UnsupportedModelError: a Dense of one's own would be larger than any chip.
    """
    graph, diagonal = list(layers), 0
    while affine := next((layer for layer in graph if isinstance(layer, AffineLayer)), None):
        before = _before(graph, affine, output_names)
        behind = _behind(graph, affine, output_names)
        if before is not None and (merged := _into_previous(before, affine)) is not None:
            graph = _without(graph, affine, {id(before): merged})
        elif behind and all(_into_next(affine, layer) is not None for layer in behind):
            graph = _without(graph, affine, {id(layer): _into_next(affine, layer) for layer in behind})
        else:
            diagonal += affine.output.size**2 if affine.needs_diagonal else 0
            graph[graph.index(affine)] = _alone(affine, diagonal)
    return tuple(graph)


def _readers(graph: Sequence[Layer], tensor: Tensor) -> list[Layer]:
    return [layer for layer in graph if tensor.name in [source.name for source in layer.inputs]]


def _before(graph: Sequence[Layer], affine: AffineLayer, output_names: Sequence[str]) -> Layer | None:
    """The layer that computes what an affine layer alone reads.

    What works feature by feature may as well come before or behind a choice of steps.
    """
    if affine.output.name in output_names:
        return None
    tensor = affine.input
    while len(_readers(graph, tensor)) == 1 and tensor.name not in output_names:
        producer = next((layer for layer in graph if layer.output.name == tensor.name), None)
        if producer is None or not _commutes(affine, producer):
            return producer
        tensor = producer.input
    return None


def _behind(graph: Sequence[Layer], affine: AffineLayer, output_names: Sequence[str]) -> list[Layer]:
    """All layers that read the result, past those that choose steps; [] where it is an output or an initial state."""
    found: list[Layer] = []
    tensors = [affine.output]
    while tensors:
        tensor = tensors.pop()
        readers = _readers(graph, tensor)
        starts = [one.name for layer in readers if layer.reads_states for one in layer.inputs[1:]]
        if not readers or tensor.name in (*starts, *output_names):
            return []
        tensors += [layer.output for layer in readers if _commutes(affine, layer)]
        found += [layer for layer in readers if not _commutes(affine, layer)]
    return found


def _commutes(affine: AffineLayer, layer: Layer) -> bool:
    """Whether the affine layer may as well come before or behind another."""
    if isinstance(layer, _CHOOSING):
        return bool((affine.factor >= 0.0).all())
    return isinstance(layer, _TRANSPARENT)


def _without(graph: Sequence[Layer], affine: AffineLayer, merged: Mapping[int, Layer | None]) -> list[Layer]:
    """The graph with other layers for some, by `id`, in which what read the affine layer reads its input."""

    def reread(layer: Layer) -> Layer:
        inputs = [affine.input if source.name == affine.output.name else source for source in layer.inputs]
        return layer.with_inputs(tuple(inputs))

    return [reread(merged.get(id(layer)) or layer) for layer in graph if layer is not affine]


def _into_previous(layer: Layer, affine: AffineLayer) -> Layer | None:
    if not isinstance(layer, KernelLayer) or layer.relu:
        return None
    of_outputs = affine.repeated(len(layer.bias))
    if of_outputs is None:
        return None
    factor, offset = of_outputs
    with np.errstate(over="ignore", invalid="ignore"):
        kernel, bias = layer.kernel * factor, layer.bias * factor + offset
    return replace(layer, kernel=float32(kernel), bias=float32(bias))


def _into_next(affine: AffineLayer, layer: Layer) -> Layer | None:
    if isinstance(layer, AffineLayer):
        return layer.after(affine)
    if isinstance(layer, ConvolutionLayer):
        return _into_convolution(affine, layer)
    # One by one: only these multiply their whole input by `kernel`, and add `bias` to nothing else.
    if isinstance(layer, DenseLayer | LstmLayer | GruLayer | SimpleRnnLayer):
        kernel, bias = _scaled(affine, layer.kernel, layer.bias)
        return replace(layer, kernel=kernel, bias=bias)
    return None


def _into_convolution(affine: AffineLayer, layer: ConvolutionLayer) -> Layer | None:
    """None where padding, which is 0 behind the affine layer, would be something else before it, or where one weight
    meets features that are scaled differently."""
    features = layer.features if isinstance(layer, PatchLayer) else 1
    of_inputs = affine.repeated(layer.input.size // features)
    if of_inputs is None or (affine.offset.any() and layer.is_padded):
        return None
    factor, offset = of_inputs
    wide = layer.kernel.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        if isinstance(layer, DepthwiseConv1DLayer | DepthwiseConv2DLayer):
            factor, offset = (np.repeat(one, layer.per_input) for one in of_inputs)
            kernel, moved = factor * wide, offset * wide.reshape(-1, len(layer.bias)).sum(axis=0)
        else:
            summed = wide.reshape(-1, len(factor), len(layer.bias)).sum(axis=0)
            kernel, moved = factor[:, None] * wide, offset @ summed
    return replace(layer, kernel=float32(kernel), bias=float32(moved + layer.bias))


def _scaled(affine: AffineLayer, kernel: FloatArray, bias: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Kernel (input size, columns) and bias (columns,) that do on x what the old ones did on the affine result."""
    with np.errstate(over="ignore", invalid="ignore"):
        return float32(affine.factor[:, None] * kernel), float32(affine.offset @ kernel.astype(np.float64) + bias)


def _alone(affine: AffineLayer, diagonal: int) -> Layer:
    """The layer as a Dense, with which the model would have `diagonal` weights of such."""
    if diagonal > MOST_DIAGONAL:
        raise UnsupportedModelError(
            [
                f'layer "{affine.name}": scales {affine.output.size} features with no Dense or recurrent layer beside '
                "it that could take this over; a Dense for it would be too large"
            ]
        )
    return affine.alone()
