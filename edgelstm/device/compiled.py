"""Helpers in C for this computer, compiled when they are used for the first time and kept in the user's cache."""

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from edgelstm.device.compiled_folder import compiled_folder
from edgelstm.device.compilers import Compiler, cache_environment, find_compiler
from edgelstm.device.process import run, tail
from edgelstm.device.targets import load_target
from edgelstm.errors import OutputError, ToolError, ToolFailedError
from edgelstm.output import content_hash

_COMPILE_TIMEOUT_S = 180
_START_TIMEOUT_S = 20


@dataclass(frozen=True)
class Helper:
    """What to compile.

    Attributes:
        name: of the file that comes of it, with a suffix or without.
        sources: C files and their headers, all in one folder.
        flags: of the compiler.
        libraries: what stands behind the sources, "-lsimavr".
        purpose: for a message, "the plugin that counts in QEMU".
        otherwise: what the user may do where it cannot be compiled.
        bare_exit: what it exits with when it is run without arguments; None for what is no program.
    """

    name: str
    sources: tuple[Path, ...]
    flags: tuple[str, ...]
    libraries: tuple[str, ...]
    purpose: str
    otherwise: str
    bare_exit: int | None = None


def ensure_compiled(helper: Helper, compiler: Compiler | None = None) -> Path:
    """The compiled helper: from the user's cache, or compiled now, also where that of the cache cannot start any more.

    Args:
        helper: what it is made of.
        compiler: for this computer; None takes the first found.

    Raises:
        ToolMissingError: there is no C compiler.
        ToolFailedError: the compiler refused.
        ToolError: others may write the cache.
        OutputError: the cache cannot be written.
    """
    builder = compiler or host_compiler()
    contents = {source.name: source.read_bytes() for source in helper.sources}
    options = (*helper.flags, *helper.libraries)
    key = content_hash(*contents, *contents.values(), *options, repr(builder), sys.platform)
    folder = compiled_folder()
    stem, _, suffix = helper.name.partition(".")
    compiled = folder / f"{stem}-{key[:32]}{'.' if suffix else ''}{suffix}"
    if not compiled.is_file() or not _starts(compiled, helper.bare_exit):
        try:
            with tempfile.TemporaryDirectory(dir=folder) as work:
                for name, content in contents.items():
                    (Path(work) / name).write_bytes(content)
                _compile(helper, builder, sorted(name for name in contents if name.endswith(".c")), Path(work))
                (Path(work) / helper.name).replace(compiled)
        except OSError as error:
            raise OutputError(
                f"{folder} cannot be written: {error.strerror}", "set XDG_CACHE_HOME to a folder of yours"
            ) from error
    return compiled


@lru_cache(maxsize=1)
def host_compiler() -> Compiler:
    """The first compiler found for this computer; raises ToolMissingError."""
    return find_compiler(load_target("host"))


def _starts(compiled: Path, bare_exit: int | None) -> bool:
    """False where a library that it was linked to is gone, or has come as another version."""
    if bare_exit is None:
        return True
    try:
        return run([str(compiled)], timeout_s=_START_TIMEOUT_S).exit_code == bare_exit
    except ToolError:
        return False


def _compile(helper: Helper, compiler: Compiler, sources: Sequence[str], work: Path) -> None:
    completed = run(
        [*compiler.argv, *helper.flags, *sources, "-o", helper.name, *helper.libraries],
        timeout_s=_COMPILE_TIMEOUT_S,
        cwd=work,
        environment={"LC_ALL": "C", **cache_environment(work)},
    )
    if completed.exit_code != 0:
        raise ToolFailedError(
            f"{compiler.label} could not compile {helper.purpose}:{tail(completed.output)}", helper.otherwise
        )
