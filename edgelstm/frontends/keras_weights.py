"""Finding a layer's weights in the two ways Keras arranges them in HDF5."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgelstm.errors import ModelFormatError
from edgelstm.frontends.keras_archive import KerasArchive, Layout
from edgelstm.frontends.keras_chain import Place
from edgelstm.frontends.keras_config import SAVE_AGAIN
from edgelstm.frontends.keras_hdf5 import Hdf5File, open_hdf5
from edgelstm.ir import AnyArray, FloatArray

MOST_WEIGHTS = 64
"""Weight arrays of one layer."""
_PARTS = ("vars", "cell/vars", "forward_layer/cell/vars", "backward_layer/cell/vars")
"""Groups below a layer's that hold its variables "0", "1", ...; recurrent layers keep theirs in a cell."""


@dataclass(frozen=True)
class StoredWeights:
    """A layer's weights in stored order, and what is wrong with them, one line each."""

    arrays: tuple[FloatArray, ...]
    problems: tuple[str, ...]


def read_weights(archive: KerasArchive, places: Sequence[Place]) -> list[StoredWeights]:
    """Read the weights at each place; none where the file has none there.

    Raises:
        ModelFormatError: the HDF5 data is damaged, hostile, or does not belong to the config.
    """
    find = _find_in_archive if archive.layout is Layout.KERAS else _find_in_legacy
    with open_hdf5(archive.hdf5, "the weights' data") as file:
        if (
            archive.layout is Layout.KERAS
            and file.node(file.root, "_layer_checkpoint_dependencies") is not None
        ):
            raise ModelFormatError(
                "the file has the early .keras format of TensorFlow 2.12 and 2.13, which is not supported",
                'load it in that TensorFlow and save it as model.save("model.h5")',
            )
        return [_checked([file.array(node) for node in find(file, place)]) for place in places]


def _find_in_archive(file: Hdf5File, place: Place) -> list[Any]:
    own_variables = _group(file, place.group, "vars")
    if own_variables is not None:
        owner = file.text(own_variables, "name", 4096)
        if owner is not None and owner != place.name:
            raise ModelFormatError(
                f"the weights at {place.group} belong to {owner!r}, not to {place.name!r}", SAVE_AGAIN
            )
    base = f"{place.group}/{place.wrapped}" if place.wrapped else place.group
    groups = [_group(file, base, part) for part in _PARTS]
    return [file.node(group, str(index)) for group in groups for index in range(_count(group))]


def _group(file: Hdf5File, base: str, part: str) -> Any:
    """tf_keras on Windows writes everything before "/vars" as one group with backslashes in its name."""
    *owner, variables = (*base.split("/"), *part.split("/"))
    group = file.node(file.root, "/".join((*owner, variables)))
    return group if group is not None else file.node(file.root, "\\".join(owner) + "/" + variables)


def _count(group: Any) -> int:
    count = 0 if group is None else len(group)
    if count > MOST_WEIGHTS:
        raise ModelFormatError(f"a layer has {count} weight arrays", SAVE_AGAIN)
    return count


def _find_in_legacy(file: Hdf5File, place: Place) -> list[Any]:
    group = file.node(file.root, f"model_weights/{place.outermost}")
    if group is None:
        return []
    names = file.texts(group, "weight_names")
    if place.name != place.outermost:
        names = tuple(name for name in names if f"/{place.name}/" in f"/{name}")
    if len(names) > MOST_WEIGHTS:
        raise ModelFormatError(f'layer "{place.name}" has {len(names)} weight arrays', SAVE_AGAIN)
    return [file.node(group, name) for name in names]


def _checked(arrays: Sequence[AnyArray]) -> StoredWeights:
    floats: list[FloatArray] = []
    problems: list[str] = []
    for index, array in enumerate(arrays):
        with np.errstate(over="ignore", invalid="ignore"):
            values = np.ascontiguousarray(array, dtype=np.float32)
        floats.append(values)
        if array.dtype.kind != "f":
            problems.append(f"weight array {index} is stored as {array.dtype}, not as float")
        elif not np.isfinite(values).all():
            problems.append(f"weight array {index} holds NaN or infinity; the training diverged")
    return StoredWeights(tuple(floats), tuple(problems))
