"""Shows what a firmware sends over a serial port, until its self-test has reported."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from edgelstm.device.flash.selftest import REPORT, exit_code_shown
from edgelstm.errors import FlashError, ToolMissingError

_READ_WAIT_S = 0.1
_OUTPUT_LIMIT_CHARACTERS = 1 << 20
_LINE_LIMIT_CHARACTERS = 4096


@dataclass(frozen=True)
class MonitorResult:
    """What was seen.

    Attributes:
        output: the first MiB of what the firmware sent; bytes that are no UTF-8 are replaced.
        exit_code: what its first report stands for, see `exit_code_shown`; None if there was none.
        seconds: wall-clock time.
    """

    output: str
    exit_code: int | None
    seconds: float


def watch_serial_port(
    port: str, baud: int, *, limit_s: float, follow: bool, on_line: Callable[[str], None]
) -> MonitorResult:
    """Read a serial port until the report of a self-test or a fault, or until the time is over.

    Args:
        port: its name, "/dev/ttyUSB0" or "COM3". Opening it restarts some boards, as Arduino's.
        baud: bits per second.
        limit_s: how long to read, in seconds.
        follow: whether to go on after the report.
        on_line: called with each line as it comes, without its end.

    Raises:
        ToolMissingError: pyserial is not installed.
        FlashError: the port cannot be opened, or went away.
    """
    started = time.monotonic()
    output, line = "", ""
    for text in _texts(port, baud, started + limit_s):
        output += text[: _OUTPUT_LIMIT_CHARACTERS - len(output)]
        *whole, line = (line + text).split("\n")
        for one in whole:
            on_line(one)
        if len(line) > _LINE_LIMIT_CHARACTERS:
            on_line(line)
            line = ""
        # A report is over with its line, not in the middle of it.
        if not follow and any(REPORT.search(one + "\n") for one in whole):
            break
    if line:
        on_line(line)
    return MonitorResult(output, exit_code_shown(output), time.monotonic() - started)


def _texts(port: str, baud: int, deadline: float) -> Iterator[str]:
    try:
        import serial
    except ImportError as error:
        raise ToolMissingError("pyserial is not installed", 'pip install "edgelstm[flash]"') from error
    with _opened(serial, port, baud) as stream:
        while time.monotonic() < deadline:
            try:
                data = stream.read(max(1, stream.in_waiting))
            except (OSError, TypeError) as error:  # SerialException is an OSError; pyserial trips over a lost port
                raise FlashError(f"{port} went away", "check the cable, and that no other program reads it") from error
            yield data.decode("utf-8", "replace").replace("\r", "")


def _opened(serial: Any, port: str, baud: int) -> Any:
    try:
        return serial.Serial(port, baud, timeout=_READ_WAIT_S)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or f"{error}"
        raise FlashError(
            f"{port} cannot be opened: {reason[:200]}",
            "check the name and the speed, that no other program holds it, and that you may use serial ports "
            "(group dialout)",
        ) from error
