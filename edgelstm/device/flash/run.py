"""Runs the loaded program until it exits, and answers what it asks of the debugger meanwhile.

Source: "Debugging with GDB", appendix "GDB Remote Serial Protocol", sections "Stop Reply Packets" and
"File-I/O Remote Protocol Extension"; gdb servers forward semihosting by the latter.
"""

import re
import time
from dataclasses import dataclass

from edgelstm.device.flash.server import MAX_CONSOLE_BYTES, GdbServer, console_text, printable
from edgelstm.errors import FlashError

MAX_WRITE_BYTES = 64 << 10
_EXITED = re.compile(rb"W([0-9a-fA-F]{1,8})(?:;.*)?", re.DOTALL)
_STOPPED = re.compile(rb"[STX]([0-9a-fA-F]{2}).*", re.DOTALL)
_WRITE_CALL = re.compile(rb"Fwrite,([0-9a-fA-F]{1,8}),([0-9a-fA-F]{1,8}),([0-9a-fA-F]{1,8})")
_REFUSED_CALL = b"F-1,270f"
"""-1 with EUNKNOWN, 9999, of the File-I/O error numbers."""
_SIGNAL_NAMES = {
    2: "SIGINT",
    4: "SIGILL",
    5: "SIGTRAP",
    6: "SIGABRT",
    7: "SIGEMT",
    10: "SIGBUS",
    11: "SIGSEGV",
}
_SEMIHOSTING_HINT = """a fault, a breakpoint, or semihosting that the gdb server does not serve; to turn it on
  OpenOCD  arm semihosting enable; arm semihosting_fileio enable
  pyOCD    pyocd gdbserver --semihosting
  J-Link   monitor semihosting enable"""


@dataclass(frozen=True)
class RunOutcome:
    """How a program ended.

    Attributes:
        exit_code: its exit code, None if it still runs.
        output: what it wrote to standard output and error through the gdb server.
    """

    exit_code: int | None
    output: str


def run_until_exit(server: GdbServer, wait_s: float) -> RunOutcome:
    """Lets the target run; one that has not exited after `wait_s` seconds is left running.

    Raises:
        FlashError: the program stopped without an exit, or the server went away.
    """
    doing = "running the program"
    deadline = time.monotonic() + wait_s
    output = bytearray()
    server.link.send(b"c", "starting the program", time.monotonic() + server.timeout_s)
    while True:
        try:
            packet = server.link.receive(doing, deadline)
        except TimeoutError:
            return RunOutcome(None, printable(bytes(output)))
        text = console_text(packet)
        if text is None and packet.startswith(b"F"):
            text = _answer_call(server, packet)
        if text is not None:
            output += text[: MAX_CONSOLE_BYTES - len(output)]
        elif (exited := _EXITED.fullmatch(packet)) is not None:
            return RunOutcome(int(exited[1], 16), printable(bytes(output)))
        else:
            raise _stopped(packet, bytes(output))


def _answer_call(server: GdbServer, call: bytes) -> bytes:
    """Answers a file-I/O request and gives what it wrote; only standard output and error exist."""
    answer, text = _REFUSED_CALL, b""
    write = _WRITE_CALL.fullmatch(call)
    if write is not None:
        descriptor, address, size_bytes = (int(field, 16) for field in write.groups())
        if descriptor in (1, 2) and size_bytes <= MAX_WRITE_BYTES:
            text = server.read_memory(address, size_bytes)
            answer = b"F%x" % size_bytes
    server.link.send(answer, "answering the program's write", time.monotonic() + server.timeout_s)
    return text


def _stopped(packet: bytes, output: bytes) -> FlashError:
    stop = _STOPPED.fullmatch(packet)
    if stop is None:
        return FlashError(
            f"the gdb server answered {printable(packet[:64])!r} to starting the program",
            "look at its output",
        )
    number = int(stop[1], 16)
    said = f"\nit had written:\n{printable(output[-2000:]).rstrip()}" if output else ""
    return FlashError(
        f"the program stopped with {_SIGNAL_NAMES.get(number, f'signal {number}')} instead of exiting",
        _SEMIHOSTING_HINT + said,
    )
