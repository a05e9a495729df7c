"""From a Keras model that takes ids to verified firmware with a main.c of the project's own."""

import json
from pathlib import Path

import numpy as np
import pytest
from command import edgelstm, succeed
from keras_files import KerasLayer, dense, lstm, write_keras

WORDS = 9
PROJECT = """
[project]
name = "reader"
[data]
source = "data.npz"
[build]
targets = ["host"]
main = "main.c"
"""
MAIN = """
#include "port.h"
#include "reader.h"
#include "replay.h"

static reader_t network;

int app_main(void)
{
    port_print("mine\\n");
    return reader_selftest(&network) ? replay(&network) : 1;
}
"""


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a project whose model was trained elsewhere."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    table = KerasLayer(
        "Embedding",
        {"name": "words", "input_dim": WORDS, "output_dim": 4},
        [rng.normal(size=(WORDS, 4)).astype(np.float32)],
    )
    write_keras(tmp_path / "model.keras", [table, lstm(rng, 4, 5), dense(rng, 5, 2)], of_ids=True)
    write_ids(tmp_path, rng.integers(0, WORDS, (60, 8)))
    (tmp_path / "edgelstm.toml").write_text(PROJECT)
    (tmp_path / "main.c").write_text(MAIN)
    return tmp_path


def write_ids(folder: Path, ids: np.ndarray) -> None:
    np.savez(folder / "data.npz", x=ids, x_test=ids[:20], y=ids[:, 0] % 2, y_test=ids[:20, 0] % 2)


def test_ids_end_in_verified_firmware(reader: Path) -> None:
    report = json.loads(succeed("build", "--json").out)
    assert all(rung["mismatches"] == 0 and rung["values"] > 0 for rung in report["verification"])
    assert len(report["verification"]) >= 3
    assert report["accuracy"]["saturated_inputs_percent"] == []
    assert (reader / "out" / "src" / "main.c").read_text() == MAIN
    assert "const int16_t input[READER_INPUT_SIZE]" in (reader / "out" / "src" / "reader.h").read_text()
    assert "8 steps of an id of 9" in succeed("inspect", "model.keras").out
    shown = succeed("inspect", "out/model.tflite").out
    assert "8 steps of an id of 9" in shown
    assert "input has no scale" in shown
    outputs = succeed("run", "--json").json["outputs"]
    assert np.shape(outputs) == (20, 2)
    assert "reused firmware" in succeed("build").err
    (reader / "main.c").write_text(MAIN.replace("mine", "changed"))
    assert "compiled firmware" in succeed("build").err


def test_ids_outside_the_vocabulary_are_refused_with_their_place(reader: Path) -> None:
    ids = np.zeros((60, 8), int)
    ids[3, 2] = WORDS
    write_ids(reader, ids)
    error = edgelstm("build").error
    assert '"x" has 1 values that are not ids from 0 to 8, the first at sample 3, step 2: 9' in error
    assert not (reader / "out" / "src").exists()


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_main_that_cannot_be_read_is_named_before_any_work(reader: Path, content: bytes | None) -> None:
    (reader / "main.c").unlink()
    if content is not None:
        (reader / "main.c").write_bytes(content)
    outcome = edgelstm("build")
    assert "cannot read main.c" in outcome.error
    assert "read model.keras" not in outcome.err
