"""Calls the command line in this process."""

import contextlib
import io
import json
from dataclasses import dataclass
from typing import Any

from edgelstm.cli import call

BUILD = ("build", "model.keras", "--data", "data.npz")


@dataclass(frozen=True)
class Outcome:
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, which must be one JSON document."""
        return json.loads(self.out)

    @property
    def error(self) -> str:
        """The message and the hint of a command that failed with code 1, without the progress before them."""
        assert self.code == 1, self
        assert self.out == ""
        start = self.err.find("error: ")
        assert start >= 0, self.err
        assert "bug in edgelstm" not in self.err
        assert "Traceback" not in self.err
        return self.err[start:]


def edgelstm(*arguments: object) -> Outcome:
    """Run a command."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = call([str(argument) for argument in arguments])
    return Outcome(code, out.getvalue(), err.getvalue())


def succeed(*arguments: object) -> Outcome:
    """Run a command that must succeed."""
    outcome = edgelstm(*arguments)
    assert outcome.code == 0, outcome.err
    return outcome
