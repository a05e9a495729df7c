"""`--tflite-recurrent step` writes a second file, says what it is worth, and refuses what it cannot describe."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from command import BUILD, edgelstm, succeed
from keras_files import CHANNELS, CLASSES, dense, gru, write_keras

from edgelstm.tflite import read_tflite
from edgelstm.tflite.step_rules import check_step_graph

STEP = ("--tflite-recurrent", "step")
QUANTIZE = ("quantize", "model.keras", "--data", "data.npz")


@pytest.fixture
def gru_workspace(workspace: Path) -> Path:
    """`workspace` with a GRU instead of the LSTM."""
    rng = np.random.default_rng(0)
    write_keras(workspace / "model.keras", [gru(rng, CHANNELS, 4), dense(rng, 4, CLASSES)])
    return workspace


def test_quantize_writes_it_beside_the_model(gru_workspace: Path, require_tool: Callable[[str], None]) -> None:
    require_tool("tflite_micro")
    outcome = succeed(*QUANTIZE, "-o", "mine.tflite", *STEP)
    check_step_graph((gru_workspace / "mine_step.tflite").read_bytes())
    assert "wrote mine_step.tflite" in outcome.err
    for name in ("LiteRT", "tflite_micro"):
        assert f"the graph of one step in {name}" in outcome.err
    assert "SQNR" in outcome.err
    assert "approximates" in outcome.err
    plain = (gru_workspace / "mine.tflite").read_bytes()
    succeed(*QUANTIZE, "-o", "plain.tflite")
    assert (gru_workspace / "plain.tflite").read_bytes() == plain
    assert not (gru_workspace / "plain_step.tflite").exists()


def test_its_figures_are_in_the_json(gru_workspace: Path, require_tool: Callable[[str], None]) -> None:
    require_tool("tflite_micro")
    graph = succeed(*QUANTIZE, *STEP, "--json").json["step_graph"]
    assert graph["tflite"] == "model_step.tflite"
    assert [one["interpreter"] for one in graph["accuracy"]] == ["LiteRT BUILTIN_REF", "tflite_micro"]
    assert all(one["sqnr_db"] > 25 for one in graph["accuracy"])
    assert "step_graph" not in succeed(*QUANTIZE, "--json").json


def test_a_foreign_file_is_not_replaced(gru_workspace: Path) -> None:
    (gru_workspace / "model_step.tflite").write_bytes(b"\0\0\0\0TFL3 somebody else's")
    assert "did not write it" in edgelstm(*QUANTIZE, *STEP).error
    assert not (gru_workspace / "model.tflite").exists()


@pytest.mark.usefixtures("quick_ladder")
def test_build_keeps_it_with_the_model(gru_workspace: Path, require_tool: Callable[[str], None]) -> None:
    require_tool("tflite_micro")
    host = (*BUILD, "--target", "host", "--sequences", "1")
    succeed(*host)
    assert not (gru_workspace / "out" / "model_step.tflite").exists()
    succeed(*host, *STEP)
    written = gru_workspace / "out" / "model_step.tflite"
    assert len(read_tflite(written.read_bytes()).inputs) == 2
    assert "reused model.tflite" in succeed(*host, *STEP).err
    assert written.exists()
    succeed(*host)
    assert not written.exists()


@pytest.mark.parametrize("command", [QUANTIZE, (*BUILD, "--target", "host")])
def test_a_model_without_such_a_graph_is_refused_with_reasons(workspace: Path, command: tuple[str, ...]) -> None:
    before = sorted(workspace.iterdir())
    error = edgelstm(*command, *STEP).error
    assert "builtin operators cannot describe a step" in error
    assert 'layer "lstm"' in error
    assert "no GRU and no SimpleRNN" in error
    assert "leave --tflite-recurrent out" in error
    assert [path for path in sorted(workspace.iterdir()) if path.suffix == ".tflite"] == []
    assert [path for path in sorted(workspace.iterdir()) if path.name != "out"] == before


def test_another_word_is_no_choice(workspace: Path) -> None:
    outcome = edgelstm(*QUANTIZE, "--tflite-recurrent", "unrolled")
    assert outcome.code != 0
    assert "step" in outcome.err
