"""Reading damaged and malicious .tflite files: a ModelFormatError, soon, and nothing else."""

import random
import struct
import time
import tracemalloc
from typing import Any

import numpy as np
import pytest
import tflite
import tflite_records as records

from edgelstm.errors import ModelFormatError
from edgelstm.ir import TfliteModel
from edgelstm.tflite import check_tflite, read_tflite, write_tflite
from edgelstm.tflite.tables import TableBuilder

VALID = write_tflite(records.lstm_model())
WORDS = (0, 1, 4, 0x7F, 0xFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFC, 0xFFFFFFFF)


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
        return made.table(
            "QuantizationParameters", Scale=scale, ZeroPoint=zero_point, QuantizedDimension=axis
        )


def refusal(data: bytes) -> str:
    with pytest.raises(ModelFormatError) as raised:
        read_tflite(data)
    return raised.value.message


def test_the_small_file_is_valid_until_a_test_damages_it() -> None:
    assert read_tflite(File().bytes()).operators[0].builtin == "RELU"


@pytest.mark.parametrize(
    "data", [b"", b"TFL3", b"\x00" * 8, b"PK\x03\x04" * 20, VALID[:4] + b"TFL2" + VALID[8:]]
)
def test_other_files_are_recognised(data: bytes) -> None:
    assert refusal(data) == "the file is not a TFLite model"


@pytest.mark.parametrize("length", [8, 12, 40, 100, len(VALID) // 2, len(VALID) - 200])
def test_truncated(length: int) -> None:
    assert "damaged" in refusal(VALID[:length])


def test_several_subgraphs() -> None:
    file = File()
    file.subgraphs = 2
    assert "2 subgraphs" in refusal(file.bytes())


def test_schema_version() -> None:
    file = File()
    file.model["Version"] = 4
    assert "version 4" in refusal(file.bytes())


def test_buffer_zero_must_be_empty() -> None:
    file = File()
    file.buffers = [{"Data": file.tables.constant(b"data")}]
    assert "buffer 0" in refusal(file.bytes())


@pytest.mark.parametrize("place", [{"Offset": 64, "Size": 6}, {"Size": 6}])
def test_data_outside_the_file(place: dict[str, int]) -> None:
    file = File()
    file.buffers.append(place)
    file.tensor["Buffer"] = 1
    assert "outside" in refusal(file.bytes())


def test_sparse_tensor() -> None:
    file = File()
    file.tensor["Sparsity"] = file.tables.table("SparsityParameters")
    assert "sparse" in refusal(file.bytes())


@pytest.mark.parametrize("shape", [(-1, 3), (2**31 - 1, 2**31 - 1), (2**16, 2**15), (1,) * 9])
def test_impossible_shapes(shape: tuple[int, ...]) -> None:
    file = File()
    file.shape = shape
    assert "shape" in refusal(file.bytes())


@pytest.mark.parametrize("indexes", [(1,), (-2,), (2**31 - 1,), (-(2**31),)])
def test_tensor_that_does_not_exist(indexes: tuple[int, ...]) -> None:
    file = File()
    file.inputs = indexes
    assert "tensor that does not exist" in refusal(file.bytes())


def test_absent_intermediate() -> None:
    data = bytearray(VALID)
    operator = tflite.Model.GetRootAs(VALID).Subgraphs(0).Operators(0)
    intermediates = operator.IntermediatesAsNumpy()
    start = VALID.index(intermediates.tobytes())
    data[start : start + 4] = b"\xff" * 4
    assert "tensor that does not exist" in refusal(bytes(data))


def test_buffer_operator_code_and_type_that_do_not_exist() -> None:
    buffer, operator, dtype = File(), File(), File()
    buffer.tensor["Buffer"] = 7
    operator.operator["OpcodeIndex"] = 7
    dtype.tensor["Type"] = 99
    assert "buffer 7" in refusal(buffer.bytes())
    assert "operator code 7" in refusal(operator.bytes())
    assert "type 99" in refusal(dtype.bytes())


def test_constant_of_the_wrong_size() -> None:
    file = File()
    file.buffers.append({"Data": file.tables.constant(b"12345")})
    file.tensor["Buffer"] = 1
    assert "has 5 bytes" in refusal(file.bytes())


@pytest.mark.parametrize(
    ("scales", "zero_points", "axis", "fault"),
    [
        ((1.0, 2.0), (0,), 0, "2 scales and 1 zero points"),
        ((1.0,), (), 0, "1 scales and 0 zero points"),
        ((0.0,), (0,), 0, "positive finite"),
        ((-1.0,), (0,), 0, "positive finite"),
        ((float("nan"),), (0,), 0, "positive finite"),
        ((float("inf"),), (0,), 0, "positive finite"),
        ((1.0,), (128,), 0, "does not fit int8"),
        ((1.0,), (-(2**63),), 0, "does not fit int8"),
        ((1.0, 1.0), (0, 0), 1, "along axis 1"),
        ((1.0, 1.0), (0, 0), -1, "along axis -1"),
        ((1.0, 1.0), (0, 0), 2, "along axis 2"),
    ],
)
def test_bad_quantization(
    scales: tuple[float, ...], zero_points: tuple[int, ...], axis: int, fault: str
) -> None:
    file = File()
    file.tensor["Quantization"] = file.quantization(scales, zero_points, axis)
    assert fault in refusal(file.bytes())


def test_options_of_another_operator_and_unknown_activation() -> None:
    other, unknown = File(), File()
    for file in (other, unknown):
        file.code["DeprecatedBuiltinCode"] = tflite.BuiltinOperator.FULLY_CONNECTED
        file.operator["BuiltinOptions"] = file.tables.table(
            "FullyConnectedOptions", FusedActivationFunction=77
        )
    other.operator["BuiltinOptionsType"] = tflite.BuiltinOptions.SoftmaxOptions
    unknown.operator["BuiltinOptionsType"] = tflite.BuiltinOptions.FullyConnectedOptions
    assert "options of another operator" in refusal(other.bytes())
    assert "activation 77" in refusal(unknown.bytes())


def test_absent_options_are_the_defaults() -> None:
    file = File()
    file.code["DeprecatedBuiltinCode"] = tflite.BuiltinOperator.STRIDED_SLICE
    options = read_tflite(file.bytes()).operators[0].options
    assert set(options.values()) == {0}
    assert len(options) == 6


def test_unknown_operators_are_named() -> None:
    unknown, custom = File(), File()
    unknown.code["BuiltinCode"] = 9999
    custom.code["DeprecatedBuiltinCode"] = tflite.BuiltinOperator.CUSTOM
    custom.code["CustomCode"] = custom.tables.string("Evil\x1b[2J\n" + "ö" + "x" * 100)
    assert read_tflite(unknown.bytes()).operators[0].builtin == "BUILTIN_9999"
    name = read_tflite(custom.bytes()).operators[0].builtin
    assert name.startswith("CUSTOM:Evil?[2J??xxx")
    assert len(name) <= len("CUSTOM:") + 64


def test_tensors_of_types_without_numpy_are_described() -> None:
    file = File()
    file.tensor["Type"] = tflite.TensorType.RESOURCE
    assert read_tflite(file.bytes()).operators[0].outputs[0].dtype == "resource"


def test_repeated_names_are_told_apart() -> None:
    file = File()
    file.tensor["Name"] = file.tables.string("x")
    file.tensor_copies, file.inputs = 3, (0, 1, 2)
    names = [tensor.name for tensor in read_tflite(file.bytes()).operators[0].outputs]
    assert names == ["x", "x#1", "x#2"]


def _long_name(file: File) -> None:
    file.tensor["Name"] = file.tables.string("x" * 100_000)
    file.tensor_copies = 9000


def _many_tensors(file: File) -> None:
    file.tensor_copies = 200_000


def _many_inputs(file: File) -> None:
    file.inputs = (0,) * 100_000
    file.operator_copies = 9000


def _many_scales(file: File) -> None:
    file.shape = (50_000,)
    file.tensor["Quantization"] = file.quantization((1.0,) * 50_000, (0,) * 50_000)
    file.tensor_copies = 9000


def _large_constant(file: File) -> None:
    file.shape = (1_000_000,)
    file.buffers.append({"Data": file.tables.constant(b"1" * 1_000_000)})
    file.tensor["Buffer"] = 1
    file.tensor_copies = 9000


@pytest.mark.parametrize("inflate", [_long_name, _many_tensors, _many_inputs, _many_scales, _large_constant])
def test_shared_data_cannot_inflate(inflate: Any) -> None:
    file = File()
    inflate(file)
    data = file.bytes()
    tracemalloc.start()
    started_s = time.process_time()
    refusal(data)
    elapsed_s = time.process_time() - started_s
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert elapsed_s < 10
    assert peak_bytes < 64 * len(data)


def test_declared_vector_longer_than_the_file() -> None:
    data = bytearray(VALID)
    kernel = records.tensor_named(records.lstm_model(), "lstm/kernel_i").data
    assert kernel is not None
    length_at = VALID.index(kernel.tobytes()) - 4
    assert struct.unpack_from("<I", data, length_at) == (kernel.size,)
    for length in (2**32 - 1, 2**31, len(VALID)):
        struct.pack_into("<I", data, length_at, length)
        assert "damaged" in refusal(bytes(data))


def test_table_that_contains_itself() -> None:
    file = File()
    data = bytearray(file.bytes())
    root = tflite.Model.GetRootAs(bytes(data))
    subgraphs_at = root._tab.Pos + root._tab.Offset(8)
    struct.pack_into("<I", data, subgraphs_at, 2**32 - subgraphs_at + 4)
    refusal(bytes(data))
    first_at = root._tab.Vector(root._tab.Offset(8))
    for target in (0, 2**32 - 4):
        struct.pack_into("<I", data, first_at, target)
        refusal(bytes(data))


def mutated(rng: random.Random) -> bytes:
    data = bytearray(VALID)
    for _ in range(rng.choice((1, 1, 2, 8))):
        position = rng.randrange(len(data) - 4)
        kind = rng.randrange(10)
        if kind < 6:
            data[position] ^= 1 << rng.randrange(8)
        elif kind == 6:
            struct.pack_into("<I", data, position & ~3, rng.choice(WORDS))
        elif kind == 7:
            data[position : position + 4] = rng.randbytes(4)
        elif kind == 8:
            source = rng.randrange(len(data) - 32)
            data[position : position + 32] = data[source : source + 32]
        else:
            del data[max(64, position) :]
            data += bytes(8)
    return bytes(data)


def test_mutations_end_in_a_model_or_an_error() -> None:
    rng = random.Random(20240229)
    read = refused = broke_rules = 0
    for _ in range(800):
        data = mutated(rng)
        try:
            model = read_tflite(data)
        except ModelFormatError:
            refused += 1
            continue
        assert isinstance(model, TfliteModel)
        read += 1
        try:
            check_tflite(data)
        except ModelFormatError:
            broke_rules += 1
    assert min(read, refused, broke_rules) > 50, "the mutations no longer reach all outcomes"
