"""Importing Keras quietly, or saying how to install it."""

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from edgelstm.errors import ToolMissingError

_STDERR = 2


def load_keras(seed: int) -> ModuleType:
    """Import Keras 3 and make everything random follow `seed`.

    With TensorFlow this also switches the process to deterministic kernels, for without them a GPU adds up in
    a different order every time.

    Raises:
        ToolMissingError: Keras or its backend is not installed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with _quiet_stderr():
            keras = importlib.import_module("keras")
            tensorflow = importlib.import_module("tensorflow") if _uses_tensorflow(keras) else None
    except ImportError as error:
        raise ToolMissingError(
            f"training needs Keras and TensorFlow: {error}", 'pip install "edgelstm[train]"'
        ) from error
    if int(keras.__version__.split(".")[0]) < 3:
        raise ToolMissingError(f"training needs Keras 3, found {keras.__version__}", 'pip install "keras>=3.3"')
    keras.utils.set_random_seed(seed)
    if tensorflow is not None:
        tensorflow.config.experimental.enable_op_determinism()
    return keras


def _uses_tensorflow(keras: ModuleType) -> bool:
    return bool(keras.config.backend() == "tensorflow")


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Drop what TensorFlow's C++ side writes while it loads, before its log level is in force."""
    try:
        kept = os.dup(_STDERR)
    except OSError:  # closed: nothing can be written there
        yield
        return
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), _STDERR)
    try:
        yield
    finally:
        os.dup2(kept, _STDERR)
        os.close(kept)
