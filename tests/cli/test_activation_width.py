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
