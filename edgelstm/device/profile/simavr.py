"""Count in simavr, which is exact to the clock: `targets/simavr/count.h` says what its program writes."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from edgelstm.device.profile.records import NOT_RETURNED, NOT_RETURNED_HINT, BlockCount, RawCount
from edgelstm.device.runners.simavr import SimavrRunner
from edgelstm.errors import ToolFailedError

RESULTS_FILE = "profile.txt"


def count_in_simavr(
    runner: SimavrRunner,
    regions: Sequence[tuple[int, int]],
    after: int,
    elf: Path,
    arguments: Sequence[str],
    *,
    cwd: Path,
    timeout_s: float,
) -> tuple[int, str, tuple[RawCount, ...]]:
    """Run a firmware to its end.

    Args:
        runner: for the firmware's target.
        regions: address and number of calls of each function to count, at most 8.
        after: nothing counts before this address was reached.
        elf: the firmware.
        arguments: of the firmware.
        cwd: its folder, which also receives `RESULTS_FILE`.
        timeout_s: wall-clock limit in seconds.

    Returns:
        exit code, output, and counts unless the exit code tells of a failure.
    """
    results = cwd / RESULTS_FILE
    results.unlink(missing_ok=True)
    functions = [f"region={address}:{calls}" for address, calls in regions]
    options = (f"out={results.resolve()}", f"after={after}", *functions)
    completed = runner.start(elf, arguments, options, cwd=cwd, timeout_s=timeout_s)
    if completed.exit_code != 0:
        return completed.exit_code, completed.output, ()
    with results.open() as lines:
        return 0, completed.output, tuple(_counts(lines, len(regions)))


def _counts(lines: Iterator[str], regions: int) -> Iterator[RawCount]:
    calls: list[list[tuple[int, int]]] = [[] for _ in range(regions)]
    blocks: list[list[BlockCount]] = [[] for _ in range(regions)]
    is_complete = False
    for line in lines:
        match line.split():
            case ["call", region, instructions, clocks]:
                calls[int(region)].append((int(instructions), int(clocks)))
            case ["block", region, address, size, _, executed, taken]:
                blocks[int(region)].append(BlockCount(int(address), int(size), int(executed), int(taken)))
            case ["end", is_open]:
                is_complete = is_open == "0"
    if not is_complete:
        raise ToolFailedError(NOT_RETURNED, NOT_RETURNED_HINT)
    for made, found in zip(calls, blocks, strict=True):
        yield RawCount(
            tuple(executed for executed, _ in made),
            tuple(sorted(found, key=lambda block: block.address)),
            tuple(clocks for _, clocks in made),
        )
