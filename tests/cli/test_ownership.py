"""Nothing of the user's is replaced unasked, and nothing is reused that anything it depends on has changed."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from command import BUILD, edgelstm, succeed
from keras_files import tiny_arrays, tiny_layers, write_keras

from edgelstm.device import compilers
from edgelstm.pipeline import trained
from edgelstm.verification import oracles


def _project(folder: Path) -> None:
    """A project whose model edgelstm trained, from settings that have changed since."""
    (folder / "edgelstm.toml").write_text('[project]\nname = "tiny"\n[data]\nsource = "data.npz"\n')
    record = {"key": "of other settings", "sha256": hashlib.sha256((folder / "model.keras").read_bytes()).hexdigest()}
    (folder / trained.RECORD).write_text(json.dumps(record))


@pytest.mark.usefixtures("quick_ladder")
def test_data_of_ones_own_never_trains_the_projects_model_again(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(*arguments: object) -> None:
        raise AssertionError("trained")

    _project(workspace)
    monkeypatch.setattr(trained, "train_model", train)
    np.savez("probe.npz", x=tiny_arrays()["x"][:60])
    before = Path("model.keras").read_bytes()
    succeed("quantize", "--data", "probe.npz", "-o", "probe.tflite")
    succeed("verify", "--target", "host")
    succeed("build", "--data", "data.npz", "--target", "host")
    succeed("run", "--data", "probe.npz")
    assert Path("model.keras").read_bytes() == before
    assert "bug in edgelstm: AssertionError: trained" in edgelstm("quantize").err


def test_running_a_project_uses_the_integers_of_its_firmware(workspace: Path) -> None:
    _project(workspace)
    assert "run `edgelstm build` first" in edgelstm("run").error
    succeed("generate", "model.keras", "--data", "data.npz")
    Path("out").mkdir()
    succeed("quantize", "model.keras", "--data", "data.npz", "-o", "out/model.tflite")
    arrays = tiny_arrays()
    np.savez("loud.npz", x=100 * arrays["x"])
    by_project = succeed("run", "--data", "loud.npz", "--json").json["outputs"]
    by_file = succeed("run", "out/model.tflite", "--data", "loud.npz", "--json").json["outputs"]
    assert by_project == by_file


def test_run_overwrites_no_file(built: Path) -> None:
    np.save("precious.npy", tiny_arrays()["x"])
    before = Path("precious.npy").read_bytes()
    message = edgelstm("run", "out/model.tflite", "--data", "precious.npy", "-o", "precious.npy").error
    assert "is not there yet" in message
    assert Path("precious.npy").read_bytes() == before


def _c_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("out/src/main.c").write_text("#error not yet\n")


def _another_model(monkeypatch: pytest.MonkeyPatch) -> None:
    write_keras(Path("model.keras"), tiny_layers(seed=8))


def _interrupted_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*arguments: object) -> None:
        raise KeyboardInterrupt

    _another_model(monkeypatch)
    monkeypatch.setattr("edgelstm.pipeline.firmware.compile_sources", stop)


def _interrupted_generator(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*arguments: object) -> None:
        raise KeyboardInterrupt

    _another_model(monkeypatch)
    monkeypatch.setattr("edgelstm.pipeline.install_sources", stop)


@pytest.mark.usefixtures("quick_ladder")
@pytest.mark.parametrize(
    ("failing", "stays"),
    [
        (_c_that_fails, {"model.tflite", "src"}),
        (_interrupted_compiler, {"model.tflite", "src"}),
        (_interrupted_generator, {"model.tflite", "src"}),
    ],
)
def test_no_firmware_of_older_c_stays(
    failing: Callable[[pytest.MonkeyPatch], None], stays: set[str], built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("out/src/notes.txt").write_text("mine")
    with monkeypatch.context() as patch:
        failing(patch)
        assert edgelstm(*BUILD).code
    assert {path.name for path in Path("out").glob("[!.]*")} == stays
    assert Path("out/src/notes.txt").read_text() == "mine"
    if failing is _interrupted_generator:
        assert {path.name for path in Path("out/src").iterdir()} == {"notes.txt"}
    if failing is _c_that_fails:
        Path("out/src/main.c").unlink()
    succeed(*BUILD)
    assert Path("out/report.json").is_file()


def _header_of_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("out/src/drivers").mkdir()
    Path("out/src/drivers/board.h").write_text("/* changed */\n")


def _newer_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oracles.Oracle, "version", property(lambda oracle: "99.0"))


def _other_sanitizers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compilers, "_working_sanitizers", lambda compiler: ("undefined-trap",))


@pytest.mark.parametrize(
    ("change", "still_reused"),
    [
        (_header_of_the_users, "reused src"),
        (_newer_interpreter, "reused firmware"),
        (_other_sanitizers, "reused firmware"),
    ],
)
def test_a_verification_is_made_again_when_anything_behind_it_changed(
    change: Callable[[pytest.MonkeyPatch], None], still_reused: str, built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "reused report.json" in succeed(*BUILD).err
    change(monkeypatch)
    outcome = succeed(*BUILD)
    assert still_reused in outcome.err
    assert "reused report.json" not in outcome.err
