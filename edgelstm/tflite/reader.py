"""The bytes of a .tflite file to TFLite records. The file may be malicious.

We follow no recursion of the schema, so reading ends; what remains is to bound it. A file may point many
times at the same bytes, so all that we build is paid for out of a budget proportional to the file's size.
"""

import json
import math
import re
import struct
from typing import Any

import numpy as np
import tflite
from flatbuffers.table import Table

from edgelstm.errors import ModelFormatError
from edgelstm.ir import AnyArray, TfliteModel, TfliteOperator, TfliteTensor
from edgelstm.tflite.constants import PACKED_DTYPE, byte_count, from_bytes
from edgelstm.tflite.records import is_plain_option
from edgelstm.tflite.schema import (
    ACTIVATIONS,
    BUILTIN_CODES,
    CUSTOM_PREFIX,
    FILE_IDENTIFIER,
    OPTIONS_TABLES,
    OPTIONS_UNION,
    OWN_PREFIX,
    PLAIN_DTYPES,
    SCHEMA_VERSION,
    TENSOR_TYPES,
    option_fields,
)

_MAX_TABLES = 10_000
_MAX_SUBGRAPHS = 64
_MAX_RANK = 8
_MAX_CUSTOM_OPTIONS_BYTES = 4096
_MAX_ELEMENTS = 2**31 - 1

_BUDGET_PER_FILE_BYTE = 32
_NUMBER_COST = 64
_CHARACTER_COST = 4
_CONSTANT_BYTE_COST = 1

_DTYPES = {number: name for name, number in TENSOR_TYPES.items()}
_BUILTINS = {number: name for name, number in BUILTIN_CODES.items()}
_ACTIVATION_NAMES = {number: name for name, number in ACTIVATIONS.items()}

_EMPTY_TABLE = Table(struct.pack("<HHi", 4, 4, 4), 4)
"""A table without fields, 4 bytes after its vtable: every getter yields the schema's default."""

_ACCESSOR_FAULTS = (struct.error, TypeError, ValueError, IndexError, OverflowError)
"""What the generated accessors raise when an offset or a length leads out of the file."""


def read_tflite(data: bytes) -> TfliteModel:
    """Parse `data`; constants are read-only views of it.

    Builtins that we do not know are returned by name, custom operators as "CUSTOM:<name>", so that a caller
    can list them all. Tensors whose names repeat get distinct ones. Options are complete, defaults included.
    Raises ModelFormatError for anything damaged, and for what no record can hold: several subgraphs, sparse
    tensors, data outside the file.
    """
    content = _identified(data)
    try:
        return _Reader(content).read_only()
    except _ACCESSOR_FAULTS as error:
        raise _led_out(error) from error


def read_subgraphs(data: bytes) -> tuple[TfliteModel, ...]:
    """`read_tflite` for a file with loops: every subgraph, the first of which is the model."""
    content = _identified(data)
    try:
        return _Reader(content).read_all()
    except _ACCESSOR_FAULTS as error:
        raise _led_out(error) from error


def _identified(data: bytes) -> bytes:
    content = bytes(data)
    if len(content) < 8 or content[4:8] != FILE_IDENTIFIER:
        raise ModelFormatError(
            "the file is not a TFLite model", 'A .tflite file has the identifier "TFL3" in bytes 4 to 7.'
        )
    return content


def _led_out(error: Exception) -> ModelFormatError:
    return _damaged(f"an offset or a length leads out of the file ({error})")


def _damaged(reason: str) -> ModelFormatError:
    return ModelFormatError(f"the .tflite file is damaged: {reason}", "Export or download the model again.")


class _Reader:
    """One file being read."""

    def __init__(self, content: bytes) -> None:
        self._size = len(content)
        self._budget = _BUDGET_PER_FILE_BYTE * self._size
        self._model = tflite.Model.GetRootAs(content)
        self._tensors: tuple[TfliteTensor, ...] = ()

    def read_only(self) -> TfliteModel:
        """The one subgraph of a file that has no more."""
        self._refuse_whole()
        if self._model.SubgraphsLength() != 1:
            raise ModelFormatError(
                f"the .tflite file has {self._model.SubgraphsLength()} subgraphs where we read exactly one",
                "TensorFlow's converter makes a loop of a Keras 3 LSTM. Compile the Keras file itself.",
            )
        return self._read(0)

    def read_all(self) -> tuple[TfliteModel, ...]:
        """Every subgraph."""
        self._refuse_whole()
        count = self._model.SubgraphsLength()
        if not 1 <= count <= _MAX_SUBGRAPHS:
            raise ModelFormatError(f"the .tflite file has {count} subgraphs where we read 1 to {_MAX_SUBGRAPHS}")
        return tuple(self._read(index) for index in range(count))

    def _refuse_whole(self) -> None:
        if self._model.Version() != SCHEMA_VERSION:
            raise ModelFormatError(f"TFLite schema version {self._model.Version()} is not {SCHEMA_VERSION}")
        if self._buffer(0) is not None:
            raise _damaged("buffer 0 is not empty")

    def _read(self, index: int) -> TfliteModel:
        subgraph = self._model.Subgraphs(index)
        self._tensors = self._read_tensors(subgraph)
        operators = range(self._count(subgraph.OperatorsLength(), "operators"))
        return TfliteModel(
            operators=tuple(self._operator(subgraph.Operators(index)) for index in operators),
            inputs=self._lookup(subgraph.InputsAsNumpy()),
            outputs=self._lookup(subgraph.OutputsAsNumpy()),
            description=self._text(self._model.Description()),
            metadata=self._metadata(),
        )

    def _spend(self, cost: int) -> None:
        self._budget -= cost
        if self._budget < 0:
            raise _damaged("it refers to the same bytes too many times")

    def _count(self, count: int, what: str) -> int:
        if count > min(_MAX_TABLES, self._size // 4):
            raise _damaged(f"{count} {what}")
        return count

    def _text(self, content: bytes | None) -> str:
        if content is None:
            return ""
        self._spend(_CHARACTER_COST * len(content))
        return content.decode("utf-8", "replace")

    def _numbers(self, vector: Any) -> tuple[Any, ...]:
        if not isinstance(vector, np.ndarray):
            return ()
        self._spend(_NUMBER_COST * vector.size)
        return tuple(vector.tolist())

    def _buffer(self, index: int) -> AnyArray | None:
        """Return the bytes of a buffer, None if it is empty."""
        if index >= self._count(self._model.BuffersLength(), "buffers"):
            raise _damaged(f"buffer {index} does not exist")
        buffer = self._model.Buffers(index)
        if buffer.Offset() or buffer.Size():
            raise ModelFormatError("the .tflite file keeps weights outside its model structure, which we do not read")
        if buffer.DataLength() == 0:
            return None
        content: AnyArray = buffer.DataAsNumpy()
        self._spend(_CONSTANT_BYTE_COST * content.size)
        return content

    def _metadata(self) -> dict[str, bytes]:
        metadata = {}
        for index in range(self._count(self._model.MetadataLength(), "metadata entries")):
            entry = self._model.Metadata(index)
            content = self._buffer(entry.Buffer())
            metadata[self._text(entry.Name())] = b"" if content is None else content.tobytes()
        return metadata

    def _read_tensors(self, subgraph: Any) -> tuple[TfliteTensor, ...]:
        tensors: dict[str, TfliteTensor] = {}
        for index in range(self._count(subgraph.TensorsLength(), "tensors")):
            source = subgraph.Tensors(index)
            name = self._text(source.Name())
            while name in tensors:
                name += f"#{index}"
            tensors[name] = self._tensor(source, name)
        return tuple(tensors.values())

    def _tensor(self, source: Any, name: str) -> TfliteTensor:
        dtype = _DTYPES.get(source.Type())
        if dtype is None:
            raise _damaged(f"tensor type {source.Type()} does not exist")
        if source.Sparsity() is not None:
            raise ModelFormatError("the .tflite file has sparse tensors, which we do not read")
        shape = self._numbers(source.ShapeAsNumpy())
        if len(shape) > _MAX_RANK or any(size < 0 for size in shape) or math.prod(shape) > _MAX_ELEMENTS:
            raise _damaged(f"a tensor has the shape {shape[:_MAX_RANK]}")
        scales, zero_points, axis = self._quantization(source.Quantization(), shape, dtype)
        content = self._buffer(source.Buffer())
        is_read = dtype in PLAIN_DTYPES or dtype == PACKED_DTYPE
        data = _constant(content, shape, dtype) if content is not None and is_read else None
        return TfliteTensor(name, shape, dtype, scales, zero_points, axis, data, source.IsVariable())

    def _quantization(
        self, source: Any, shape: tuple[int, ...], dtype: str
    ) -> tuple[tuple[float, ...], tuple[int, ...], int]:
        scales = self._numbers(source.ScaleAsNumpy()) if source is not None else ()
        if not scales:
            return (), (), 0
        zero_points = self._numbers(source.ZeroPointAsNumpy())
        if len(zero_points) != len(scales):
            raise _damaged(f"a tensor has {len(scales)} scales and {len(zero_points)} zero points")
        if not all(math.isfinite(scale) and scale > 0 for scale in scales):
            raise _damaged("a scale is not a positive finite number")
        if dtype in PLAIN_DTYPES and np.issubdtype(dtype, np.integer):
            limits = np.iinfo(dtype)
            if not all(limits.min <= zero_point <= limits.max for zero_point in zero_points):
                raise _damaged(f"a zero point does not fit {dtype}")
        axis = source.QuantizedDimension() if len(scales) > 1 else 0
        if len(scales) > 1 and not (0 <= axis < len(shape) and shape[axis] == len(scales)):
            raise _damaged(f"a tensor of shape {shape} has {len(scales)} scales along axis {axis}")
        return scales, zero_points, axis

    def _lookup(self, indexes: Any) -> tuple[TfliteTensor, ...]:
        numbers = self._numbers(indexes)
        if any(not 0 <= number < len(self._tensors) for number in numbers):
            raise _damaged("it refers to a tensor that does not exist")
        return tuple(self._tensors[number] for number in numbers)

    def _operator(self, source: Any) -> TfliteOperator:
        if source.OpcodeIndex() >= self._count(self._model.OperatorCodesLength(), "operator codes"):
            raise _damaged(f"operator code {source.OpcodeIndex()} does not exist")
        code = self._model.OperatorCodes(source.OpcodeIndex())
        builtin = self._builtin(code)
        inputs = self._numbers(source.InputsAsNumpy())
        if any(not -1 <= number < len(self._tensors) for number in inputs):
            raise _damaged("an operator refers to a tensor that does not exist")
        return TfliteOperator(
            builtin=builtin,
            inputs=tuple(None if number == -1 else self._tensors[number] for number in inputs),
            outputs=self._lookup(source.OutputsAsNumpy()),
            options=self._options(source, builtin),
            intermediates=self._lookup(source.IntermediatesAsNumpy()),
            version=code.Version(),
        )

    def _builtin(self, code: Any) -> str:
        number = code.BuiltinCode()
        if number != tflite.BuiltinOperator.CUSTOM:
            return _BUILTINS.get(number, f"BUILTIN_{number}")
        return CUSTOM_PREFIX + re.sub(r"[^ -~]", "?", self._text(code.CustomCode())[:64])

    def _options(self, source: Any, builtin: str) -> dict[str, Any]:
        if builtin.startswith(OWN_PREFIX):
            return self._custom_options(source)
        table = OPTIONS_TABLES.get(builtin)
        if table is None:
            return {}
        if source.BuiltinOptionsType() not in (OPTIONS_UNION[table], OPTIONS_UNION["NONE"]):
            raise _damaged(f"{builtin} has the options of another operator")
        present = source.BuiltinOptions() if source.BuiltinOptionsType() else None
        position = _EMPTY_TABLE if present is None else present
        options = getattr(tflite, table)()
        options.Init(position.Bytes, position.Pos)
        return {name: self._option(options, name, field) for name, field in option_fields(table).items()}

    def _custom_options(self, source: Any) -> dict[str, Any]:
        """The flat JSON object of an operator of ours."""
        if source.CustomOptionsLength() > _MAX_CUSTOM_OPTIONS_BYTES:
            raise _damaged(f"{source.CustomOptionsLength()} bytes of custom options")
        content = bytes(self._numbers(source.CustomOptionsAsNumpy()))
        try:
            options = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise _damaged("the options of one of our own operators are no JSON") from error
        if not isinstance(options, dict) or not all(map(is_plain_option, options.values())):
            raise _damaged("the options of one of our own operators are no flat JSON object")
        return options

    def _option(self, options: Any, name: str, field: str) -> Any:
        if hasattr(options, f"{field}AsNumpy"):
            return self._numbers(getattr(options, f"{field}AsNumpy")())
        value = getattr(options, field)()
        if name != "fused_activation_function":
            return value
        if value not in _ACTIVATION_NAMES:
            raise _damaged(f"activation {value} does not exist")
        return _ACTIVATION_NAMES[value]


def _constant(content: AnyArray, shape: tuple[int, ...], dtype: str) -> AnyArray:
    if content.size != byte_count(shape, dtype):
        raise _damaged(f"a constant of shape {shape} and type {dtype} has {content.size} bytes")
    return from_bytes(content, shape, dtype)
