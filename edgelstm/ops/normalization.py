"""Keras' BatchNormalization, Normalization and Rescaling, which at inference scale and shift each feature."""

from typing import Any

import numpy as np

from edgelstm.ir import Layer, SourceLayer, Tensor
from edgelstm.ops.affine import AffineLayer, Float64Array
from edgelstm.ops.options import axis_problems, last_axis, number, vector
from edgelstm.ops.sources import flag, option_problems, shape_problems

_SMALLEST_DEVIATION = 1e-7
"""Normalization divides by no less (Keras' `backend.epsilon()`)."""


class BatchNormalizationLayer(AffineLayer):
    """(x - mean) / sqrt(variance + epsilon) * gamma + beta, with the moving mean and variance of the training."""

    @classmethod
    def keras_problems(cls, source: SourceLayer, input_tensor: Tensor) -> list[str]:
        """Another axis than the features, weights that do not fit, variances that have no root."""
        count = 2 + flag(source, "scale", default=True) + flag(source, "center", default=True)
        problems = axis_problems(source, input_tensor) + option_problems(source, {"renorm": False})
        problems += shape_problems(source, [(last_axis(input_tensor),)] * count)
        epsilon = number(source, "epsilon", 1e-3)
        if not problems and (_wide(source, -1) + epsilon <= 0.0).any():
            problems.append("a variance is not positive; the file may be damaged")
        return problems

    @classmethod
    def from_keras(cls, source: SourceLayer, input_tensor: Tensor) -> tuple[Layer, ...]:
        """Build the layer; gamma and beta come first, where `scale` and `center` ask for them."""
        with np.errstate(over="ignore", invalid="ignore"):
            factor = 1.0 / np.sqrt(_wide(source, -1) + number(source, "epsilon", 1e-3))
            if flag(source, "scale", default=True):
                factor = factor * _wide(source, 0)
            offset = -_wide(source, -2) * factor
        if flag(source, "center", default=True):
            offset = offset + _wide(source, -3)
        return (_build(cls, source, input_tensor, factor, offset),)


class NormalizationLayer(AffineLayer):
    """(x - mean) / sqrt(variance), or with `invert` the way back; mean and variance learned or given."""

    @classmethod
    def keras_problems(cls, source: SourceLayer, input_tensor: Tensor) -> list[str]:
        """Another axis than the features or all, weights that do not fit, negative variances."""
        is_scalar = source.config.get("axis", -1) in (None, [])
        problems = [] if is_scalar else axis_problems(source, input_tensor)
        if _has_given(source):
            problems += _length_problems(source, input_tensor, ("mean", "variance"))
        else:
            shape = () if is_scalar else (last_axis(input_tensor),)
            problems += shape_problems(source, [shape, shape, ()])
        if not problems and (_moments(source)[1] < 0.0).any():
            problems.append("a variance is negative; the file may be damaged")
        return problems

    @classmethod
    def from_keras(cls, source: SourceLayer, input_tensor: Tensor) -> tuple[Layer, ...]:
        """Build the layer. A third weight counts what mean and variance were learned from."""
        mean, variance = _moments(source)
        with np.errstate(over="ignore", invalid="ignore"):
            deviation = np.maximum(np.sqrt(variance), _SMALLEST_DEVIATION)
            if flag(source, "invert", default=False):
                factor, offset = deviation, mean
            else:
                factor, offset = 1.0 / deviation, -mean / deviation
        return (_build(cls, source, input_tensor, factor, offset),)


class RescalingLayer(AffineLayer):
    """x * scale + offset, of each feature or one for all."""

    @classmethod
    def keras_problems(cls, source: SourceLayer, input_tensor: Tensor) -> list[str]:
        """Lists that have not one number for each feature."""
        return _length_problems(source, input_tensor, ("scale", "offset"))

    @classmethod
    def from_keras(cls, source: SourceLayer, input_tensor: Tensor) -> tuple[Layer, ...]:
        """Build the layer."""
        return (_build(cls, source, input_tensor, vector(source, "scale", 1.0), vector(source, "offset", 0.0)),)


def _build(cls: type[Any], source: SourceLayer, tensor: Tensor, factor: Float64Array, offset: Float64Array) -> Layer:
    layer: Layer = cls(
        name=source.name,
        input=tensor,
        output=Tensor(source.name, tensor.size, tensor.is_sequence, channels=tensor.channels),
        factor=_of_all(factor, tensor),
        offset=_of_all(offset, tensor),
    )
    return layer


def _of_all(values: Float64Array, tensor: Tensor) -> Float64Array:
    """Of each value of a step what is given for each channel, or feature, or for all."""
    return np.resize(np.broadcast_to(values, last_axis(tensor)), tensor.size)


def _wide(source: SourceLayer, index: int) -> Float64Array:
    return source.weights[index].astype(np.float64)


def _has_given(source: SourceLayer) -> bool:
    """Whether mean and variance stand in the config, and not among the weights."""
    return source.config.get("mean") is not None


def _moments(source: SourceLayer) -> tuple[Float64Array, Float64Array]:
    if _has_given(source):
        return vector(source, "mean"), vector(source, "variance")
    return _wide(source, 0), _wide(source, 1)


def _length_problems(source: SourceLayer, input_tensor: Tensor, keys: tuple[str, ...]) -> list[str]:
    lengths, size = {key: vector(source, key).shape for key in keys}, last_axis(input_tensor)
    return [
        f"{key} has {shape[0]} numbers for {size} {'channels' if input_tensor.channels else 'features'}"
        for key, shape in lengths.items()
        if shape not in ((), (1,), (size,))
    ]
