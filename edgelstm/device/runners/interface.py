"""What every runner does."""

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import ClassVar

from edgelstm.device.targets import Target
from edgelstm.errors import ToolError

EXIT_FAULT = 99
"""Exit code of a firmware that faulted, and of a host program stopped by a sanitizer."""

_ARGUMENT = re.compile(r"[!-~]+")
_ARGUMENTS_LIMIT_BYTES = 1024


@dataclass(frozen=True)
class RunResult:
    """How a firmware ended.

    Attributes:
        exit_code: what `app_main` returned or gave to `port_exit`; EXIT_FAULT after a fault; -N if signal N
            ended the process.
        output: what it printed, and what the runner itself had to say.
        seconds: wall-clock time.
        instructions_per_tick: the meaning of `port_ticks`; None where it does not count instructions.
        cycles_per_tick: the same in clocks of the processor, where the emulator is exact to the clock.
    """

    exit_code: int
    output: str
    seconds: float
    instructions_per_tick: Fraction | None
    cycles_per_tick: Fraction | None = None


@dataclass(frozen=True)
class Runner(ABC):
    """Runs firmware of one target."""

    name: ClassVar[str]
    target: Target

    @property
    def machine(self) -> str:
        """All of the target that decides a run: on equal machines a program does the same, clock by clock."""
        return repr(self.target)

    @abstractmethod
    def missing(self) -> str | None:
        """What must be installed before this runner works, as an instruction; None if nothing."""

    @abstractmethod
    def run(self, elf: Path, arguments: Sequence[str], *, cwd: Path, timeout_s: float) -> RunResult:
        """Run a firmware to its end.

        Args:
            elf: the program.
            arguments: what `port_arguments` yields; printable ASCII without blanks.
            cwd: the folder in which the firmware reads and writes files.
            timeout_s: wall-clock limit in seconds.

        Raises:
            ToolTimeoutError: it did not end in time.
            ToolError: it could not be started.
        """


def checked_arguments(arguments: Sequence[str]) -> list[str]:
    """`arguments`, if a firmware can tell them apart after they were joined by blanks.

    Raises:
        ToolError: one is empty, has a blank or a character outside ASCII, or together they are too long.
    """
    for argument in arguments:
        if _ARGUMENT.fullmatch(argument) is None:
            raise ToolError(
                f"{argument[:80]!r} cannot be given to a firmware",
                "use letters, digits and punctuation, no blanks",
            )
    if sum(len(argument) + 1 for argument in arguments) > _ARGUMENTS_LIMIT_BYTES:
        raise ToolError("the arguments of the firmware are too long", "use shorter file names")
    return list(arguments)
