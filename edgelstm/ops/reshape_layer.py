"""Keras' Reshape: a Flatten, its opposite, or another meaning of the values of a step."""

import math
from dataclasses import replace
from typing import Any

from edgelstm.ir import Layer, SourceLayer, Tensor
from edgelstm.ops.flatten import FlattenLayer, size_problems
from edgelstm.ops.repeat_vector import RepeatVectorLayer
from edgelstm.ops.sources import LARGEST_SIZE
from edgelstm.ops.unflatten import UnflattenLayer


class ReshapeLayer(FlattenLayer):
    """A vector of a sequence, a sequence of a vector, or a step's values seen as something else."""

    @classmethod
    def keras_problems(cls, source: SourceLayer, input_tensor: Tensor) -> list[str]:
        """Shapes that mix time with features."""
        found = source.config.get("target_shape")
        timesteps = input_tensor.timesteps or 1 if input_tensor.is_sequence else 1
        if isinstance(found, list | tuple) and list(found) in ([-1], [timesteps * input_tensor.size]):
            return size_problems(input_tensor)
        if _shape(found, input_tensor) is None:
            wanted = _STEP_SHAPES if input_tensor.is_sequence else _SEQUENCE_SHAPES
            return [f"target_shape={str(found)[:40]} is not supported, only [-1] (a single vector), {wanted}"]
        return []

    @classmethod
    def from_keras(cls, source: SourceLayer, input_tensor: Tensor) -> tuple[Layer, ...]:
        """Build the layer; none where time stays."""
        shape = _shape(source.config.get("target_shape"), input_tensor)
        if shape is None:
            return super().from_keras(source, input_tensor)
        if input_tensor.is_sequence:
            return ()
        channels = shape[2] if len(shape) == 3 else 0
        if shape[0] > 1:
            return (UnflattenLayer.of(source.name, input_tensor, shape[0], channels),)
        # One step is the vector itself, which a RESHAPE in a .tflite does not tell from it.
        step = Tensor(source.name, input_tensor.size, is_sequence=True, timesteps=1, channels=channels)
        return (RepeatVectorLayer(source.name, input_tensor, step),)

    @classmethod
    def view(cls, source: SourceLayer, inputs: tuple[Tensor, ...]) -> Tensor:
        """See `Layer.view`."""
        shape = _shape(source.config.get("target_shape"), inputs[0]) or (0,)
        return replace(inputs[0], channels=shape[2] if len(shape) == 3 else 0)


_STEP_SHAPES = "[time, features] and [time, features, channels] with the time steps and values a step that there are"
_SEQUENCE_SHAPES = "[time, features] and [time, features, channels] with all its values"


def _shape(target: Any, tensor: Tensor) -> tuple[int, ...] | None:
    """(time, features) or (time, features, channels) of a `target_shape` that keeps the time steps, or makes them of a
    vector; None where it is none."""
    is_shape = isinstance(target, list | tuple) and len(target) in (2, 3) and all(type(size) is int for size in target)
    if not is_shape:
        return None
    return _kept(target, tensor) if tensor.is_sequence else _made(target, tensor.size)


def _kept(target: Any, tensor: Tensor) -> tuple[int, ...] | None:
    time, *shape = target
    known = math.prod(size for size in shape if size != -1)
    sizes = [tensor.size // max(1, known) if size == -1 else size for size in shape]
    keeps_time = time == tensor.timesteps or (time == -1 and -1 not in shape)
    is_whole = shape.count(-1) <= 1 and min(sizes) > 0 and math.prod(sizes) == tensor.size
    # Keras takes a size of -1 from the number of all values, so that only a known number of steps settles it.
    return (time, *sizes) if keeps_time and is_whole else None


def _made(target: Any, size: int) -> tuple[int, ...] | None:
    known = math.prod(one for one in target if one != -1)
    shape = tuple(size // max(1, known) if one == -1 else one for one in target)
    is_whole = list(target).count(-1) <= 1 and min(shape) > 0 and math.prod(shape) == size
    return shape if is_whole and shape[0] <= LARGEST_SIZE else None
