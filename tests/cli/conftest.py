"""A folder with a small model and data, and the same after a build."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from command import BUILD, succeed
from keras_files import tiny_arrays, tiny_layers, write_keras

# The boards that the flash tests start.
sys.path.append(str(Path(__file__).resolve().parent.parent / "device" / "flash"))


def _fill(folder: Path) -> None:
    write_keras(folder / "model.keras", tiny_layers())
    np.savez(folder / "data.npz", **tiny_arrays())


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with model.keras and data.npz."""
    _fill(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def _finished(tmp_path_factory: pytest.TempPathFactory, require_tool: Callable[[str], None]) -> Path:
    require_tool("arm-none-eabi-gcc")
    require_tool("qemu-system-arm")
    folder = tmp_path_factory.mktemp("finished")
    _fill(folder)
    before = Path.cwd()
    os.chdir(folder)
    try:
        outcome = succeed(*BUILD)
        (folder / "table.txt").write_text(outcome.out)
        (folder / "progress.txt").write_text(outcome.err)
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def built(_finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder after `BUILD`, which wrote `out`; what it printed is in table.txt and progress.txt."""
    shutil.copytree(_finished, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def quick_ladder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the official interpreters and the sanitizers, where something else is on trial."""
    monkeypatch.setattr("edgelstm.verification.ladder.ORACLES", ())
    monkeypatch.setattr("edgelstm.pipeline.verified.ORACLES", ())
    monkeypatch.setattr("edgelstm.device.compilers._working_sanitizers", lambda compiler: ())
