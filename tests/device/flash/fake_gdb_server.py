"""A gdb server in a thread, with flash that must be erased before it is written, and faults on demand."""

import re
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

FLASH_START, FLASH_BYTES, BLOCK_BYTES = 0x08000000, 0x10000, 0x400
RAM_START, RAM_BYTES = 0x20000000, 0x2000
MEMORY_MAP = f"""<?xml version="1.0"?>
<!DOCTYPE memory-map PUBLIC "+//IDN gnu.org//DTD GDB Memory Map V1.0//EN"
  "http://sourceware.org/gdb/gdb-memory-map.dtd">
<memory-map>
  <memory type="flash" start="{FLASH_START:#x}" length="{FLASH_BYTES:#x}">
    <property name="blocksize">{BLOCK_BYTES:#x}</property>
  </memory>
  <memory type="ram" start="{RAM_START:#x}" length="{RAM_BYTES:#x}"/>
  <memory type="rom" start="0x1fff0000" length="0x1000"/>
</memory-map>""".encode()
TARGET_XML = b"""<?xml version="1.0"?><!DOCTYPE target SYSTEM "gdb-target.dtd"><target>
<feature name="org.gnu.gdb.arm.m-profile"><reg name="r12" regnum="12" bitsize="32"/><reg name="sp"/>
<reg name="lr"/><reg name="pc" type="code_ptr"/><reg name="xPSR" bitsize="32"/></feature></target>"""


@dataclass
class Faults:
    """What goes wrong. Packets are named by how they begin; counts go down as the faults happen."""

    answers: Mapping[bytes, bytes] = field(default_factory=dict)
    silent_on: bytes | None = None
    drop_on: bytes | None = None
    wrong_checksums: int = 0
    naks: int = 0
    flip_bit_at: int | None = None
    most_read_bytes: int | None = None
    most_written_bytes: int | None = None


class FakeGdbServer:
    """Serves one client. `packets` holds what it was sent, `registers` what was written by `P`.

    `run` is the program's life: the packets sent after `c`, then those after each answer to a file-I/O call.
    """

    def __init__(
        self,
        faults: Faults | None = None,
        *,
        features: bytes = b"PacketSize=400;qXfer:memory-map:read+;qXfer:features:read+",
        memory_map: bytes = MEMORY_MAP,
        run: Sequence[Sequence[bytes]] = ((b"W00",),),
    ) -> None:
        self.flash = bytearray(b"\x00" * FLASH_BYTES)
        self.ram = bytearray(RAM_BYTES)
        self.registers: dict[int, bytes] = {}
        self.packets: list[bytes] = []
        self.violations: list[str] = []
        self._faults = faults or Faults()
        self._features = features
        self._memory_map = memory_map
        self._run = list(run)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A client that never came would leave accept() waiting.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._listener.close()
        assert not self._thread.is_alive()

    def sent(self, start: bytes) -> list[bytes]:
        """The packets that begin so."""
        return [packet for packet in self.packets if packet.startswith(start)]

    def _serve(self) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError:
            return
        with client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                self._converse(client)
            except ConnectionError:
                return

    def _converse(self, client: socket.socket) -> None:
        last_answer = b""
        for event in _events(client):
            if event == b"-":
                client.sendall(self._framed(last_answer))
                continue
            if self._faults.naks:
                self._faults.naks -= 1
                client.sendall(b"-")
                continue
            self.packets.append(event)
            if self._faults.drop_on is not None and event.startswith(self._faults.drop_on):
                return
            if self._faults.silent_on is not None and event.startswith(self._faults.silent_on):
                continue
            client.sendall(b"+")
            for last_answer in self._answers(event):
                client.sendall(self._framed(last_answer))

    def _framed(self, body: bytes) -> bytes:
        wrong = self._faults.wrong_checksums > 0
        self._faults.wrong_checksums -= wrong
        return b"$%b#%02x" % (body, (sum(body) + wrong) % 256)

    def _answers(self, packet: bytes) -> Iterator[bytes]:
        for start, answer in self._faults.answers.items():
            if packet.startswith(start):
                yield answer
                return
        if packet == b"c" or packet.startswith(b"F"):
            yield from self._run.pop(0) if self._run else ()
            return
        yield self._answer(packet)

    def _answer(self, packet: bytes) -> bytes:  # noqa: PLR0911
        if packet.startswith(b"qSupported"):
            return self._features
        if packet == b"?":
            return b"T05thread:01;"
        if match := re.fullmatch(rb"qXfer:(memory-map|features):read:(.*):(\w+),(\w+)", packet):
            document = self._memory_map if match[1] == b"memory-map" else TARGET_XML
            start, end = int(match[3], 16), int(match[3], 16) + int(match[4], 16)
            return (b"m" if end < len(document) else b"l") + document[start:end]
        if match := re.fullmatch(rb"vFlashErase:(\w+),(\w+)", packet):
            return self._erase(int(match[1], 16), int(match[2], 16))
        if match := re.fullmatch(rb"vFlashWrite:(\w+):(.*)", packet, re.DOTALL):
            return self._write_flash(int(match[1], 16), match[2])
        if packet == b"vFlashDone":
            return b"OK"
        if match := re.fullmatch(rb"m(\w+),(\w+)", packet):
            return self._read(int(match[1], 16), int(match[2], 16))
        if match := re.fullmatch(rb"X(\w+),(\w+):(.*)", packet, re.DOTALL):
            return self._write_ram(int(match[1], 16), match[3])
        if match := re.fullmatch(rb"M(\w+),(\w+):(\w*)", packet):
            return self._write_ram(int(match[1], 16), bytes.fromhex(match[3].decode()))
        if match := re.fullmatch(rb"P(\w+)=(\w+)", packet):
            self.registers[int(match[1], 16)] = bytes.fromhex(match[2].decode())
            return b"OK"
        return b""

    def _erase(self, address: int, size_bytes: int) -> bytes:
        start = address - FLASH_START
        if start % BLOCK_BYTES or size_bytes % BLOCK_BYTES or not 0 <= start < FLASH_BYTES:
            self.violations.append(f"erase {address:#x},{size_bytes:#x}")
            return b"E02"
        if b"\xff" in self.flash[start : start + size_bytes]:
            self.violations.append(f"erased twice: {address:#x}")
        self.flash[start : start + size_bytes] = b"\xff" * size_bytes
        return b"OK"

    def _write_flash(self, address: int, data: bytes) -> bytes:
        start = address - FLASH_START
        if self.flash[start : start + len(data)] != b"\xff" * len(data):
            self.violations.append(f"write to flash that is not erased: {address:#x}")
            return b"E03"
        kept = data[: self._faults.most_written_bytes]
        self.flash[start : start + len(kept)] = kept
        return b"OK"

    def _write_ram(self, address: int, data: bytes) -> bytes:
        start = address - RAM_START
        if not 0 <= start <= RAM_BYTES - len(data):
            return b"E04"
        self.ram[start : start + len(data)] = data
        return b"OK"

    def _read(self, address: int, size_bytes: int) -> bytes:
        memory, start = (self.flash, FLASH_START) if FLASH_START <= address < RAM_START else (self.ram, RAM_START)
        data = bytearray(memory[address - start : address - start + size_bytes])
        flip = self._faults.flip_bit_at
        if flip is not None and address <= flip < address + size_bytes:
            data[flip - address] ^= 0x10
        return _run_length_encoded(data[: self._faults.most_read_bytes].hex().encode())


def _run_length_encoded(body: bytes) -> bytes:
    """Shortens runs of four to ninety equal characters, but not to the counts that look like `#` and `$`."""

    def shorten(run: re.Match[bytes]) -> bytes:
        repeats = len(run[0]) - 1
        if repeats + 29 in b"#$+-":
            return run[0]
        return run[1] + b"*" + bytes([repeats + 29])

    return re.sub(rb"(.)\1{3,89}", shorten, body)


def _events(client: socket.socket) -> Iterator[bytes]:
    """Unescaped bodies of packets with a right checksum, and b"-" for each request to repeat."""
    buffer = b""
    event = re.compile(rb"[^$-]*(?:\$([^#]*)#(\w\w)|-)")
    while received := client.recv(65536):
        buffer += received
        while match := event.match(buffer):
            buffer = buffer[match.end() :]
            if match[1] is None:
                yield b"-"
                continue
            assert sum(match[1]) % 256 == int(match[2], 16)
            yield re.sub(rb"\}(.)", lambda escape: bytes([escape[1][0] ^ 0x20]), match[1], flags=re.DOTALL)
