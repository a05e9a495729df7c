"""ADD and MUL with a constant: LiteRT, TensorFlow Lite Micro and the file and back."""

from typing import Any

import numpy as np
import pytest

from edgelstm.codegen.emit import Options, emit
from edgelstm.errors import ModelError
from edgelstm.frontends.tflite import model_from_tflite
from edgelstm.ir import Model, TfliteModel, TfliteOperator, TfliteTensor
from edgelstm.numerics.contracts import Contract
from edgelstm.simulate import simulate
from edgelstm.tflite import write_tflite
from edgelstm.tflite.export import to_tflite_model
from edgelstm.verification.oracles import LITERT, TFLM, Oracle

OPTIONS: dict[str, dict[str, Any]] = {
    "ADD": {"fused_activation_function": "NONE", "pot_scale_int16": False},
    "MUL": {"fused_activation_function": "NONE"},
}


def file_with(builtin: str, seed: int, shape: tuple[int, ...], *, is_first: bool = False, dtype: str = "int8") -> bytes:
    """One operator on 4 steps of 5 values, with scales up to 64 times apart."""
    rng = np.random.default_rng(seed)
    scales = [float(np.float32(2.0 ** rng.uniform(-9, -3))) for _ in range(3)]
    zero_points = [int(rng.integers(-128, 128)) for _ in range(3)]
    values = rng.choice([-128, -1, 0, 77, 127], shape).astype(dtype)
    source = TfliteTensor("x", (1, 4, 5), "int8", (scales[0],), (zero_points[0],))
    constant = TfliteTensor("c", values.shape, dtype, (scales[1],), (zero_points[1],), data=values)
    result = TfliteTensor("y", (1, 4, 5), "int8", (scales[2],), (zero_points[2],))
    inputs = (constant, source) if is_first else (source, constant)
    operator = TfliteOperator(builtin, inputs, (result,), OPTIONS[builtin], version=2)
    return write_tflite(TfliteModel((operator,), (source,), (result,)))


def inputs_of(model: Model) -> np.ndarray:
    rng = np.random.default_rng(7)
    inputs = rng.integers(-128, 128, (6, model.timesteps, model.input.size)).astype(np.int8)
    inputs[0], inputs[1] = -128, 127
    return inputs


@pytest.mark.parametrize("oracle", [LITERT, TFLM], ids=lambda oracle: str(oracle.name))
@pytest.mark.parametrize("builtin", OPTIONS)
@pytest.mark.parametrize("seed", range(8))
def test_the_runtimes_compute_the_same(oracle: Oracle, builtin: str, seed: int) -> None:
    if not oracle.is_available:
        pytest.skip(f"{oracle.name} is not installed")
    shapes: tuple[tuple[int, ...], ...] = ((5,), (1, 1, 5), (1,), ())
    data = file_with(builtin, seed, shapes[seed % 4], is_first=seed >= 4)
    model = model_from_tflite(data, "x", oracle.contract)
    inputs = inputs_of(model)
    np.testing.assert_array_equal(simulate(model, inputs), oracle.run_window(data, [inputs]))


@pytest.mark.parametrize("builtin", OPTIONS)
def test_the_file_yields_the_same_c(builtin: str) -> None:
    options = Options("ref", "balanced", "0" * 64)
    model = model_from_tflite(file_with(builtin, 3, ()), "x", Contract.LITERT)
    again = model_from_tflite(write_tflite(to_tflite_model(model)), "x", Contract.LITERT)
    assert emit(again, options).files == emit(model, options).files


@pytest.mark.parametrize("builtin", OPTIONS)
@pytest.mark.parametrize(("shape", "dtype"), [((4, 1), "int8"), ((4, 5), "int8"), ((1, 4, 5), "int8"), ((5,), "int32")])
def test_other_constants_are_refused(builtin: str, shape: tuple[int, ...], dtype: str) -> None:
    with pytest.raises(ModelError, match="is a constant of"):
        model_from_tflite(file_with(builtin, 0, shape, dtype=dtype), "x", Contract.LITERT)
