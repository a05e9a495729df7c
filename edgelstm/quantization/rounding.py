"""Weights rounded so that their errors cancel on calibration data, instead of each to the nearest step.

Inputs and hidden states are correlated, so that the errors of weights that were rounded one by one add up in a row's
sums. Here the columns of a kernel are rounded one after the other, and those still to come take up what a rounding does
to the sums, as far as they can: least squares over the data (Frantar et al. 2022, "GPTQ", arXiv 2210.17323). What is
left of it on average goes into the bias. Scales stay those of the largest weights.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from edgelstm.ir import AnyArray, FloatArray, FloatModel, Layer, Model, Op
from edgelstm.numerics.fixedpoint import Int64Array
from edgelstm.ops.conv1d import Conv1D, Conv1DLayer
from edgelstm.ops.dense import Dense, DenseLayer
from edgelstm.ops.dense16 import Dense16
from edgelstm.ops.lstm import Lstm, Lstm16, LstmLayer
from edgelstm.ops.window_layer import tap_values
from edgelstm.quantization.calibration import equal_lengths

MOST_COLUMNS = 2048
"""Of a row; wider kernels, whose covariance would take gigabytes, are rounded to nearest."""

_DAMPING = 0.01
"""Of the mean variance, added to every column's: what the data do not show must not be taken for certain."""


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean (columns,) and covariance (columns, columns) of what a row of weights meets."""

    mean: AnyArray
    covariance: AnyArray


class _Sums:
    """Adds up values and their products, as they differ from the mean of the first that come."""

    def __init__(self, columns: int) -> None:
        self._start = np.zeros(columns)
        self._count = 0
        self._values = np.zeros(columns)
        self._products = np.zeros((columns, columns))

    def add(self, values: FloatArray) -> None:
        """(n, columns)."""
        if not self._count:
            self._start = values.mean(axis=0, dtype=np.float64)
        centered = values.astype(np.float64) - self._start
        self._count += len(centered)
        self._values += centered.sum(axis=0)
        self._products += centered.T @ centered

    @property
    def moments(self) -> Moments:
        """Of all that came."""
        mean = self._values / self._count
        return Moments(self._start + mean, self._products / self._count - np.outer(mean, mean))


def round_to_data(model: FloatModel, nearest: Model, moments: Mapping[str, Moments]) -> FloatModel:
    """The model with the weights of LSTM, Dense and Conv1D layers on steps of their scales.

    Args:
        model: float.
        nearest: what `quantize` makes of it; it says the scales, and makes integers of the result in the same way.
        moments: from `observe_moments`.
    """
    ops = {op.output.name: op for op in nearest.ops}
    layers = (
        _rounded(layer, ops.get(layer.output.name), moments[layer.name]) if layer.name in moments else layer
        for layer in model.layers
    )
    return replace(model, layers=tuple(layers))


def round_rows(rows: AnyArray, steps: AnyArray, moments: Moments) -> Int64Array:
    """Round rows (n, columns) to multiples of `steps` (n, columns), in -127..127.

    A weight that is the largest of its scale stays so, because the scale follows from it.
    """
    passed_on = _passed_on(moments.covariance)
    weights, found = rows.astype(np.float64), np.zeros(rows.shape, np.int64)
    for column in range(rows.shape[1]):
        step = steps[:, column]
        nearest = np.clip(np.rint(weights[:, column] / step), -127, 127)
        largest = np.rint(rows[:, column] / step)
        found[:, column] = np.where(np.abs(largest) >= 127, np.clip(largest, -127, 127), nearest)
        error = (weights[:, column] - found[:, column] * step) / passed_on[column, column]
        weights[:, column + 1 :] -= np.outer(error, passed_on[column, column + 1 :])
    return found


def _passed_on(covariance: AnyArray) -> AnyArray:
    """Upper triangle: row k says how the error of column k, over the diagonal, goes to the columns behind it.

    Nothing goes anywhere where numbers beyond float64 leave no triangle.
    """
    nowhere = np.eye(len(covariance))
    if not np.isfinite(covariance).all():
        return nowhere
    damping = _DAMPING * float(np.trace(covariance)) / len(covariance)
    try:
        found: AnyArray = np.linalg.cholesky(np.linalg.inv(covariance + damping * nowhere)).T
    except np.linalg.LinAlgError:
        return nowhere
    return found if np.isfinite(found).all() else nowhere


def _columns(layer: Layer) -> int:
    if isinstance(layer, LstmLayer):
        return layer.input.size + layer.units
    return math.prod(layer.kernel.shape[:-1]) if isinstance(layer, DenseLayer | Conv1DLayer) else 0


def observe_moments(model: FloatModel, inputs: FloatArray, lengths: AnyArray | None = None) -> dict[str, Moments]:
    """Of what the rows of each layer meet, by its name.

    That is the input, of an LSTM also the hidden state of the step before, and of a Conv1D what its taps see.

    Args:
        model: float.
        inputs: (N, T, size) calibration sequences.
        lengths: (N,) how many steps of each count.
    """
    columns = {layer.name: size for layer in model.layers if 0 < (size := _columns(layer)) <= MOST_COLUMNS}
    sums = {name: _Sums(size) for name, size in columns.items()}
    for batch in equal_lengths(len(inputs), inputs.shape[1], lengths):
        tensors = model.tensors(inputs[batch.samples, : batch.timesteps].astype(np.float32))
        for layer in model.layers:
            if layer.name in columns:
                sums[layer.name].add(_met(layer, tensors).reshape(-1, columns[layer.name]))
    return {name: one.moments for name, one in sums.items()}


def _met(layer: Layer, tensors: Mapping[str, FloatArray]) -> FloatArray:
    values = tensors[layer.input.name]
    if isinstance(layer, Conv1DLayer):
        return np.concatenate(list(tap_values(layer.name, values, layer.window)), axis=-1)
    if not isinstance(layer, LstmLayer):
        return values
    hidden = tensors[layer.output.name]
    before = np.concatenate([np.zeros_like(hidden[:, :1]), hidden[:, :-1]], axis=1)
    return np.concatenate([values, before], axis=-1)


def _rounded(layer: Layer, op: Op | None, moments: Moments) -> Layer:
    if isinstance(layer, LstmLayer) and isinstance(op, Lstm | Lstm16):
        return _rounded_lstm(layer, op, moments)
    if isinstance(layer, DenseLayer | Conv1DLayer) and isinstance(op, Dense | Dense16 | Conv1D):
        weights = layer.kernel.reshape(-1, layer.kernel.shape[-1]).T
        scales = np.broadcast_to(np.array(op.kernel_scales)[:, None], weights.shape)
        rows, shift = _on_steps(weights, scales, moments)
        return replace(layer, kernel=rows.T.reshape(layer.kernel.shape), bias=layer.bias - shift)
    return layer


def _rounded_lstm(layer: LstmLayer, op: Lstm | Lstm16, moments: Moments) -> LstmLayer:
    kernels, recurrent_kernels, biases = [], [], []
    trained = (np.split(array, 4, axis=-1) for array in (layer.kernel, layer.recurrent_kernel, layer.bias))
    for gate, kernel, recurrent_kernel, bias in zip(op.gates, *trained, strict=True):
        scales = np.repeat([gate.kernel_scale, gate.recurrent_scale], [len(kernel), len(recurrent_kernel)])
        weights = np.concatenate([kernel, recurrent_kernel]).T
        rows, shift = _on_steps(weights, np.broadcast_to(scales, weights.shape), moments)
        kernels.append(rows.T[: len(kernel)])
        recurrent_kernels.append(rows.T[len(kernel) :])
        biases.append(bias - shift)
    return replace(
        layer,
        kernel=np.concatenate(kernels, axis=1),
        recurrent_kernel=np.concatenate(recurrent_kernels, axis=1),
        bias=np.concatenate(biases),
    )


def _on_steps(rows: FloatArray, scales: AnyArray, moments: Moments) -> tuple[FloatArray, FloatArray]:
    """Rows on steps of their scales, and by how much that shifts their sums on average."""
    stored = round_rows(rows, scales, moments) * scales
    return stored.astype(np.float32), ((stored - rows) @ moments.mean).astype(np.float32)
