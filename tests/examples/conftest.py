"""The examples as their projects load them."""

import importlib.util
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

from edgelstm.data import Dataset, load_dataset
from edgelstm.errors import ToolFailedError, ToolTimeoutError
from edgelstm.project import Project, load_project

EXAMPLES = Path(__file__).parents[2] / "firmware_examples"


@dataclass(frozen=True)
class Example:
    """A folder in firmware_examples/: `data` is its data.py, `dataset` what this loads."""

    data: ModuleType
    dataset: Dataset
    project: Project
    readme: str


@pytest.fixture(scope="session")
def load_example() -> Iterator[Callable[[str], Example]]:
    """Load an example by its name, once; skip where its wheel cannot be fetched, but not in CI."""
    loaded: dict[str, Example] = {}
    patched = pytest.MonkeyPatch()

    def load(name: str) -> Example:
        if name not in loaded:
            patched.syspath_prepend(EXAMPLES / name)
            loaded[name] = _load(EXAMPLES / name)
        return loaded[name]

    yield load
    patched.undo()


def _load(folder: Path) -> Example:
    spec = importlib.util.spec_from_file_location(folder.name, folder / "data.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    project = load_project(folder)
    assert project.data.source is not None
    try:
        dataset = load_dataset(project.data.source, base=folder)
    except (ToolFailedError, ToolTimeoutError) as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"no network: {error.message}")
    return Example(module, dataset, project, (folder / "README.md").read_text())
