"""Sources -> firmware: compile, link and write the images. The same sources give the same bytes."""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from edgelstm.device.compilers import SANITIZER_FLAGS, Compiler, cache_environment
from edgelstm.device.elf import read_elf
from edgelstm.device.images import to_binary, to_intel_hex
from edgelstm.device.linker_script import render_linker_script
from edgelstm.device.overflow import raise_if_too_large
from edgelstm.device.process import run, tail
from edgelstm.device.side_by_side import side_by_side
from edgelstm.device.targets import Target, support_sources
from edgelstm.errors import OutputError, ProjectError, ToolFailedError
from edgelstm.once import Once
from edgelstm.output import content_hash
from edgelstm.resources import templates_dir

OPTIMIZE_FLAGS = {"speed": "-O2", "balanced": "-O2", "size": "-Os"}
WARNING_FLAGS = ("-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wsign-conversion", "-Wshadow")
_FREESTANDING_FLAGS = (
    "-ffreestanding",
    "-ffunction-sections",
    "-fdata-sections",
    "-fno-asynchronous-unwind-tables",
    "-fno-unwind-tables",
    "-fomit-frame-pointer",
)
_FALSE_WARNINGS = {"avr": ("-Wno-uninitialized",)}
"""gcc 5 calls constants in program memory uninitialized once it has computed with their values and dropped them."""
_STANDARDS = {"avr": "-std=gnu99"}
"""C99 has no word for constants in program memory."""

_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")
_FILE_PREFIX_MAP_SINCE = 8


@dataclass(frozen=True)
class Firmware:
    """A program for a target, and how it was built.

    Attributes:
        elf: the program; for the host an executable.
        bin: its memory as raw bytes from the start of flash; None for the host, like the next two.
        hex: the same as Intel HEX.
        map: the linker's account of what lies where.
        compiler: who built it.
        sanitizers: what is checked while it runs, see `compilers.SANITIZER_FLAGS`.
        warnings: what the compiler said about sources that it accepted, "" if nothing.
    """

    elf: Path
    bin: Path | None
    hex: Path | None
    map: Path | None
    compiler: Compiler
    sanitizers: tuple[str, ...]
    warnings: str


def compile_firmware(
    target: Target,
    compiler: Compiler,
    sources: Sequence[Path],
    include_dirs: Sequence[Path],
    output_dir: Path,
    name: str,
    *,
    optimize: str = "balanced",
    warnings_are_errors: bool = False,
    timeout_s: float = 300,
    shared: "Once[Object] | None" = None,
) -> Firmware:
    """Build `name`.elf, .bin, .hex and .map (for the host: an executable called `name`) in `output_dir`.

    The target's own sources (start-up, port, runtime) are added; the application defines `app_main`.

    Args:
        target: what to build for.
        compiler: from `find_compiler` for the same target.
        sources: C files; those of the target are added.
        include_dirs: folders of headers; that of port.h is added.
        output_dir: made if missing. Object files go to its folder `obj`.
        name: of the files; letters, digits, - and _.
        optimize: "speed", "balanced" or "size".
        warnings_are_errors: refuse sources that the compiler warns about.
        timeout_s: for each run of the compiler, in seconds.
        shared: where targets find the object files of each other, if flags and headers are the same.

    Raises:
        DoesNotFitError: it does not fit into the target's memory.
        ToolFailedError: the compiler refused; the message has the command and the end of what it said.
    """
    if optimize not in OPTIMIZE_FLAGS:
        raise ProjectError(f"optimize is {optimize!r}", f"choose one of {', '.join(OPTIMIZE_FLAGS)}")
    if _FILE_NAME.fullmatch(name) is None:
        raise ProjectError(f"{name[:80]!r} cannot name a firmware", "use letters, digits, - and _")
    output_dir = output_dir.resolve()
    try:
        (output_dir / "obj").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{output_dir} cannot be made: {error.strerror}", "choose another folder") from error
    build = _Build(target, compiler, output_dir, timeout_s)
    strict = (*WARNING_FLAGS, *_FALSE_WARNINGS.get(target.arch, ()), *(("-Werror",) if warnings_are_errors else ()))
    flags = [*_compile_flags(target, compiler, optimize), *strict]
    files = [*support_sources(target), *(source.resolve() for source in sources)]
    objects = {f"obj/{index:02d}-{source.stem}.o": source for index, source in enumerate(files)}
    said = _compile(build, objects, flags, [*include_dirs, templates_dir() / "c" / "app"], shared or Once())
    if target.arch == "host":
        build.link(list(objects), name, [])
        return Firmware(output_dir / name, None, None, None, compiler, compiler.sanitizers, said)
    return _link_for_chip(build, list(objects), name, said)


@dataclass(frozen=True)
class Object:
    """An object file's content, and what the compiler said about its source."""

    content: bytes
    said: str


@dataclass(frozen=True)
class _Build:
    """Runs the compiler in the output folder."""

    target: Target
    compiler: Compiler
    output_dir: Path
    timeout_s: float

    def compile(self, name: str, source: Path, flags: Sequence[str]) -> Object:
        """Compile one source to a file of that name."""
        said = self.call([*flags, "-c", str(source), "-o", name])
        return Object((self.output_dir / name).read_bytes(), said)

    def call(self, options: Sequence[str], stdout_file: Path | None = None) -> str:
        """Run the compiler; what it said."""
        argv = [*self.compiler.argv, *options]
        completed = run(
            argv,
            timeout_s=self.timeout_s,
            cwd=self.output_dir,
            environment={"LC_ALL": "C", **cache_environment(self.output_dir)},
            stdout_file=stdout_file,
        )
        if completed.exit_code != 0:
            raise_if_too_large(self.target, completed.output)
            raise ToolFailedError(
                f"{self.compiler.label} failed (exit code {completed.exit_code}):{tail(completed.output)}\n"
                f"  the command was: {shlex.join(argv)}",
                "correct what it names; the firmware has no C library beyond memcpy, memmove, memset and memcmp",
            )
        return completed.output

    def link(self, objects: Sequence[str], name: str, options: Sequence[str], stdout_file: Path | None = None) -> str:
        """Link to `name`, which is replaced only if all went well; what the linker said."""
        unfinished = f"obj/{name}.linked"
        flags = self.target.compiler_flags[self.compiler.family]
        options = [*flags, *_sanitizer_flags(self.compiler), *objects, *options, "-o", unfinished]
        said = self.call(options, stdout_file)
        (self.output_dir / unfinished).replace(self.output_dir / name)
        return said

    def write(self, name: str, content: bytes) -> Path:
        """Write a file of the output folder, at once."""
        unfinished = self.output_dir / "obj" / name
        unfinished.write_bytes(content)
        return unfinished.replace(self.output_dir / name)


def _compile_flags(target: Target, compiler: Compiler, optimize: str) -> list[str]:
    freestanding = () if target.arch == "host" else _FREESTANDING_FLAGS
    return [
        *target.compiler_flags[compiler.family],
        _STANDARDS.get(target.arch, "-std=c99"),
        "-Os" if target.arch == "avr" else OPTIMIZE_FLAGS[optimize],  # -O2 doubles the code there for little speed
        "-g",
        *(("-gno-record-gcc-switches",) if compiler.family == "gcc" else ()),
        *freestanding,
        *_sanitizer_flags(compiler),
    ]


def _compile(
    build: _Build, objects: Mapping[str, Path], flags: Sequence[str], includes: Sequence[Path], shared: Once[Object]
) -> str:
    """Make object files by name of their sources, side by side, or take those of a target with the same code.

    Returns:
        what the compiler said.
    """
    folders = [*(path.parent for path in objects.values()), *includes]
    prefixes = _prefix_maps(build.compiler, [build.output_dir, *folders, Path(build.compiler.headers_dir)])
    options = [*flags, *(f"-I{folder.resolve()}" for folder in includes), *prefixes]
    # Not by the folders, whose names are kept out of the objects.
    common = content_hash(repr(build.compiler), *flags, "files", *_contents(includes))

    def make(name: str, source: Path) -> str:
        key = (common, source.name, source.read_bytes())
        made = shared.get(key, partial(build.compile, name, source, options))
        (build.output_dir / name).write_bytes(made.content)
        return made.said

    return "".join(side_by_side([partial(make, name, source) for name, source in objects.items()]))


def _contents(folders: Sequence[Path]) -> Iterator[str | bytes]:
    """Name and content of every file."""
    for folder in folders:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            yield str(path.relative_to(folder))
            yield path.read_bytes()


def _sanitizer_flags(compiler: Compiler) -> tuple[str, ...]:
    return SANITIZER_FLAGS[compiler.sanitizers].get(compiler.family, ())


def _prefix_maps(compiler: Compiler, folders: Sequence[Path]) -> list[str]:
    """Options that keep folders out of the debug information, so that it is the same on every computer."""
    is_old = compiler.family == "gcc" and int(compiler.version.split(".")[0]) < _FILE_PREFIX_MAP_SINCE
    option = "-fdebug-prefix-map" if is_old else "-ffile-prefix-map"
    return [f"{option}={folder}=." for folder in sorted({folder.resolve() for folder in folders})]


def _link_for_chip(build: _Build, objects: Sequence[str], name: str, said: str) -> Firmware:
    build.write("link.ld", render_linker_script(build.target).encode())
    common = ["-T", "link.ld", "-Wl,--gc-sections"]
    if build.target.arch != "avr":  # whose compiler brings start-up code and vectors for each part
        common += ["-nostdlib", "-Wl,-e,reset_handler"]
    map_file = build.output_dir / "obj" / f"{name}.map"
    if build.compiler.family == "zig":  # has no -Map
        said += build.link(objects, f"{name}.elf", [*common, "-Wl,--print-map"], stdout_file=map_file)
    else:
        # gcc's 64-bit arithmetic is in libgcc
        said += build.link(objects, f"{name}.elf", [*common, f"-Wl,-Map=obj/{name}.map", "-lgcc"])
    elf = read_elf(build.output_dir / f"{name}.elf")
    return Firmware(
        elf=build.output_dir / f"{name}.elf",
        bin=build.write(f"{name}.bin", to_binary(elf.segments)),
        hex=build.write(f"{name}.hex", to_intel_hex(elf.segments, elf.entry).encode()),
        map=map_file.replace(build.output_dir / f"{name}.map"),
        compiler=build.compiler,
        sanitizers=build.compiler.sanitizers,
        warnings=said,
    )
