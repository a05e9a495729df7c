"""Takes a target's file apart: typed values, and everything that is wrong with them."""

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any

ADDRESS_LIMIT = 1 << 32


class Reader:
    """Takes typed values out of a table and notes what is wrong, to be told all at once."""

    def __init__(self, table: Mapping[str, Any], path: str = "") -> None:
        self._rest = dict(table)
        self._missed: set[str] = set()
        self._path = path
        self._children: list[Reader] = []
        self.problems: list[str] = []

    def text(self, key: str, *, default: str | None = None, pattern: re.Pattern[str] | None = None) -> str:
        """A line of text, matching `pattern` where there is one."""
        value = self._take(key, default)
        if not isinstance(value, str) or not value.isprintable() or len(value) > 200:
            self._wrong(key, "text of one line")
            return ""
        if value != default and pattern is not None and pattern.fullmatch(value) is None:
            self._wrong(key, "a word of a-z, 0-9, - and _")
        return value

    def integer(self, key: str, minimum: int, maximum: int, default: int | None = None) -> int:
        """An integer in a range; hexadecimal in messages, because most are addresses."""
        value = self._take(key, default)
        if type(value) is not int or (not minimum <= value <= maximum and value != default):
            self._wrong(key, f"an integer from {minimum:#x} to {maximum:#x}")
            return minimum
        return value

    def optional_integer(self, key: str, minimum: int, maximum: int) -> int | None:
        """An integer in a range, or None where the key is missing."""
        self._missed.add(key)
        return self.integer(key, minimum, maximum) if key in self._rest else None

    def option(self, key: str) -> str | int:
        """Text or an integer of 32 bits."""
        return self.integer(key, 0, ADDRESS_LIMIT - 1) if type(self._rest.get(key)) is int else self.text(key)

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of lines of text."""
        value = self._take(key, None)
        if not isinstance(value, list) or not all(isinstance(item, str) and item.isprintable() for item in value):
            self._wrong(key, "a list of text")
            return ()
        return tuple(value)

    def table(self, key: str) -> "Reader | None":
        """A table, or None where the key is missing."""
        value = self._take(key, None)
        if value is None:
            return None
        if not isinstance(value, dict):
            self._wrong(key, "a table")
            return None
        return self._child(value, f"{self._path}{key}.")

    def tables(self, key: str) -> "tuple[Reader, ...]":
        """A list of tables; empty where the key is missing."""
        value = self._take(key, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            self._wrong(key, "a list of tables")
            return ()
        return tuple(self._child(item, f"{self._path}{key}[{index}].") for index, item in enumerate(value))

    def __iter__(self) -> Iterator[str]:
        """The keys that nobody has taken yet."""
        return iter(tuple(self._rest))

    def all_problems(self) -> list[str]:
        """What is wrong here and in all tables below, unknown keys included."""
        unknown = [f"{self._path}{key}: unknown key{self._meant_by(key)}" for key in self._rest]
        below = [problem for child in self._children for problem in child.all_problems()]
        return [*self.problems, *unknown, *below]

    def _take(self, key: str, default: object) -> object:
        if key not in self._rest:
            self._missed.add(key)
            return default
        return self._rest.pop(key)

    def _meant_by(self, unknown: str) -> str:
        """Which of the keys that are not there an unknown one may stand for."""
        near = difflib.get_close_matches(unknown, sorted(self._missed), n=1)
        return f"; did you mean {near[0]}?" if near else ""

    def _wrong(self, key: str, expected: str) -> None:
        self.problems.append(f"{self._path}{key}: needs {expected}")

    def _child(self, table: Mapping[str, Any], path: str) -> "Reader":
        child = Reader(table, path)
        self._children.append(child)
        return child
