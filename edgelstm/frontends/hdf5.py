"""Reading the texts and arrays of an HDF5 file that may be damaged or hostile, in a child process."""

import json
import math
import struct
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgelstm.device import process
from edgelstm.errors import ModelFormatError, ToolTimeoutError
from edgelstm.ir import AnyArray

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
TIMEOUT_S = 30.0

_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1"}
"""Each thread of numpy's linear algebra reserves memory, which the reader's limit would count."""
_READER = Path(__file__).with_name("hdf5_reader.py")
_HINT = 'the file may be damaged; save the model again with model.save("model.keras")'


@dataclass(frozen=True, eq=False)
class StoredArray:
    """An array as the file stores it; `problem` completes "weight array 0 ...", the values are empty then."""

    values: AnyArray
    problem: str = ""


@dataclass(frozen=True, eq=False)
class Hdf5Content:
    """What of an HDF5 file we use.

    Attributes:
        texts: path of a group ("" for the root) -> attribute -> a text, a list of texts, or None for
            an attribute that is neither.
        arrays: path of a dataset -> its numbers.
    """

    texts: Mapping[str, Mapping[str, str | list[str] | None]]
    arrays: Mapping[str, StoredArray]

    def text(self, path: str, attribute: str) -> str | None:
        """A text attribute, or None where there is none."""
        value = self.texts.get(path, {}).get(attribute)
        return value if isinstance(value, str) else None

    def text_list(self, path: str, attribute: str) -> Sequence[str]:
        """An attribute that lists texts; empty where there is none."""
        value = self.texts.get(path, {}).get(attribute)
        return value if isinstance(value, list) else ()


def read_hdf5(data: bytes, name: str, timeout_s: float = TIMEOUT_S) -> Hdf5Content:
    """Read an HDF5 file's texts and arrays.

    Args:
        data: the file's bytes.
        name: what to call it in messages.
        timeout_s: reading takes a second, but a damaged file can keep the HDF5 library busy forever.

    Raises:
        ModelFormatError: it is damaged, or uses what Keras does not.
    """
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer"
        argv = [sys.executable, "-P", str(_READER), str(answer)]
        try:
            reader = process.run(argv, timeout_s=timeout_s, input_bytes=data, environment=_ENVIRONMENT)
        except ToolTimeoutError as error:
            raise ModelFormatError(f"{name}: the HDF5 library was busy for {timeout_s:g} s", _HINT) from error
        if reader.exit_code != 0:
            last_line = printable(reader.output.strip().rpartition("\n")[2])
            raise ModelFormatError(f"{name}: the HDF5 library ended with {reader.exit_code}: {last_line}", _HINT)
        return _parse(answer.read_bytes(), name)


def printable(text: str) -> str:
    """A text of a library, fit for a message and a terminal."""
    return "".join(c if c.isprintable() else "?" for c in text)[:200]


def _parse(answer: bytes, name: str) -> Hdf5Content:
    """Take the reader's answer apart."""
    (length,) = struct.unpack_from("<Q", answer)
    description: dict[str, Any] = json.loads(answer[8 : 8 + length])
    if "error" in description:
        raise ModelFormatError(f"{name} is not sound HDF5: {printable(description['error'])}", _HINT)
    arrays = {}
    offset = 8 + length
    for item in description["arrays"]:
        shape = (0,) if item["problem"] else tuple(item["shape"])
        dtype = np.dtype(np.float32 if item["problem"] else item["dtype"])
        values = np.frombuffer(answer, dtype, math.prod(shape), offset).reshape(shape)
        arrays[item["path"]] = StoredArray(values, item["problem"])
        offset += values.nbytes
    return Hdf5Content(description["texts"], arrays)
