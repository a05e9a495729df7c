"""Blocks of code -> instructions with their bytes, and how often each was executed."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from edgelstm.device.elf import Elf, Segment
from edgelstm.device.profile.avr_decoding import avr_length
from edgelstm.device.profile.records import BlockCount
from edgelstm.device.profile.xtensa_decoding import xtensa_length
from edgelstm.errors import ToolFailedError

_PAGE_BYTES = 1 << 10
"""QEMU's smallest page, that of Armv7-M."""

_THUMB_WIDE = 0b11101
"""Top five bits from which on a Thumb instruction has 32 bits, Armv7-M Architecture Reference Manual A5.1."""


@dataclass(frozen=True)
class InstructionCount:
    """An instruction.

    Attributes:
        address: where it lies.
        size: in bytes.
        encoding: its bytes as they lie in memory.
        executed: how often; instructions that a Thumb IT block skips count, too.
        taken: how often another than the instruction behind it came next.
    """

    address: int
    size: int
    encoding: bytes
    executed: int
    taken: int


class Code:
    """The code of an ELF file."""

    def __init__(self, elf: Elf) -> None:
        self._segments: tuple[Segment, ...] = tuple(segment for segment in elf.segments if segment.data)
        self._is_thumb = elf.machine == "EM_ARM"
        self._is_avr = elf.machine == "EM_AVR"
        self._is_xtensa = elf.machine == "EM_XTENSA"
        self._lengths: dict[tuple[int, int], int] = {}

    def instructions_in(self, address: int, size: int) -> int:
        """How many instructions a block has."""
        if (address, size) not in self._lengths:
            self._lengths[address, size] = sum(1 for _ in self._split(address, size))
        return self._lengths[address, size]

    def instructions(self, blocks: Iterable[BlockCount]) -> tuple[InstructionCount, ...]:
        """The instructions of all blocks, by address. A block may begin or end within another."""
        encodings: dict[int, bytes] = {}
        executed: dict[int, int] = {}
        taken: dict[int, int] = {}
        for block in blocks:
            last = block.address
            for address, encoding in self._split(block.address, block.size):
                encodings[address] = encoding
                executed[address] = executed.get(address, 0) + block.executed
                last = address
            taken[last] = taken.get(last, 0) + block.taken
        return tuple(
            InstructionCount(address, len(encoding), encoding, executed[address], taken.get(address, 0))
            for address, encoding in sorted(encodings.items())
        )

    def narrow_at_page_ends(self) -> tuple[int, ...]:
        """Where an instruction, if one begins there, has the last but one pair of bytes of one of QEMU's pages."""
        return tuple(
            address
            for segment in self._segments
            for address in range(
                segment.address // _PAGE_BYTES * _PAGE_BYTES - 4, segment.address + len(segment.data) - 1, _PAGE_BYTES
            )
            if address >= segment.address and self._length(self._bytes(address, 2)) == 2
        )

    def _split(self, address: int, size: int) -> Iterator[tuple[int, bytes]]:
        code = self._bytes(address, size)
        position = 0
        while position < size:
            length = self._length(code[position : position + 2])
            if position + length > size:
                if self._is_xtensa and position + 1 == size:
                    return  # QEMU looks at the byte behind an instruction, and takes it for a part of the block
                raise ToolFailedError(
                    f"the emulator ran half an instruction at {address + position:#x}", "is this ELF what it ran?"
                )
            yield address + position, code[position : position + length]
            position += length

    def _length(self, head: bytes) -> int:
        if self._is_thumb:
            return 4 if head[-1] >> 3 >= _THUMB_WIDE else 2
        if self._is_avr:
            return avr_length(int.from_bytes(head, "little"))
        if self._is_xtensa:
            return xtensa_length(head[0])
        return 4 if head[0] & 3 == 3 else 2  # RISC-V Instruction Set Manual, volume I, 1.5

    def _bytes(self, address: int, size: int) -> bytes:
        for segment in self._segments:
            offset = address - segment.address
            if offset >= 0 and offset + size <= len(segment.data):
                return segment.data[offset : offset + size]
        raise ToolFailedError(
            f"the firmware ran code at {address:#x} that is not in its ELF file", "code written at run time is unknown"
        )
