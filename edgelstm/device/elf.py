"""What an ELF file holds: sections, load segments and symbols. Damaged and hostile files are refused."""

import io
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from elftools.common.utils import struct_parse
from elftools.elf.elffile import ELFFile

from edgelstm.device.targets import MemoryRegion, Target
from edgelstm.errors import ToolError

_FILE_LIMIT_BYTES = 64 << 20
_HEADERS_LIMIT = 1 << 12
_SYMBOLS_LIMIT = 1 << 18
_NAME_LIMIT_BYTES = 512
_WRITE, _ALLOCATE, _EXECUTE = 1, 2, 4
_FUNCTION = 2
_SYMBOL_FORMATS = {32: struct.Struct("<IIIBBH"), 64: struct.Struct("<IBBHQQ")}


@dataclass(frozen=True)
class Section:
    """A section that occupies memory.

    `kind` is "code", "constant", "data" or "zero", which takes no room in the file.
    """

    name: str
    address: int
    size: int
    kind: str


@dataclass(frozen=True)
class Segment:
    """A part of memory: `data` is stored at `load_address`, and the program finds it at `address`.

    `size` exceeds the length of `data` where the rest is zeroed or merely reserved by the program itself.
    """

    load_address: int
    address: int
    size: int
    data: bytes


@dataclass(frozen=True)
class Symbol:
    """A function or an object; `kind` is that of its section. An Arm function's address has no T bit."""

    name: str
    address: int
    size: int
    kind: str


@dataclass(frozen=True)
class Elf:
    """An ELF file's contents, each list sorted by address (segments by load address).

    `machine` is the ELF specification's name of the processor, "EM_ARM".
    """

    machine: str
    entry: int
    sections: tuple[Section, ...]
    segments: tuple[Segment, ...]
    symbols: tuple[Symbol, ...]

    def symbol(self, name: str) -> Symbol:
        """The symbol of that name; raises ToolError if there is none."""
        for symbol in self.symbols:
            if symbol.name == name:
                return symbol
        raise ToolError(f"the firmware has no symbol called {name}", "build it with edgelstm")


@dataclass(frozen=True)
class MemoryUse:
    """What a firmware occupies on the chip, in bytes. `ram_bytes` includes the reserved stack.

    `iram_bytes` is code in memory, on chips that load it there from flash.
    """

    flash_bytes: int
    ram_bytes: int
    iram_bytes: int = 0


def read_elf(path: Path) -> Elf:
    """Read a little-endian ELF file of 32 or 64 bits.

    Raises:
        ToolError: the file is missing, too large (64 MiB), damaged or something else.
    """
    content = _content(path)
    try:
        file = ELFFile(io.BytesIO(content))
        if not file.little_endian:
            raise ValueError("big-endian")
        headers = _section_headers(file)
        return Elf(
            machine=str(file["e_machine"]),
            entry=int(file["e_entry"]),
            sections=tuple(sorted(_sections(file, headers, content), key=lambda section: section.address)),
            segments=tuple(sorted(_segments(file, content), key=lambda segment: segment.load_address)),
            symbols=tuple(sorted(_symbols(file, headers, content), key=lambda symbol: symbol.address)),
        )
    except Exception as error:  # the parser fails in many ways on a damaged file, all of them mean the same
        raise ToolError(
            f"{path.name} is not an ELF file that we can read: {error}", "build the firmware again"
        ) from error


def memory_use(elf: Elf, target: Target) -> MemoryUse:
    """What a firmware takes of each memory; raises TargetError for a target that is no microcontroller."""

    def taken(region: MemoryRegion) -> int:
        return sum(segment.size for segment in elf.segments if region.holds(segment.address))

    return MemoryUse(
        flash_bytes=sum(len(segment.data) for segment in elf.segments),
        ram_bytes=taken(target.region("ram")),
        iram_bytes=taken(target.region("iram")) if target.runs_from_ram else 0,
    )


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_FILE_LIMIT_BYTES + 1)
    except OSError as error:
        raise ToolError(f"{path} cannot be read: {error.strerror}", "build the firmware first") from error
    if len(content) > _FILE_LIMIT_BYTES:
        raise ToolError(f"{path.name} is larger than {_FILE_LIMIT_BYTES >> 20} MiB", "is it a firmware?")
    return content


def _section_headers(file: Any) -> list[Mapping[str, Any]]:
    return _headers(file, file.structs.Elf_Shdr, file["e_shoff"], file["e_shentsize"], file["e_shnum"])


def _headers(file: Any, layout: Any, offset: int, entry_bytes: int, count: int) -> list[Mapping[str, Any]]:
    # One by one, because the parser's own section objects follow links, without end in a hostile file.
    if count > _HEADERS_LIMIT:
        raise ValueError(f"{count} headers")
    return [struct_parse(layout, file.stream, offset + index * entry_bytes) for index in range(count)]


def _slice(content: bytes, offset: int, size: int) -> bytes:
    if offset + size > len(content):
        raise ValueError("it is cut off")
    return content[offset : offset + size]


def _text(strings: bytes, offset: int) -> str:
    return strings[offset : offset + _NAME_LIMIT_BYTES].split(b"\0", 1)[0].decode("utf-8", "replace")


def _kind(header: Mapping[str, Any]) -> str:
    if header["sh_type"] == "SHT_NOBITS":
        return "zero"
    if header["sh_flags"] & _EXECUTE:
        return "code"
    return "data" if header["sh_flags"] & _WRITE else "constant"


def _sections(file: Any, headers: Sequence[Mapping[str, Any]], content: bytes) -> Iterator[Section]:
    if not headers:
        return
    table = headers[file["e_shstrndx"]]
    names = _slice(content, table["sh_offset"], table["sh_size"])
    for header in headers:
        if header["sh_flags"] & _ALLOCATE and header["sh_size"]:
            yield Section(_text(names, header["sh_name"]), header["sh_addr"], header["sh_size"], _kind(header))


def _segments(file: Any, content: bytes) -> Iterator[Segment]:
    headers = _headers(file, file.structs.Elf_Phdr, file["e_phoff"], file["e_phentsize"], file["e_phnum"])
    total_bytes = 0
    for header in headers:
        if header["p_type"] == "PT_LOAD":
            total_bytes += header["p_filesz"]
            if total_bytes > _FILE_LIMIT_BYTES:
                raise ValueError("its segments overlap")
            data = _slice(content, header["p_offset"], header["p_filesz"])
            yield Segment(header["p_paddr"], header["p_vaddr"], header["p_memsz"], data)


def _symbols(file: Any, headers: Sequence[Mapping[str, Any]], content: bytes) -> Iterator[Symbol]:
    thumb_bit = 1 if file["e_machine"] == "EM_ARM" else 0
    record = _SYMBOL_FORMATS[file.elfclass]
    for header in headers:
        if header["sh_type"] != "SHT_SYMTAB":
            continue
        table = _slice(content, header["sh_offset"], header["sh_size"])
        strings_header = headers[header["sh_link"]]
        strings = _slice(content, strings_header["sh_offset"], strings_header["sh_size"])
        whole = table[: len(table) // record.size * record.size]
        for fields in islice(record.iter_unpack(whole), _SYMBOLS_LIMIT):
            if file.elfclass == 32:
                name, address, size, info, _, section = fields
            else:
                name, info, _, section, address, size = fields
            is_function = info & 15 == _FUNCTION
            if name and 0 < section < len(headers) and headers[section]["sh_flags"] & _ALLOCATE:
                yield Symbol(
                    _text(strings, name),
                    address & ~thumb_bit if is_function else address,
                    size,
                    _kind(headers[section]),
                )
        return
