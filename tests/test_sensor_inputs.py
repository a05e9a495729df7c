"""Inputs in sensor units: scaled channel by channel before they are quantized, in float or in integers."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgelstm.codegen.emit import Options, emit
from edgelstm.codegen.raw_input import RawInput
from edgelstm.errors import ModelFormatError, ProjectError
from edgelstm.frontends.tflite import model_from_tflite
from edgelstm.ir import FloatArray, FloatModel, Model, Scaling, Tensor
from edgelstm.numerics.contracts import Contract
from edgelstm.ops.affine import AffineLayer
from edgelstm.ops.dense import DenseLayer
from edgelstm.ops.fold_affine import fold_affine
from edgelstm.ops.normalization import RescalingLayer
from edgelstm.ops.scaled_inputs import scaled_inputs
from edgelstm.quantization import calibrate, quantize
from edgelstm.simulate import real_outputs, simulate, stored_inputs
from edgelstm.tflite import read_tflite, write_tflite
from edgelstm.tflite.export import to_tflite_model
from edgelstm.tflite.scaling import NAME

STEPS = 6
MEANS, DEVIATIONS = np.array([3.7, 0.5, 25.0]), np.array([0.1, 2.0, 15.0])
"""A cell's volts, amperes and degrees."""


def affine(name: str, source: Tensor, factors: FloatArray, offsets: FloatArray) -> AffineLayer:
    output = Tensor(name, source.size, is_sequence=True)
    return RescalingLayer(name=name, input=source, output=output, factor=factors, offset=offsets)


def network(layers: int = 1, behind: Callable[[Tensor], Tensor] = lambda tensor: tensor) -> tuple[Tensor, list]:
    rng = np.random.default_rng(5)
    source = Tensor("x", 3, is_sequence=True)
    found = [affine("normalize", source, 1 / DEVIATIONS, -MEANS / DEVIATIONS)]
    for index in range(1, layers):
        found.append(affine(f"more_{index}", found[-1].output, np.full(3, 2.0), np.full(3, 0.25)))
    kernel = rng.normal(0, 1, (3, 2)).astype(np.float32)
    dense = DenseLayer(
        "dense", behind(found[-1].output), Tensor("dense", 2, is_sequence=True), kernel, np.zeros(2), False
    )
    return source, [*found, dense]


def scaled_model() -> FloatModel:
    source, layers = network()
    (tensor,), rest = scaled_inputs([source], layers)
    return FloatModel("cell", tensor, rest, STEPS)


def sensor_values(seed: int = 1, count: int = 80) -> FloatArray:
    values: FloatArray = np.random.default_rng(seed).normal(MEANS, DEVIATIONS, (count, STEPS, 3)).astype(np.float32)
    return values


def quantized() -> Model:
    model = scaled_model()
    return quantize(model, calibrate(model, sensor_values()), STEPS, Contract.LITERT)


@pytest.mark.parametrize("layers", [1, 3])
def test_affine_layers_become_the_inputs_own(layers: int) -> None:
    source, graph = network(layers)
    (tensor,), rest = scaled_inputs([source], graph)
    assert [layer.name for layer in rest] == ["dense"]
    assert tensor.scaling is not None
    values = sensor_values()
    expected = FloatModel("m", source, tuple(graph), STEPS).forward(values)
    assert np.allclose(FloatModel("m", tensor, rest, STEPS).forward(values), expected, rtol=1e-5, atol=1e-5)


def test_one_that_is_an_output_or_shares_its_input_stays() -> None:
    source, graph = network()
    assert scaled_inputs([source], graph, ["normalize", "dense"])[0] == (source,)
    beside = replace(graph[-1], name="beside", input=source, output=Tensor("beside", 2, is_sequence=True))
    assert scaled_inputs([source], [*graph, beside])[0] == (source,)
    assert scaled_inputs([source], graph[:1])[0] == (source,)


def test_what_float32_cannot_hold_stays_a_layer() -> None:
    source, graph = network()
    huge = replace(graph[0], factor=np.full(3, 1e39))
    assert scaled_inputs([source], [huge, *graph[1:]])[0] == (source,)


def test_channels_of_different_units_each_use_the_whole_range() -> None:
    source, graph = network()
    folded = FloatModel("m", source, fold_affine(graph), STEPS)
    values, noise = sensor_values(), []
    for model in (scaled_model(), folded):
        integers = quantize(model, calibrate(model, values), STEPS, Contract.LITERT)
        found = real_outputs(integers, simulate(integers, stored_inputs(integers, values)))
        noise.append(float(np.mean((found - model.forward(values)) ** 2)))
    assert noise[0] < noise[1] / 50


def test_a_tflite_carries_the_scaling() -> None:
    model = quantized()
    data = write_tflite(to_tflite_model(model))
    again = model_from_tflite(data, "cell", Contract.LITERT)
    assert again.input.scaling == model.input.scaling
    values = sensor_values(2)
    assert np.array_equal(stored_inputs(again, values), stored_inputs(model, values))
    plain = replace(model, input=replace(model.input, scaling=None))
    assert read_tflite(write_tflite(to_tflite_model(plain))).metadata == {}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"[]",
        b"[" * 100_000,
        b'{"x": {}}',
        b'{"y": {"factors": [1, 1, 1], "offsets": [0, 0, 0]}}',
        b'{"x": {"factors": [1, 1], "offsets": [0, 0, 0]}}',
        b'{"x": {"factors": [1, 1, NaN], "offsets": [0, 0, 0]}}',
        b'{"x": {"factors": [1, 1, "a"], "offsets": [0, 0, 0]}}',
        b'{"x": {"factors": 1, "offsets": [0, 0, 0]}}',
        json.dumps({"x": {"factors": [10**400] * 3, "offsets": [0, 0, 0]}}).encode(),
        b" " * (5 << 20),
    ],
    ids=range(12),
)
def test_metadata_that_make_no_sense_are_refused(content: bytes) -> None:
    records = to_tflite_model(quantized())
    data = write_tflite(replace(records, metadata={NAME: content}))
    with pytest.raises(ModelFormatError, match="make no sense"):
        model_from_tflite(data, "cell", Contract.LITERT)


LSB = (0.0005, 0.01, 0.1)


def test_counts_become_what_real_values_do() -> None:
    model = quantized()
    raw = RawInput.of(model, LSB)
    counts = np.arange(-(2**15), 2**15, dtype=np.int64)[:, None] * np.ones(3, np.int64)
    found = raw.apply(counts.astype(np.int16))
    expected = stored_inputs(model, (counts * np.array(LSB)).astype(np.float32)[None])[0]
    difference = found.astype(int) - expected
    assert np.abs(difference).max() <= 1
    assert (difference != 0).mean() < 0.02
    assert len(np.unique(found[:, 0])) == 256


@pytest.mark.parametrize("seed", range(30))
def test_any_scaling_is_met_within_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    lsb = 10.0 ** rng.uniform(-6, 6, 3)
    factors = rng.uniform(1e-3, 2e-2, 3) * rng.choice([-1, 1], 3) / lsb
    offsets = rng.uniform(-15, 15, 3)
    tensor = replace(quantized().input, scaling=Scaling(tuple(factors), tuple(offsets)))
    model = replace(quantized(), input=tensor)
    counts = rng.integers(-(2**15), 2**15, (4000, 3))
    found = RawInput.of(model, tuple(lsb)).apply(counts.astype(np.int16)).astype(int)
    real = (factors * counts * lsb + offsets) / tensor.quantization.scale + tensor.quantization.zero_point
    assert np.abs(found - np.clip(np.rint(real), -128, 127)).max() <= 1


def test_c_equals_python_on_every_count(require_tool: Callable[[str], None], tmp_path: Path) -> None:
    require_tool("gcc")
    model = quantized()
    for name, text in emit(model, Options("ref", "balanced", "0" * 64, raw_lsb=LSB)).files.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "every.c").write_text(
        '#include <stdio.h>\n#include "cell.h"\n'
        "int main(void)\n{\n    for (int32_t count = -32768; count <= 32767; count++) {\n"
        "        const int16_t raw[3] = {(int16_t)count, (int16_t)count, (int16_t)count};\n"
        "        int8_t input[3];\n        cell_quantize_input(raw, input);\n"
        "        fwrite(input, 1, 3, stdout);\n    }\n    return 0;\n}\n"
    )
    flags = [
        "-std=c99",
        "-Wall",
        "-Wextra",
        "-Wconversion",
        "-Werror",
        "-fsanitize=undefined",
        "-fno-sanitize-recover=all",
    ]
    command = ["gcc", *flags, "every.c", "cell.c", "-o", "every"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=120)
    found = subprocess.run(["./every"], cwd=tmp_path, check=True, timeout=60, capture_output=True).stdout
    counts = np.arange(-(2**15), 2**15)[:, None] * np.ones(3, np.int64)
    expected = RawInput.of(model, LSB).apply(counts.astype(np.int16))
    assert np.array_equal(np.frombuffer(found, np.int8).reshape(-1, 3), expected)


def test_the_header_says_how_real_values_are_scaled() -> None:
    text = emit(quantized(), Options("ref", "balanced", "0" * 64)).files["cell.h"]
    assert "#define CELL_INPUT_FACTORS {" in text
    assert "quantize_input" not in text


def test_units_whose_counts_do_not_reach_the_range_are_refused() -> None:
    with pytest.raises(ProjectError, match=r"channel 0: 32767 counts are 0\.003277: give a larger"):
        RawInput.of(quantized(), (1e-7, 0.01, 5e-5))


def test_units_that_are_too_coarse_want_smaller_ones() -> None:
    with pytest.raises(ProjectError, match=r"channel 0: a count of 1000 is too coarse: give a smaller unit"):
        RawInput.of(quantized(), (1e3, 0.01, 5e-4))


@pytest.mark.parametrize("lsb", [(1.0, 1.0), (1.0,) * 4])
def test_another_number_of_units_than_channels_is_refused(lsb: tuple[float, ...]) -> None:
    with pytest.raises(ProjectError, match="numbers for 3 channels"):
        RawInput.of(quantized(), lsb)
