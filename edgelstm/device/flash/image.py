"""What a firmware ELF puts where: its load segments, and the register values with which a reset starts it."""

import io
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from elftools.common.utils import struct_parse
from elftools.elf.elffile import ELFFile

from edgelstm.device.elf import read_elf
from edgelstm.errors import FlashError, ToolError

ADDRESS_SPACE_BYTES = 1 << 32
MAX_ELF_BYTES = 64 << 20
MAX_PROGRAM_HEADERS = 256
XPSR_THUMB = 1 << 24
"""Arm v7-M ARM B1.4.2: the T bit, without which a Cortex-M faults on its first instruction."""


@dataclass(frozen=True)
class Segment:
    """Bytes and the physical address at which they are stored."""

    address: int
    data: bytes

    @property
    def end(self) -> int:
        """The first address behind the segment."""
        return self.address + len(self.data)


@dataclass(frozen=True)
class FirmwareImage:
    """The parts of an ELF file that matter for loading it.

    Attributes:
        machine: the ELF machine name, for example "EM_ARM" or "EM_RISCV".
        entry: the entry address.
        segments: ordered by address, without overlap, none empty.
    """

    machine: str
    entry: int
    segments: tuple[Segment, ...]

    @property
    def size_bytes(self) -> int:
        """How many bytes are stored on the target."""
        return sum(len(segment.data) for segment in self.segments)


def read_image(elf: Path) -> FirmwareImage:
    """Reads a 32-bit little-endian ELF file.

    Raises:
        FlashError: the file is missing, damaged, or holds nothing that can be loaded; lists all problems.
    """
    content = read_bytes(elf)
    try:
        parsed = ELFFile(io.BytesIO(content))
        headers = _program_headers(parsed, content)
        machine, entry = str(parsed["e_machine"]), int(parsed["e_entry"])
    except FlashError:
        raise
    except Exception as error:  # pyelftools raises errors of many kinds on damaged files
        raise FlashError(f"{elf.name} is not a readable ELF file", "build the firmware again") from error
    if parsed.elfclass != 32 or not parsed.little_endian:
        raise FlashError(f"{elf.name} is not a 32-bit little-endian ELF file", "build it for a microcontroller")
    problems = _header_problems(headers, len(content))
    if problems:
        raise FlashError(f"{elf.name} cannot be loaded: " + "; ".join(problems), "check its linker script")
    segments = tuple(
        Segment(header["p_paddr"], content[header["p_offset"] : header["p_offset"] + header["p_filesz"]])
        for header in headers
    )
    return FirmwareImage(machine, entry, segments)


def read_segments(elf: Path) -> tuple[Segment, ...]:
    """The load segments of a 32-bit little-endian ELF file by physical address; errors as `read_image`."""
    return read_image(elf).segments


def reset_registers(elf: Path, image: FirmwareImage) -> dict[str, int]:
    """The registers that a reset would load, by name in the order to write them.

    On Arm the stack pointer and the program counter come from the vector table: the symbol `vectors`, else
    the lowest load address; on RISC-V the program counter is the entry address.

    Args:
        elf: the program's file, for its symbols.
        image: what `read_image` made of it.

    Raises:
        FlashError: there is no vector table, or the architecture is another one.
    """
    if image.machine == "EM_RISCV":
        return {"pc": image.entry}
    if image.machine != "EM_ARM":
        raise FlashError(
            f"how to start an {image.machine.removeprefix('EM_')} program by its registers is not known",
            "let the gdb server reset the chip (reset = monitor)",
        )
    lowest = image.segments[0].address
    # Some chips want a boot loader of their own first in flash.
    for address in (_address_of("vectors", elf), lowest):
        if address is None:
            continue
        stack_pointer, handler = struct.unpack("<II", _stored(image.segments, address, 8) or bytes(8))
        if handler & 1 and stack_pointer % 4 == 0 and _stored(image.segments, handler & ~1, 1):
            return {"sp": stack_pointer, "pc": handler & ~1, "xpsr": XPSR_THUMB}
    raise FlashError(
        f"no Cortex-M vector table called `vectors` or at the lowest load address {lowest:#010x}",
        "link the vector table first, or let the gdb server reset the chip (reset = monitor)",
    )


def _address_of(name: str, elf: Path) -> int | None:
    try:
        return read_elf(elf).symbol(name).address
    except ToolError:
        return None  # what can be loaded need not have symbols that can be read


def _stored(segments: Sequence[Segment], address: int, size: int) -> bytes | None:
    """Bytes of one segment, None if it has not all of them."""
    for segment in segments:
        if segment.address <= address and address + size <= segment.end:
            return segment.data[address - segment.address :][:size]
    return None


def read_bytes(elf: Path) -> bytes:
    """The whole file; raises FlashError if it is missing or larger than 64 MiB."""
    try:
        if not elf.is_file():
            raise FlashError(f"{elf} is not a file", "build the firmware first")
        with elf.open("rb") as stream:
            content = stream.read(MAX_ELF_BYTES + 1)
    except OSError as error:
        raise FlashError(f"cannot read {elf}: {error.strerror}", "check its permissions") from error
    if len(content) > MAX_ELF_BYTES:
        raise FlashError(f"{elf.name} is larger than {MAX_ELF_BYTES >> 20} MiB", "strip its debug information")
    return content


def _program_headers(parsed: ELFFile, content: bytes) -> list[Mapping[str, Any]]:
    """The PT_LOAD headers with content, by address.

    Read one by one: pyelftools' segment objects also parse dynamic sections, without end in a hostile file.
    """
    count = parsed["e_phnum"]
    if count > MAX_PROGRAM_HEADERS:
        raise FlashError(f"the ELF file has {count} program headers", f"at most {MAX_PROGRAM_HEADERS} are read")
    stream = io.BytesIO(content)
    headers = [
        struct_parse(parsed.structs.Elf_Phdr, stream, parsed["e_phoff"] + index * parsed["e_phentsize"])
        for index in range(count)
    ]
    loaded = [header for header in headers if header["p_type"] == "PT_LOAD" and header["p_filesz"] > 0]
    return sorted(loaded, key=lambda header: int(header["p_paddr"]))


def _header_problems(headers: Sequence[Mapping[str, Any]], file_bytes: int) -> list[str]:
    if not headers:
        return ["it holds nothing to load"]
    problems = [
        f"the segment at {header['p_paddr']:#010x} is cut off"
        for header in headers
        if header["p_offset"] + header["p_filesz"] > file_bytes
    ]
    problems += [
        f"the segment at {header['p_paddr']:#010x} does not fit in 32-bit addresses"
        for header in headers
        if header["p_paddr"] + header["p_filesz"] > ADDRESS_SPACE_BYTES
    ]
    problems += [
        f"the segments at {one['p_paddr']:#010x} and {other['p_paddr']:#010x} overlap"
        for one, other in pairwise(headers)
        if one["p_paddr"] + one["p_filesz"] > other["p_paddr"]
    ]
    if sum(header["p_filesz"] for header in headers) > MAX_ELF_BYTES:
        problems.append(f"its segments are larger than {MAX_ELF_BYTES >> 20} MiB together")
    return problems
