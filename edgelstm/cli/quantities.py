"""Amounts with units on the command line: 64K bytes, 5ms, 64MHz, 16,32,64 units."""

import re

import click

from edgelstm.project.quantities import bytes_of

_DEADLINE = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)(us|ms|s)?")
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}
_FREQUENCY = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)\s*(Hz|kHz|MHz|GHz)?", re.IGNORECASE)
_HERTZ = {"hz": 1.0, "khz": 1e3, "mhz": 1e6, "ghz": 1e9}


class Bytes(click.ParamType[int]):
    """A number of bytes; K stands for 1024, M for 1024 K."""

    name = "bytes"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Click's way to read a value."""
        found = bytes_of(str(value))
        if found is None:
            self.fail(f"{str(value)[:40]!a} is no number of bytes; write it like 65536 or 64K", param, ctx)
        return found


class Frequency(click.ParamType[float]):
    """A frequency in Hz; a number without a unit is in `unit`, "Hz" or "MHz"."""

    name = "frequency"

    def __init__(self, unit: str, least_hz: float, most_hz: float) -> None:
        """Both ends are allowed."""
        self._unit = unit
        self._least_hz = least_hz
        self._most_hz = most_hz

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Click's way to read a value."""
        if isinstance(value, float):
            return value
        found = _FREQUENCY.fullmatch(str(value).strip())
        hertz = float(found.group(1)) * _HERTZ[(found.group(2) or self._unit).lower()] if found else 0.0
        if not self._least_hz <= hertz <= self._most_hz:
            self.fail(
                f"{str(value)[:40]!a} is no frequency from {self._least_hz:g} to {self._most_hz:g} Hz; write it like "
                f"64 ({self._unit}), 64MHz or 32.768kHz",
                param,
                ctx,
            )
        return hertz


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
