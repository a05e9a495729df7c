"""Targets: `targets/<name>.toml` -> `Target`. One flat file a target; every key is checked."""

import difflib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from edgelstm.device.architectures import ARCHITECTURES, Place
from edgelstm.device.compiler_flags import forbidden_flags
from edgelstm.device.target_reader import ADDRESS_LIMIT, Reader
from edgelstm.errors import TargetError
from edgelstm.resources import targets_dir

_TARGET_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_WORD = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_FILE_LIMIT_BYTES = 1 << 16
TARGET_SUFFIX = ".toml"

RUNNER_NAMES = ("host", "qemu", "unicorn", "simavr")
COMPILER_FAMILIES = ("gcc", "clang", "zig")

_WITH_C_LIBRARY = ("host", "avr")
"""Architectures whose firmware needs nothing of targets/arch/chip."""


@dataclass(frozen=True)
class MemoryRegion:
    """A range of addresses on the chip, in bytes.

    `data_origin` is where the same bytes are read as data, on chips that fetch code and read data through
    different windows; None where one address serves both.
    """

    name: str
    origin: int
    size_bytes: int
    data_origin: int | None = None

    @property
    def end(self) -> int:
        """The first address behind the region."""
        return self.origin + self.size_bytes

    def holds(self, address: int) -> bool:
        """Whether `address` lies in the region."""
        return self.origin <= address < self.end

    @property
    def data_window(self) -> "MemoryRegion | None":
        """The window through which it is read as data, where that is another."""
        if self.data_origin is None:
            return None
        return MemoryRegion(f"{self.name}_data", self.data_origin, self.size_bytes)


@dataclass(frozen=True)
class QemuMachine:
    """How QEMU emulates a target: its `-M` name, the clock that `port_ticks` reads, in Hz, its `-cpu` or ""."""

    machine: str
    ticks_hz: int
    cpu: str = ""


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
        board: the name of the board whose chip this is, "" where the target stands for a core.
        arch: names the folder of startup code, `targets/arch/<arch>`.
        isa: names the kernel header, `templates/c/isa/<isa>.h`.
        compiler_flags: what makes a compiler of each family generate code for this target.
        runners: how to run a firmware, best first.
        memory: the regions of the linker script; empty for the host.
        stack_bytes: reserved for the stack; 0 for the host.
        boot: names what the chip wants first in its flash, `targets/boot/<boot>.c`; "" for nothing.
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
    board: str = ""
    boot: str = ""
    flash_runner: str = ""
    flash: Mapping[str, Mapping[str, str | int]] = field(default_factory=dict)
    qemu: QemuMachine | None = None
    unicorn_cpu: str = ""
    simavr: SimavrMcu | None = None

    @property
    def runs_from_ram(self) -> bool:
        """Whether code is loaded into a memory of its own, "iram", and constants into "ram"."""
        return "iram" in ARCHITECTURES[self.arch].regions

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


def list_cores() -> tuple[str, ...]:
    """The names of the targets that stand for a processor core and not for a board, sorted."""
    return tuple(name for name in list_targets() if name != "host" and not load_target(name).board)


def load_target(name: str) -> Target:
    """Read a target by name, or from the user's own file if `name` ends in .toml.

    Raises:
        TargetError: there is no such target, or its file is wrong; lists everything that is wrong with it.
    """
    if name.endswith(TARGET_SUFFIX):
        return read_target(Path(name))
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
    if _TARGET_NAME.fullmatch(path.stem) is None:
        raise TargetError(
            f"{path.name[:80]!r} cannot name a target", "name the file with a-z, 0-9 and -, as in my-board.toml"
        )
    if not path.is_file():
        raise TargetError(f"there is no target file {path}", "leave .toml out to name a target of `edgelstm targets`")
    try:
        with path.open("rb") as file:
            content = file.read(_FILE_LIMIT_BYTES + 1)
        if len(content) > _FILE_LIMIT_BYTES:
            raise ValueError(f"it is larger than {_FILE_LIMIT_BYTES} bytes")
        table = tomllib.loads(content.decode())
    except (OSError, ValueError, RecursionError) as error:
        raise TargetError(f"target file {path} cannot be read: {error}") from error
    reader = Reader(table)
    target = _target(path.stem, reader)
    problems = reader.all_problems() or _contradictions(target)
    if problems:
        listed = "\n".join(f"  - {problem}" for problem in problems)
        raise TargetError(f"target file {path.name} is wrong:\n{listed}", "compare it with targets/cortex-m4.toml")
    return target


def support_dirs(target: Target) -> tuple[Path, ...]:
    """Where the C files lie that every firmware of the target has: start-up, port, run-time functions."""
    arch = targets_dir() / "arch"
    return (arch / target.arch,) if target.arch in _WITH_C_LIBRARY else (arch / "chip", arch / target.arch)


def boot_source(target: Target) -> Path | None:
    """The C file with what the target's chip wants first in its flash; None where it wants nothing."""
    return targets_dir() / "boot" / f"{target.boot}.c" if target.boot else None


def support_sources(target: Target) -> list[Path]:
    """The C files that every firmware of the target has; an architecture's own replace others of their name."""
    boot = boot_source(target)
    by_name = {path.name: path for folder in support_dirs(target) for path in sorted(folder.glob("*.c"))}
    return [*by_name.values(), *(() if boot is None else (boot,))]


def _target(name: str, reader: Reader) -> Target:
    flags = reader.table("compiler_flags")
    qemu = reader.table("qemu")
    unicorn = reader.table("unicorn")
    simavr = reader.table("simavr")
    return Target(
        name=name,
        description=reader.text("description"),
        board=reader.text("board", default=""),
        arch=reader.text("arch", pattern=_WORD),
        isa=reader.text("isa", pattern=_WORD),
        compiler_flags={} if flags is None else {family: flags.texts(family) for family in flags},
        runners=reader.texts("runners"),
        memory=tuple(_region(table) for table in reader.tables("memory")),
        stack_bytes=reader.integer("stack_bytes", 256, 1 << 24, default=0),
        boot=reader.text("boot", default="", pattern=_WORD),
        flash_runner=reader.text("flash_runner", default="", pattern=_WORD),
        flash=_flash(reader.table("flash")),
        qemu=None
        if qemu is None
        else QemuMachine(
            qemu.text("machine", pattern=_WORD),
            qemu.integer("ticks_hz", 1, 10**10),
            qemu.text("cpu", default="", pattern=_WORD),
        ),
        unicorn_cpu="" if unicorn is None else unicorn.text("cpu", pattern=_WORD),
        simavr=None
        if simavr is None
        else SimavrMcu(simavr.text("mcu", pattern=_WORD), simavr.integer("clock_hz", 1, 10**9)),
    )


def _flash(reader: Reader | None) -> Mapping[str, Mapping[str, str | int]]:
    """[flash.<runner>] tables."""
    tables = {} if reader is None else {runner: reader.table(runner) for runner in reader}
    return {runner: {key: table.option(key) for key in table} for runner, table in tables.items() if table is not None}


def _region(reader: Reader) -> MemoryRegion:
    return MemoryRegion(
        reader.text("name", pattern=_WORD),
        reader.integer("origin", 0, ADDRESS_LIMIT - 1),
        reader.integer("size_bytes", 1, ADDRESS_LIMIT),
        reader.optional_integer("data_origin", 0, ADDRESS_LIMIT - 1),
    )


def _contradictions(target: Target) -> list[str]:
    """What is wrong with values that are each right by themselves."""
    problems = [
        f"compiler_flags.{family}: the families are {', '.join(COMPILER_FAMILIES)}"
        for family in target.compiler_flags
        if family not in COMPILER_FAMILIES
    ]
    problems += [
        f"compiler_flags.{family}: {flag[:40]!r} does not choose a core"
        for family, flags in target.compiler_flags.items()
        for flag in forbidden_flags(flags)
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
    boot = boot_source(target)
    if boot is not None and not boot.is_file():
        problems.append(f"boot: there is no targets/boot/{boot.name}")
    if target.arch not in ARCHITECTURES:
        return [*problems, f"arch: {target.arch!r} is none of {', '.join(ARCHITECTURES)}"]
    isas = ARCHITECTURES[target.arch].isas
    if target.isa not in isas:
        problems.append(f"isa: {target.isa!r} is none of {', '.join(isas)}, the kernels for {target.arch}")
    return problems + _memory_problems(target)


def _memory_problems(target: Target) -> list[str]:
    needed, places = ARCHITECTURES[target.arch].regions, ARCHITECTURES[target.arch].places
    names = [region.name for region in target.memory]
    if sorted(names) != sorted(needed):
        return [f"memory: {target.arch} needs the regions ({', '.join(needed)}), not ({', '.join(names)})"]
    windows = [window for region in target.memory if (window := region.data_window) is not None]
    spans = [*target.memory, *windows]
    problems = [
        f"memory {span.name}: {problem}"
        for span in spans
        if (problem := places.get(span.name.removesuffix("_data"), Place()).problem(span.origin, span.end)) is not None
    ]
    if any(target.arch != "riscv" or window.name != "flash_data" for window in windows):
        problems.append("memory: only the flash of riscv may have a data_origin")
    ordered = sorted(spans, key=lambda region: region.origin)
    problems += [
        f"memory: {one.name} and {other.name} overlap" for one, other in pairwise(ordered) if one.end > other.origin
    ]
    if needed and not 256 <= target.stack_bytes <= target.region("ram").size_bytes:
        problems.append("stack_bytes: needed, and at most the size of ram")
    if target.stack_bytes % 8:
        problems.append("stack_bytes: not a multiple of 8")
    return problems
