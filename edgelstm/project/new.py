"""The files that a new project begins with: a small task that trains in seconds."""

import string
from importlib import resources
from pathlib import Path

from edgelstm.errors import OutputError, ProjectError
from edgelstm.identifiers import as_model_name, is_model_name
from edgelstm.project.load import PROJECT_FILE

_NAMED_FILES = (PROJECT_FILE, "README.md")
_OTHER_FILES = ("data.py",)


def new_project(folder: Path, name: str | None = None) -> dict[str, str]:
    """Make the contents of a new project. Nothing is written.

    Args:
        folder: where the caller will write the files; need not exist.
        name: the model's name; None takes the folder's.

    Returns:
        The text of each file, by its name.

    Raises:
        ProjectError: `name` cannot be used.
        OutputError: a file of that name is already in `folder`.
    """
    if name is not None and not is_model_name(name):
        raise ProjectError(f"{name!a:.60} cannot name a model", f'use a C identifier: "{as_model_name(name)}"')
    present = [file for file in (*_NAMED_FILES, *_OTHER_FILES) if (folder / file).exists()]
    if present:
        raise OutputError(f"{folder} already holds {', '.join(present)}", "choose another folder")
    model_name = name or as_model_name(folder.resolve().name)
    starter = resources.files("edgelstm.project") / "starter"
    files = {file: (starter / file).read_text(encoding="utf-8") for file in (*_NAMED_FILES, *_OTHER_FILES)}
    return files | {file: string.Template(files[file]).substitute(name=model_name) for file in _NAMED_FILES}
