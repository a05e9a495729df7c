"""Reading .tflite files: each kind of damage is named, and what we do not know is described."""

import pytest
import tflite
from tflite_files import VALID, File, refusal

from edgelstm.tflite import read_tflite


def test_the_small_file_is_valid_until_a_test_damages_it() -> None:
    assert read_tflite(File().bytes()).operators[0].builtin == "RELU"


@pytest.mark.parametrize("data", [b"", b"TFL3", b"\x00" * 8, b"PK\x03\x04" * 20, VALID[:4] + b"TFL2" + VALID[8:]])
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
def test_bad_quantization(scales: tuple[float, ...], zero_points: tuple[int, ...], axis: int, fault: str) -> None:
    file = File()
    file.tensor["Quantization"] = file.quantization(scales, zero_points, axis)
    assert fault in refusal(file.bytes())


def test_options_of_another_operator_and_unknown_activation() -> None:
    other, unknown = File(), File()
    for file in (other, unknown):
        file.code["DeprecatedBuiltinCode"] = tflite.BuiltinOperator.FULLY_CONNECTED
        file.operator["BuiltinOptions"] = file.tables.table("FullyConnectedOptions", FusedActivationFunction=77)
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
