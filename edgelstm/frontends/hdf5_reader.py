"""A process of its own: HDF5 bytes on standard input; the texts and arrays in them into a file.

On some damaged files the HDF5 library loops forever or crashes; here that costs a process with nothing to
lose. `hdf5.read_hdf5` starts it. Only what Keras itself writes is read: hard links, plain arrays of numbers
stored in one piece, strings. Every size is compared with the file's length before memory is taken for it.
"""

import json
import math
import struct
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import h5py

MOST_NODES = 20_000
DEEPEST_GROUP = 40
MOST_CHARACTERS = 64 << 20
MOST_TEXTS = 4096
LARGEST_TEXTS_BYTES = 1 << 30
"""Bound of (texts in a list) * (file length): all of them may be one text as long as the file."""

_TEXT_ATTRIBUTES = ("model_config", "keras_version", "weight_names", "name")
_NOT_THE_MODEL = ("optimizer", "optimizer_weights", "metrics")
_NUMBER_KINDS = "fiu"
_LARGEST_RANK = 8


def describe(data: bytes) -> tuple[dict[str, Any], list[bytes]]:
    """Read an HDF5 file.

    Returns:
        A JSON-able description and the arrays' bytes. `texts` has the text attributes of each path, `arrays`
        the path, dtype, shape and problem of each array; one with a problem has no bytes.

    Raises:
        Exception: whatever h5py raises on a damaged file; ValueError for what is refused.
    """
    texts: dict[str, Any] = {}
    arrays: list[dict[str, Any]] = []
    contents: list[bytes] = []
    unread_bytes, unread_characters = len(data), MOST_CHARACTERS
    with h5py.File(BytesIO(data), "r") as root:
        for path, node in _walk(root):
            if isinstance(node, h5py.Dataset):
                problem = _array_problem(node, unread_bytes)
                content = b"" if problem else node[()].tobytes()
                unread_bytes -= len(content)
                contents.append(content)
                arrays.append({"path": path, "dtype": node.dtype.str, "shape": node.shape or (), "problem": problem})
            else:
                found = {name: _texts(node, name, len(data)) for name in _TEXT_ATTRIBUTES if name in node.attrs}
                unread_characters -= len(str(found))
                if unread_characters < 0:
                    raise ValueError(f"texts of more than {MOST_CHARACTERS} characters")
                texts.update({path: found} if found else {})
    return {"texts": texts, "arrays": arrays}, contents


def _walk(root: h5py.Group) -> Iterator[tuple[str, Any]]:
    """All nodes with their paths, except those of training. Hard links may form cycles: they are counted."""
    pending = [("", root, 0)]
    count = 0
    while pending:
        path, node, depth = pending.pop()
        yield path, node
        if not isinstance(node, h5py.Group):
            continue
        for name in node:
            if depth == 0 and name in _NOT_THE_MODEL:
                continue
            count += 1
            if count > MOST_NODES or depth > DEEPEST_GROUP:
                raise ValueError(f"more than {MOST_NODES} nodes, or deeper than {DEEPEST_GROUP} groups")
            if not isinstance(node.get(name, getlink=True), h5py.HardLink):
                raise ValueError(f"a link to another place or file, {name!r}")
            pending.append((f"{path}/{name}" if path else name, node[name], depth + 1))


def _array_problem(dataset: h5py.Dataset, unread_bytes: int) -> str:
    """Why a dataset is not read, or ""; the sum of all arrays is bounded by the file's length."""
    dtype, shape = dataset.dtype, dataset.shape
    if dtype.kind not in _NUMBER_KINDS or dtype.itemsize > 8:
        return f"is stored as {dtype}, not as float"
    if shape is None or len(shape) > _LARGEST_RANK:
        return f"has the shape {shape}"
    if dataset.chunks is not None or dataset.is_virtual or dataset.external:
        return "is stored compressed, in chunks or outside the file, which Keras never does"
    size_bytes = math.prod(shape) * dtype.itemsize
    if size_bytes != dataset.id.get_storage_size() or size_bytes > unread_bytes:
        return f"has the shape {shape} but less data in the file"
    return ""


def _texts(node: Any, attribute: str, file_bytes: int) -> str | list[str] | None:
    """A text or list of texts; None for an attribute that is neither."""
    identifier = node.attrs.get_id(attribute)
    shape = identifier.shape
    if shape == (0,):
        return []
    if shape is None or len(shape) > 1 or h5py.check_string_dtype(identifier.dtype) is None:
        return None
    if shape and (shape[0] > MOST_TEXTS or shape[0] * file_bytes > LARGEST_TEXTS_BYTES):
        raise ValueError(f"the attribute {attribute!r} lists {shape[0]} texts")
    value = node.attrs[attribute]
    return [_decoded(item) for item in value] if shape else _decoded(value)


def _decoded(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def _limit_resources(data_bytes: int) -> None:
    """Bound memory and processor time, where the system can."""
    try:
        import resource
    except ImportError:
        return
    memory_bytes = (2 << 30) + 4 * data_bytes
    for kind, limit in ((resource.RLIMIT_AS, memory_bytes), (resource.RLIMIT_CPU, 300)):
        _, hard = resource.getrlimit(kind)
        if hard == resource.RLIM_INFINITY or limit <= hard:
            resource.setrlimit(kind, (limit, hard))


def main() -> None:
    """Write the description's length (8 bytes, little-endian), the description and the arrays' bytes."""
    data = sys.stdin.buffer.read()
    _limit_resources(len(data))
    contents: list[bytes] = []
    try:
        description, contents = describe(data)
    except Exception as error:
        description = {"error": str(error) or type(error).__name__}
    header = json.dumps(description).encode()
    with Path(sys.argv[1]).open("wb") as answer:
        answer.write(struct.pack("<Q", len(header)) + header)
        answer.writelines(contents)


if __name__ == "__main__":
    main()
