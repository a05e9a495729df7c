"""What is installed on this computer, and what would have to be installed for the rest."""

import importlib.metadata
from collections.abc import Callable
from dataclasses import dataclass

from edgelstm.device.compilers import find_compiler
from edgelstm.device.flash import choose_flash_runner
from edgelstm.device.runners import choose_runner
from edgelstm.device.runners.rp2040js import INSTALL_PACKAGE, rp2040js_version
from edgelstm.device.targets import Target, list_targets, load_target
from edgelstm.errors import EdgelstmError, ToolError, ToolMissingError

_PACKAGES = (
    ("tensorflow", "train models", 'pip install "edgelstm[train]"'),
    ("ai-edge-litert", "verify contract litert", 'pip install "edgelstm[verify]"'),
    ("tflite-runtime", "verify it once more", "optional; needs Python 3.11 and numpy below 2"),
    ("tflite-micro", "verify contract tflm", 'pip install "edgelstm[verify]"'),
    ("ziglang", "compile without gcc", 'pip install "edgelstm[emulate]"'),
    ("unicorn", "emulate without QEMU", 'pip install "edgelstm[emulate]"'),
    ("pyserial", "watch a serial port", 'pip install "edgelstm[flash]"'),
)


@dataclass(frozen=True)
class Finding:
    """One thing that may be installed.

    Attributes:
        what: what it is for.
        found: name and version, or why it cannot be used.
        is_there: whether it can be used.
        advice: how to get it, "" if it is there.
    """

    what: str
    found: str
    is_there: bool
    advice: str


@dataclass(frozen=True)
class Readiness:
    """What can be done for a target on this computer.

    Attributes:
        target: its name.
        build: the compiler.
        run: the emulator.
        flash: what writes to the chip; None for a target that has no chip.
    """

    target: str
    build: Finding
    run: Finding
    flash: Finding | None


def examine_packages() -> list[Finding]:
    """Look for the Python packages, and for what comes from npm."""
    return [*(_package(*package) for package in _PACKAGES), _rp2040js()]


def examine_targets() -> list[Readiness]:
    """Look for a compiler, an emulator and a flash runner for each target, by name."""
    labels: dict[tuple[str, ...], str] = {}
    return [_examine(load_target(name), labels) for name in list_targets()]


def _examine(target: Target, labels: dict[tuple[str, ...], str]) -> Readiness:
    """`labels` keeps compilers that were found: boards share them, and asking one for its version takes a while."""

    def build() -> str:
        key = (target.arch, *target.compiler_flags)
        if key not in labels:
            labels[key] = find_compiler(target).label
        return labels[key]

    return Readiness(
        target.name,
        _finding("build", build),
        _finding("run", lambda: choose_runner(target).name),
        _finding("flash", lambda: _flash_runner(target)) if target.flash_runner else None,
    )


def _package(name: str, purpose: str, advice: str) -> Finding:
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return Finding(purpose, f"{name} is not installed", False, advice)
    return Finding(purpose, f"{name} {version}", True, "")


def _rp2040js() -> Finding:
    purpose = "emulate the Pico's chip"
    try:
        return Finding(purpose, f"rp2040js {rp2040js_version()}", True, "")
    except ToolError:
        return Finding(purpose, "rp2040js is not installed", False, f"`{INSTALL_PACKAGE}`")


def _finding(what: str, find: Callable[[], str]) -> Finding:
    try:
        return Finding(what, find(), True, "")
    except EdgelstmError as error:
        return Finding(what, error.message, False, error.hint)


def _flash_runner(target: Target) -> str:
    """The name of the target's own, if it is installed; a wrong table in the target's file is an error here, too."""
    runner = choose_flash_runner(target)
    _ = runner.options
    if (advice := runner.missing()) is not None:
        raise ToolMissingError(f"nothing is installed that {runner.name} needs", advice)
    return runner.name
