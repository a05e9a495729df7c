"""Which flash blocks to erase and which bytes to write how, from the image and the target's memory map."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edgelstm.device.flash.description import MemoryRegion
from edgelstm.device.flash.image import Segment
from edgelstm.errors import FlashError


@dataclass(frozen=True)
class EraseRange:
    """Whole, adjacent erase blocks of one flash region."""

    address: int
    size_bytes: int

    @property
    def end(self) -> int:
        """The first address behind the range."""
        return self.address + self.size_bytes


@dataclass(frozen=True)
class FlashPlan:
    """The steps of one load, each in order of address.

    Attributes:
        erase: no block is in two ranges.
        flash_writes: bytes for erased flash.
        memory_writes: bytes for memory that is written directly.
    """

    erase: tuple[EraseRange, ...]
    flash_writes: tuple[Segment, ...]
    memory_writes: tuple[Segment, ...]

    @property
    def erased_bytes(self) -> int:
        """How many bytes of flash are erased."""
        return sum(erase_range.size_bytes for erase_range in self.erase)


def plan_flash(segments: Sequence[Segment], regions: Sequence[MemoryRegion]) -> FlashPlan:
    """Divides an image by the memory map; without a map all of it is written as plain memory.

    Raises:
        FlashError: a part of the image lies in ROM or in no region; lists all such parts.
    """
    if not regions:
        return FlashPlan((), (), tuple(segments))
    flash: list[Segment] = []
    memory: list[Segment] = []
    blocks: list[tuple[MemoryRegion, EraseRange]] = []
    problems: list[str] = []
    for segment in segments:
        for region, piece in _cut(segment, regions):
            if region is None or region.kind == "rom":
                where = "in ROM" if region else "outside the target's memory"
                problems.append(f"{piece.address:#010x}..{piece.end - 1:#010x} is {where}")
            elif region.kind == "flash":
                flash.append(piece)
                blocks.append((region, _blocks_under(piece, region)))
            else:
                memory.append(piece)
    if problems:
        raise FlashError(
            "the image does not fit this target: " + "; ".join(problems),
            "build for the target that the gdb server is attached to",
        )
    return FlashPlan(_merge(blocks), tuple(flash), tuple(memory))


def _cut(segment: Segment, regions: Sequence[MemoryRegion]) -> Iterator[tuple[MemoryRegion | None, Segment]]:
    """Pieces of a segment with the region each lies in; where regions overlap, flash counts."""
    by_preference = sorted(regions, key=lambda region: region.kind != "flash")
    edges = sorted({edge for region in regions for edge in (region.start, region.end)})
    address = segment.address
    for edge in [*(edge for edge in edges if segment.address < edge < segment.end), segment.end]:
        region = next((r for r in by_preference if r.start <= address < r.end), None)
        yield region, Segment(address, segment.data[address - segment.address : edge - segment.address])
        address = edge


def _blocks_under(piece: Segment, region: MemoryRegion) -> EraseRange:
    """The range of whole blocks, counted from the region's start, that a piece touches."""
    first = (piece.address - region.start) // region.block_bytes * region.block_bytes
    last = -(-(piece.end - region.start) // region.block_bytes) * region.block_bytes
    return EraseRange(region.start + first, min(last, region.size_bytes) - first)


def _merge(blocks: Sequence[tuple[MemoryRegion, EraseRange]]) -> tuple[EraseRange, ...]:
    """Joins ranges that touch, within one region only: another region may be another flash bank."""
    merged: list[tuple[MemoryRegion, EraseRange]] = []
    for region, erase_range in blocks:
        if merged and merged[-1][0] == region and erase_range.address <= merged[-1][1].end:
            start = merged[-1][1].address
            end = max(merged[-1][1].end, erase_range.end)
            merged[-1] = (region, EraseRange(start, end - start))
        else:
            merged.append((region, erase_range))
    return tuple(erase_range for _, erase_range in merged)
