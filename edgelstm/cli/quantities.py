"""Amounts with units on the command line: 64K bytes, 5ms, 16,32,64 units."""

import re

import click

_BYTES = re.compile(r"(\d{1,9})(K|M)?B?", re.IGNORECASE)
_DEADLINE = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)(us|ms|s)?")
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}
_FACTORS = {"": 1, "k": 1 << 10, "m": 1 << 20}


class Bytes(click.ParamType[int]):
    """A number of bytes; K stands for 1024, M for 1024 K."""

    name = "bytes"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Click's way to read a value."""
        found = _BYTES.fullmatch(str(value).strip())
        if found is None:
            self.fail(f"{str(value)[:40]!a} is no number of bytes; write it like 65536 or 64K", param, ctx)
        return int(found.group(1)) * _FACTORS[(found.group(2) or "").lower()]


class Deadline(click.ParamType[tuple[int | None, float | None]]):
    """Instructions, or seconds where a unit says so: (instructions, None) or (None, seconds)."""

    name = "deadline"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int | None, float | None]:
        """Click's way to read a value."""
        if isinstance(value, tuple):
            return value
        found = _DEADLINE.fullmatch(str(value).strip())
        number, unit = found.groups() if found else ("", None)
        if found is None or float(number) == 0 or (unit is None and "." in number):
            self.fail(f"{str(value)[:40]!a} is no deadline; write it like 5ms, 250us or 20000", param, ctx)
        return (int(number), None) if unit is None else (None, float(number) * _SECONDS[unit])


class Counts(click.ParamType[tuple[int, ...]]):
    """Whole numbers from 1 on, separated by commas; all that are wrong are named at once."""

    name = "counts"
    most = 1 << 16

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Click's way to read a value."""
        if isinstance(value, tuple):
            return value
        words = [word.strip() for word in str(value).split(",")]
        wrong = [word for word in words if not (re.fullmatch(r"\d{1,9}", word) and 1 <= int(word) <= self.most)]
        if wrong:
            listed = ", ".join(f"{word[:20]!a}" for word in wrong[:10])
            self.fail(f"{listed}: give whole numbers from 1 to {self.most}, like 16,32,64", param, ctx)
        return tuple(dict.fromkeys(int(word) for word in words))
