"""Which number of a Keras file each trained number of our layers is, and by what it was multiplied on the way.

Layers are built from a file's arrays by rules of their own: gates are split, kernels are reshaped, normalizations are
folded into their neighbours. Instead of a second copy of these rules, the arrays are replaced by ones and by their own
indices, and what comes out is looked at.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgelstm.ir import AnyArray, FloatArray, FloatModel

Rebuild = Callable[[Sequence[FloatArray]], FloatModel]
"""The float model with other arrays in the file."""

Field = tuple[str, str]
"""An array of a layer: the name of the layer's output, and the attribute."""


@dataclass(frozen=True, eq=False)
class Source:
    """Numbers of a layer's array that are numbers of the file, each times a factor.

    Attributes:
        array: which array of the file.
        index: into the array, flat, for each of the layer's numbers.
        factor: of each; 0 where it comes from elsewhere.
    """

    array: int
    index: AnyArray
    factor: FloatArray

    def of(self, ops: Any, values: Any) -> Any:
        """The layer's numbers of the file's `values`, flat; `ops` are Keras' or numpy."""
        return ops.take(values, self.index, axis=0) * self.factor


@dataclass(frozen=True, eq=False)
class Sums:
    """Sums over the rows of an array that a layer adds to another: offsets of a normalization, times the kernel behind.

    Attributes:
        array: which array of the file; its last axis are columns, the others rows.
        weights: (rows, results) of a row's number in each sum.
    """

    array: int
    weights: FloatArray

    def of(self, ops: Any, values: Any) -> Any:
        """See `Source.of`: result c sums the column c, counted on from the first where there are fewer columns."""
        rows, results = self.weights.shape
        table = ops.reshape(values, (rows, -1))
        columns = np.arange(results) % table.shape[1]
        return ops.sum(ops.take(table, columns, axis=1) * self.weights, axis=0)


def find_sources(
    rebuild: Rebuild, arrays: Sequence[FloatArray], is_trained: Sequence[bool], fields: Sequence[Field]
) -> Mapping[Field, tuple[Source | Sums, ...]]:
    """Try each array that is to be trained."""
    found: dict[Field, list[Source | Sums]] = {field: [] for field in fields}
    for number, array in enumerate(arrays):
        if not is_trained[number] or not array.size:
            continue
        zero, ones, indices, random = (_probe(rebuild, arrays, number, values, fields) for values in _probes(array))
        added = []
        for field in fields:
            source = _source(number, array, zero[field], ones[field], indices[field], random[field])
            if source is not None:
                found[field].append(source)
            elif zero[field].ndim == 1 and not np.array_equal(zero[field], ones[field]):
                added.append(field)
        for field, sums in _sums(rebuild, arrays, number, added, zero).items():
            found[field].append(sums)
    return {field: tuple(sources) for field, sources in found.items()}


def _probes(array: FloatArray) -> list[FloatArray]:
    """Zeros, ones, indices from 1 on, and random numbers that confirm what these show."""
    index = np.arange(1, array.size + 1, dtype=np.float32).reshape(array.shape)
    random = np.random.default_rng(0).uniform(0.5, 1.5, array.shape).astype(np.float32)
    return [np.zeros_like(array), np.ones_like(array), index, random]


def _probe(
    rebuild: Rebuild, arrays: Sequence[FloatArray], number: int, values: FloatArray, fields: Sequence[Field]
) -> dict[Field, FloatArray]:
    replaced = [values if index == number else array for index, array in enumerate(arrays)]
    layers = {layer.output.name: layer for layer in rebuild(replaced).layers}
    return {(name, attribute): getattr(layers[name], attribute).astype(np.float64) for name, attribute in fields}


def _source(
    number: int, array: FloatArray, zero: FloatArray, ones: FloatArray, indices: FloatArray, random: FloatArray
) -> Source | None:
    factor = ones - zero
    safe = np.where(factor == 0.0, 1.0, factor)
    index = np.rint((indices - zero) / safe).astype(np.int64) - 1
    inside = (factor != 0.0) & (index >= 0) & (index < array.size)
    index = np.where(inside, index, 0)
    expected = _probes(array)[3].ravel()[index] * factor
    confirmed = inside & np.isclose(random - zero, expected, rtol=1e-3, atol=1e-3 * float(np.abs(factor).max()))
    return Source(number, index, np.where(confirmed, factor, 0.0)) if confirmed.any() else None


def _sums(
    rebuild: Rebuild,
    arrays: Sequence[FloatArray],
    number: int,
    fields: Sequence[Field],
    zero: Mapping[Field, FloatArray],
) -> dict[Field, Sums]:
    """Try the rows of an array one by one, where something is added to `fields`."""
    if not fields:
        return {}
    array = arrays[number]
    columns = array.shape[-1]
    found: dict[Field, list[FloatArray]] = {field: [] for field in fields}
    for row in range(array.size // columns):
        values = np.zeros_like(array)
        values.reshape(-1, columns)[row] = 1.0
        probe = _probe(rebuild, arrays, number, values, fields)
        for field in fields:
            found[field].append(probe[field] - zero[field])
    return {field: Sums(number, np.stack(rows)) for field, rows in found.items()}
