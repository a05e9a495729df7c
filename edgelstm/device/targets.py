"""Targets: `targets/<name>.toml` -> `Target`. One flat file a target; every key is checked."""

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from edgelstm.errors import TargetError
from edgelstm.resources import targets_dir

_TARGET_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_WORD = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_ADDRESS_LIMIT = 1 << 32
_FILE_LIMIT_BYTES = 1 << 16

RUNNER_NAMES = ("host", "qemu", "unicorn", "simavr")
COMPILER_FAMILIES = ("gcc", "clang", "zig")
REGIONS = {"cortex-m": ("flash", "ram"), "riscv": ("flash", "ram"), "avr": ("flash", "ram"), "host": ()}
"""The memory regions that the linker script of an architecture needs; the keys are the architectures."""

_WITHOUT_SEMIHOSTING = ("host", "avr")
"""Architectures with a port of their own."""


@dataclass(frozen=True)
class MemoryRegion:
    """A range of addresses on the chip, in bytes."""

    name: str
    origin: int
    size_bytes: int

    @property
    def end(self) -> int:
        """The first address behind the region."""
        return self.origin + self.size_bytes

    def holds(self, address: int) -> bool:
        """Whether `address` lies in the region."""
        return self.origin <= address < self.end


@dataclass(frozen=True)
class QemuMachine:
    """How QEMU emulates a target: its `-M` name, and the clock that `port_ticks` reads, in Hz."""

    machine: str
    ticks_hz: int


@dataclass(frozen=True)
class SimavrMcu:
    """How simavr emulates a target: its name of the part, and the clock in Hz."""

    mcu: str
    clock_hz: int


@dataclass(frozen=True)
class Target:
    """What the generated firmware is built for and runs on.

    Attributes:
        name: the file's name without `.toml`.
        description: one line for people.
        arch: names the folder of startup code, `targets/arch/<arch>`.
        isa: names the kernel header, `templates/c/isa/<isa>.h`.
        compiler_flags: what makes a compiler of each family generate code for this target.
        runners: how to run a firmware, best first.
        memory: the regions of the linker script; empty for the host.
        stack_bytes: reserved for the stack; 0 for the host.
        flash_runner: how to write a firmware to the chip by default, "" if there is no chip.
        flash: for each way to write it that needs to be told more, its options; that way knows which there are.
        qemu: None if QEMU does not emulate the target.
        unicorn_cpu: Unicorn's CPU model, "" if it has none.
        simavr: None if simavr does not emulate the target.
    """

    name: str
    description: str
    arch: str
    isa: str
    compiler_flags: Mapping[str, tuple[str, ...]]
    runners: tuple[str, ...]
    memory: tuple[MemoryRegion, ...] = ()
    stack_bytes: int = 0
    flash_runner: str = ""
    flash: Mapping[str, Mapping[str, str | int]] = field(default_factory=dict)
    qemu: QemuMachine | None = None
    unicorn_cpu: str = ""
    simavr: SimavrMcu | None = None

    def region(self, name: str) -> MemoryRegion:
        """The memory region of that name.

        Raises:
            TargetError: the target has no such region.
        """
        for region in self.memory:
            if region.name == name:
                return region
        raise TargetError(f"target {self.name} has no memory called {name}", "choose a microcontroller")


def list_targets() -> tuple[str, ...]:
    """The names of all targets, sorted."""
    return tuple(sorted(path.stem for path in targets_dir().glob("*.toml")))


def load_target(name: str) -> Target:
    """Read a target by name.

    Raises:
        TargetError: there is no such target, or its file is wrong; lists everything that is wrong with it.
    """
    known = list_targets()
    if _TARGET_NAME.fullmatch(name) is None or name not in known:
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
        suggestion = f"did you mean {' or '.join(near)}? " if near else ""
        raise TargetError(f"there is no target called {name[:80]!r}", f"{suggestion}`edgelstm targets` lists them")
    return read_target(targets_dir() / f"{name}.toml")


def read_target(path: Path) -> Target:
    """Read a target file; its name without `.toml` becomes the target's.

    Raises:
        TargetError: the file cannot be read or is wrong; lists everything that is wrong with it.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_FILE_LIMIT_BYTES)
        table = tomllib.loads(content.decode())
    except (OSError, ValueError, RecursionError) as error:
        raise TargetError(f"target file {path} cannot be read: {error}") from error
    reader = _Reader(table)
    target = _target(path.stem, reader)
    problems = reader.all_problems() or _contradictions(target)
    if problems:
        listed = "\n".join(f"  - {problem}" for problem in problems)
        raise TargetError(f"target file {path.name} is wrong:\n{listed}", "compare it with targets/cortex-m4.toml")
    return target


class _Reader:
    """Takes typed values out of a table and notes what is wrong, to be told all at once."""

    def __init__(self, table: Mapping[str, Any], path: str = "") -> None:
        self._rest = dict(table)
        self._path = path
        self._children: list[_Reader] = []
        self.problems: list[str] = []

    def text(self, key: str, *, default: str | None = None, pattern: re.Pattern[str] | None = None) -> str:
        value = self._take(key, default)
        if not isinstance(value, str) or not value.isprintable() or len(value) > 200:
            self._wrong(key, "text of one line")
            return ""
        if value != default and pattern is not None and pattern.fullmatch(value) is None:
            self._wrong(key, "a word of a-z, 0-9, - and _")
        return value

    def integer(self, key: str, minimum: int, maximum: int, default: int | None = None) -> int:
        value = self._take(key, default)
        if type(value) is not int or (not minimum <= value <= maximum and value != default):
            self._wrong(key, f"an integer from {minimum:#x} to {maximum:#x}")
            return minimum
        return value

    def option(self, key: str) -> str | int:
        return self.integer(key, 0, _ADDRESS_LIMIT) if type(self._rest.get(key)) is int else self.text(key)

    def texts(self, key: str) -> tuple[str, ...]:
        value = self._take(key, None)
        if not isinstance(value, list) or not all(isinstance(item, str) and item.isprintable() for item in value):
            self._wrong(key, "a list of text")
            return ()
        return tuple(value)

    def table(self, key: str) -> "_Reader | None":
        value = self._rest.pop(key, None)
        if value is None:
            return None
        if not isinstance(value, dict):
            self._wrong(key, "a table")
            return None
        return self._child(value, f"{self._path}{key}.")

    def tables(self, key: str) -> "tuple[_Reader, ...]":
        value = self._rest.pop(key, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            self._wrong(key, "a list of tables")
            return ()
        return tuple(self._child(item, f"{self._path}{key}[{index}].") for index, item in enumerate(value))

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._rest))

    def all_problems(self) -> list[str]:
        unknown = [f"{self._path}{key}: unknown key" for key in self._rest]
        below = [problem for child in self._children for problem in child.all_problems()]
        return [*self.problems, *unknown, *below]

    def _take(self, key: str, default: object) -> object:
        if key not in self._rest:
            return default
        return self._rest.pop(key)

    def _wrong(self, key: str, expected: str) -> None:
        self.problems.append(f"{self._path}{key}: needs {expected}")

    def _child(self, table: Mapping[str, Any], path: str) -> "_Reader":
        child = _Reader(table, path)
        self._children.append(child)
        return child


def support_dirs(target: Target) -> tuple[Path, ...]:
    """Where the C files lie that every firmware of the target has: start-up, port, run-time functions."""
    arch = targets_dir() / "arch"
    return (arch / target.arch,) if target.arch in _WITHOUT_SEMIHOSTING else (arch / "chip", arch / target.arch)


def _target(name: str, reader: _Reader) -> Target:
    flags = reader.table("compiler_flags")
    qemu = reader.table("qemu")
    unicorn = reader.table("unicorn")
    simavr = reader.table("simavr")
    return Target(
        name=name,
        description=reader.text("description"),
        arch=reader.text("arch", pattern=_WORD),
        isa=reader.text("isa", pattern=_WORD),
        compiler_flags={} if flags is None else {family: flags.texts(family) for family in flags},
        runners=reader.texts("runners"),
        memory=tuple(_region(table) for table in reader.tables("memory")),
        stack_bytes=reader.integer("stack_bytes", 256, 1 << 24, default=0),
        flash_runner=reader.text("flash_runner", default="", pattern=_WORD),
        flash=_flash(reader.table("flash")),
        qemu=None
        if qemu is None
        else QemuMachine(qemu.text("machine", pattern=_WORD), qemu.integer("ticks_hz", 1, 10**10)),
        unicorn_cpu="" if unicorn is None else unicorn.text("cpu", pattern=_WORD),
        simavr=None
        if simavr is None
        else SimavrMcu(simavr.text("mcu", pattern=_WORD), simavr.integer("clock_hz", 1, 10**9)),
    )


def _flash(reader: _Reader | None) -> Mapping[str, Mapping[str, str | int]]:
    """[flash.<runner>] tables."""
    tables = {} if reader is None else {runner: reader.table(runner) for runner in reader}
    return {runner: {key: table.option(key) for key in table} for runner, table in tables.items() if table is not None}


def _region(reader: _Reader) -> MemoryRegion:
    return MemoryRegion(
        reader.text("name", pattern=_WORD),
        reader.integer("origin", 0, _ADDRESS_LIMIT - 1),
        reader.integer("size_bytes", 1, _ADDRESS_LIMIT),
    )


def _contradictions(target: Target) -> list[str]:
    """What is wrong with values that are each right by themselves."""
    problems = [
        f"compiler_flags.{family}: the families are {', '.join(COMPILER_FAMILIES)}"
        for family in target.compiler_flags
        if family not in COMPILER_FAMILIES
    ]
    problems += [
        f"runners: {runner!r} is none of {', '.join(RUNNER_NAMES)}"
        for runner in target.runners
        if runner not in RUNNER_NAMES
    ]
    if not target.compiler_flags:
        problems.append("compiler_flags: no compiler can build it")
    if "qemu" in target.runners and target.qemu is None:
        problems.append("qemu: needed, because runners names it")
    if "unicorn" in target.runners and not target.unicorn_cpu:
        problems.append("unicorn: needed, because runners names it")
    if "simavr" in target.runners and target.simavr is None:
        problems.append("simavr: needed, because runners names it")
    if target.arch not in REGIONS:
        return [*problems, f"arch: {target.arch!r} is none of {', '.join(REGIONS)}"]
    return problems + _memory_problems(target)


def _memory_problems(target: Target) -> list[str]:
    needed = REGIONS[target.arch]
    names = [region.name for region in target.memory]
    if sorted(names) != sorted(needed):
        return [f"memory: {target.arch} needs the regions ({', '.join(needed)}), not ({', '.join(names)})"]
    problems = [
        f"memory {region.name}: ends behind the 32-bit address space"
        for region in target.memory
        if region.end > _ADDRESS_LIMIT
    ]
    ordered = sorted(target.memory, key=lambda region: region.origin)
    problems += [
        f"memory: {one.name} and {other.name} overlap" for one, other in pairwise(ordered) if one.end > other.origin
    ]
    if needed and not 256 <= target.stack_bytes <= target.region("ram").size_bytes:
        problems.append("stack_bytes: needed, and at most the size of ram")
    if target.stack_bytes % 8:
        problems.append("stack_bytes: not a multiple of 8")
    return problems
