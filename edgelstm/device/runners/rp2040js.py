"""Run a firmware of the RP2040 in rp2040js, an emulator of the chip for Node.js: a core that is not QEMU's.

It has the chip's own memories and starts in the boot code at the head of the flash, as the chip's ROM would.
"""

import shutil
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import ClassVar

from edgelstm.device.elf import read_elf
from edgelstm.device.images import to_binary
from edgelstm.device.process import Completed, run, tail
from edgelstm.device.runners.interface import Runner, RunResult, checked_arguments
from edgelstm.errors import ToolError, ToolFailedError, ToolMissingError
from edgelstm.resources import targets_dir

_EXIT_USAGE = 125
_START_S = 20
INSTALL_PACKAGE = 'npm install --prefix "$VIRTUAL_ENV" rp2040js'
_INSTALL = f"install nodejs and npm (apt), then `{INSTALL_PACKAGE}`"


class Rp2040jsRunner(Runner):
    """Runs targets/rp2040js in Node.js. The same firmware on the same files gives the same output and counts."""

    name: ClassVar[str] = "rp2040js"

    def missing(self) -> str | None:
        """Node.js or the package, unless both are there."""
        try:
            rp2040js_version()
        except ToolError:
            return _INSTALL
        return None

    def run(self, elf: Path, arguments: Sequence[str], *, cwd: Path, timeout_s: float) -> RunResult:
        """Run a firmware; see `Runner.run`. Its ticks are instructions."""
        contents, flash = read_elf(elf), self.target.region("flash")
        if contents.machine != "EM_ARM" or any(
            not flash.holds(segment.load_address) for segment in contents.segments if segment.data
        ):
            raise ToolError(f"{elf.name} is not for {self.target.name}", "build the firmware again")
        image = to_binary(contents.segments)
        completed = _node([" ".join(checked_arguments(arguments))], timeout_s, cwd, image)
        return RunResult(completed.exit_code, completed.output, completed.seconds, Fraction(1))


def rp2040js_version() -> str:
    """The version of the package that is used.

    Raises:
        ToolError: Node.js is missing, or finds no such package.
    """
    return _node([], _START_S, Path.cwd(), b"").output.strip()


def _node(arguments: Sequence[str], timeout_s: float, cwd: Path, image: bytes) -> Completed:
    node = shutil.which("node")
    if node is None:
        raise ToolMissingError("node was not found", _INSTALL)
    command = [node, str(targets_dir() / "rp2040js" / "run.cjs"), sys.prefix, *arguments]
    completed = run(command, timeout_s=timeout_s, cwd=cwd, input_bytes=image)
    if completed.exit_code == _EXIT_USAGE:
        raise ToolFailedError(f"rp2040js did not run:{tail(completed.output)}", _INSTALL)
    return completed
