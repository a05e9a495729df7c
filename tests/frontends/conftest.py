"""Files saved by both Keras implementations, once per test session."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from keras_writer import IMPLEMENTATIONS

SAVE_MODELS = Path(__file__).with_name("save_models.py")


@pytest.fixture(scope="session")
def saved_models(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """The folder with the models of save_models.py, by implementation."""
    folders = {}
    for implementation in IMPLEMENTATIONS:
        folders[implementation] = tmp_path_factory.mktemp(implementation)
        subprocess.run(
            [sys.executable, str(SAVE_MODELS), implementation, str(folders[implementation])],
            check=True,
            timeout=300,
            capture_output=True,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"},
        )
    return folders
