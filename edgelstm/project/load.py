"""Finding edgelstm.toml and reading it: all problems are reported at once."""

import difflib
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from edgelstm.errors import ProjectError
from edgelstm.identifiers import as_model_name
from edgelstm.project.keys import EXCLUDED_BY_BUILD, KEYS, LIMITS
from edgelstm.project.settings import (
    AUTO,
    BuildSection,
    DataSection,
    FlashSection,
    ModelSection,
    Project,
    QuantizeSection,
    VerifySection,
)

PROJECT_FILE = "edgelstm.toml"

# tomllib takes quadratic time over a key of many dots: 16 KiB of them take about 2 s.
_MAX_FILE_BYTES = 16 * 1024

Values = dict[str, dict[str, Any]]


def find_project(start: Path) -> Path:
    """Return `start` if it is a project's folder; raises ProjectError. Folders above it are not searched."""
    if (start / PROJECT_FILE).is_file():
        return start
    raise ProjectError(
        f"there is no {PROJECT_FILE} in {start.resolve()}",
        'go to the project\'s folder, or make a project with "edgelstm new"',
    )


def load_project(folder: Path) -> Project:
    """Read the settings of the project in `folder`.

    A project without a name is called after its folder.

    Raises:
        ProjectError: the file is missing or not TOML, or has unknown keys or unusable values; all of them
            are listed.
    """
    find_project(folder)
    problems: list[str] = []
    values = _checked(_parse(folder / PROJECT_FILE), problems)
    excluded = [key for key in EXCLUDED_BY_BUILD if key in values["model"]]
    if "build" in values["model"] and excluded:
        problems.append(f"model.build makes the whole model, so model.{', model.'.join(excluded)} must not be set")
    limits = [key for key in LIMITS if key in values["build"]]
    if limits and values["build"].get("activations") != AUTO:
        problems.append(f'build.{", build.".join(limits)} is for activations = "auto", which is not set')
    if problems:
        listed = "\n".join(f"  - {problem}" for problem in problems)
        raise ProjectError(
            f"{folder / PROJECT_FILE} cannot be used:\n{listed}",
            "the README lists every key; `edgelstm new` writes a file with the common ones",
        )
    return Project(
        folder=folder,
        name=values["project"].get("name", as_model_name(folder.resolve().name)),
        data=DataSection(**values["data"]),
        model=ModelSection(**values["model"]),
        quantize=QuantizeSection(**values["quantize"]),
        build=BuildSection(**values["build"]),
        verify=VerifySection(**values["verify"]),
        flash=FlashSection(**values["flash"]),
    )


def _parse(path: Path) -> Mapping[str, object]:
    try:
        with path.open("rb") as stream:
            content = stream.read(_MAX_FILE_BYTES + 1)
        if len(content) > _MAX_FILE_BYTES:
            raise ProjectError(f"{path} is larger than {_MAX_FILE_BYTES // 1024} KiB")
        return tomllib.loads(content.decode())
    except OSError as error:
        raise ProjectError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise ProjectError(f"{path} is not valid TOML: {error!s:.200}") from error


def _checked(document: Mapping[str, object], problems: list[str]) -> Values:
    values: Values = {section: {} for section in KEYS}
    for section, table in document.items():
        if section not in KEYS:
            problems.append(f"[{_shown(section)}] is no section{_suggestion(section, KEYS)}")
        elif not isinstance(table, dict):
            problems.append(f"{section} must be a section, [{section}]")
        else:
            values[section] = _checked_section(section, table, problems)
    return values


def _checked_section(section: str, table: Mapping[str, object], problems: list[str]) -> dict[str, Any]:
    checks = KEYS[section]
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in checks:
            problems.append(f"{section}.{_shown(key)} is no key{_suggestion(key, checks)}")
            continue
        try:
            values[key] = checks[key](value)
        except ValueError as error:
            problems.append(f"{section}.{key} = {_shown_value(value)}: expected {error}")
    return values


def _shown(key: str) -> str:
    return key if key.isidentifier() and key.isascii() and len(key) <= 60 else f"{key!a:.60}"


def _shown_value(value: object) -> str:
    try:
        return f"{value!a:.60}"
    except (ValueError, RecursionError):
        # TOML allows hexadecimal numbers and dotted keys of any length, which Python cannot print.
        return "(too long to show)"


def _suggestion(key: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(key[:60].lower(), known, n=1)
    return f'; did you mean "{close[0]}"?' if close else f" (there are {', '.join(known)})"
