"""Run another program: always with a time limit, always reaped, never more output than fits in memory."""

import contextlib
import os
import re
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeVar

from edgelstm.errors import ToolError, ToolMissingError, ToolTimeoutError

Result = TypeVar("Result")

OUTPUT_LIMIT_BYTES = 1 << 20
_POLL_FIRST_S, _POLL_LAST_S = 0.001, 0.02
_DRAIN_S = 2.0
_stops: ContextVar[tuple[threading.Event, ...]] = ContextVar("stops", default=())
"""Any that is set ends the programs of this thread: of Ctrl-C threads learn nothing but by these."""


@dataclass(frozen=True)
class Completed:
    """A program that ended by itself.

    Attributes:
        argv: the command.
        exit_code: what it returned; -N if signal N ended it.
        output: standard output and standard error in the order of writing. Control characters other than tab
            and newline are replaced, because the text ends up on a terminal.
        seconds: wall-clock time.
    """

    argv: tuple[str, ...]
    exit_code: int
    output: str
    seconds: float


def run(
    argv: Sequence[str],
    *,
    timeout_s: float,
    cwd: Path | None = None,
    input_bytes: bytes = b"",
    environment: Mapping[str, str] | None = None,
    stdout_file: Path | None = None,
    output_limit_bytes: int = OUTPUT_LIMIT_BYTES,
    until: re.Pattern[str] | None = None,
) -> Completed:
    """Run a program in a process group of its own and wait for it.

    Whatever happens, a timeout and Ctrl-C included, no process of the group is left when this returns.

    Args:
        argv: program and arguments; no shell is involved.
        timeout_s: wall-clock limit in seconds.
        cwd: the folder to run in.
        input_bytes: standard input.
        environment: variables to set in addition to ours.
        stdout_file: receives standard output, which then is not part of `output`.
        output_limit_bytes: beyond it the middle of the output is left out.
        until: as soon as the output has this, the program is ended, for one that shows something and goes on.

    Raises:
        ToolMissingError: the program does not exist or is not executable.
        ToolTimeoutError: it ran longer than `timeout_s`. The message ends with its last output.
    """
    raise_if_stopped()
    started = time.monotonic()
    with tempfile.TemporaryFile() as stdin, contextlib.ExitStack() as stack:
        stdin.write(input_bytes)
        stdin.seek(0)
        stdout = None if stdout_file is None else stack.enter_context(stdout_file.open("wb"))
        process = _start(argv, cwd, environment, stdin, stdout)
        pipe = process.stdout or process.stderr
        assert pipe is not None
        capture = _Capture(pipe, output_limit_bytes)
        try:
            ended = _wait(process, started + timeout_s, lambda: until is not None and capture.shows(until))
        finally:
            _end_group(process)
            capture.join(_DRAIN_S)
    if not ended:
        raise ToolTimeoutError(
            f"{Path(argv[0]).name} was ended after {timeout_s:g} s" + tail(capture.text()),
            "it may hang; if the work is just large, allow it more time",
        )
    return Completed(tuple(argv), process.returncode, capture.text(), time.monotonic() - started)


def stopped_by(stop: threading.Event, job: Callable[[], Result]) -> Callable[[], Result]:
    """The job for another thread, where every `run` ends its program and raises KeyboardInterrupt once `stop` is set.

    Whatever may stop the caller stops it, too.
    """
    context = copy_context()
    context.run(_stops.set, (*_stops.get(), stop))
    return lambda: context.run(job)


def raise_if_stopped() -> None:
    """Raise KeyboardInterrupt where another thread wants the work of this one to end."""
    if any(stop.is_set() for stop in _stops.get()):
        raise KeyboardInterrupt


def tail(output: str, lines: int = 40) -> str:
    """The last lines of a program's output, indented, to be appended to a message; "" if there is none."""
    last = output.rstrip().splitlines()[-lines:]
    return "".join(f"\n    {line[:500]}" for line in last)


def _start(
    argv: Sequence[str],
    cwd: Path | None,
    environment: Mapping[str, str] | None,
    stdin: IO[bytes],
    stdout: IO[bytes] | None,
) -> subprocess.Popen[bytes]:
    if cwd is not None and not cwd.is_dir():
        raise ToolError(f"{argv[0]} cannot run in {cwd}", "that folder does not exist")
    try:
        return subprocess.Popen(
            list(argv),
            cwd=cwd,
            env={**os.environ, **(environment or {})},
            stdin=stdin,
            stdout=stdout or subprocess.PIPE,
            stderr=subprocess.PIPE if stdout else subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise ToolMissingError(
            f"{argv[0]} cannot be started: {error.strerror}", "install it, or correct its path"
        ) from error


def _wait(process: subprocess.Popen[bytes], deadline: float, has_shown_enough: Callable[[], bool]) -> bool:
    """Whether the program ended, or had shown enough, before the deadline."""
    pause = _POLL_FIRST_S
    while not _has_ended(process) and not has_shown_enough():
        raise_if_stopped()
        if time.monotonic() >= deadline:
            return False
        time.sleep(pause)
        pause = min(2 * pause, _POLL_LAST_S)
    return True


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    # Not reaped here: as long as the leader is a zombie, its group's number cannot be given to strangers.
    if hasattr(os, "waitid"):
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    return process.poll() is not None


def _end_group(process: subprocess.Popen[bytes]) -> None:
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


class _Capture:
    """Reads a pipe to its end and keeps the first and the last part of what came."""

    def __init__(self, pipe: IO[bytes], limit_bytes: int) -> None:
        self._pipe = pipe
        self._half = max(1, limit_bytes // 2)
        self._first = bytearray()
        self._last = bytearray()
        self._dropped = 0
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def join(self, timeout_s: float) -> None:
        # A process that left the group may hold the pipe open for ever; its output is not waited for.
        self._thread.join(timeout_s)

    def shows(self, pattern: re.Pattern[str]) -> bool:
        return pattern.search(self.text()) is not None

    def text(self) -> str:
        with self._lock:
            gap = b"\n[... %d bytes left out ...]\n" % self._dropped if self._dropped else b""
            content = bytes(self._first) + gap + bytes(self._last)
        decoded = content.decode("utf-8", errors="replace").replace("\r\n", "\n")
        return "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in decoded)

    def _read(self) -> None:
        with self._pipe:
            while chunk := os.read(self._pipe.fileno(), 1 << 16):
                with self._lock:
                    self._keep(chunk)

    def _keep(self, chunk: bytes) -> None:
        room = self._half - len(self._first)
        self._first += chunk[:room]
        self._last += chunk[room:]
        excess = len(self._last) - self._half
        if excess > 0:
            del self._last[:excess]
            self._dropped += excess
