"""The inputs of a Keras model that has several: sequences, ids, images, and vectors.

Sequences as long as the first come with it, sample by sample; one of another length is given whole before the first.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from edgelstm.frontends.keras_config import Shape
from edgelstm.frontends.keras_graph import GraphInput
from edgelstm.frontends.keras_ids import vocabulary_of
from edgelstm.ir import MOST_INPUTS, SourceLayer, Tensor
from edgelstm.ops.sources import LARGEST_SIZE

MOST_FEATURES = 1 << 16
MOST_TIMESTEPS = 1 << 20


def several_inputs(
    inputs: Sequence[GraphInput], layers: Sequence[SourceLayer]
) -> tuple[tuple[Tensor, ...], tuple[str, ...]]:
    """Describe them.

    Returns:
        the tensors, a sequence first, else in the order of the model; and why they cannot be compiled, one line each.
    """
    if len(inputs) > MOST_INPUTS:
        return (), (f"the model has {len(inputs)} inputs, more than {MOST_INPUTS}",)
    problems = [problem for one in inputs for problem in _problems(one, layers)]
    if problems:
        return (), tuple(problems)
    tensors = [_tensor(one, layers) for one in inputs]
    sequences = [tensor for tensor in tensors if tensor.is_sequence]
    if not sequences:
        return (), ("none of the inputs is a sequence (batch, time steps, features)",)
    first = sequences[0]
    others = [tensor for tensor in tensors if tensor is not first]
    problems += [problem for tensor in others for problem in _length_problems(first, tensor)]
    return (first, *(_held(tensor) if _is_held(first, tensor) else tensor for tensor in others)), tuple(problems)


def _is_held(first: Tensor, tensor: Tensor) -> bool:
    return tensor.is_sequence and tensor.timesteps not in (None, first.timesteps)


def _held(sequence: Tensor) -> Tensor:
    """A vector that holds all of a sequence."""
    return replace(sequence, size=sequence.size * (sequence.timesteps or 1), is_sequence=False)


def _length_problems(first: Tensor, tensor: Tensor) -> Iterator[str]:
    if not tensor.is_sequence or tensor.timesteps == first.timesteps:
        return
    label = f'the input "{tensor.name}"'
    if tensor.timesteps is None:
        yield f'{label} has any number of time steps, and "{first.name}" has {first.timesteps}; state it for both'
    elif _held(tensor).size > LARGEST_SIZE:
        yield (
            f'{label} has {tensor.timesteps} time steps, "{first.name}" {first.timesteps or "any number"}, so that it '
            f"is given whole, but its {_held(tensor).size} values are more than {LARGEST_SIZE}"
        )


def _problems(one: GraphInput, layers: Sequence[SourceLayer]) -> Iterator[str]:
    shape, label = one.shape, f'the input "{one.reference.layer}"'
    if shape is None:
        yield f"{label} states no shape"
        return
    is_ids = bool(vocabulary_of(layers, one.reference))
    features = () if is_ids else shape[2:] if len(shape) > 2 else shape[1:]
    if len(shape) not in ((2,) if is_ids else (2, 3, 4)) or None in features:
        sizes = ", ".join("?" if size is None else str(size) for size in shape[:6])
        yield f"{label} has the shape ({sizes}); expected (batch, time steps, features), or (batch, size) of a vector"
    elif not 1 <= _size(shape, is_ids) <= MOST_FEATURES:
        yield f"{label} has {_size(shape, is_ids)} features; expected 1..{MOST_FEATURES}"
    elif (is_ids or len(shape) > 2) and shape[1] is not None and not 1 <= shape[1] <= MOST_TIMESTEPS:
        yield f"{label} has {shape[1]} time steps; expected 1..{MOST_TIMESTEPS}, or any number"


def _size(shape: Shape, is_ids: bool) -> int:
    if is_ids:
        return 1
    return math.prod(size for size in shape[2 if len(shape) > 2 else 1 :] if size is not None)


def _tensor(one: GraphInput, layers: Sequence[SourceLayer]) -> Tensor:
    shape, name = one.shape or (), one.reference.layer
    vocabulary = vocabulary_of(layers, one.reference)
    size = _size(shape, bool(vocabulary))
    if len(shape) == 2 and not vocabulary:
        return Tensor(name, size, is_sequence=False)
    channels = (shape[3] or 0) if len(shape) == 4 else 0
    return Tensor(name, size, is_sequence=True, timesteps=shape[1], vocabulary=vocabulary, channels=channels)
