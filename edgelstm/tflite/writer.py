"""TFLite records to the bytes of a .tflite file. Knows the schema, not the layers."""

import json
from collections.abc import Iterable
from typing import Any

import numpy as np

from edgelstm.errors import ModelFormatError
from edgelstm.ir import TfliteModel, TfliteOperator, TfliteTensor
from edgelstm.tflite.constants import to_bytes
from edgelstm.tflite.records import mentions, record_problems
from edgelstm.tflite.schema import (
    ACTIVATIONS,
    BUILTIN_CODES,
    CUSTOM_PREFIX,
    OPTIONS_TABLES,
    OPTIONS_UNION,
    OWN_PREFIX,
    SCHEMA_VERSION,
    TENSOR_TYPES,
    option_fields,
)
from edgelstm.tflite.tables import TableBuilder

_ABSENT = -1
_LAST_OLD_BUILTIN_CODE = 127
"""The first versions of the schema kept the builtin code in an int8; readers of then see this instead."""


def write_tflite(model: TfliteModel) -> bytes:
    """Serialise `model`; the same model gives the same bytes.

    Tensors are told apart by name alone. Raises ModelFormatError where the records contradict each other or
    have no place in the schema; whether a runtime would compute the right thing is `check_tflite`'s question.
    """
    problems = list(record_problems(model))
    if problems:
        listed = "\n".join(f"  - {problem}" for problem in problems)
        raise ModelFormatError(f"the model cannot be written as a .tflite file:\n{listed}")
    return _Writer(model).write()


class _Writer:
    """One file being written. Numbers tensors, buffers and operator codes in the order of first mention."""

    def __init__(self, model: TfliteModel) -> None:
        self._model = model
        self._tables = TableBuilder()
        self._tensors = list({tensor.name: tensor for tensor in mentions(model)}.values())
        self._index = {tensor.name: index for index, tensor in enumerate(self._tensors)}
        self._buffers: dict[bytes, int] = {b"": 0}
        codes = ((operator.builtin, operator.version) for operator in model.operators)
        self._codes = {code: index for index, code in enumerate(dict.fromkeys(codes))}

    def write(self) -> bytes:
        tables = self._tables
        subgraph = self._subgraph()
        metadata = [
            tables.table("Metadata", Name=tables.string(name), Buffer=self._buffer(content))
            for name, content in self._model.metadata.items()
        ]
        root = tables.table(
            "Model",
            Version=SCHEMA_VERSION,
            OperatorCodes=tables.offsets([self._operator_code(*code) for code in self._codes]),
            Subgraphs=tables.offsets([subgraph]),
            Description=tables.string(self._model.description),
            Buffers=tables.offsets([self._buffer_table(content) for content in self._buffers]),
            Metadata=tables.offsets(metadata) if metadata else None,
        )
        return tables.finish(root)

    def _subgraph(self) -> int:
        return self._tables.table(
            "SubGraph",
            Tensors=self._tables.offsets([self._tensor(tensor) for tensor in self._tensors]),
            Inputs=self._indexes(self._model.inputs),
            Outputs=self._indexes(self._model.outputs),
            Operators=self._tables.offsets([self._operator(operator) for operator in self._model.operators]),
            Name=self._tables.string("main"),
        )

    def _tensor(self, tensor: TfliteTensor) -> int:
        return self._tables.table(
            "Tensor",
            Shape=self._tables.vector(tensor.shape, np.int32),
            Type=TENSOR_TYPES[tensor.dtype],
            Buffer=0 if tensor.data is None else self._buffer(to_bytes(tensor.data, tensor.dtype)),
            Name=self._tables.string(tensor.name),
            Quantization=self._quantization(tensor) if tensor.scales else None,
            IsVariable=tensor.is_variable,
        )

    def _quantization(self, tensor: TfliteTensor) -> int:
        return self._tables.table(
            "QuantizationParameters",
            Scale=self._tables.vector(tensor.scales, np.float32),
            ZeroPoint=self._tables.vector(tensor.zero_points, np.int64),
            QuantizedDimension=tensor.axis,
        )

    def _operator(self, operator: TfliteOperator) -> int:
        table = OPTIONS_TABLES.get(operator.builtin)
        return self._tables.table(
            "Operator",
            OpcodeIndex=self._codes[operator.builtin, operator.version],
            Inputs=self._indexes(operator.inputs),
            Outputs=self._indexes(operator.outputs),
            BuiltinOptionsType=OPTIONS_UNION[table or "NONE"],
            BuiltinOptions=self._options(table, operator) if table else None,
            CustomOptions=self._custom_options(operator) if operator.builtin.startswith(OWN_PREFIX) else None,
            Intermediates=self._indexes(operator.intermediates) if operator.intermediates else None,
        )

    def _options(self, table: str, operator: TfliteOperator) -> int:
        fields = option_fields(table)
        values = {fields[name]: self._option(name, value) for name, value in operator.options.items()}
        return self._tables.table(table, **values)

    def _custom_options(self, operator: TfliteOperator) -> int:
        text = json.dumps(dict(operator.options), sort_keys=True, separators=(",", ":"))
        return self._tables.vector(list(text.encode()), np.uint8)

    def _option(self, name: str, value: Any) -> Any:
        if name == "fused_activation_function":
            return ACTIVATIONS[value]
        return self._tables.vector(value, np.int32) if isinstance(value, tuple | list) else value

    def _operator_code(self, builtin: str, version: int) -> int:
        is_custom = builtin.startswith(CUSTOM_PREFIX)
        code = BUILTIN_CODES["CUSTOM" if is_custom else builtin]
        return self._tables.table(
            "OperatorCode",
            DeprecatedBuiltinCode=min(code, _LAST_OLD_BUILTIN_CODE),
            CustomCode=self._tables.string(builtin.removeprefix(CUSTOM_PREFIX)) if is_custom else None,
            Version=version,
            BuiltinCode=code,
        )

    def _buffer(self, content: bytes) -> int:
        return self._buffers.setdefault(content, len(self._buffers))

    def _buffer_table(self, content: bytes) -> int:
        return self._tables.table("Buffer", Data=self._tables.constant(content) if content else None)

    def _indexes(self, tensors: Iterable[TfliteTensor | None]) -> int:
        numbers = [_ABSENT if tensor is None else self._index[tensor.name] for tensor in tensors]
        return self._tables.vector(numbers, np.int32)
