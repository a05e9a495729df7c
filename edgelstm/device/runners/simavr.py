"""Run an AVR firmware in simavr, by a program of ours that links it and is compiled when it is used for the first time.

`targets/simavr` has its sources, and says under which licence the compiled program is.
"""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import ClassVar

from edgelstm.device.compiled import Helper, ensure_compiled
from edgelstm.device.elf import read_elf
from edgelstm.device.images import to_binary
from edgelstm.device.process import Completed, run, tail
from edgelstm.device.runners.interface import Runner, RunResult, checked_arguments
from edgelstm.device.targets import SimavrMcu
from edgelstm.errors import ToolError, ToolFailedError, ToolMissingError
from edgelstm.resources import targets_dir

_EXIT_USAGE = 125
_DATA_ADDRESSES = 0xFFFF
"""What is left of a data address without GNU's offset of 0x800000."""

_INSTALL = "install libsimavr-dev and gcc (apt)"


class SimavrRunner(Runner):
    """Runs the firmware clock by clock. The same firmware on the same files gives the same output and counts."""

    name: ClassVar[str] = "simavr"

    @property
    def machine(self) -> str:
        """The part; where its stack ends says the program."""
        return repr(self.target.simavr)

    def missing(self) -> str | None:
        """What the program that links simavr cannot be compiled without."""
        try:
            self.program()
        except (ToolMissingError, ToolFailedError):
            return _INSTALL
        return None

    def program(self) -> Path:
        """The compiled program; see `ensure_compiled`."""
        folder = targets_dir() / "simavr"
        return ensure_compiled(
            Helper(
                "simavr",
                tuple(sorted([*folder.glob("*.c"), *folder.glob("*.h")])),
                ("-std=gnu99", "-O2"),
                ("-lsimavr",),
                "the program that runs simavr",
                _INSTALL,
                _EXIT_USAGE,
            )
        )

    def start(
        self, elf: Path, arguments: Sequence[str], options: Sequence[str], *, cwd: Path, timeout_s: float
    ) -> Completed:
        """Run a firmware to its end, with options of targets/simavr/count.h where counts are wanted."""
        contents, mcu = read_elf(elf), self.mcu()
        if contents.machine != "EM_AVR":
            raise ToolError(f"{elf.name} is not for {self.target.name}", "build the firmware again")
        limit = contents.symbol("ld_stack_bottom").address & _DATA_ADDRESSES
        command = [str(self.program()), mcu.mcu, str(mcu.clock_hz), str(limit), " ".join(checked_arguments(arguments))]
        image = to_binary(contents.segments)
        completed = run([*command, *options], timeout_s=timeout_s, cwd=cwd, input_bytes=image)
        if completed.exit_code == _EXIT_USAGE:
            raise ToolFailedError(f"simavr did not run:{tail(completed.output)}", "does the target's [simavr] suit it?")
        return completed

    def run(self, elf: Path, arguments: Sequence[str], *, cwd: Path, timeout_s: float) -> RunResult:
        """Run a firmware; see `Runner.run`. Its ticks are processor clocks."""
        completed = self.start(elf, arguments, (), cwd=cwd, timeout_s=timeout_s)
        return RunResult(completed.exit_code, completed.output, completed.seconds, None, Fraction(1))

    def mcu(self) -> SimavrMcu:
        """The part to emulate; raises ToolError where the target has none."""
        if self.target.simavr is None:
            raise ToolError(f"simavr has no part for {self.target.name}", "choose another runner")
        return self.target.simavr
