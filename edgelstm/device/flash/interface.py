"""What every flash runner does: say what it needs, say what it would do, and write a program to a chip."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import ClassVar, Literal

from edgelstm.device.flash.options import Key, Options, read_options
from edgelstm.device.targets import Target
from edgelstm.errors import ProjectError

Progress = Callable[[int, int], None]
"""Called with the bytes handled so far, writing and verifying together, and how many there will be."""


@dataclass(frozen=True)
class Connection:
    """How to reach the chip, where the user or the project says; None leaves it to the runner.

    Attributes:
        address: "host:port" of a gdb server.
        port: a serial port, or the folder where a drive is mounted.
        baud: speed of the serial port in bits per second.
        probe: the serial number of a debug probe or a device, where several are plugged in.
    """

    address: str | None = None
    port: str | None = None
    baud: int | None = None
    probe: str | None = None


@dataclass(frozen=True)
class FlashJob:
    """One program for one chip.

    Attributes:
        elf: the program.
        connection: how to reach the chip.
        verify: whether to read back and compare, where the runner does not do so anyway.
        run: whether to start the program.
        wait_s: how long to wait for what the program reports, in seconds.
        limit_s: the most that writing may take, in seconds.
        reset: how `gdb` starts the program; "monitor" lets the server reset the chip.
    """

    elf: Path
    connection: Connection = field(default_factory=Connection)
    verify: bool = True
    run: bool = True
    wait_s: float = 30.0
    limit_s: float = 120.0
    reset: Literal["registers", "monitor"] = "monitor"


@dataclass(frozen=True)
class FlashResult:
    """What was done.

    Attributes:
        bytes_written: program bytes sent to the target.
        bytes_verified: bytes read back and found equal, 0 without verification.
        erased_bytes: flash erased, in whole blocks, where the runner knows; else 0.
        run_exit_code: the program's exit code; None if it was not run, still runs, or nobody could see it.
        output: what the program wrote through the runner. A gdb server may print it itself instead, as QEMU does.
        seconds: wall-clock time of all of it.
        note: how to see what the program reports, where the runner cannot; else "".
        is_confirmed: whether the chip took the last bytes before it restarted, as far as the runner can tell.
    """

    bytes_written: int
    bytes_verified: int
    erased_bytes: int
    run_exit_code: int | None
    output: str
    seconds: float
    note: str = ""
    is_confirmed: bool = True


@dataclass(frozen=True)
class FlashRunner(ABC):
    """Writes programs to the chip of one target; `target` is None where nobody said which.

    Attributes:
        name: of the runner, and of its table `[flash.<name>]` in a target's file.
        keys: what that table may hold.
        reached_by: the fields of `Connection` that mean something to it.
    """

    name: ClassVar[str]
    keys: ClassVar[tuple[Key, ...]] = ()
    reached_by: ClassVar[tuple[str, ...]] = ()
    target: Target | None

    @property
    def chip(self) -> Target:
        """The target; raises ProjectError if nobody said which."""
        if self.target is None:
            raise ProjectError(f"runner {self.name} must know the board", "name it by --target")
        return self.target

    @property
    def options(self) -> Options:
        """The target's options for this runner; raises TargetError naming each unknown, missing or wrong key."""
        return read_options(self.chip, self.name, self.keys)

    @abstractmethod
    def missing(self) -> str | None:
        """What must be installed before this runner works, as an instruction; None if nothing."""

    @abstractmethod
    def plan(self, job: FlashJob) -> str:
        """What `flash` would do, in lines of text, with each command as a shell takes it; nothing is connected to.

        Raises:
            FlashError: the program cannot be loaded.
            TargetError: the target's options are wrong.
        """

    @abstractmethod
    def flash(self, job: FlashJob, progress: Progress | None = None) -> FlashResult:
        """Write, verify and start a program, and wait for what it reports, where that can be seen.

        Raises:
            FlashError: it cannot be loaded, the chip cannot be reached or refuses, or verification failed.
            ToolMissingError: a program that this needs is not installed.
            ToolTimeoutError: a program ran longer than its limit.
            TargetError: the target's options are wrong.
        """

    def require_known_connection(self, connection: Connection) -> None:
        """Raise ProjectError if something is said about the connection that this runner would ignore."""
        said = [one.name for one in fields(connection) if getattr(connection, one.name) is not None]
        ignored = [name for name in said if name not in self.reached_by]
        if ignored:
            usable = " and ".join(f"--{name}" for name in self.reached_by) or "none of them"
            raise ProjectError(
                f"runner {self.name} does not take --{' or --'.join(ignored)}",
                f"it takes {usable}; or name another --runner",
            )
