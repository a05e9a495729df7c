"""Writes a program to a chip through a running gdb server, checks it there, and runs it to its exit code.

Any server will do: OpenOCD, pyOCD, J-Link, Black Magic, st-util, QEMU. gdb itself is not needed.
"""

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgelstm.device.flash.image import FirmwareImage, Segment, read_image, reset_registers
from edgelstm.device.flash.interface import FlashResult, Progress
from edgelstm.device.flash.plan import FlashPlan, plan_flash
from edgelstm.device.flash.run import RunOutcome, run_until_exit
from edgelstm.device.flash.server import GdbServer
from edgelstm.errors import FlashError

_ADDRESS = re.compile(r"(?P<host>[A-Za-z0-9_.-]{1,253}|\[[0-9A-Fa-f:.%]{2,64}\])?:(?P<port>[0-9]{1,5})", re.ASCII)


@dataclass(frozen=True)
class GdbFlasher:
    """Writes through one gdb server.

    Attributes:
        host: where the gdb server listens.
        port: its TCP port.
        timeout_s: the limit of one answer.
        reset: how the program is started. "monitor" lets the server reset the chip with its peripherals;
            "registers" only sets stack pointer and program counter, which every server can.
        flash_timeout_s: the limit of one answer to erasing, writing flash or a reset.
    """

    host: str
    port: int
    timeout_s: float = 10.0
    reset: Literal["registers", "monitor"] = "registers"
    flash_timeout_s: float = 120.0

    def flash(
        self,
        elf: Path,
        *,
        progress: Progress | None = None,
        verify: bool = True,
        run: bool = True,
        wait_s: float = 30.0,
    ) -> FlashResult:
        """Loads a program, reads it back, starts it and waits up to `wait_s` seconds for its exit.

        Without `run` the target stays halted if the server leaves it so.

        Raises:
            FlashError: the image does not fit, the server cannot be reached or refuses, what was read back
                differs, or the program stopped without an exit.
        """
        started = time.monotonic()
        image = read_image(elf)
        registers = reset_registers(elf, image) if run and self.reset == "registers" else {}
        steps = _Steps(progress, image.size_bytes * (2 if verify else 1))
        outcome = RunOutcome(None, "")
        with GdbServer(self.host, self.port, self.timeout_s, self.flash_timeout_s) as server:
            plan = plan_flash(image.segments, server.regions)
            _write(server, plan, steps)
            if verify:
                _verify(server, image.segments, steps)
            if run:
                self._prepare_start(server, image, registers)
                outcome = run_until_exit(server, wait_s)
        return FlashResult(
            bytes_written=image.size_bytes,
            bytes_verified=image.size_bytes if verify else 0,
            erased_bytes=plan.erased_bytes,
            run_exit_code=outcome.exit_code,
            output=outcome.output,
            seconds=time.monotonic() - started,
        )

    def describe(self, elf: Path, *, verify: bool = True, run: bool = True, wait_s: float = 30.0) -> str:
        """What `flash` with the same arguments would do, in lines of text; nothing is connected to.

        Raises:
            FlashError: the image cannot be loaded or started.
        """
        image = read_image(elf)
        lines = [f"connect to the gdb server at {self.host}:{self.port}, which halts the chip"]
        lines += [f"write {len(s.data)} bytes at {s.address:#010x}..{s.end - 1:#010x}" for s in image.segments]
        lines.append("  where the server's memory map says flash, whole blocks are erased first, with all they hold")
        if verify:
            lines.append(f"read back {image.size_bytes} bytes and compare")
        if run and self.reset == "monitor":
            lines.append("reset the chip by the server's reset command")
        elif run:
            values = ", ".join(f"{name} = {value:#010x}" for name, value in reset_registers(elf, image).items())
            lines.append(f"set {values}")
        if run:
            lines.append(f"start the program and wait up to {wait_s:g} s for its exit code")
        return "\n".join(lines)

    def _prepare_start(self, server: GdbServer, image: FirmwareImage, registers: dict[str, int]) -> None:
        if self.reset == "monitor":
            server.reset_and_halt()
        for name, value in registers.items():
            server.write_register(server.register_number(image.machine, name), value, name)


def parse_address(text: str) -> tuple[str, int]:
    """Host and port of "host:port", "[IPv6]:port" or ":port", the last on this computer.

    Raises:
        FlashError: the text is none of these.
    """
    match = _ADDRESS.fullmatch(text)
    if match is None or not 1 <= int(match["port"]) <= 65535:
        raise FlashError(
            f"{text[:80]!r} is not the address of a gdb server",
            'write it as "host:port", for example localhost:3333',
        )
    return (match["host"] or "localhost").strip("[]"), int(match["port"])


class _Steps:
    """Counts bytes for the progress display."""

    def __init__(self, progress: Progress | None, total_bytes: int) -> None:
        self._progress = progress
        self._total_bytes = total_bytes
        self._done_bytes = 0

    def add(self, size_bytes: int) -> None:
        self._done_bytes += size_bytes
        if self._progress is not None:
            self._progress(self._done_bytes, self._total_bytes)


def _write(server: GdbServer, plan: FlashPlan, steps: _Steps) -> None:
    for block in plan.erase:
        server.erase_flash(block.address, block.size_bytes)
    for chunk in _chunks(plan.flash_writes, server.chunk_bytes):
        server.write_flash(chunk.address, chunk.data)
        steps.add(len(chunk.data))
    if plan.flash_writes:
        server.finish_flash()
    for chunk in _chunks(plan.memory_writes, server.chunk_bytes):
        server.write_memory(chunk.address, chunk.data)
        steps.add(len(chunk.data))


def _verify(server: GdbServer, segments: Sequence[Segment], steps: _Steps) -> None:
    for chunk in _chunks(segments, server.chunk_bytes):
        found = server.read_memory(chunk.address, len(chunk.data))
        if found != chunk.data:
            offset = next(i for i, (one, other) in enumerate(zip(chunk.data, found, strict=True)) if one != other)
            raise FlashError(
                f"verification failed at {chunk.address + offset:#010x}: "
                f"expected {chunk.data[offset]:#04x}, found {found[offset]:#04x}",
                "check that the program is built for this chip and that its flash is not write-protected",
            )
        steps.add(len(chunk.data))


def _chunks(segments: Sequence[Segment], chunk_bytes: int) -> Iterator[Segment]:
    for segment in segments:
        for offset in range(0, len(segment.data), chunk_bytes):
            yield Segment(segment.address + offset, segment.data[offset : offset + chunk_bytes])
