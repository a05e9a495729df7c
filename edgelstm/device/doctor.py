"""What is installed on this computer, and what would have to be installed for the rest."""

import importlib.metadata
from dataclasses import dataclass

from edgelstm.device.compilers import find_compiler
from edgelstm.device.runners import choose_runner
from edgelstm.device.targets import list_targets, load_target
from edgelstm.errors import EdgelstmError

_PACKAGES = (
    ("tensorflow", "train models", 'pip install "edgelstm[train]"'),
    ("ai-edge-litert", "verify contract litert", 'pip install "edgelstm[verify]"'),
    ("tflite-runtime", "verify it once more", "optional; needs Python 3.11 and numpy below 2"),
    ("tflite-micro", "verify contract tflm", 'pip install "edgelstm[verify]"'),
    ("ziglang", "compile without gcc", 'pip install "edgelstm[emulate]"'),
    ("unicorn", "emulate without QEMU", 'pip install "edgelstm[emulate]"'),
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


def examine() -> list[Finding]:
    """Look for packages, then for a compiler and a runner for each target."""
    return [*(_package(*package) for package in _PACKAGES), *_targets()]


def _package(name: str, purpose: str, advice: str) -> Finding:
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return Finding(purpose, f"{name} is not installed", False, advice)
    return Finding(purpose, f"{name} {version}", True, "")


def _targets() -> list[Finding]:
    findings = []
    for name in list_targets():
        target = load_target(name)
        try:
            findings.append(Finding(f"compile for {name}", find_compiler(target).label, True, ""))
        except EdgelstmError as error:
            findings.append(Finding(f"compile for {name}", error.message, False, error.hint))
        try:
            findings.append(Finding(f"run {name}", choose_runner(target).name, True, ""))
        except EdgelstmError as error:
            findings.append(Finding(f"run {name}", error.message, False, error.hint))
    return findings
