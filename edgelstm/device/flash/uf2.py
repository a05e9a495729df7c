"""UF2 files, which boot loaders take as they are copied to their drive.

Format: https://github.com/microsoft/uf2, "File format": blocks of 512 bytes, each with an address and up to 476 bytes.
"""

import struct
from collections.abc import Sequence

from edgelstm.device.flash.image import Segment

BLOCK = struct.Struct("<8I476sI")
PAGE_BYTES = 256
"""The payload that all boot loaders take; RP2040 wants it aligned, too (datasheet, 2.8.4.2)."""
MAGIC_FIRST, MAGIC_SECOND, MAGIC_LAST = 0x0A324655, 0x9E5D5157, 0x0AB16F30
FLAG_FAMILY = 0x2000
_ERASED = b"\xff"


def to_uf2(segments: Sequence[Segment], family: int) -> bytes:
    """A UF2 file of whole pages, in order of address; bytes that no segment names read 0xFF, like erased flash.

    Args:
        segments: what is stored where; none overlap.
        family: the number of the chip's family, by which a boot loader knows that the file is for it.
    """
    pages: dict[int, bytearray] = {}
    for segment in segments:
        for number in range(segment.address // PAGE_BYTES, -(-segment.end // PAGE_BYTES)):
            start = number * PAGE_BYTES
            first, last = max(start, segment.address), min(start + PAGE_BYTES, segment.end)
            page = pages.setdefault(number, bytearray(_ERASED * PAGE_BYTES))
            page[first - start : last - start] = segment.data[first - segment.address : last - segment.address]
    blocks = (
        BLOCK.pack(
            *(MAGIC_FIRST, MAGIC_SECOND, FLAG_FAMILY, number * PAGE_BYTES, PAGE_BYTES, index, len(pages), family),
            bytes(pages[number]),
            MAGIC_LAST,
        )
        for index, number in enumerate(sorted(pages))
    )
    return b"".join(blocks)
