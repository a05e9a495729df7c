"""What other programs say when they fail, in one line with advice."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

_LINE_CHARACTERS = 200


@dataclass(frozen=True)
class Failure:
    """A way in which a program fails.

    Attributes:
        pattern: a regular expression over its output, searched line by line.
        message: what that means. `{0}` stands for the first group of the pattern.
        advice: what to do about it.
    """

    pattern: str
    message: str
    advice: str


def find_failure(output: str, failures: Sequence[Failure]) -> tuple[str, str] | None:
    """Message and advice of the first of `failures` that the output shows, None if it shows none."""
    for failure in failures:
        match = re.search(failure.pattern, output, re.MULTILINE | re.IGNORECASE)
        if match is not None:
            groups = [(group or "")[:_LINE_CHARACTERS] for group in match.groups()]
            return failure.message.format(*groups), failure.advice
    return None


def last_line(output: str) -> str:
    """The last line that says anything, "nothing" if there is none."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return lines[-1][:_LINE_CHARACTERS] if lines else "nothing"
