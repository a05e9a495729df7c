"""The parts of the TFLite schema that we use, as tables from names to numbers.

The numbers come from the generated classes of the `tflite` package; the names are the schema's own.
"""

import re
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

import tflite

FILE_IDENTIFIER = b"TFL3"
SCHEMA_VERSION = 3
CONSTANT_ALIGNMENT_BYTES = 16

OPTIONS_TABLES: Mapping[str, str] = MappingProxyType(
    {
        "ADD": "AddOptions",
        "AVERAGE_POOL_2D": "Pool2DOptions",
        "BATCH_MATMUL": "BatchMatMulOptions",
        "CONCATENATION": "ConcatenationOptions",
        "CONV_2D": "Conv2DOptions",
        "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
        "FULLY_CONNECTED": "FullyConnectedOptions",
        "GATHER": "GatherOptions",
        "LEAKY_RELU": "LeakyReluOptions",
        "MAX_POOL_2D": "Pool2DOptions",
        "MEAN": "ReducerOptions",
        "MUL": "MulOptions",
        "PAD": "PadOptions",
        "PADV2": "PadV2Options",
        "REDUCE_MAX": "ReducerOptions",
        "PACK": "PackOptions",
        "RESHAPE": "ReshapeOptions",
        "SOFTMAX": "SoftmaxOptions",
        "SPLIT": "SplitOptions",
        "SPLIT_V": "SplitVOptions",
        "STRIDED_SLICE": "StridedSliceOptions",
        "SUB": "SubOptions",
        "UNIDIRECTIONAL_SEQUENCE_LSTM": "UnidirectionalSequenceLSTMOptions",
        "UNPACK": "UnpackOptions",
        "WHILE": "WhileOptions",
    }
)
"""The options table of each builtin that has options we write and read; others are written with none."""

CUSTOM_PREFIX = "CUSTOM:"
"""Stands before the name of a custom operator."""

OWN_PREFIX = "CUSTOM:edgelstm."
"""Custom operators of ours: layers for which TFLite has no integer kernel. Their options are a JSON object."""

PLAIN_DTYPES = frozenset({"bool", "int8", "int16", "int32", "int64", "uint8", "float16", "float32", "float64"})
"""The tensor types whose constants we read and write; numpy stores them as the file does."""


def _numbers(enumeration: Any) -> dict[str, int]:
    return {name: value for name, value in vars(enumeration).items() if isinstance(value, int)}


TENSOR_TYPES: Mapping[str, int] = MappingProxyType(
    {name.lower(): number for name, number in _numbers(tflite.TensorType).items()}
)
BUILTIN_CODES: Mapping[str, int] = MappingProxyType(_numbers(tflite.BuiltinOperator))
ACTIVATIONS: Mapping[str, int] = MappingProxyType(_numbers(tflite.ActivationFunctionType))
OPTIONS_UNION: Mapping[str, int] = MappingProxyType(_numbers(tflite.BuiltinOptions))


@cache
def option_fields(table: str) -> Mapping[str, str]:
    """Map an options table's fields, in schema order, from snake_case to the generated code's CamelCase."""
    prefix = f"{table}Add"
    camel = [name.removeprefix(prefix) for name in vars(tflite) if name.startswith(prefix)]
    return MappingProxyType({re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower(): name for name in camel})
