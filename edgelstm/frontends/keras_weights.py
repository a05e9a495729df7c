"""Finding a layer's weights in the two ways Keras arranges them in HDF5."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from edgelstm.errors import ModelFormatError
from edgelstm.frontends.hdf5 import Hdf5Content, StoredArray
from edgelstm.frontends.keras_archive import Layout
from edgelstm.frontends.keras_config import SAVE_AGAIN
from edgelstm.frontends.keras_entries import Place
from edgelstm.ir import FloatArray

_PARTS = ("vars", "cell/vars", "forward_layer/cell/vars", "backward_layer/cell/vars")
"""Groups below a layer's that hold its variables "0", "1", ...; recurrent layers keep theirs in a cell."""

_MISSING = StoredArray(np.empty(0, np.float32), "is missing in the file")


@dataclass(frozen=True, eq=False)
class StoredWeights:
    """A layer's weights in stored order, and what is wrong with them, one line each."""

    arrays: tuple[FloatArray, ...]
    problems: tuple[str, ...]


def read_weights(hdf5: Hdf5Content, layout: Layout, place: Place) -> StoredWeights:
    """The weights of the layer at a place; none where the file has none there.

    Raises:
        ModelFormatError: the file keeps weights in a way we do not know, or those of another layer there.
    """
    if not place.group:
        return StoredWeights((), ())
    find = _find_in_archive if layout is Layout.KERAS else _find_in_legacy
    arrays: list[FloatArray] = []
    problems: list[str] = []
    for index, stored in enumerate(find(hdf5, place)):
        with np.errstate(over="ignore", invalid="ignore"):
            values = np.array(stored.values, np.float32, order="C")
        arrays.append(values)
        if stored.problem:
            problems.append(f"weight array {index} {stored.problem}")
        elif stored.values.dtype.kind != "f" and stored.values.ndim:  # single whole numbers count training steps
            problems.append(f"weight array {index} is stored as {stored.values.dtype}, not as float")
        elif not np.isfinite(values).all():
            problems.append(f"weight array {index} holds NaN or infinity; the training diverged")
    return StoredWeights(tuple(arrays), tuple(problems))


def why_no_weights(hdf5: Hdf5Content) -> str:
    """What to do about a file in which no layer has weights."""
    if any(path.startswith("_layer_checkpoint_dependencies") for path in hdf5.arrays):
        return (
            "this is the early .keras format of TensorFlow 2.12 and 2.13; load it there, and save it with "
            'model.save("model.h5")'
        )
    return "build or train the model before saving it, and save the whole model"


def _find_in_archive(hdf5: Hdf5Content, place: Place) -> Iterator[StoredArray]:
    owner = hdf5.text(f"{place.group}/vars", "name")
    if owner is not None and owner != place.name:
        raise ModelFormatError(
            f"the weights at {place.group} belong to {owner[:60]!a}, not to {place.name!a}", SAVE_AGAIN
        )
    base = f"{place.group}/{place.wrapped}" if place.wrapped else place.group
    for part in _PARTS:
        group, _, variables = f"{base}/{part}".rpartition("/")
        # tf_keras on Windows writes the group's path as one name with backslashes.
        for path in (f"{group}/{variables}", group.replace("/", "\\") + f"/{variables}"):
            index = 0
            while (stored := hdf5.arrays.get(f"{path}/{index}")) is not None:
                yield stored
                index += 1


def _is_of_backward_half(name: str) -> bool:
    """By the names that Bidirectional gives the layers it wraps."""
    return any(part.startswith("backward_") for part in name.split("/")[1:-1])


def _find_in_legacy(hdf5: Hdf5Content, place: Place) -> Iterator[StoredArray]:
    group = f"model_weights/{place.outermost}"
    # Keras lists what can be trained first, so that a frozen forward half would stand behind the other.
    for name in sorted(hdf5.text_list(group, "weight_names"), key=_is_of_backward_half):
        if place.name == place.outermost or f"/{place.name}/" in f"/{name}":
            yield hdf5.arrays.get(f"{group}/{name}", _MISSING)
