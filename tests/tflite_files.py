"""Small .tflite files built table by table, so that tests can put anything into them."""

from typing import Any

import numpy as np
import pytest
import tflite
import tflite_records as records

from edgelstm.errors import ModelFormatError
from edgelstm.tflite import read_tflite, write_tflite
from edgelstm.tflite.tables import TableBuilder

VALID = write_tflite(records.lstm_model())


class File:
    """A .tflite file with one tensor and one operator, of which tests replace parts."""

    def __init__(self) -> None:
        self.tables = TableBuilder()
        self.tensor_copies = 1
        self.operator_copies = 1
        self.subgraphs = 1
        self.model: dict[str, Any] = {"Version": 3}
        self.tensor: dict[str, Any] = {"Type": tflite.TensorType.INT8}
        self.operator: dict[str, Any] = {}
        self.code: dict[str, Any] = {"DeprecatedBuiltinCode": tflite.BuiltinOperator.RELU}
        self.buffers: list[dict[str, Any]] = [{}]
        self.shape: tuple[int, ...] = (2, 3)
        self.inputs: tuple[int, ...] = (0,)

    def bytes(self) -> bytes:
        made = self.tables
        shape, indexes = made.vector(self.shape, np.int32), made.vector(self.inputs, np.int32)
        tensor = made.table("Tensor", Shape=shape, **self.tensor)
        operator = made.table("Operator", Inputs=indexes, Outputs=indexes, **self.operator)
        subgraph = made.table(
            "SubGraph",
            Tensors=made.offsets([tensor] * self.tensor_copies),
            Operators=made.offsets([operator] * self.operator_copies),
        )
        codes = made.offsets([made.table("OperatorCode", **self.code)])
        buffers = made.offsets([made.table("Buffer", **fields) for fields in self.buffers])
        subgraphs = made.offsets([subgraph] * self.subgraphs)
        root = made.table("Model", OperatorCodes=codes, Subgraphs=subgraphs, Buffers=buffers, **self.model)
        return made.finish(root)

    def quantization(self, scales: tuple[float, ...], zero_points: tuple[int, ...], axis: int = 0) -> int:
        made = self.tables
        scale, zero_point = made.vector(scales, np.float32), made.vector(zero_points, np.int64)
        return made.table("QuantizationParameters", Scale=scale, ZeroPoint=zero_point, QuantizedDimension=axis)


def refusal(data: bytes) -> str:
    with pytest.raises(ModelFormatError) as raised:
        read_tflite(data)
    return raised.value.message
