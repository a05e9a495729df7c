"""Writes small ELF files byte by byte, so that tests can also write wrong ones."""

import struct
from collections.abc import Sequence

EM_ARM = 40
EM_AVR = 83
EM_XTENSA = 94
EM_RISCV = 243
FLASH = 0x08000000
RAM = 0x20000000


def elf_bytes(
    segments: Sequence[tuple[int, bytes]],
    *,
    machine: int = EM_ARM,
    entry: int = FLASH + 9,
    header_count: int | None = None,
    missing_bytes: int = 0,
) -> bytes:
    """A 32-bit little-endian executable with one PT_LOAD header for each (physical address, data)."""
    offset = 52 + 32 * len(segments)
    headers, contents = b"", b""
    for address, data in segments:
        position = offset + len(contents)
        headers += struct.pack("<8I", 1, position, 0, address, len(data), len(data), 5, 4)
        contents += data
    count = len(segments) if header_count is None else header_count
    header = struct.pack(
        "<16sHHIIIIIHHHHHH",
        b"\x7fELF\x01\x01\x01",
        *(2, machine, 1, entry, 52, 0, 0, 52, 32, count, 40, 0, 0),
    )
    whole = header + headers + contents
    return whole[: len(whole) - missing_bytes]


def cortex_m_program(size_bytes: int) -> bytes:
    """A vector table followed by bytes that need every escape of the protocol, and long runs of one byte."""
    vectors = struct.pack("<II", RAM + 0x1000, FLASH + 9)
    body = b"\0" * 64 + b"#$}*+-" * 8 + bytes(range(256))
    repeated = body * (size_bytes // len(body) + 1)
    return vectors + repeated[: size_bytes - len(vectors)]
