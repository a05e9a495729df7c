"""A .keras file with other weights: the same layers and options, so that Keras reads it as it read the first."""

import zipfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import numpy as np

from edgelstm.errors import ModelFormatError
from edgelstm.frontends.hdf5 import Hdf5Content
from edgelstm.frontends.keras_archive import read_archive
from edgelstm.ir import FloatArray

_OLDEST_DATE = (1980, 1, 1, 0, 0, 0)
"""Of members: the same weights make the same bytes."""

_OURS = b"edgelstm: fine-tuned"
"""The comment of the zip."""


def is_rewritten(path: Path) -> bool:
    """Whether `with_weights` wrote the file."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.comment == _OURS
    except (OSError, ValueError, zipfile.BadZipFile):
        return False


def require_rewritable(path: Path) -> None:
    """Raise ModelFormatError for Keras' older format, which `with_weights` does not write."""
    if not zipfile.is_zipfile(path):
        raise ModelFormatError(
            f"{path.name}: expected a .keras file",
            'load the model in Python and save it with model.save("model.keras")',
        )


def with_weights(path: Path, arrays: Mapping[str, FloatArray]) -> bytes:
    """The file's bytes with other values in the arrays at these paths of its HDF5 data.

    The HDF5 data are written anew from what was read of them. What only training uses, the state of an optimizer, is
    left out.

    Raises:
        ModelFormatError: it is no sound .keras file.
    """
    require_rewritable(path)
    archive = read_archive(path)
    packed = BytesIO()
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(packed, "w") as target:
        target.comment = _OURS
        for name in ("metadata.json", "config.json"):
            target.writestr(zipfile.ZipInfo(name, _OLDEST_DATE), source.read(name))
        target.writestr(zipfile.ZipInfo("model.weights.h5", _OLDEST_DATE), _hdf5_bytes(archive.hdf5, arrays))
    return packed.getvalue()


def _hdf5_bytes(content: Hdf5Content, arrays: Mapping[str, FloatArray]) -> bytes:
    import h5py

    packed = BytesIO()
    with h5py.File(packed, "w") as root:
        for path, stored in content.arrays.items():
            values = np.asarray(arrays[path], stored.values.dtype) if path in arrays else stored.values
            root.create_dataset(path, data=values)
        for path, texts in content.texts.items():
            if (name := texts.get("name")) is not None:
                root.require_group(path).attrs["name"] = name
    return packed.getvalue()
