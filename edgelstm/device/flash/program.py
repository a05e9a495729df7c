"""Flash runners that have other programs do the work."""

import importlib.util
import re
import shlex
import shutil
import sys
import tempfile
import time
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from edgelstm.device.flash.belonging import require_built_for
from edgelstm.device.flash.failures import Failure, find_failure, last_line
from edgelstm.device.flash.image import FirmwareImage, read_image
from edgelstm.device.flash.interface import FlashJob, FlashResult, FlashRunner, Progress
from edgelstm.device.flash.selftest import REPORT, exit_code_shown
from edgelstm.device.process import Completed, run
from edgelstm.errors import FlashError, ToolMissingError, ToolTimeoutError


@dataclass(frozen=True)
class MadeFile:
    """A file that a command reads, made in the folder in which it runs.

    Attributes:
        name: without a folder.
        content: its bytes.
        about: what it holds, for people, where the bytes are no text; else "".
        copy_of: the file of which it is a copy, None if there is none.
    """

    name: str
    content: bytes
    about: str = ""
    copy_of: Path | None = None


@dataclass(frozen=True)
class Command:
    """A command to run.

    Attributes:
        argv: program and arguments.
        proof: a regular expression that its output matches only after success; "" if its exit code tells.
        proof_suffices: whether a failing exit code means nothing where the proof is there.
        failure_shows: whether one of `failures` in its output tells of a failure, whatever else it says.
        watches: whether it runs the firmware and shows what that says. Its failure is then no failure to write, and
            it may run for `wait_s` seconds.
        goes_on: whether it would watch on for all that time, and so is ended as soon as the self-test has reported.
    """

    argv: tuple[str, ...]
    proof: str = ""
    proof_suffices: bool = False
    failure_shows: bool = False
    watches: bool = False
    goes_on: bool = False


@dataclass(frozen=True)
class Script:
    """What is done for one job: files, then commands in their order, all in one folder."""

    commands: tuple[Command, ...]
    files: tuple[MadeFile, ...] = ()


WATCH_MARGIN_S = 15.0
"""What a watching program may take beside the wait: it starts, connects and resets."""

_ENVIRONMENT = {"LC_ALL": "C", "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}
"""Messages as `failures` knows them, and shown when they are said."""


class ProgramRunner(FlashRunner):
    """A runner that calls programs.

    Attributes:
        program: what it calls.
        module: the Python package that has the program too, "" if there is none.
        install: how to get it.
        failures: how it fails, the most telling first.
        verifies: whether what it wrote is compared.
    """

    program: ClassVar[str]
    module: ClassVar[str] = ""
    install: ClassVar[str]
    failures: ClassVar[tuple[Failure, ...]] = ()
    verifies: ClassVar[Literal["always", "when asked", "never"]] = "always"

    @abstractmethod
    def script(self, job: FlashJob, image: FirmwareImage) -> Script:
        """The files and commands of a job."""

    def note(self, job: FlashJob) -> str:
        """How to see what the firmware reports, where no command could; "" if there is nothing to say."""
        return ""

    def exit_code(self, watched: Completed) -> int | None:
        """The firmware's exit code, from the command that watched it; None if it shows none."""
        return exit_code_shown(watched.output)

    def said(self, watched: Completed) -> str:
        """What the firmware wrote, from the output of the command that watched it."""
        return watched.output

    def missing(self) -> str | None:
        """How to install the program; None if it is there."""
        found = shutil.which(self.program) or (self.module and importlib.util.find_spec(self.module))
        return None if found else self.install

    def command_line(self) -> tuple[str, ...]:
        """The program on PATH, else that of the Python package beside us."""
        if not self.module or shutil.which(self.program) or importlib.util.find_spec(self.module) is None:
            return (self.program,)
        # -P: a file of that name in the folder of the job must not be taken for the package
        return (sys.executable, "-P", "-m", self.module)

    def plan(self, job: FlashJob) -> str:
        """Files and commands, as a shell takes them."""
        script = self.script(job, self._image(job))
        lines = [] if self.missing() is None else [f"# {self.program} is not installed: {self.install}"]
        for file in script.files:
            if file.copy_of is not None:
                lines.append(shlex.join(("cp", str(file.copy_of.resolve()), file.name)))
            elif file.about:
                lines.append(f"# {file.name}: {file.about}")
            else:
                lines += [f"cat > {shlex.quote(file.name)} << 'END'", file.content.decode().rstrip("\n"), "END"]
        return "\n".join([*lines, *(shlex.join(command.argv) for command in script.commands)])

    def flash(self, job: FlashJob, progress: Progress | None = None) -> FlashResult:
        """Run the commands; the first that fails ends it."""
        started = time.monotonic()
        image = self._image(job)
        script = self.script(job, image)
        if self.missing() is not None:
            raise ToolMissingError(f"{self.program} is not installed", self.install)
        watched = None
        with tempfile.TemporaryDirectory(prefix="edgelstm-") as folder:
            for file in script.files:
                Path(folder, file.name).write_bytes(file.content)
            for index, command in enumerate(script.commands, start=1):
                watched = self._run(command, Path(folder), job, started)
                if progress is not None:
                    progress(image.size_bytes * index // len(script.commands), image.size_bytes)
        seen = watched if watched is not None and script.commands[-1].watches else None
        exit_code = None if seen is None else self._exit_code_of_started(seen)
        is_verified = self.verifies == "always" or (self.verifies == "when asked" and job.verify)
        return FlashResult(
            bytes_written=image.size_bytes,
            bytes_verified=image.size_bytes if is_verified else 0,
            erased_bytes=0,
            run_exit_code=exit_code,
            output="" if seen is None else self.said(seen),
            seconds=time.monotonic() - started,
            note=self.note(job) if job.run and exit_code is None else "",
        )

    def _image(self, job: FlashJob) -> FirmwareImage:
        image = read_image(job.elf)
        require_built_for(self.chip, job.elf.name, image)
        return image

    def _run(self, command: Command, folder: Path, job: FlashJob, started: float) -> Completed:
        left_s = max(1.0, job.limit_s - (time.monotonic() - started))
        limit_s = job.wait_s + WATCH_MARGIN_S if command.watches else left_s
        try:
            until = REPORT if command.goes_on else None
            completed = run(command.argv, timeout_s=limit_s, cwd=folder, environment=_ENVIRONMENT, until=until)
        except ToolTimeoutError as error:
            raise ToolTimeoutError(
                f"{self.program} was ended after {limit_s:g} s without an end in sight",
                f"unplug the board and plug it in again; or run it yourself: {shlex.join(command.argv)}",
            ) from error
        self._require_success(command, completed)
        return completed

    def _exit_code_of_started(self, watched: Completed) -> int | None:
        """`exit_code`; raises FlashError if the firmware never began, as far as `failures` tell."""
        exit_code = self.exit_code(watched)
        if exit_code is None and watched.exit_code != 0:
            known = find_failure(watched.output, self.failures)
            if known is not None:
                raise FlashError(f"written, but not started: {self.program}: {known[0]}", known[1])
        return exit_code

    def _require_success(self, command: Command, completed: Completed) -> None:
        proven = bool(command.proof) and re.search(command.proof, completed.output) is not None
        if command.watches or (proven and command.proof_suffices):
            return
        failed = command.failure_shows and find_failure(completed.output, self.failures) is not None
        if completed.exit_code == 0 and (proven or not command.proof) and not failed:
            return
        raise self.failed(command.argv, completed)

    def failed(self, argv: Sequence[str], completed: Completed) -> FlashError:
        """The error that tells a user what a program said."""
        known = find_failure(completed.output, self.failures)
        if known is not None:
            return FlashError(f"{self.program}: {known[0]}", known[1])
        return FlashError(
            f"{self.program} failed (exit code {completed.exit_code}): {last_line(completed.output)}",
            f"to see all that it says, run it yourself: {shlex.join(argv)}",
        )
