"""Files made to exhaust or to confuse the reader end in a ModelFormatError, soon and in little memory."""

import random
import struct
import time
import tracemalloc
from collections.abc import Callable

import pytest
import tflite
import tflite_records as records
from tflite_files import VALID, File, refusal

from edgelstm.errors import ModelFormatError
from edgelstm.ir import TfliteModel
from edgelstm.tflite import check_tflite, read_tflite

WORDS = (0, 1, 4, 0x7F, 0xFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFC, 0xFFFFFFFF)


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
def test_shared_data_cannot_inflate(inflate: Callable[[File], None]) -> None:
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
