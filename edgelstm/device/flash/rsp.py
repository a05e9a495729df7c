"""Packets of the GDB remote serial protocol over TCP: framing, checksums, acknowledgements and time limits.

Source: "Debugging with GDB", appendix "GDB Remote Serial Protocol", section "Overview". What the packets mean
is in server.py. A packet is `$` body `#` checksum, answered by `+` or, to have it sent again, `-`.
"""

import re
import socket
import time

from edgelstm.errors import FlashError

MAX_RESENDS = 3
MAX_FRAME_BYTES = 128 << 10
RECEIVE_BYTES = 64 << 10
_ESCAPE = 0x7D
_MUST_ESCAPE = frozenset(b"#$}*")
_RUN_COUNT_BIAS = 29
_EVENT_START = re.compile(rb"[$-]")

START_A_SERVER_HINT = """start a gdb server and name its address, for example
  OpenOCD      openocd -f board/<board>.cfg                        localhost:3333
  pyOCD        pyocd gdbserver --target <chip>                     localhost:3333
  J-Link       JLinkGDBServer -device <chip> -if SWD               localhost:2331
  st-util      st-util                                             localhost:4242
  Black Magic  blackmagic                                          localhost:2000
  QEMU         qemu-system-arm -M <machine> -S -gdb tcp:127.0.0.1:3333   localhost:3333"""
DROPPED_HINT = "look at the gdb server's output; most servers serve one client at a time"
TIMEOUT_HINT = "check that the chip is powered and connected, and look at the gdb server's output"


def encode_frame(body: bytes) -> bytes:
    """A whole packet for a body of any bytes, escaped, with its checksum."""
    escaped = bytearray()
    for byte in body:
        if byte in _MUST_ESCAPE:
            escaped += bytes((_ESCAPE, byte ^ 0x20))
        else:
            escaped.append(byte)
    return b"$" + escaped + b"#" + checksum(escaped)


def checksum(escaped: bytes | bytearray) -> bytes:
    """The two hexadecimal digits behind `#`: the sum of all bytes as they are sent, modulo 256."""
    return b"%02x" % (sum(escaped) & 0xFF)


def expand_runs(body: bytes) -> bytes:
    """Undoes run-length encoding: `0*!` is `0` and four more.

    Raises:
        ValueError: a run has no byte to repeat, no count, or a count that cannot be printed.
    """
    expanded = bytearray()
    position = 0
    while (star := body.find(b"*", position)) >= 0:
        expanded += body[position:star]
        count = body[star + 1] if star + 1 < len(body) else 0
        if not expanded or not 32 <= count <= 126:
            raise ValueError("malformed run length")
        expanded += expanded[-1:] * (count - _RUN_COUNT_BIAS)
        position = star + 2
    return bytes(expanded + body[position:])


def unescape(body: bytes) -> bytes:
    """The bytes that an escaped binary body stands for.

    Raises:
        ValueError: it ends in the middle of an escape.
    """
    plain = bytearray()
    position = 0
    while (escape := body.find(_ESCAPE, position)) >= 0:
        if escape + 1 == len(body):
            raise ValueError("unfinished escape")
        plain += body[position:escape]
        plain.append(body[escape + 1] ^ 0x20)
        position = escape + 2
    return bytes(plain + body[position:])


class Link:
    """A connection to a gdb server that carries packets.

    `doing` in the methods says in a few words what the packet is for; it stands in every error. `deadline` is
    a time of `time.monotonic()`.
    """

    def __init__(self, host: str, port: int, timeout_s: float) -> None:
        """Connects.

        Raises:
            FlashError: nobody listens there, the host is unknown, or it does not answer within `timeout_s`.
        """
        self._name = f"{host}:{port}"
        self._buffer = bytearray()
        self._last_frame = b""
        try:
            self._socket = socket.create_connection((host, port), timeout_s)
        except TimeoutError as error:
            raise FlashError(f"no answer from {self._name} within {timeout_s:g} s", START_A_SERVER_HINT) from error
        except (socket.gaierror, UnicodeError) as error:
            raise FlashError(f"the host of {self._name} is not known", START_A_SERVER_HINT) from error
        except OSError as error:
            raise FlashError(
                f"no gdb server at {self._name}: {error.strerror or error}", START_A_SERVER_HINT
            ) from error
        # Small packets wait for the peer's delayed acknowledgement otherwise: 40 ms each.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self) -> None:
        """Closes the connection; a running target keeps running."""
        self._socket.close()

    def exchange(self, body: bytes, doing: str, deadline: float) -> bytes:
        """Sends a packet and waits for the next one, its runs expanded but not unescaped.

        Raises:
            FlashError: no answer in time, a dropped connection, or too many damaged packets.
        """
        self.send(body, doing, deadline)
        try:
            return self.receive(doing, deadline)
        except TimeoutError as error:
            raise self._silent(doing) from error

    def send(self, body: bytes, doing: str, deadline: float) -> None:
        """Sends a packet and waits for the first byte that comes back, which `receive` looks at.

        So a server that has died is told from one that has started a program and has nothing to say yet.

        Raises:
            FlashError: no sign of life in time, or a dropped connection.
        """
        self._last_frame = encode_frame(body)
        try:
            self._send_raw(self._last_frame, doing, deadline)
            while not self._buffer:
                self._fill(doing, deadline)
        except TimeoutError as error:
            raise self._silent(doing) from error

    def receive(self, doing: str, deadline: float) -> bytes:
        """Waits for a packet and acknowledges it. On the way, sends the last one again when the server asks.

        Raises:
            TimeoutError: there was none before the deadline.
            FlashError: a dropped connection, a malformed packet, or too many damaged ones.
        """
        for _ in range(MAX_RESENDS + 1):
            frame = self._next_frame(doing, deadline)
            if frame is None:
                self._send_raw(self._last_frame, doing, deadline)
                continue
            body, sum_digits = frame
            if sum_digits.lower() == checksum(body):
                self._send_raw(b"+", doing, deadline)
                return self._expanded(body, doing)
            self._send_raw(b"-", doing, deadline)
        raise FlashError(
            f"packets to or from {self._name} arrived damaged {MAX_RESENDS + 1} times while {doing}",
            "check that a gdb server listens on this port and not another program",
        )

    def _expanded(self, body: bytes, doing: str) -> bytes:
        try:
            return expand_runs(body)
        except ValueError as error:
            raise FlashError(f"malformed answer from {self._name} while {doing}: {error}", TIMEOUT_HINT) from error

    def _next_frame(self, doing: str, deadline: float) -> tuple[bytes, bytes] | None:
        """The body of the next packet and its two checksum digits, or None for a `-`."""
        while (start := _EVENT_START.search(self._buffer)) is None:
            self._buffer.clear()
            self._fill(doing, deadline)
        is_nak = start[0] == b"-"
        del self._buffer[: start.end()]
        if is_nak:
            return None
        searched = 0
        while (end := self._buffer.find(b"#", searched)) < 0 or len(self._buffer) < end + 3:
            searched = len(self._buffer) if end < 0 else end
            if searched > MAX_FRAME_BYTES:
                raise FlashError(f"endless answer from {self._name} while {doing}", TIMEOUT_HINT)
            self._fill(doing, deadline)
        body, sum_digits = bytes(self._buffer[:end]), bytes(self._buffer[end + 1 : end + 3])
        del self._buffer[: end + 3]
        return body, sum_digits

    def _fill(self, doing: str, deadline: float) -> None:
        self._limit_to(deadline)
        try:
            received = self._socket.recv(RECEIVE_BYTES)
        except TimeoutError:
            raise
        except OSError as error:
            raise self._dropped(doing) from error
        if not received:
            raise self._dropped(doing)
        self._buffer += received

    def _send_raw(self, data: bytes, doing: str, deadline: float) -> None:
        self._limit_to(deadline)
        try:
            self._socket.sendall(data)
        except TimeoutError:
            raise
        except OSError as error:
            raise self._dropped(doing) from error

    def _limit_to(self, deadline: float) -> None:
        remaining_s = deadline - time.monotonic()
        if remaining_s <= 0:
            raise TimeoutError
        self._socket.settimeout(remaining_s)

    def _silent(self, doing: str) -> FlashError:
        return FlashError(f"the gdb server at {self._name} did not answer while {doing}", TIMEOUT_HINT)

    def _dropped(self, doing: str) -> FlashError:
        return FlashError(f"the gdb server at {self._name} closed the connection while {doing}", DROPPED_HINT)
