"""--activations, from a Keras file to a build that TFLite Micro confirms."""

import json
from pathlib import Path

import numpy as np
import pytest
from command import BUILD, edgelstm, succeed

from edgelstm.frontends.keras import load_keras
from edgelstm.ir import FloatModel

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


def needs_int16(workspace: Path) -> tuple[str, ...]:
    """A model and targets that it meets to a thousandth, which 8 bits do not."""
    model = load_keras(workspace / "model.keras")
    assert isinstance(model, FloatModel)
    with np.load(workspace / "data.npz") as data:
        arrays = {name: data[name] for name in data.files if name.startswith("x")}
    truth = {name.replace("x", "y", 1): model.forward(x.astype(np.float32)) for name, x in arrays.items()}
    rng = np.random.default_rng(0)
    noisy = {name: (y + rng.normal(0, 1e-3, y.shape)).astype(np.float32) for name, y in truth.items()}
    np.savez(workspace / "precise.npz", **arrays, **noisy)
    return ("model.keras", "--data", "precise.npz", "--target", "cortex-m4")


def costs(*options: object) -> tuple[int, int, int]:
    """Flash and RAM in bytes, and the slowest sample in instructions."""
    (found,) = succeed("estimate", *options, "--json").json["estimates"]
    return found["flash_bytes"]["total"], found["ram_bytes"]["total"], found["load"]["worst"]


def test_limits_decide_what_auto_may_cost(workspace: Path) -> None:
    """Just enough for all that accuracy asks for, and a byte less."""
    of = needs_int16(workspace)
    generate = ("generate", *of, "--activations", "auto", "-o")
    free = succeed(*generate, "free")
    assert "activations int16 in" in free.err
    flash, ram, worst = costs(*of, "--activations", "auto")
    assert costs(*of)[0] < flash
    at_all = succeed(*generate, "at_all", "--max-ram", ram, "--max-flash", flash, "--max-instructions", worst)
    assert "leave no room" not in at_all.err
    less = succeed(*generate, "less", "--max-flash", flash - 1)
    assert "the limits leave no room for int16 in" in less.err
    assert costs(*of, "--activations", "auto", "--max-flash", flash - 1)[0] < flash
    narrow = edgelstm(*generate, "none", "--max-ram", 16, "--max-flash", "1K")
    assert narrow.code == 1
    assert narrow.error.count("more than") == 4, "two limits, of int16 and of int8"
    assert not (workspace / "none").exists()


def test_a_limit_takes_the_place_of_the_projects_own_alone(workspace: Path) -> None:
    text = '[project]\nname = "tiny"\n[data]\nsource = "data.npz"\n[model]\nfile = "model.keras"\n[build]\n'
    (workspace / "edgelstm.toml").write_text(f'{text}activations = "auto"\nmax_flash = "1K"\nmax_ram = 9000\n')
    error = edgelstm("generate", "--max-instructions", 10).error
    assert "more than 1024" in error
    assert "more than 10" in error
    assert "RAM" not in error
    of_estimate = edgelstm("estimate", "--target", "cortex-m4", "--max-instructions", 10).error
    assert "more than 1024" in of_estimate, "the project's own holds there, too"
    least = ("--max-instructions", 10, "--deadline", 20000)
    assert "more than 10\n" in edgelstm("estimate", "--target", "cortex-m4", *least).error
    # What a model is like has nothing to do with what it may cost.
    assert "streams sample by sample" in succeed("inspect").out


def test_limits_are_for_auto(workspace: Path) -> None:
    error = edgelstm("generate", *BUILD[1:], "--max-ram", 600).error
    assert "--activations auto" in error
    assert "estimate" in error


def test_limits_need_something_to_count(workspace: Path) -> None:
    error = edgelstm(*BUILD, "--activations", "auto", "--max-ram", 600, "--target", "host").error
    assert "host has no memory" in error


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
