"""Reading arrays and texts out of an HDF5 file that may be damaged or hostile.

Only what Keras itself writes is accepted: hard links, plain arrays of numbers stored in one piece, strings.
Every size is compared with the file's own length before memory is taken for it.
"""

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any

from edgelstm.errors import ModelFormatError
from edgelstm.frontends.keras_config import SAVE_AGAIN
from edgelstm.ir import AnyArray

if TYPE_CHECKING:
    import h5py

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"

LARGEST_RANK = 8
MOST_NAMES = 4096
LARGEST_TEXT_BYTES = 1 << 30
"""All texts read from a file. The texts of a list may all be one text as long as the file."""

_NUMBER_KINDS = "fiu"
_DAMAGE = (
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What h5py raises on damaged files."""


class Hdf5File:
    """An open HDF5 file. No more array bytes are read than the file is long: aliases cannot multiply them."""

    def __init__(self, root: "h5py.File", size_bytes: int) -> None:
        self.root = root
        self._size_bytes = size_bytes
        self._unread_bytes = size_bytes
        self._unread_text_bytes = LARGEST_TEXT_BYTES

    def node(self, parent: Any, path: str) -> Any:
        """The group or dataset at a "/"-separated path below `parent`, or None; refuses soft links."""
        import h5py  # noqa: PLC0415

        for name in path.split("/"):
            if not isinstance(parent, h5py.Group):
                return None
            link = parent.get(name, getlink=True)
            if link is None:
                return None
            if not isinstance(link, h5py.HardLink):
                raise ModelFormatError(
                    f"the HDF5 data refers to another place or file by a link named {name!r}", SAVE_AGAIN
                )
            parent = parent[name]
        return parent

    def text(self, node: Any, attribute: str, largest_bytes: int) -> str | None:
        """A string attribute, or None where there is none."""
        if attribute not in node.attrs:
            return None
        shape, is_text = _attribute_type(node, attribute)
        if shape != () or not is_text:
            raise ModelFormatError(f"the HDF5 attribute {attribute!r} is not a text", SAVE_AGAIN)
        (value,) = self._decode([node.attrs[attribute]])
        if len(value) > largest_bytes:
            raise ModelFormatError(
                f"the HDF5 attribute {attribute!r} is longer than {largest_bytes} bytes", SAVE_AGAIN
            )
        return value

    def texts(self, node: Any, attribute: str) -> tuple[str, ...]:
        """An attribute that lists strings; empty where there is none."""
        if attribute not in node.attrs:
            return ()
        shape, is_text = _attribute_type(node, attribute)
        if shape == (0,):
            return ()
        if len(shape) != 1 or not is_text:
            raise ModelFormatError(f"the HDF5 attribute {attribute!r} is not a list of texts", SAVE_AGAIN)
        if shape[0] > MOST_NAMES or shape[0] * self._size_bytes > LARGEST_TEXT_BYTES:
            raise ModelFormatError(f"the HDF5 attribute {attribute!r} lists {shape[0]} texts", SAVE_AGAIN)
        return self._decode(node.attrs[attribute])

    def array(self, node: Any) -> AnyArray:
        """A dataset's floats or integers; refuses every way of storing them that Keras does not use."""
        import h5py  # noqa: PLC0415

        if not isinstance(node, h5py.Dataset):
            raise ModelFormatError("the HDF5 data has no array where a layer's weights belong", SAVE_AGAIN)
        if node.dtype.kind not in _NUMBER_KINDS or node.dtype.itemsize > 8:
            raise ModelFormatError(f"the array {node.name!r} holds {node.dtype}, not numbers", SAVE_AGAIN)
        if node.chunks is not None or node.is_virtual or node.external:
            raise ModelFormatError(
                f"the array {node.name!r} is stored compressed, in chunks or outside the file",
                "Keras stores weights plain; save the model again with Keras",
            )
        self._take(node)
        values: AnyArray = node[()]
        return values

    def _take(self, dataset: "h5py.Dataset") -> None:
        """Check that the file is long enough for what the dataset declares."""
        shape = dataset.shape
        if shape is None or len(shape) > LARGEST_RANK:
            raise ModelFormatError(f"the array {dataset.name!r} has shape {shape}", SAVE_AGAIN)
        size_bytes = math.prod(shape) * dataset.dtype.itemsize
        if size_bytes != dataset.id.get_storage_size() or size_bytes > self._unread_bytes:
            raise ModelFormatError(
                f"the array {dataset.name!r} of shape {shape} has less data in the file", SAVE_AGAIN
            )
        self._unread_bytes -= size_bytes

    def _decode(self, values: Iterable[Any]) -> tuple[str, ...]:
        texts = tuple(value.decode("utf-8") if isinstance(value, bytes) else str(value) for value in values)
        self._unread_text_bytes -= sum(map(len, texts))
        if self._unread_text_bytes < 0:
            raise ModelFormatError("the HDF5 data repeats long texts", SAVE_AGAIN)
        return texts


@contextmanager
def open_hdf5(data: bytes, name: str) -> Iterator[Hdf5File]:
    """Open an HDF5 file in memory.

    Args:
        data: the file's bytes.
        name: what to call it in messages.

    Raises:
        ModelFormatError: for whatever h5py stumbles over, also inside the `with` block.
    """
    import h5py  # noqa: PLC0415

    try:
        with h5py.File(BytesIO(data), "r") as root:
            yield Hdf5File(root, len(data))
    except _DAMAGE as error:
        raise ModelFormatError(f"{name} is not sound HDF5: {first_line(error)}", SAVE_AGAIN) from error


def first_line(error: BaseException) -> str:
    """The start of an exception's text, fit for a terminal."""
    text = str(error).strip() or type(error).__name__
    return "".join(c if c.isprintable() else "?" for c in text.splitlines()[0])[:200]


def _attribute_type(node: Any, attribute: str) -> tuple[tuple[int, ...], bool]:
    import h5py  # noqa: PLC0415

    identifier = node.attrs.get_id(attribute)
    shape = (-1,) if identifier.shape is None else identifier.shape
    return shape, h5py.check_string_dtype(identifier.dtype) is not None
