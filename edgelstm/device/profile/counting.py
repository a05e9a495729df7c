"""Choose an emulator and count what a firmware executes in chosen functions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

from edgelstm.device.elf import read_elf
from edgelstm.device.process import tail
from edgelstm.device.profile.blocks import BlockCounter, count_in_unicorn
from edgelstm.device.profile.instructions import Code, InstructionCount
from edgelstm.device.profile.plugin import count_in_qemu, ensure_plugin, plugin_api
from edgelstm.device.profile.records import RawCount, Region
from edgelstm.device.profile.simavr import count_in_simavr
from edgelstm.device.runners import Runner, choose_runner
from edgelstm.device.runners.qemu import QemuRunner
from edgelstm.device.runners.simavr import SimavrRunner
from edgelstm.device.runners.unicorn import UnicornRunner
from edgelstm.device.targets import Target
from edgelstm.errors import EdgelstmError, OutputError, TargetError, ToolError, ToolFailedError, ToolMissingError

COUNTING_RUNNERS = ("qemu", "unicorn", "simavr")


@dataclass(frozen=True)
class RegionCount:
    """What was executed between the entry of a function and its return.

    Attributes:
        symbol: the function.
        calls: instructions of each call, in order.
        instructions: of all calls together, by address.
        clocks: processor clocks of each call where the emulator is exact to them, else ().
    """

    symbol: str
    calls: tuple[int, ...]
    instructions: tuple[InstructionCount, ...]
    clocks: tuple[int, ...] = ()

    @property
    def executed(self) -> int:
        """Instructions of all calls together."""
        return sum(self.calls)


@dataclass(frozen=True)
class Counted:
    """What counted, "QEMU 7.2.22" or "Unicorn 2.1.4", what the firmware printed, and the counts of each region."""

    tool: str
    output: str
    regions: tuple[RegionCount, ...]


_Count = Callable[..., tuple[int, str, tuple[RawCount, ...]]]


def count_calls(
    elf: Path,
    target: Target,
    regions: Sequence[Region],
    after: str,
    arguments: Sequence[str] = (),
    *,
    cwd: Path,
    timeout_s: float = 600,
    choice: str | None = None,
    on_fallback: Callable[[str], None] = lambda _: None,
) -> Counted:
    """Run a firmware and count the calls of some of its functions.

    Args:
        elf: the firmware.
        target: what it was built for.
        regions: the functions, at most 8; a call that one of them makes to another belongs to the first.
        after: a function; nothing counts before it has been called.
        arguments: of the firmware.
        cwd: the folder in which it reads and writes files; with QEMU one more is written there.
        timeout_s: wall-clock limit in seconds.
        choice: "qemu", "unicorn" or "simavr"; None takes the first of the target's that can count.
        on_fallback: told why QEMU was not taken.

    Raises:
        TargetError: no emulator of the target counts.
        ToolError: the emulator or the plugin's compiler failed, or the firmware did not make all the calls.
    """
    contents = read_elf(elf)
    code = Code(contents)
    addresses = [(contents.symbol(region.symbol).address, region.calls) for region in regions]
    begin = contents.symbol(after).address
    tool, count = _counter(target, choice, addresses, begin, code, on_fallback)
    exit_code, output, raw = count(elf, arguments, cwd=cwd, timeout_s=timeout_s)
    if exit_code != 0:
        raise ToolFailedError(f"the firmware ended with exit code {exit_code}{tail(output)}", "does it run by itself?")
    return Counted(tool, output, tuple(_region(*pair, code) for pair in zip(regions, raw, strict=True)))


def _region(region: Region, raw: RawCount, code: Code) -> RegionCount:
    if len(raw.calls) != region.calls:
        raise ToolFailedError(
            f"{region.symbol} was called {len(raw.calls)} times, expected {region.calls}",
            "the compiler may have put it into its caller; forbid that by __attribute__((noinline))",
        )
    instructions = code.instructions(raw.blocks)
    if sum(one.executed for one in instructions) != sum(raw.calls):
        raise ToolFailedError(f"the counts of {region.symbol} contradict each other", "please report this")
    return RegionCount(region.symbol, raw.calls, instructions, raw.clocks)


def _counting_hint(target: Target) -> str:
    able = [name for name in target.runners if name in COUNTING_RUNNERS]
    return f"choose {' or '.join(able)}" if able else "choose a microcontroller"


def _counter(
    target: Target,
    choice: str | None,
    addresses: Sequence[tuple[int, int]],
    after: int,
    code: Code,
    on_fallback: Callable[[str], None],
) -> tuple[str, _Count]:
    names = [name for name in target.runners if name in COUNTING_RUNNERS and choice in (None, name)]
    if not names:
        raise TargetError(
            f"instructions of {target.name} cannot be counted" + (f" by {choice!r}" if choice else ""),
            _counting_hint(target),
        )
    reasons: list[EdgelstmError] = []
    for name in names:
        try:
            return _prepare(choose_runner(target, name), addresses, after, code)
        except (ToolError, OutputError) as error:
            if choice is not None:
                raise
            reasons.append(error)
            if name != names[-1]:
                on_fallback(f"{name} cannot count: {error.message}")
    raise ToolMissingError(
        f"nothing here can count the instructions of {target.name}:"
        + "".join(f"\n  - {error.message}" for error in reasons),
        "; or ".join(error.hint for error in reasons),
    )


def _prepare(runner: Runner, addresses: Sequence[tuple[int, int]], after: int, code: Code) -> tuple[str, _Count]:
    if isinstance(runner, QemuRunner):
        qemu_version, api = plugin_api(runner.program())
        narrow = code.narrow_at_page_ends()
        return f"QEMU {qemu_version}", partial(count_in_qemu, runner, ensure_plugin(api), addresses, after, narrow)
    if isinstance(runner, SimavrRunner):
        return "simavr", partial(count_in_simavr, runner, addresses, after)
    assert isinstance(runner, UnicornRunner)
    counter = BlockCounter(addresses, after, code.instructions_in)
    return f"Unicorn {version('unicorn')}", partial(count_in_unicorn, runner, counter)
