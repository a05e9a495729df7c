"""What a target's file says about a flash runner: its table `[flash.<runner>]`, checked to the last key."""

import difflib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from edgelstm.device.target_reader import ADDRESS_LIMIT
from edgelstm.device.targets import Target
from edgelstm.errors import TargetError

_WORD = re.compile(r"(?!-)(?!.*\.\.)[A-Za-z0-9_.:/+-]{1,64}")
"""Text becomes a part of commands and of names of files: it must be no option and lead into no other folder."""


@dataclass(frozen=True)
class Key:
    """A key of a `[flash.<runner>]` table.

    Attributes:
        name: of the key.
        meaning: what it says, for the advice when it is missing.
        default: what holds without it; None if it is needed.
        is_text: whether its value is text, else an integer.
        choices: the words that it may be, where those are few.
        least: of an integer.
        most: of an integer, which other programs take with 32 bits.
    """

    name: str
    meaning: str
    default: str | int | None = None
    is_text: bool = True
    choices: tuple[str, ...] = ()
    least: int = 0
    most: int = ADDRESS_LIMIT - 1

    @property
    def kind(self) -> str:
        """What its value must be, in words."""
        return "a word" if self.is_text else f"an integer from {self.least} to {self.most}"

    def suits(self, value: str | int) -> bool:
        """Whether it may have that value."""
        if isinstance(value, int):
            return not self.is_text and self.least <= value <= self.most
        return self.is_text and (value in self.choices if self.choices else _WORD.fullmatch(value) is not None)


@dataclass(frozen=True)
class Options:
    """Values by key, each of the kind that its `Key` asks for."""

    values: Mapping[str, str | int]

    def text(self, name: str) -> str:
        """The text of a key."""
        return str(self.values[name])

    def integer(self, name: str) -> int:
        """The integer of a key."""
        return int(self.values[name])


def _meant_by(unknown: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(unknown, known, n=1)
    listed = f" (there are {', '.join(known)})" if known else ""
    return f"; did you mean {near[0]}?{listed}" if near else listed


def read_options(target: Target, runner: str, keys: Sequence[Key]) -> Options:
    """The options of a runner in a target's file.

    Raises:
        TargetError: keys are unknown, missing or of the wrong kind; names the file and every such key.
    """
    said = target.flash.get(runner, {})
    known = {key.name: key for key in keys}
    problems = [f"flash.{runner}.{name}: unknown key{_meant_by(name, known)}" for name in said if name not in known]
    values: dict[str, str | int] = {}
    for key in keys:
        value = said.get(key.name)
        if value is None and key.default is not None:
            values[key.name] = key.default
        elif value is None:
            problems.append(f"flash.{runner}.{key.name}: missing; it is {key.meaning}")
        elif not key.suits(value):
            problems.append(f"flash.{runner}.{key.name}: needs {key.kind}, {key.meaning}")
        else:
            values[key.name] = value
    if problems:
        listed = "\n".join(f"  - {problem}" for problem in problems)
        raise TargetError(
            f"target file {target.name}.toml does not say how runner {runner} flashes it:\n{listed}",
            f"correct its table [flash.{runner}], or choose another --runner",
        )
    return Options(values)
