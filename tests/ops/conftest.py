"""Models with every layer that we compile, saved by Keras with what it predicts."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edgelstm.device.process import run

SAVE_PREDICTIONS = Path(__file__).with_name("save_predictions.py")


@pytest.fixture(scope="session")
def predictions(require_tool: Callable[[str], None], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that save_predictions.py fills with Keras 3."""
    return _predictions("keras", require_tool, tmp_path_factory)


@pytest.fixture(scope="session")
def old_predictions(require_tool: Callable[[str], None], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with tf_keras."""
    return _predictions("tf_keras", require_tool, tmp_path_factory)


def _predictions(
    implementation: str, require_tool: Callable[[str], None], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    require_tool(implementation)
    require_tool("tensorflow")
    folder = tmp_path_factory.mktemp(f"{implementation}_predictions")
    completed = run(
        [sys.executable, str(SAVE_PREDICTIONS), implementation, str(folder)],
        timeout_s=900,
        environment={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"},
    )
    assert completed.exit_code == 0, completed.output[-3000:]
    return folder
