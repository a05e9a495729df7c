"""What a layer alone tells about its input, where the layer before it tells nothing."""

from itertools import product

from edgelstm.ir import LayerBuilder, SourceLayer, Tensor

_MANY_STEPS = 1 << 15
"""More than any window has."""

_FEW_STEPS = 256
"""What attention still takes."""

_MOST_TRIED = 3
"""Inputs of one layer that are guessed apart."""

_MANY_FEATURES = 1 << 8
"""More than any pool has."""


def implied_features(source: SourceLayer) -> int:
    """The input's size as the first weight array has it, a kernel or a number for each feature; 0 where it has not.

    A kernel over several steps has those first.
    """
    first = source.weights[0] if source.weights else None
    if first is None or first.ndim not in (1, 2, 3, 4):
        return 0
    return first.shape[max(0, first.ndim - 2)]


def guessed_inputs(source: SourceLayer, kind: LayerBuilder | None, count: int = 1) -> tuple[Tensor, ...]:
    """So many inputs that the layer accepts, if there are such: nothing is said that is merely a consequence."""
    given = [source.config.get(key) for key in ("mean", "scale", "offset")]
    listed = next((len(value) for value in given if isinstance(value, list)), 1)
    size = implied_features(source) or listed or 1
    features = source.weights[0].shape[1] if source.weights and source.weights[0].ndim == 4 else _MANY_FEATURES
    guesses = [
        Tensor("unknown", size, is_sequence=True),
        Tensor("unknown", size, is_sequence=True, timesteps=_MANY_STEPS),
        Tensor("unknown", size, is_sequence=True, timesteps=_FEW_STEPS),
        Tensor("unknown", size, is_sequence=False),
        Tensor("unknown", 1, is_sequence=True, vocabulary=size),
        Tensor("unknown", size * features, is_sequence=True, timesteps=_MANY_STEPS, channels=size),
    ]
    tried = [(guess,) * count for guess in guesses]
    if 1 < count <= _MOST_TRIED:
        tried += product(guesses, repeat=count)
    return next((inputs for inputs in tried if kind and not kind.problems_in(source, inputs)), tried[0])
