"""--activations, from a Keras file to a build that TFLite Micro confirms."""

import json
from pathlib import Path

import pytest
from command import BUILD, edgelstm, succeed

QUANTIZE = ("quantize", *BUILD[1:])


def test_a_build_with_int16_activations_is_confirmed_by_tflm(workspace: Path) -> None:
    outcome = succeed(*BUILD, "--activations", "int16", "--target", "host", "--sequences", 2, "--json")
    rungs = json.dumps(outcome.json["verification"])
    assert "tflite_micro" in rungs
    assert "LiteRT" not in rungs
    headers = (workspace / "out" / "src").glob("*.h")
    assert any("const int16_t input[" in header.read_text() for header in headers)
    shown = succeed("inspect", workspace / "out" / "model.tflite").out
    assert "int16" in shown


def test_weights_are_rounded_to_the_data_where_that_is_asked_for(workspace: Path) -> None:
    """By default with int16, and not with int8."""
    files = {}
    for name, options in {
        "int8": (),
        "nearest": ("--rounding", "nearest"),
        "data": ("--rounding", "data"),
        "int16": ("--activations", "int16"),
        "int16_data": ("--activations", "int16", "--rounding", "data"),
        "int16_nearest": ("--activations", "int16", "--rounding", "nearest"),
    }.items():
        succeed(*QUANTIZE, *options, "-o", f"{name}.tflite")
        files[name] = (workspace / f"{name}.tflite").read_bytes()
    assert files["int8"] == files["nearest"] != files["data"]
    assert files["int16"] == files["int16_data"] != files["int16_nearest"]


@pytest.mark.parametrize("other", [("--weights", "int4"), ("--calibration", "tf")])
def test_what_rounds_otherwise_is_not_rounded_to_the_data(workspace: Path, other: tuple[str, str]) -> None:
    assert "--rounding data" in edgelstm(*QUANTIZE, "--rounding", "data", *other).error


def test_auto_keeps_int8_where_it_is_good_enough_and_says_so(workspace: Path) -> None:
    outcome = succeed(*QUANTIZE, "--activations", "auto", "-o", "auto.tflite")
    succeed(*QUANTIZE, "-o", "int8.tflite")
    assert "activations int8" in outcome.err or "activations int16 in" in outcome.err
    if "activations int8" in outcome.err:
        assert (workspace / "auto.tflite").read_bytes() == (workspace / "int8.tflite").read_bytes()


@pytest.mark.parametrize("width", ["int16", "auto"])
def test_ranges_for_256_values_are_none_for_65536(workspace: Path, width: str) -> None:
    assert "--clip mse" in edgelstm(*QUANTIZE, "--activations", width, "--clip", "mse").error


def test_litert_has_none(workspace: Path) -> None:
    error = edgelstm(*QUANTIZE, "--activations", "int16", "--contract", "litert").error
    assert "LiteRT has no kernel" in error
    assert "--contract tflm" in error


def test_a_quantized_file_stays_what_it_is(workspace: Path) -> None:
    succeed(*QUANTIZE, "-o", "narrow.tflite")
    outcome = succeed("estimate", "narrow.tflite", "--activations", "int16", "--target", "cortex-m4", "--json")
    assert "changes nothing" in outcome.err


@pytest.mark.parametrize(("word", "is_known"), [("int16", True), ("int12", False)])
def test_the_project_file_asks_for_them(workspace: Path, word: str, is_known: bool) -> None:
    text = '[project]\nname = "tiny"\n[data]\nsource = "data.npz"\n[model]\nfile = "model.keras"\n'
    (workspace / "edgelstm.toml").write_text(f'{text}[build]\nactivations = "{word}"\n')
    outcome = edgelstm("quantize", "-o", "found.tflite")
    assert ("one of int8, int16" in outcome.err) is not is_known
    assert ("quantized to int16" in outcome.err) is is_known
