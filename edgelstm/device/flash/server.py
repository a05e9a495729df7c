"""The commands of a gdb server: its abilities, memory, flash, registers and reset.

Source: "Debugging with GDB", appendix "GDB Remote Serial Protocol", sections "Packets" and "General Query
Packets".
"""

import re
import struct
import time
from functools import cached_property
from types import TracebackType
from typing import Self

from edgelstm.device.flash.description import MemoryRegion, parse_memory_map, register_numbers
from edgelstm.device.flash.rsp import Link, unescape
from edgelstm.errors import FlashError

DEFAULT_PACKET_BYTES = 400
MIN_PACKET_BYTES = 64
MAX_PACKET_BYTES = 16 << 10
HEADER_BYTES = 32
"""More than the longest packet header, `vFlashWrite:` with an address, and the framing."""
MAX_DOCUMENT_BYTES = 256 << 10
MAX_CONSOLE_BYTES = 1 << 20
_PACKET_SIZE = re.compile(rb"PacketSize=([0-9a-fA-F]{1,8})(?=;|$)")
_HEX = re.compile(rb"(?:[0-9a-fA-F]{2})*")
_ERROR = re.compile(rb"E(?:[0-9a-fA-F]{2}|\..*)", re.DOTALL)
_STOP_REPLY = re.compile(rb"[ST][0-9a-fA-F]{2}(?:[0-9a-zA-Z]+:.*)?", re.DOTALL)

DEFAULT_REGISTER_NUMBERS = {
    "EM_ARM": {"sp": 13, "pc": 15, "xpsr": 25},
    "EM_RISCV": {"pc": 32},
}
"""gdb's own numbers, for servers that do not describe their registers. OpenOCD does, and calls xPSR 16."""


class GdbServer:
    """A session with a gdb server whose target is halted.

    Every method raises FlashError when the server refuses, does not answer in time or goes away; the message
    says during what.

    Attributes:
        link: the packets, for what is not one command and one answer.
        chunk_bytes: how many bytes of memory one packet carries.
        regions: the target's memory map, empty if the server gives none.
        timeout_s: the limit of one answer.
        flash_timeout_s: the limit of one answer to a command that erases, writes flash or resets.
    """

    def __init__(self, host: str, port: int, timeout_s: float, flash_timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self.flash_timeout_s = flash_timeout_s
        self._console = bytearray()
        self._binary_writes: bool | None = None
        self.link = Link(host, port, timeout_s)
        try:
            self._features = self._ask_features().split(b";")
            self.chunk_bytes = _chunk_bytes(b";".join(self._features))
            self._ensure_target()
            self.regions = self._read_memory_map()
        except BaseException:
            self.link.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.link.close()

    def command(self, body: bytes, doing: str, timeout_s: float | None = None) -> bytes:
        """One packet and its answer; console text on the way is kept for error messages."""
        deadline = time.monotonic() + (self.timeout_s if timeout_s is None else timeout_s)
        answer = self.link.exchange(body, doing, deadline)
        while (text := console_text(answer)) is not None:
            self._console += text[: MAX_CONSOLE_BYTES - len(self._console)]
            try:
                answer = self.link.receive(doing, deadline)
            except TimeoutError as error:
                raise FlashError(f"the gdb server did not finish {doing}", self._console_hint()) from error
        return answer

    def read_memory(self, address: int, size_bytes: int) -> bytes:
        """Reads target memory; a server may answer a packet in parts."""
        data = bytearray()
        while len(data) < size_bytes:
            start, wanted = address + len(data), min(self.chunk_bytes, size_bytes - len(data))
            doing = f"reading {wanted} bytes at {start:#010x}"
            answer = self.command(b"m%x,%x" % (start, wanted), doing)
            if not answer:
                raise FlashError(f"the gdb server sent nothing while {doing}", self._console_hint())
            if not _HEX.fullmatch(answer):
                raise self._refused(answer, doing)
            part = bytes.fromhex(answer.decode("ascii"))
            if len(part) > wanted:
                raise FlashError(f"the gdb server sent {len(part)} bytes while {doing}", self._console_hint())
            data += part
        return bytes(data)

    def write_memory(self, address: int, data: bytes) -> None:
        """Writes at most `chunk_bytes` of RAM, or of anything that the server lets be written as RAM."""
        if self._binary_writes is None:
            self._binary_writes = self.command(b"X%x,0:" % address, "asking for binary writes") == b"OK"
        doing = f"writing {len(data)} bytes at {address:#010x}"
        if self._binary_writes:
            self._expect_ok(b"X%x,%x:%b" % (address, len(data), data), doing)
        else:
            self._expect_ok(b"M%x,%x:%b" % (address, len(data), data.hex().encode("ascii")), doing)

    def erase_flash(self, address: int, size_bytes: int) -> None:
        """Erases whole blocks of flash."""
        doing = f"erasing {size_bytes} bytes of flash at {address:#010x}"
        self._expect_ok(b"vFlashErase:%x,%x" % (address, size_bytes), doing, self.flash_timeout_s)

    def write_flash(self, address: int, data: bytes) -> None:
        """Writes at most `chunk_bytes` of erased flash; done for certain only after `finish_flash`."""
        doing = f"writing {len(data)} bytes of flash at {address:#010x}"
        self._expect_ok(b"vFlashWrite:%x:%b" % (address, data), doing, self.flash_timeout_s)

    def finish_flash(self) -> None:
        """Ends erasing and writing; many servers program only now."""
        self._expect_ok(b"vFlashDone", "finishing the flash", self.flash_timeout_s)

    def register_number(self, machine: str, name: str) -> int:
        """The server's number of a register, from its target description if it gives one."""
        numbers = DEFAULT_REGISTER_NUMBERS.get(machine, {}) | self._described_registers
        if name not in numbers:
            raise FlashError(f"the gdb server does not know a register {name}", "let it reset the chip instead")
        return numbers[name]

    def write_register(self, number: int, value: int, name: str) -> None:
        """Sets a 32-bit register."""
        value_hex = struct.pack("<I", value).hex().encode("ascii")
        self._expect_ok(b"P%x=%b" % (number, value_hex), f"setting register {name} to {value:#010x}")

    def reset_and_halt(self) -> None:
        """Resets the chip by the server's own command and leaves it halted at its first instruction."""
        if self.command(b"qqemu.sstepbits", "asking for QEMU").startswith(b"ENABLE"):
            self._expect_ok(_monitor("system_reset"), "monitor system_reset", self.flash_timeout_s)
        elif self.command(_monitor("reset halt"), "monitor reset halt", self.flash_timeout_s) != b"OK":
            self._expect_ok(_monitor("reset"), "monitor reset", self.flash_timeout_s)

    def _ask_features(self) -> bytes:
        doing = "asking what the server supports"
        answer = self.command(b"qSupported:qXfer:memory-map:read+;qXfer:features:read+", doing)
        if _STOP_REPLY.fullmatch(answer):
            # QEMU says unasked that it has stopped a board that was running.
            answer = self.link.receive(doing, time.monotonic() + self.timeout_s)
        return answer

    @cached_property
    def _described_registers(self) -> dict[str, int]:
        """Numbers by name; QEMU lets registers be written only after this was asked for."""
        if b"qXfer:features:read+" not in self._features:
            return {}
        return register_numbers(lambda document: self._read_object("features", document))

    def _ensure_target(self) -> None:
        """Black Magic probes start without a target: they say "exited" until told to look for one."""
        status = self.command(b"?", "asking for the target's state", self.flash_timeout_s)
        if status[:1] in (b"S", b"T"):
            return
        self.command(_monitor("swdp_scan"), "monitor swdp_scan", self.flash_timeout_s)
        if self.command(b"vAttach;1", "attaching to the target", self.flash_timeout_s)[:1] not in (
            b"S",
            b"T",
        ):
            raise FlashError("the gdb server has no target to halt", self._console_hint())

    def _read_memory_map(self) -> tuple[MemoryRegion, ...]:
        if b"qXfer:memory-map:read+" not in self._features:
            return ()
        return parse_memory_map(self._read_object("memory-map", ""))

    def _read_object(self, kind: str, annex: str) -> bytes:
        document = bytearray()
        doing = f"reading the {kind} {annex}".rstrip()
        deadline = time.monotonic() + self.timeout_s
        while len(document) <= MAX_DOCUMENT_BYTES:
            request = f"qXfer:{kind}:read:{annex}:{len(document):x},{self.chunk_bytes:x}"
            answer = self.command(request.encode("ascii"), doing, deadline - time.monotonic())
            if answer[:1] not in (b"m", b"l"):
                raise self._refused(answer, doing)
            try:
                document += unescape(answer[1:])
            except ValueError as error:
                raise FlashError(f"malformed answer while {doing}: {error}", self._console_hint()) from error
            if answer[:1] == b"l" or len(answer) == 1:
                return bytes(document)
        raise FlashError(f"endless answer while {doing}", "update or restart the gdb server")

    def _expect_ok(self, body: bytes, doing: str, timeout_s: float | None = None) -> None:
        answer = self.command(body, doing, timeout_s)
        if answer != b"OK":
            raise self._refused(answer, doing)

    def _refused(self, answer: bytes, doing: str) -> FlashError:
        if not answer:
            return FlashError(f"the gdb server does not support {doing}", self._console_hint())
        kind = "error" if _ERROR.fullmatch(answer) else "an unexpected answer"
        return FlashError(f"{kind} {printable(answer[:64])} from the gdb server while {doing}", self._console_hint())

    def _console_hint(self) -> str:
        said = printable(bytes(self._console[-2000:])).strip()
        return f"the gdb server says:\n{said}" if said else "look at the gdb server's output"


def console_text(packet: bytes) -> bytes | None:
    """The text of an `O` packet, or None for any other packet."""
    if packet[:1] != b"O" or not _HEX.fullmatch(packet[1:]):
        return None
    return bytes.fromhex(packet[1:].decode("ascii"))


def printable(text: bytes) -> str:
    """UTF-8 text from the other side, fit for a terminal: no control characters but line ends and tabs."""
    characters = text.decode("utf-8", errors="replace").replace("\r\n", "\n")
    return "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in characters)


def _monitor(text: str) -> bytes:
    """The packet for a command in the server's own language."""
    return b"qRcmd," + text.encode("ascii").hex().encode("ascii")


def _chunk_bytes(features: bytes) -> int:
    """Half a packet, since a byte takes two digits or an escape; a multiple of 16 for the words of flash."""
    match = _PACKET_SIZE.search(features)
    packet_bytes = int(match[1], 16) if match else DEFAULT_PACKET_BYTES
    if packet_bytes < MIN_PACKET_BYTES:
        raise FlashError(
            f"the gdb server offers packets of {packet_bytes} bytes",
            f"at least {MIN_PACKET_BYTES} are needed",
        )
    return (min(packet_bytes, MAX_PACKET_BYTES) - HEADER_BYTES) // 2 // 16 * 16
