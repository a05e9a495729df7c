"""Which number of a Keras file each trained number of our layers is, and by what it was multiplied on the way.

Layers are built from a file's arrays by rules of their own: gates are split, kernels are reshaped, normalizations are
folded into their neighbours. Instead of a second copy of these rules, the arrays are replaced by ones and by their own
indices, and what comes out is looked at.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgelstm.ir import AnyArray, FloatArray, FloatModel

Rebuild = Callable[[Sequence[FloatArray]], FloatModel]
"""The float model with other arrays in the file."""

Field = tuple[str, str]
"""An array of a layer: the name of the layer's output, and the attribute."""


@dataclass(frozen=True, eq=False)
class Source:
    """Where numbers of a layer's array come from.

    Attributes:
        array: which array of the file.
        index: into the array, flat, for each of the layer's numbers.
        factor: of each; 0 where it comes from elsewhere.
    """

    array: int
    index: AnyArray
    factor: FloatArray


def find_sources(
    rebuild: Rebuild, arrays: Sequence[FloatArray], is_trained: Sequence[bool], fields: Sequence[Field]
) -> Mapping[Field, tuple[Source, ...]]:
    """Try each array that is to be trained.

    What a layer adds of one array to numbers of another (a normalization's offsets times the kernel behind it) is no
    source: the integers have it, gradients do not.
    """
    found: dict[Field, list[Source]] = {field: [] for field in fields}
    for number, array in enumerate(arrays):
        if not is_trained[number] or not array.size:
            continue
        probes = [_probe(rebuild, arrays, number, values, fields) for values in _probes(array)]
        for field in fields:
            source = _source(number, array, *(probe[field] for probe in probes))
            if source is not None:
                found[field].append(source)
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
