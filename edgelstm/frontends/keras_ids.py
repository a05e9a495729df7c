"""Whether a model's input is ids: what reads it tells, for Keras gives both kinds of input the same types."""

from collections.abc import Sequence

from edgelstm.ir import MOST_IDS, SourceLayer, TensorReference

_EMBEDDING = "Embedding"


_INPUT = TensorReference("")


def vocabulary_of(layers: Sequence[SourceLayer], source: TensorReference = _INPUT) -> int:
    """How many ids every Embedding on a model's input knows; 0 where there is none, at most MOST_IDS.

    One that knows more than that says so itself.
    """
    embeddings = [layer for layer in layers if layer.class_name == _EMBEDDING and layer.inputs == (source,)]
    sizes = [layer.config.get("input_dim") for layer in embeddings]
    return min([MOST_IDS, *(size for size in sizes if isinstance(size, int) and size > 0)]) if embeddings else 0
