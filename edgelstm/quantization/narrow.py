"""Weights of 4 bits in the layers that gain by them."""

from dataclasses import replace

from edgelstm.ir import FloatModel, Model
from edgelstm.ops.weight_bits import NARROW


def with_narrow_weights(model: FloatModel) -> FloatModel:
    """The model whose layers are to be quantized with weights of 4 bits; small ones, and convolutions, keep 8."""
    return replace(model, layers=tuple(layer.with_narrow_weights() for layer in model.layers))


def narrow_layers(model: Model) -> tuple[str, ...]:
    """The names of the ops with weights of 4 bits."""
    return tuple(
        op.name
        for op in model.ops
        if any(matrix.bits == NARROW for matrix in (*op.matrices(model.contract), *op.second_matrices(model.contract)))
    )
