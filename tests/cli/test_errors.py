"""inspect --error and drift: what they print, and how they end."""

from pathlib import Path

import numpy as np
from command import edgelstm, succeed
from keras_files import CHANNELS, lstm, write_keras

DATA = ("--data", "data.npz")
DRIFT = ("drift", "model.keras", *DATA, "--steps", "1000")

PROJECT = """[project]
name = "tiny"
[data]
source = "data.npz"
[verify]
max_drift = {limit}
drift_steps = 1000
"""


def test_inspect_error_lists_layers_gates_and_the_worst_sequence(workspace: Path) -> None:
    outcome = succeed("inspect", "model.keras", "--error", *DATA)
    for word in ("output SQNR", "x", "lstm/last_step", "softmax", "forget gate", "hidden state", "worst test sequence"):
        assert word in outcome.out
    assert "advice" in outcome.out
    found = succeed("inspect", "model.keras", "--error", *DATA, "--json").json
    assert [one["name"] for one in found["layers"]][:2] == ["lstm", "lstm/last_step"]
    assert {one["layer"] for one in found["parts"]} == {"lstm"}
    assert set(found["parts"][0]["shares"]) == {"weights", "sum", "function"}
    assert found["sqnr_db"] > 10.0


def test_inspect_error_wants_a_float_model_and_data(workspace: Path) -> None:
    assert "errors are measured on data" in edgelstm("inspect", "model.keras", "--error").error
    succeed("quantize", "model.keras", *DATA)
    assert "is quantized already" in edgelstm("inspect", "model.tflite", "--error", *DATA).error
    assert "--data with --error alone" in edgelstm("inspect", "model.keras", *DATA).error


def test_drift_shows_decades_a_verdict_and_cells(workspace: Path) -> None:
    outcome = succeed(*DRIFT)
    for word in ("101 to 1000", "the error ", "cell state of", "warm-up", "recovery"):
        assert word in outcome.out
    found = succeed(*DRIFT, "--json").json
    assert found["exceeded"] == []
    assert found["decades"][-1]["error_percent"] == found["error_percent"]


def test_a_drift_above_its_limit_ends_with_1(workspace: Path) -> None:
    outcome = edgelstm(*DRIFT, "--max-drift", "0.000001")
    assert outcome.code == 1
    assert "101 to 1000" in outcome.out
    assert "of full scale, more than" in outcome.err
    as_json = edgelstm(*DRIFT, "--max-drift", "0.000001", "--json")
    assert as_json.code == 1
    assert len(as_json.json["exceeded"]) == 1
    succeed(*DRIFT, "--max-drift", "100")


def test_drift_runs_along_a_file(workspace: Path) -> None:
    stream = np.random.default_rng(0).normal(0, 1, (300, CHANNELS)).astype(np.float32)
    np.save(workspace / "stream.npy", stream)
    assert succeed(*DRIFT, "--stream", "stream.npy", "--json").json["data_steps"] == 300
    np.save(workspace / "stream.npy", stream[:, :1])
    assert "channels" in edgelstm(*DRIFT, "--stream", "stream.npy").error


def test_drift_refuses_what_runs_backwards_by_name(workspace: Path) -> None:
    layer = lstm(np.random.default_rng(0), CHANNELS, 4, go_backwards=True, name="turned")
    write_keras(workspace / "back.keras", [layer])
    assert 'layer "turned" (reverse)' in edgelstm("drift", "back.keras", *DATA, "--steps", "1000").error


def test_a_build_stops_at_its_limit_of_drift(workspace: Path) -> None:
    (workspace / "edgelstm.toml").write_text(PROJECT.format(limit="1e-6"))
    assert "of full scale, more than" in edgelstm("quantize", "-o", "new.tflite").error
    assert not (workspace / "new.tflite").exists()
    (workspace / "edgelstm.toml").write_text(PROJECT.format(limit="100.0"))
    assert "drift over 1000 steps" in succeed("quantize", "-o", "new.tflite").err
    (workspace / "edgelstm.toml").write_text(PROJECT.format(limit="0"))
    assert "verify.max_drift = 0" in edgelstm("quantize").error


def test_cell_bits_change_the_cell_alone_and_by_default_nothing(workspace: Path) -> None:
    succeed("quantize", "model.keras", *DATA, "-o", "plain.tflite")
    succeed("quantize", "model.keras", *DATA, "-o", "bits.tflite", "--cell-bits", "0")
    succeed("quantize", "model.keras", *DATA, "-o", "wide.tflite", "--cell-bits", "6")
    plain, bits, wide = ((workspace / f"{name}.tflite").read_bytes() for name in ("plain", "bits", "wide"))
    assert plain == bits
    assert plain != wide
    assert len(plain) == len(wide)
