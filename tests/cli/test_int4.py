"""`--weights int4` through the command line: less flash, verified, and refused where it cannot be."""

from pathlib import Path

import numpy as np
import pytest
from command import edgelstm, succeed
from keras_files import dense, lstm, tiny_arrays, write_keras

BUILD = ("build", "model.keras", "--data", "data.npz", "--target", "host")


def weights(folder: str) -> list[str]:
    """The lines of the packed weights."""
    source = Path(folder, "src", "model.c").read_text()
    return [line for line in source.splitlines() if line.startswith("    0x")]


def test_weights_take_half_as_much_and_are_verified(workspace: Path) -> None:
    rng = np.random.default_rng(1)
    tiny = tiny_arrays()["x"].shape[-1]
    write_keras(workspace / "model.keras", (lstm(rng, tiny, 32), dense(rng, 32, 2)))
    wide = succeed(*BUILD, "--json", "-o", "wide").json
    outcome = succeed(*BUILD, "--json", "-o", "narrow", "--weights", "int4")
    narrow = outcome.json
    assert "weights of 4 bits in" in outcome.err
    assert "contract native" in outcome.err
    assert all(rung["mismatches"] == 0 for rung in narrow["verification"])
    assert narrow["memory"]["flash_bytes"]["weights"] < 0.65 * wide["memory"]["flash_bytes"]["weights"]
    again = succeed("build", "narrow/model.tflite", "--target", "host", "-o", "again", "--weights", "int4")
    assert "quantized already" in again.err
    assert weights("again") == weights("narrow")


def test_what_cannot_be(workspace: Path) -> None:
    assert workspace.is_dir()
    quantize = ("quantize", "model.keras", "--data", "data.npz", "--weights", "int4")
    assert "no official interpreter could judge it" in edgelstm(*quantize, "--contract", "tflm").error
    succeed("quantize", "model.keras", "--data", "data.npz", "-o", "wide.tflite")
    error = edgelstm("quantize", "wide.tflite", "--weights", "int4", "-o", "x.tflite").error
    assert "quantized already, with weights of 8 bits" in error


def test_raw_counts_that_4_bits_cannot_weigh_are_refused(workspace: Path) -> None:
    """Instead of clipping the weights without a word."""
    rng = np.random.default_rng(1)
    x = rng.integers(0, 1 << 15, (64, 8, 3)).astype(np.float32)
    np.savez(workspace / "raw.npz", x=x)
    write_keras(workspace / "model.keras", (lstm(rng, 3, 8), dense(rng, 8, 2)))
    quantize = ("quantize", "model.keras", "--data", "raw.npz", "-o", "raw.tflite")
    succeed(*quantize)
    error = edgelstm(*quantize, "--weights", "int4").error
    assert "scales lie too far apart" in error
    assert "Normalization" in error


@pytest.mark.parametrize("other", [("--weights", "int4"), ("--activations", "int16"), ("--activations", "auto")])
def test_wide_weights_have_8_bits(workspace: Path, other: tuple[str, str]) -> None:
    assert workspace.is_dir()
    options = ("model.keras", "--data", "data.npz", "--target", "cortex-m4", "--wide-weights", *other)
    for verb in ("generate", "build", "estimate"):
        assert f"--wide-weights and {' '.join(other)} exclude each other" in edgelstm(verb, *options).error


def test_a_project_says_so_too(workspace: Path) -> None:
    Path("edgelstm.toml").write_text(
        '[project]\nname = "it"\n[data]\nsource = "data.npz"\n[model]\nfile = "model.keras"\n'
        '[quantize]\nweights = "int4"\n[build]\ntargets = ["host"]\n'
    )
    assert "weights of 4 bits in" in succeed("quantize", "-o", "x.tflite").err
    assert "int8, int4" in edgelstm_with(workspace, "int3").lower()


def edgelstm_with(workspace: Path, value: str) -> str:
    settings = workspace / "edgelstm.toml"
    settings.write_text(settings.read_text().replace("int4", value))
    return edgelstm("quantize", "-o", "x.tflite").error
