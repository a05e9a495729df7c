"""Flatbuffer tables of the TFLite schema, assembled by name with the `tflite` package's functions."""

from collections.abc import Sequence
from typing import Any

import flatbuffers
import numpy as np
import tflite

from edgelstm.tflite.schema import CONSTANT_ALIGNMENT_BYTES, FILE_IDENTIFIER


class TableBuilder:
    """A .tflite file under construction, leaves first; every method returns the new object's offset."""

    def __init__(self) -> None:
        self._builder = flatbuffers.Builder(4096)

    def table(self, name: str, **fields: Any) -> int:
        """Add the table `name`; fields have the schema's names in CamelCase, one that is None is left out."""
        getattr(tflite, f"{name}Start")(self._builder)
        for field, value in fields.items():
            if value is not None:
                getattr(tflite, f"{name}Add{field}")(self._builder, value)
        return int(getattr(tflite, f"{name}End")(self._builder))

    def string(self, text: str) -> int:
        """Add a UTF-8 string."""
        return int(self._builder.CreateString(text))

    def vector(self, values: Sequence[float], dtype: type[np.generic]) -> int:
        """Add a vector of numbers."""
        return int(self._builder.CreateNumpyVector(np.array(values, dtype)))

    def offsets(self, offsets: Sequence[int]) -> int:
        """Add a vector of tables."""
        self._builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            self._builder.PrependUOffsetTRelative(offset)
        return int(self._builder.EndVector())

    def constant(self, content: bytes) -> int:
        """Add bytes that the runtimes use in place, and so want aligned."""
        self._builder.Prep(CONSTANT_ALIGNMENT_BYTES, len(content))
        return int(self._builder.CreateByteVector(content))

    def finish(self, root: int) -> bytes:
        """End the file with the table at `root` as its entry point."""
        self._builder.Finish(root, file_identifier=FILE_IDENTIFIER)
        return bytes(self._builder.Output())
