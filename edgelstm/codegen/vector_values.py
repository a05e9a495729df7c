"""Ops that have a form on vectors of their values, and read no weights in another order than elsewhere."""

from dataclasses import dataclass
from typing import ClassVar

from edgelstm.ir import Op
from edgelstm.ops.attention import Attention
from edgelstm.ops.layer_normalization import LayerNormalization


@dataclass(frozen=True, eq=False)
class VectorValues:
    """What such an op needs: parts of the vector library."""

    replaced: ClassVar[frozenset[str]] = frozenset()

    parts: tuple[str, ...]


def vector_values(op: Op) -> VectorValues | None:
    """The parts, if the op has such a form."""
    if isinstance(op, LayerNormalization):
        return VectorValues(("rows", "normalization"))
    if isinstance(op, Attention):
        return VectorValues(("rows", "requantize", "softmax", "attention"))
    return None
