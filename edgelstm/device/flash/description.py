"""The XML documents in which a gdb server describes its target: the memory map and the registers.

Formats: "Debugging with GDB", appendices "Memory Map Format" and "Target Descriptions". The documents come
from the network, so every number is bounded and a document type that declares entities is refused. One that
only names an external DTD is not: QEMU, pyOCD and st-util send such documents, and nothing fetches the DTD.
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass
from xml.parsers import expat

from edgelstm.errors import FlashError

MAX_REGIONS = 1024
MAX_INCLUDES = 64
MAX_REGISTERS = 4096
_NUMBER = re.compile(r"\s*(?:0[xX](?P<hex>[0-9a-fA-F]{1,16})|(?P<decimal>[0-9]{1,19}))\s*", re.ASCII)
_DOCUMENT_NAME = re.compile(r"[A-Za-z0-9_.+-]{1,64}")


@dataclass(frozen=True)
class MemoryRegion:
    """A range of the target's memory.

    Attributes:
        kind: "flash", "ram" or "rom".
        start: first address.
        size_bytes: > 0.
        block_bytes: the erase block of flash; 0 for other kinds.
    """

    kind: str
    start: int
    size_bytes: int
    block_bytes: int

    @property
    def end(self) -> int:
        """The first address behind the region."""
        return self.start + self.size_bytes


def parse_memory_map(document: bytes) -> tuple[MemoryRegion, ...]:
    """The regions of a `<memory-map>` document; kinds that gdb does not define are left out.

    Raises:
        FlashError: the document is not well-formed, not a memory map, or a number in it makes no sense.
    """
    root = _parse_xml(document, "memory map", "memory-map")
    elements = [element for element in root.iter("memory") if element.get("type") in ("flash", "ram", "rom")]
    if len(elements) > MAX_REGIONS:
        raise _unusable("memory map", f"it has more than {MAX_REGIONS} regions")
    regions = (_region(element) for element in elements)
    return tuple(region for region in regions if region.size_bytes > 0)


def register_numbers(read_document: Callable[[str], bytes]) -> dict[str, int]:
    """Numbers of the target's registers by name in lower case, from `target.xml` and what it includes.

    Args:
        read_document: gives the document of a name, as the server sent it.

    Raises:
        FlashError: a document is not well-formed, or there are too many.
    """
    numbers: dict[str, int] = {}
    documents_read = 0
    next_number = 0

    def collect(name: str) -> None:
        nonlocal documents_read, next_number
        documents_read += 1
        if documents_read > MAX_INCLUDES:
            raise _unusable("target description", f"it includes more than {MAX_INCLUDES} documents")
        for element in _parse_xml(read_document(name), "target description", "target", "feature").iter():
            if element.tag.rpartition(":")[2] == "include":
                collect(_document_name(element))
            elif element.tag == "reg":
                next_number = _number(element, "regnum", "target description", default=next_number)
                numbers.setdefault(element.get("name", "").lower(), next_number)
                next_number += 1
                if next_number > MAX_REGISTERS:
                    raise _unusable("target description", f"it numbers a register {next_number - 1}")

    collect("target.xml")
    return numbers


def _region(element: ET.Element) -> MemoryRegion:
    kind = element.get("type", "")
    start = _number(element, "start", "memory map")
    size_bytes = _number(element, "length", "memory map")
    block_bytes = 0
    if kind == "flash":
        blocks = [child for child in element.iter("property") if child.get("name") == "blocksize"]
        block_bytes = _parse_number(blocks[0].text if blocks else None, "blocksize", "memory map")
        if size_bytes and not 0 < block_bytes <= size_bytes:
            raise _unusable("memory map", f"flash at {start:#010x} has erase blocks of {block_bytes} bytes")
    return MemoryRegion(kind, start, size_bytes, block_bytes)


def _document_name(element: ET.Element) -> str:
    name = element.get("href", "")
    if not _DOCUMENT_NAME.fullmatch(name):
        raise _unusable("target description", f"it includes {name[:64]!r}")
    return name


def _number(element: ET.Element, attribute: str, subject: str, default: int | None = None) -> int:
    text = element.get(attribute)
    if text is None and default is not None:
        return default
    return _parse_number(text, attribute, subject)


def _parse_number(text: str | None, name: str, subject: str) -> int:
    match = _NUMBER.fullmatch(text or "")
    if match is None:
        raise _unusable(subject, f"{name} is {(text or '')[:32]!r}")
    return int(match["hex"], 16) if match["hex"] else int(match["decimal"])


def _parse_xml(document: bytes, subject: str, *roots: str) -> ET.Element:
    builder = ET.TreeBuilder()
    parser = expat.ParserCreate()
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data

    def refuse_own_entities(_name: str, _system: str | None, _public: str | None, internal_subset: bool) -> None:
        if internal_subset:
            raise _unusable(subject, "it declares entities")

    parser.StartDoctypeDeclHandler = refuse_own_entities
    try:
        parser.Parse(document, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise _unusable(subject, f"{error}") from error
    root = builder.close()
    if root.tag not in roots:
        raise _unusable(subject, f"it is a <{root.tag[:32]}> document")
    return root


def _unusable(subject: str, reason: str) -> FlashError:
    return FlashError(f"the gdb server's {subject} is not usable: {reason}", "update or restart the gdb server")
