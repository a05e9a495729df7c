"""Firmware images that programmers and boot loaders take: raw binary and Intel HEX."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from edgelstm.device.elf import Segment
from edgelstm.errors import ToolError

_IMAGE_LIMIT_BYTES = 64 << 20
_ERASED = b"\xff"
_RECORD_BYTES = 16
_DATA, _END, _UPPER_ADDRESS, _ENTRY = 0x00, 0x01, 0x04, 0x05


def to_binary(segments: Sequence[Segment]) -> bytes:
    """The memory from the lowest to the highest stored byte; gaps read 0xFF, like erased flash.

    Raises:
        ToolError: there is nothing to store, segments overlap, or they lie more than 64 MiB apart.
    """
    stored = _stored(segments)
    image = bytearray()
    for segment in stored:
        gap = segment.load_address - stored[0].load_address - len(image)
        image += _ERASED * gap + segment.data
    return bytes(image)


def to_intel_hex(segments: Sequence[Segment], entry: int) -> str:
    """Intel HEX with 32-bit addresses ("Hexadecimal Object File Format Specification", rev. A, Intel 1988).

    Raises:
        ToolError: as `to_binary`.
    """
    lines: list[str] = []
    upper = 0
    for segment in _stored(segments):
        for address, data in _chunks(segment):
            if address >> 16 != upper:
                upper = address >> 16
                lines.append(_record(_UPPER_ADDRESS, 0, upper.to_bytes(2, "big")))
            lines.append(_record(_DATA, address & 0xFFFF, data))
    lines.append(_record(_ENTRY, 0, entry.to_bytes(4, "big")))
    lines.append(_record(_END, 0, b""))
    return "\n".join(lines) + "\n"


def _stored(segments: Sequence[Segment]) -> list[Segment]:
    stored = sorted((segment for segment in segments if segment.data), key=lambda s: s.load_address)
    if not stored:
        raise ToolError("the firmware holds nothing to store", "its linker script is wrong")
    if any(a.load_address + len(a.data) > b.load_address for a, b in pairwise(stored)):
        raise ToolError("parts of the firmware overlap", "its linker script is wrong")
    end = stored[-1].load_address + len(stored[-1].data)
    if end - stored[0].load_address > _IMAGE_LIMIT_BYTES or end > 1 << 32:
        raise ToolError(
            f"the firmware spreads over more than {_IMAGE_LIMIT_BYTES >> 20} MiB", "load its ELF file instead"
        )
    return stored


def _chunks(segment: Segment) -> Iterator[tuple[int, bytes]]:
    """Pieces of at most one record that do not cross a 64 KiB boundary."""
    offset = 0
    while offset < len(segment.data):
        address = segment.load_address + offset
        size = min(_RECORD_BYTES, 0x10000 - (address & 0xFFFF))
        yield address, segment.data[offset : offset + size]
        offset += size


def _record(kind: int, address: int, data: bytes) -> str:
    content = bytes([len(data)]) + address.to_bytes(2, "big") + bytes([kind]) + data
    return f":{(content + bytes([-sum(content) & 0xFF])).hex().upper()}"
