"""Run a firmware in QEMU, with semihosting for files and text and a clock that counts instructions."""

import shutil
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import ClassVar

from edgelstm.device.process import run
from edgelstm.device.runners.interface import Runner, RunResult, checked_arguments
from edgelstm.errors import ToolError, ToolMissingError

_PROGRAM = "qemu-system-arm"
_CLOCK_SHIFT = 6
"""One instruction takes 2^6 ns of emulated time: a SysTick of 25 MHz then resolves single instructions, and
its 24 bits last for 10 million of them."""


class QemuRunner(Runner):
    """Runs `qemu-system-arm`. The same firmware on the same files gives the same output and counts."""

    name: ClassVar[str] = "qemu"

    def missing(self) -> str | None:
        """`qemu-system-arm`, unless it is on PATH."""
        return None if shutil.which(_PROGRAM) else "install qemu-system-arm (apt)"

    def run(self, elf: Path, arguments: Sequence[str], *, cwd: Path, timeout_s: float) -> RunResult:
        """Run a firmware; see `Runner.run`."""
        machine = self.target.qemu
        program = shutil.which(_PROGRAM)
        if machine is None:
            raise ToolError(f"QEMU has no machine for {self.target.name}", "choose another runner")
        if program is None:
            raise ToolMissingError(f"{_PROGRAM} was not found", str(self.missing()))
        # A comma separates QEMU's options; two stand for one. With no arg QEMU would hand out the ELF's path.
        words = [argument.replace(",", ",,") for argument in checked_arguments(arguments)] or [""]
        semihosting = ",".join(["enable=on,target=native", *(f"arg={word}" for word in words)])
        completed = run(
            [
                *(program, "-M", machine.machine, "-display", "none", "-serial", "null", "-monitor", "none"),
                *("-no-reboot", "-icount", f"shift={_CLOCK_SHIFT}", "-semihosting-config", semihosting),
                *("-kernel", str(elf.resolve())),
            ],
            timeout_s=timeout_s,
            cwd=cwd,
        )
        per_tick = Fraction(10**9, machine.systick_hz * 2**_CLOCK_SHIFT)
        return RunResult(completed.exit_code, completed.output, completed.seconds, per_tick)
