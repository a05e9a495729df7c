"""Files as TensorFlow's own converter writes them: the same bits as LiteRT, or a refusal that says why."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from random_models import random_inputs

from edgelstm.cli import call
from edgelstm.errors import UnsupportedModelError
from edgelstm.frontends.tflite import int8_file, load_tflite, model_from_tflite
from edgelstm.ir import FloatArray, IntArray, Model
from edgelstm.numerics.contracts import Contract
from edgelstm.ops.lstm import Lstm
from edgelstm.schedule import make_schedule
from edgelstm.simulate import dequantize_array, simulate
from edgelstm.tflite import check_tflite
from edgelstm.verification.oracles import LITERT, TFLM
from edgelstm.verification.trace import compare, official_trace, simulator_trace

CONVERTED = Path(__file__).resolve().parent.parent / "golden" / "converted"
CONVERT = Path(__file__).with_name("convert_tflite.py")

COMPILED = (
    "add_relu", "batch_norm", "bidirectional", "branches", "branches_of_steps", "dense_first", "float_ends", "head",
    "last", "leaky", "mean", "one_unit", "per_step", "relu6", "rescaled", "saturated", "sequence", "sliced", "stacked",
    "time_major", "uint8_ends",
)  # fmt: skip
REFUSED = {
    "batch_is_time": r"works on \(1, 6, 3\) where \(6, 1, 3\) was expected",
}
SEQUENCES = 24


def path_of(name: str) -> Path:
    return CONVERTED / f"tf_keras_{name}.tflite"


def integer_model(path: Path, contract: Contract) -> Model:
    model = load_tflite(path, contract)
    assert isinstance(model, Model)
    return model


def litert_on(data: bytes, model: Model, inputs: IntArray) -> IntArray:
    """What LiteRT makes of the file as it is, whatever the types at its ends; each sequence from a reset."""
    interpreter_module = pytest.importorskip("ai_edge_litert.interpreter")
    interpreter = interpreter_module.Interpreter(
        model_content=data, experimental_op_resolver_type=interpreter_module.OpResolverType.BUILTIN_REF
    )
    interpreter.allocate_tensors()
    (source,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    outputs = []
    for values in inputs:
        interpreter.reset_all_variables()
        interpreter.set_tensor(source["index"], _as_type(source["dtype"], values[None], model))
        interpreter.invoke()
        outputs.append(_as_int8(interpreter.get_tensor(result["index"])[0], model))
    return np.stack(outputs)


def _as_type(dtype: Any, stored: IntArray, model: Model) -> IntArray | FloatArray:
    if dtype == np.float32:
        return dequantize_array(stored, model.input.quantization).astype(np.float32)
    return (stored.astype(np.int16) + (128 if dtype == np.uint8 else 0)).astype(dtype)


def _as_int8(values: Any, model: Model) -> IntArray:
    if values.dtype == np.float32:
        quantization = model.output.quantization
        values = np.rint(values / quantization.scale) + quantization.zero_point
    elif values.dtype == np.uint8:
        values = values.astype(np.int16) - 128
    stored: IntArray = values.astype(np.int8)
    return stored


@pytest.mark.parametrize("name", COMPILED)
def test_the_simulator_equals_litert_on_the_file(name: str) -> None:
    model = integer_model(path_of(name), Contract.LITERT)
    inputs = random_inputs(model, 1, SEQUENCES)
    expected = litert_on(path_of(name).read_bytes(), model, inputs)
    assert expected.shape[0] == SEQUENCES
    assert len(np.unique(expected)) > 8, "the outputs hardly move"
    np.testing.assert_array_equal(simulate(model, inputs).reshape(expected.shape), expected)


@pytest.mark.parametrize("name", COMPILED)
def test_every_state_of_every_step_equals_litert(name: str) -> None:
    if not LITERT.is_available:
        pytest.skip("LiteRT is not installed")
    model = integer_model(path_of(name), Contract.LITERT)
    inputs = random_inputs(model, 2, 6)
    is_steady = make_schedule(model, model.timesteps).is_steady
    expected = (simulator_trace if is_steady else official_trace)(model, inputs)
    assert compare(expected, LITERT.trace(model, inputs)).mismatches == 0


@pytest.mark.parametrize("name", COMPILED)
def test_tflite_micro_computes_the_tflm_contract(name: str) -> None:
    if not TFLM.is_available:
        pytest.skip("tflite_micro is not installed")
    model = integer_model(path_of(name), Contract.TFLM)
    inputs = random_inputs(model, 3, 4)
    expected = TFLM.run_window(int8_file(path_of(name).read_bytes()), [inputs])
    np.testing.assert_array_equal(simulate(model, inputs).reshape(expected.shape), expected)


@pytest.mark.parametrize("name", REFUSED)
def test_what_we_do_not_compile_is_refused_with_the_reason(name: str) -> None:
    with pytest.raises(UnsupportedModelError, match=REFUSED[name]):
        load_tflite(path_of(name), Contract.LITERT)


def test_the_ends_are_left_out_and_nothing_else() -> None:
    data = path_of("float_ends").read_bytes()
    inner = int8_file(data)
    check_tflite(inner, foreign=True)
    assert int8_file(inner) == inner
    whole, part = (model_from_tflite(file, "x", Contract.LITERT) for file in (data, inner))
    assert (whole.input, whole.output) == (part.input, part.output)
    untouched = path_of("last").read_bytes()
    assert int8_file(untouched) is untouched


def test_several_scales_of_one_hidden_state_are_kept() -> None:
    model = integer_model(path_of("branches"), Contract.LITERT)
    lstms = [op for op in model.ops if isinstance(op, Lstm)]
    assert any(op.written is not None and op.recurrent is not None for op in lstms)


@pytest.mark.parametrize("name", ["batch_norm", "bidirectional", "branches_of_steps", "float_ends"])
def test_build_climbs_the_whole_ladder(name: str, tmp_path: Path) -> None:
    code = call(["build", str(path_of(name)), "--target", "host", "-o", str(tmp_path / "out"), "--name", "it"])
    assert code == 0
    shipped = (tmp_path / "out" / "model.tflite").read_bytes()
    assert shipped == int8_file(path_of(name).read_bytes())


def test_todays_converter_still_writes_such_files(tmp_path: Path) -> None:
    pytest.importorskip("tf_keras")
    subprocess.run(
        [sys.executable, str(CONVERT), "tf_keras", str(tmp_path), "float_ends"],
        check=True,
        timeout=600,
        capture_output=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    (path,) = tmp_path.iterdir()
    model = integer_model(path, Contract.LITERT)
    inputs = random_inputs(model, 4, SEQUENCES)
    expected = litert_on(path.read_bytes(), model, inputs)
    np.testing.assert_array_equal(simulate(model, inputs).reshape(expected.shape), expected)
