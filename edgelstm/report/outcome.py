"""What became of one target of a build: its result, or why there is none."""

from dataclasses import dataclass

from edgelstm.errors import EdgelstmError
from edgelstm.report.result import Result


@dataclass(frozen=True)
class Outcome:
    """Exactly one of `result` and `error` is there."""

    target: str
    result: Result | None = None
    error: EdgelstmError | None = None
