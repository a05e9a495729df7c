"""Calling a function of the user's own Python file, as named by "data.py:load".

The file belongs to the user and runs with the user's rights, like a Makefile. Nothing that comes with a model
or with data reaches this module.
"""

import importlib.util
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType

from edgelstm.errors import EdgelstmError, ProjectError

_SPEC = re.compile(r"(?P<file>.+\.py):(?P<function>[A-Za-z_]\w*)", re.ASCII)


def is_user_code(spec: str) -> bool:
    """Whether `spec` has the form "file.py:function"."""
    return _SPEC.fullmatch(spec) is not None


def call_user_code(spec: str, base: Path, *arguments: object) -> object:
    """Run the file of `spec` and call its function.

    While the file runs it may import modules that lie beside it. They are forgotten afterwards, so that two
    projects with a `data.py` each do not meet in one process.

    Args:
        spec: "file.py:function"; a relative file is looked for in `base`.
        base: the project's folder.
        arguments: handed to the function.

    Returns:
        What the function returns.

    Raises:
        ProjectError: the file or the function does not exist, or the user's code raised an exception; the
            message names the line. An `EdgelstmError` raised by the user's code passes unchanged.
    """
    match = _SPEC.fullmatch(spec)
    if match is None:
        raise ProjectError(f'"{spec}" does not name a function', 'write "file.py:function", as in "data.py:load"')
    path = (base / match["file"]).resolve()
    if not path.is_file():
        raise ProjectError(f"there is no file {path}", f'it is named by "{spec}"')
    try:
        with _neighbours_importable(path.parent):
            function = getattr(_run(path), match["function"], None)
            if not callable(function):
                raise ProjectError(f"{path.name} has no function named {match['function']}")
            return function(*arguments)
    except EdgelstmError:
        raise
    except (Exception, SystemExit) as error:
        raise ProjectError(
            f"{spec} failed: {_describe(error, path)}", "the fault lies in your code, or in how it is called"
        ) from error


def _run(path: Path) -> ModuleType:
    name = f"edgelstm_user_{re.sub(r'[^A-Za-z0-9_]', '_', path.stem)}"
    module_spec = importlib.util.spec_from_file_location(name, path)
    if module_spec is None or module_spec.loader is None:
        raise ProjectError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(module_spec)
    # Dataclasses and pickle look their module up while it runs.
    sys.modules[name] = module
    module_spec.loader.exec_module(module)
    return module


@contextmanager
def _neighbours_importable(folder: Path) -> Iterator[None]:
    known = set(sys.modules)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        with suppress(ValueError):
            sys.path.remove(str(folder))
        for name in set(sys.modules) - known:
            # Not everything below the folder: a virtual environment may live there.
            if Path(getattr(sys.modules[name], "__file__", None) or "/").parent == folder:
                del sys.modules[name]


def _describe(error: BaseException, path: Path) -> str:
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f"{text} ({path.name}, line {lines[-1]})" if lines else text
