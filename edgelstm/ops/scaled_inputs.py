"""Affine layers at a model's inputs become the inputs' own: whoever quantizes them scales each channel first.

Folded into the layer behind, they would leave one int8 scale to channels in volts and in degrees alike.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edgelstm.ir import Layer, Scaling, Tensor
from edgelstm.ops.affine import AffineLayer


def scaled_inputs(
    inputs: Sequence[Tensor], layers: Sequence[Layer], output_names: Sequence[str] = ()
) -> tuple[tuple[Tensor, ...], tuple[Layer, ...]]:
    """Take every affine layer off that alone reads an input, again and again.

    Args:
        inputs: of the model.
        layers: in order of execution.
        output_names: of several outputs; an affine layer that yields one stays.

    Returns:
        the inputs with their scaling, and the layers that are left.
    """
    found, graph = [], list(layers)
    for tensor in inputs:
        scaled = tensor
        while step := _taken_off(scaled, graph, output_names):
            scaled, graph = step
        found.append(scaled)
    return tuple(found), tuple(graph)


def _taken_off(
    tensor: Tensor, graph: Sequence[Layer], output_names: Sequence[str]
) -> tuple[Tensor, list[Layer]] | None:
    """The input with one more affine layer, and the others; None where there is none, or nothing would be left."""
    affine = _sole_reader(tensor, graph)
    if affine is None or affine.output.name in output_names or len(graph) == 1:
        return None
    scaling = _both(tensor.scaling, affine)
    if scaling is None:
        return None
    scaled = replace(tensor, scaling=scaling)
    return scaled, [_reread(layer, affine.output.name, scaled) for layer in graph if layer is not affine]


def _sole_reader(tensor: Tensor, graph: Sequence[Layer]) -> AffineLayer | None:
    readers = [layer for layer in graph if tensor.name in [one.name for one in layer.inputs]]
    return readers[0] if len(readers) == 1 and isinstance(readers[0], AffineLayer) else None


def _both(first: Scaling | None, affine: AffineLayer) -> Scaling | None:
    """One after the other; None where float32 cannot hold it."""
    factors, offsets = affine.factor.astype(np.float64), affine.offset.astype(np.float64)
    if first is not None:
        with np.errstate(over="ignore", invalid="ignore"):
            offsets = factors * np.array(first.offsets) + offsets
            factors = factors * np.array(first.factors)
    with np.errstate(over="ignore", invalid="ignore"):
        pair = factors.astype(np.float32), offsets.astype(np.float32)
    if not all(np.isfinite(one).all() for one in pair):
        return None
    return Scaling(tuple(map(float, pair[0])), tuple(map(float, pair[1])))


def _reread(layer: Layer, name: str, tensor: Tensor) -> Layer:
    return layer.with_inputs(tuple(tensor if one.name in (name, tensor.name) else one for one in layer.inputs))
