"""Run a firmware in QEMU, with semihosting for files and text and a clock that counts instructions."""

import shutil
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import ClassVar

from edgelstm.device.process import run
from edgelstm.device.runners.interface import Runner, RunResult, checked_arguments
from edgelstm.device.targets import QemuMachine
from edgelstm.errors import ToolError, ToolMissingError

PROGRAMS = {"cortex-m": "qemu-system-arm", "riscv": "qemu-system-riscv32", "xtensa": "qemu-system-xtensa"}
"""QEMU's own, by architecture."""

_PACKAGES = {"cortex-m": "qemu-system-arm", "riscv": "qemu-system-misc", "xtensa": "qemu-system-misc"}
_MACHINE_OPTIONS = {"cortex-m": (), "riscv": ("-bios", "none"), "xtensa": ()}
_SERIAL = {"xtensa": "stdio"}
"""Where text goes that semihosting writes to standard output."""

_CLOCK_SHIFT = 6
"""One instruction takes 2^6 ns of emulated time: a SysTick of 25 MHz then resolves single instructions, and
its 24 bits last for 10 million of them. RISC-V's mcycle, which counts the nanoseconds, lasts for 67 million."""


class QemuRunner(Runner):
    """Runs QEMU for the target's architecture. The same firmware on the same files gives the same output and counts."""

    name: ClassVar[str] = "qemu"

    @property
    def machine(self) -> str:
        """QEMU's, which has memories of its own."""
        return f"{self.target.arch} {self.target.qemu!r}"

    def missing(self) -> str | None:
        """QEMU's package, unless the program is on PATH."""
        arch = self.target.arch
        return None if shutil.which(PROGRAMS[arch]) else f"install {_PACKAGES[arch]} (apt)"

    def program(self) -> str:
        """The path of QEMU; raises ToolMissingError where it is not installed."""
        program = shutil.which(PROGRAMS[self.target.arch])
        if program is None:
            raise ToolMissingError(f"{PROGRAMS[self.target.arch]} was not found", str(self.missing()))
        return program

    def command(self, elf: Path, arguments: Sequence[str], options: Sequence[str] = ()) -> list[str]:
        """What runs a firmware, with further options of QEMU where they are wanted."""
        # A comma separates QEMU's options; two stand for one. With no arg QEMU would hand out the ELF's path.
        words = [argument.replace(",", ",,") for argument in checked_arguments(arguments)] or [""]
        semihosting = ",".join(["enable=on,target=native", *(f"arg={word}" for word in words)])
        machine, arch = self._machine(), self.target.arch
        return [
            *(self.program(), "-M", machine.machine, *(("-cpu", machine.cpu) if machine.cpu else ())),
            *_MACHINE_OPTIONS[arch],
            *("-display", "none", "-serial", _SERIAL.get(arch, "null"), "-monitor", "none"),
            *("-no-reboot", "-icount", f"shift={_CLOCK_SHIFT}", "-semihosting-config", semihosting),
            *options,
            *_load(arch, str(elf.resolve())),
        ]

    def run(self, elf: Path, arguments: Sequence[str], *, cwd: Path, timeout_s: float) -> RunResult:
        """Run a firmware; see `Runner.run`."""
        per_tick = Fraction(10**9, self._machine().ticks_hz * 2**_CLOCK_SHIFT)
        completed = run(self.command(elf, arguments), timeout_s=timeout_s, cwd=cwd)
        return RunResult(completed.exit_code, completed.output, completed.seconds, per_tick)

    def _machine(self) -> QemuMachine:
        if self.target.qemu is None:
            raise ToolError(f"QEMU has no machine for {self.target.name}", "choose another runner")
        return self.target.qemu


def _load(arch: str, elf: str) -> tuple[str, str]:
    """Options that load a firmware, and start it where it says, which Xtensa's machine does not with a kernel."""
    if arch == "xtensa":
        return "-device", f"loader,file={elf.replace(',', ',,')},cpu-num=0"
    return "-kernel", elf
