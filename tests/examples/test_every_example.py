"""Every example is found from the README, and its own says how to run it."""

import re
from pathlib import Path

import pytest

from edgelstm.project import load_project

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(path.parent for path in ROOT.glob("firmware_examples/*/edgelstm.toml"))


def test_the_readme_links_every_example():
    linked = re.findall(r"\(firmware_examples/(\w+)/README\.md\)", (ROOT / "README.md").read_text())
    assert sorted(linked) == [folder.name for folder in EXAMPLES]


@pytest.mark.parametrize("folder", EXAMPLES, ids=lambda folder: folder.name)
def test_an_example_is_run_by_the_command_of_its_readme(folder):
    project = load_project(folder)
    assert project.name == folder.name
    assert project.build.targets == ("cortex-m4",)
    readme = (folder / "README.md").read_text()
    assert f"    cd firmware_examples/{folder.name}\n    edgelstm build --target cortex-m4\n" in readme
    for file in ("data.py", "model.py"):
        assert f"| `{file}` |" in readme
