"""What both ways of counting yield: the calls of each region and its blocks of instructions."""

from collections.abc import Iterator
from dataclasses import dataclass

from edgelstm.errors import ToolFailedError

NOT_RETURNED = "the firmware ended before a function that is counted had returned to where it was called"
NOT_RETURNED_HINT = "it must be called, not jumped to: let its caller do something behind the call"


@dataclass(frozen=True)
class Region:
    """A function with all that it calls.

    Attributes:
        symbol: the function's name in the ELF file.
        calls: how many calls to count, the first ones; a firmware that makes fewer is an error.
    """

    symbol: str
    calls: int


@dataclass(frozen=True)
class BlockCount:
    """Instructions that are executed together, from the first to the last.

    Attributes:
        address: of the first.
        size: of all, in bytes.
        executed: how often.
        taken: how often it did not go on behind the last one.
    """

    address: int
    size: int
    executed: int
    taken: int


@dataclass(frozen=True)
class RawCount:
    """A region: the instructions of each call in the order of calls, its blocks by address, and the clocks of each call
    where the emulator knows them, else ()."""

    calls: tuple[int, ...]
    blocks: tuple[BlockCount, ...]
    clocks: tuple[int, ...] = ()


def read_plugin_results(lines: Iterator[str], regions: int) -> tuple[RawCount, ...]:
    """Read what `targets/qemu/profile.c` has written.

    Raises:
        ToolFailedError: the run ended within a call, or the text is cut off.
    """
    calls: list[list[int]] = [[] for _ in range(regions)]
    blocks: list[list[BlockCount]] = [[] for _ in range(regions)]
    is_complete = False
    for line in lines:
        match line.split():
            case ["call", region, instructions]:
                calls[int(region)].append(int(instructions))
            case ["block", region, address, size, _, executed, taken]:
                blocks[int(region)].append(BlockCount(int(address), int(size), int(executed), int(taken)))
            case ["end", is_open]:
                is_complete = is_open == "0"
    if not is_complete:
        raise ToolFailedError(NOT_RETURNED, NOT_RETURNED_HINT)
    return tuple(
        RawCount(tuple(made), tuple(sorted(found, key=lambda block: (block.address, block.size))))
        for made, found in zip(calls, blocks, strict=True)
    )
