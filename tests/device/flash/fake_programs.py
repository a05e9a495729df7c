"""Programs on PATH that write down how they are called and act a part."""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pytest

_SOURCE = """#!{python} -S
import json, os, sys, time
here = {folder!r}
files = {{name: open(name, "rb").read().decode("latin-1") for name in os.listdir(".")}}
with open(os.path.join(here, "calls"), "a") as log:
    log.write(json.dumps([sys.argv[1:], files]) + "\\n")
for act in json.load(open(os.path.join(here, {name!r} + ".acts"))):
    if act["when"] in sys.argv[1:] or not act["when"]:
        sys.stdout.write(act["says"])
        sys.stdout.flush()
        time.sleep(act["sleeps_s"])
        sys.exit(act["exit_code"])
sys.exit("nothing to act")
"""


@dataclass(frozen=True)
class Act:
    """What a program does if one of its arguments is `when`, or whatever they are if that is ""."""

    says: str = ""
    exit_code: int = 0
    when: str = ""
    sleeps_s: float = 0.0


@dataclass(frozen=True)
class Call:
    """How a program was called: its arguments, and the files of its folder."""

    arguments: list[str]
    files: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Stage:
    """A folder with the programs, alone on PATH."""

    folder: Path

    def play(self, program: str, *acts: Act) -> None:
        """Put a program on PATH; the first act that suits its arguments is played."""
        path = self.folder / program
        path.write_text(_SOURCE.format(python=sys.executable, folder=str(self.folder), name=program))
        path.chmod(0o755)
        (self.folder / f"{program}.acts").write_text(json.dumps([asdict(act) for act in acts]))

    @property
    def calls(self) -> Sequence[Call]:
        """All calls so far."""
        log = self.folder / "calls"
        return [Call(*json.loads(line)) for line in log.read_text().splitlines()] if log.exists() else []


def make_stage(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    folder.mkdir()
    monkeypatch.setenv("PATH", os.fspath(folder))
    return Stage(folder)
