"""Find a compiler for a target, and say exactly which one it is."""

import importlib.util
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from edgelstm.device.process import run
from edgelstm.device.targets import Target
from edgelstm.errors import ToolError, ToolFailedError, ToolMissingError

PROGRAMS = {
    "cortex-m": ("arm-none-eabi-gcc",),
    "riscv": ("riscv64-unknown-elf-gcc",),
    "avr": ("avr-gcc",),
    "xtensa": ("xtensa-lx106-elf-gcc",),
    "host": ("cc", "gcc", "clang"),
}
"""What to look for on PATH, by architecture, in this order."""

_INSTALL = {
    "cortex-m": "gcc-arm-none-eabi",
    "riscv": "gcc-riscv64-unknown-elf",
    "avr": "gcc-avr and avr-libc",
    "xtensa": "gcc-xtensa-lx106",
    "host": "gcc",
}
_VERSION_TIMEOUT_S = 30
_PROBE_TIMEOUT_S = 180  # zig builds its C library when it is used for the first time

SANITIZER_FLAGS: Mapping[tuple[str, ...], Mapping[str, tuple[str, ...]]] = {
    ("address", "undefined"): {
        "gcc": ("-fsanitize=address,undefined", "-fno-sanitize-recover=all"),
        "clang": ("-fsanitize=address,undefined", "-fno-sanitize-recover=all"),
    },
    ("undefined-trap",): {
        "gcc": ("-fsanitize=undefined", "-fsanitize-undefined-trap-on-error"),
        "clang": ("-fsanitize=undefined", "-fsanitize-trap=undefined"),
        "zig": ("-fsanitize=undefined", "-fsanitize-trap=undefined"),
    },
    (): {"zig": ("-fno-sanitize=all",)},
}
"""Flags by what they check and by compiler family, best first. A trap ends the program without saying why."""


@dataclass(frozen=True)
class Compiler:
    """A compiler driver.

    Attributes:
        name: for people and reports, "arm-none-eabi-gcc" or "zig".
        family: whose options it takes: "gcc", "clang" or "zig".
        version: "12.2.1".
        argv: the command to which options are appended.
        headers_dir: where its own headers lie; differs from computer to computer.
        sanitizers: what it can check at run time on this computer; empty for a microcontroller.
    """

    name: str
    family: str
    version: str
    argv: tuple[str, ...]
    headers_dir: str
    sanitizers: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Name and version, for reports: every count depends on them."""
        return f"{self.name} {self.version}"


def find_compiler(target: Target, choice: str | None = None) -> Compiler:
    """Find a compiler: the chosen one, else the architecture's own on PATH, else zig from pip.

    Args:
        target: what to compile for.
        choice: "gcc", "clang", "zig", or the path of a compiler. A path is run: never take it from a file
            that came with a model.

    Raises:
        ToolMissingError: there is none; the hint says what to install.
        ToolError: the chosen one cannot build for the target.
    """
    compiler = _identify(_command(target, choice))
    if compiler.family not in target.compiler_flags:
        raise ToolError(
            f"{compiler.label} cannot build for {target.name}",
            f"choose one of {', '.join(target.compiler_flags)}",
        )
    if target.arch == "host":
        return replace(compiler, sanitizers=_working_sanitizers(compiler))
    return compiler


def _command(target: Target, choice: str | None) -> tuple[str, ...]:
    if choice is None:
        found = _on_path(PROGRAMS[target.arch]) or (_zig() if "zig" in target.compiler_flags else None)
    elif choice == "zig":
        found = _zig()
    elif choice == "gcc":
        found = _on_path(tuple(p for p in PROGRAMS[target.arch] if p.endswith("gcc")))
    elif choice == "clang":
        found = _on_path(("clang",))
    elif os.sep in choice:
        path = Path(choice).absolute()
        found = (str(path), "cc") if path.stem == "zig" else (str(path),)
    else:
        raise ToolMissingError(
            f"there is no compiler called {choice!r}", "choose gcc, clang, zig, or the path of a compiler"
        )
    if found is None:
        or_zig = ', or zig by `pip install "edgelstm[emulate]"`' if "zig" in target.compiler_flags else ""
        raise ToolMissingError(
            f"no compiler for {target.name} was found" if choice is None else f"{choice} was not found",
            f"install {_INSTALL[target.arch]} (apt){or_zig}",
        )
    return found


def _on_path(programs: tuple[str, ...]) -> tuple[str, ...] | None:
    for program in programs:
        if path := shutil.which(program):
            return (path,)
    return None


def _zig() -> tuple[str, ...] | None:
    if importlib.util.find_spec("ziglang") is not None:
        # -P: a file called ziglang.py in the folder of the build must not be taken for the package
        return (sys.executable, "-P", "-m", "ziglang", "cc")
    path = shutil.which("zig")
    return None if path is None else (path, "cc")


def _identify(command: tuple[str, ...]) -> Compiler:
    name = Path(command[0]).name
    if command[-1] == "cc" and len(command) > 1:
        return _zig_compiler(command)
    text = _output((*command, "--version"))
    if match := re.search(r"clang version (\S+)", text):
        family, version = "clang", match.group(1)
    else:
        family = "gcc"
        # gcc before 7 knows the second option alone, and says all of its version
        version = _output((*command, "-dumpfullversion", "-dumpversion")) if "Free Software Foundation" in text else ""
    if re.fullmatch(r"\d[\w.+~-]*", version) is None:
        raise ToolError(f"{command[0]} is neither gcc nor clang nor zig", "choose another compiler")
    return Compiler(name, family, version, command, _output((*command, "-print-file-name=include")))


def _zig_compiler(command: tuple[str, ...]) -> Compiler:
    with tempfile.TemporaryDirectory() as folder:
        text = _output((*command[:-1], "env"), cache_environment(Path(folder)))
    found = [re.search(rf'\.{key} = "([^"]+)"', text) for key in ("version", "lib_dir")]
    version, library = (match.group(1) if match else "unknown" for match in found)
    return Compiler("zig", "zig", version, command, f"{library}/include")


def _output(command: tuple[str, ...], environment: Mapping[str, str] | None = None) -> str:
    completed = run(command, timeout_s=_VERSION_TIMEOUT_S, environment={"LC_ALL": "C", **(environment or {})})
    if completed.exit_code != 0:
        raise ToolFailedError(f"`{' '.join(command)}` failed: {completed.output.strip()[-500:]}", "is it a compiler?")
    return completed.output.strip()


def _working_sanitizers(compiler: Compiler) -> tuple[str, ...]:
    """The best sanitizers with which a program links and runs here; often their libraries are missing."""
    with tempfile.TemporaryDirectory() as folder:
        source, program = Path(folder, "probe.c"), Path(folder, "probe")
        source.write_text("int main(void) { return 0; }\n")
        for sanitizers, flags in SANITIZER_FLAGS.items():
            if sanitizers and compiler.family in flags:
                command = (*compiler.argv, *flags[compiler.family], str(source), "-o", str(program))
                if _succeeds(command, Path(folder)) and _succeeds((str(program),), Path(folder)):
                    return sanitizers
    return ()


def _succeeds(command: tuple[str, ...], folder: Path) -> bool:
    environment = {**cache_environment(folder), "ASAN_OPTIONS": "detect_leaks=0"}
    try:
        return run(command, timeout_s=_PROBE_TIMEOUT_S, cwd=folder, environment=environment).exit_code == 0
    except ToolError:
        return False


def cache_environment(folder: Path) -> dict[str, str]:
    """Where zig may keep compiled files: a place of `folder` if the user has no home to keep them in."""
    home = os.environ.get("XDG_CACHE_HOME") or os.environ.get("HOME")
    if "ZIG_GLOBAL_CACHE_DIR" in os.environ or (home and os.access(home, os.W_OK)):
        return {}
    return {"ZIG_GLOBAL_CACHE_DIR": str(folder / ".zig-cache")}
