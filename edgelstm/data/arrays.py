"""Reading .npz and .npy files that may be damaged or hostile.

numpy's own loader believes the sizes that a file declares. Here each array's size is checked against a limit
and against the bytes that are there before anything is allocated, only plain arrays are accepted, and pickles
never.
"""

import math
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np

from edgelstm.data.dataset import MAX_LABEL_CHARACTERS, MAX_LABELS, raise_all
from edgelstm.errors import DataError
from edgelstm.ir import AnyArray

MAX_BYTES = 4 * 2**30
"""The most that the arrays of one file may take in memory."""

# numpy 1's type stubs leave this module untyped.
_npy: Any = np.lib.format

_MAX_LABELS_BYTES = MAX_LABELS * MAX_LABEL_CHARACTERS * 4
_MAX_HEADER_CHARACTERS = 4096
_CHUNK_BYTES = 2**20
_NAMES_SHOWN = 10
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 1


def read_npz(path: Path, is_wanted: Callable[[str], bool]) -> dict[str, AnyArray | None]:
    """Read the arrays of an .npz file.

    Args:
        path: the file.
        is_wanted: which arrays are, by name. Others are not read, and stand in the result as None.

    Raises:
        DataError: the file cannot be read, or any wanted array is unusable; all of them at once.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _read_members(archive, is_wanted)
    except DataError:
        raise
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    # zipfile and numpy's header parser raise a dozen kinds of exception on damaged files.
    except Exception as error:
        raise DataError(f"{path} is not an .npz file, or is damaged", "write it with numpy.savez") from error


def read_npy(path: Path) -> AnyArray:
    """Read an .npy file; raises DataError."""
    try:
        with path.open("rb") as stream:
            return _read_array(stream, path.stat().st_size, MAX_BYTES)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    except DataError as error:
        raise DataError(f"{path}: {error.message}", "write it with numpy.save") from error


def _read_members(archive: zipfile.ZipFile, is_wanted: Callable[[str], bool]) -> dict[str, AnyArray | None]:
    members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
    if len(members) != len(archive.infolist()):
        raise DataError("the .npz file holds several arrays of one name")
    wanted = {name: info for name, info in members.items() if is_wanted(name)}
    if sum(info.file_size for info in wanted.values()) > MAX_BYTES:
        raise DataError(f"the .npz file's arrays are larger than {MAX_BYTES >> 30} GiB")
    problems: list[str] = []
    arrays: dict[str, AnyArray | None] = {}
    for name, info in wanted.items():
        try:
            arrays[name] = _read_member(archive, info, _MAX_LABELS_BYTES if name == "labels" else MAX_BYTES)
        except DataError as error:
            problems.append(f'"{name}" {error.message}')
    raise_all(problems)
    others = [name for name in members if not is_wanted(name)]
    return arrays | dict.fromkeys(others[:_NAMES_SHOWN])


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, limit_bytes: int) -> AnyArray:
    if info.flag_bits & _ENCRYPTED or info.compress_type not in _METHODS:
        raise DataError("is encrypted, or compressed by a method that numpy does not write")
    try:
        with archive.open(info) as stream:
            return _read_array(stream, info.file_size, limit_bytes)
    except DataError:
        raise
    except Exception as error:
        raise DataError("is damaged") from error


def _read_array(stream: IO[bytes], size_bytes: int, limit_bytes: int) -> AnyArray:
    try:
        # Version 1.0 is what numpy writes for every plain array; its header is at most 64 KiB.
        if _npy.read_magic(stream) != (1, 0):
            raise DataError("is not a plain array")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            shape, fortran_order, dtype = _npy.read_array_header_1_0(stream, _MAX_HEADER_CHARACTERS)
    except DataError:
        raise
    except Exception as error:
        raise DataError("is not an array in numpy's format, or is damaged") from error
    if dtype.kind == "O":
        raise DataError("holds pickled Python objects, which are never read")
    if dtype.kind not in "biufcSU" or not dtype.itemsize or dtype.shape:
        raise DataError(f"holds {dtype.name:.60} values, not numbers")
    needed_bytes = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or needed_bytes > limit_bytes:
        raise DataError(f"declares a size that is negative or above {limit_bytes} bytes")
    if needed_bytes != size_bytes - stream.tell():
        raise DataError(f"declares {needed_bytes} bytes of values, but {size_bytes - stream.tell()} are there")
    try:
        values = np.empty(math.prod(shape), dtype)
        _fill(values.view(np.uint8), stream)
        return values.reshape(shape, order="F" if fortran_order else "C")
    except (ValueError, OverflowError, MemoryError) as error:
        raise DataError("does not fit into memory, or has more dimensions than numpy can hold") from error


def _fill(octets: AnyArray, stream: IO[bytes]) -> None:
    filled = 0
    while filled < octets.size:
        chunk = stream.read(min(_CHUNK_BYTES, octets.size - filled))
        if not chunk:
            raise DataError("is cut short")
        octets[filled : filled + len(chunk)] = np.frombuffer(chunk, np.uint8)
        filled += len(chunk)
