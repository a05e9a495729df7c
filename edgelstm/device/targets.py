"""Targets: `targets/<name>.toml` -> `Target`. One flat file a target; every key is checked."""

import difflib
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

from edgelstm.device.target import MemoryRegion, QemuMachine, SimavrMcu, Target
from edgelstm.device.target_problems import contradictions, machine_problems
from edgelstm.device.target_reader import ADDRESS_LIMIT, Reader
from edgelstm.errors import TargetError
from edgelstm.resources import targets_dir

__all__ = [
    "MemoryRegion",
    "QemuMachine",
    "SimavrMcu",
    "Target",
    "boot_source",
    "list_cores",
    "list_targets",
    "load_target",
    "read_target",
    "support_dirs",
    "support_sources",
]

_TARGET_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_WORD = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_FILE_LIMIT_BYTES = 1 << 16
TARGET_SUFFIX = ".toml"

_WITH_C_LIBRARY = ("host", "avr")
"""Architectures whose firmware needs nothing of targets/arch/chip."""


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
    problems = _problems(reader, target)
    if problems:
        listed = "\n".join(f"  - {problem}" for problem in problems)
        raise TargetError(f"target file {path.name} is wrong:\n{listed}", "compare it with targets/cortex-m4.toml")
    return target


def _problems(reader: Reader, target: Target) -> list[str]:
    """All at once: wrong values, then what contradicts what among the others."""
    wrong = reader.all_problems()
    problems = [*contradictions(target), *machine_problems(target)]
    known = {_about(problem) for problem in wrong}
    return [*wrong, *(problem for problem in problems if _about(problem) not in known)]


def _about(problem: str) -> str:
    """The key that a problem is with, or for the many about memory what they share."""
    key = problem.split(":", maxsplit=1)[0]
    return "memory" if key.startswith("memory") else key


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
        clock_hz=reader.integer("clock_hz", 1, 10**10, default=0),
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
