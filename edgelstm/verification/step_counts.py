"""Count the instructions of every step that a program built with the replay application makes."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgelstm.device.elf import read_elf
from edgelstm.device.profile import Region, RegionCount, count_calls
from edgelstm.device.profile.attribution import work_of
from edgelstm.device.profile.decoding import decoder
from edgelstm.device.targets import Target
from edgelstm.identifiers import as_model_name
from edgelstm.ir import IntArray, Model
from edgelstm.report.profile import CallCost, Work
from edgelstm.schedule import make_schedule
from edgelstm.verification.replay import read_results, write_vectors

REPLAY = "replay"


@dataclass(frozen=True)
class StepCounts:
    """What steps cost.

    Attributes:
        counter: what counted, "QEMU 7.2.22".
        step: `<model>_step`, a call for each step of each sequence, in order.
        output: `<model>_output` after each step, or each `<model>_output_slice` of a model that waits for its window;
            None where the step yields the output.
        stack_bytes: the deepest stack use of a call.
    """

    counter: str
    step: RegionCount
    output: RegionCount | None
    stack_bytes: int

    @property
    def regions(self) -> tuple[tuple[str, RegionCount], ...]:
        """Step, and output where there is one, with their names in the model's API."""
        if self.output is None:
            return (("step", self.step),)
        is_slice = self.output.symbol.endswith("_output_slice")
        return ("step", self.step), ("output_slice" if is_slice else "output", self.output)


def count_steps(
    elf: Path,
    target: Target,
    model: Model,
    inputs: IntArray,
    *,
    runner: str | None = None,
    timeout_s: float = 600,
    on_fallback: Callable[[str], None] = lambda _: None,
) -> StepCounts:
    """Replay inputs on a program and count the instructions of every step to the last one.

    Args:
        elf: built from `templates/c/app/replay.c.j2` and a source that defines the functions of `model`.
        target: what it was built for.
        model: whose C name, state arrays and output the program has.
        inputs: (sequences, rows, width) stored integers.
        runner: "qemu" or "unicorn"; None takes QEMU where it can count, else Unicorn.
        timeout_s: wall-clock limit of the run in seconds.
        on_fallback: told why QEMU was not taken.

    Raises:
        TargetError: no emulator of the target counts.
        ToolError: emulator, plugin or program failed.
    """
    name = as_model_name(model.name)
    sequences, timesteps = len(inputs), model.layout.timesteps(inputs)
    schedule = make_schedule(model, timesteps)
    regions = [Region(f"{name}_step", sequences * timesteps)]
    if not schedule.is_streaming:
        regions.append(Region(f"{name}_output_slice", sequences * schedule.slices))
    elif not model.answers_steps:
        regions.append(Region(f"{name}_output", sequences * timesteps))
    with tempfile.TemporaryDirectory(prefix="edgelstm-") as folder:
        arguments = write_vectors(Path(folder), model, inputs)
        counted = count_calls(
            elf,
            target,
            regions,
            REPLAY,
            arguments,
            cwd=Path(folder),
            timeout_s=timeout_s,
            choice=runner,
            on_fallback=on_fallback,
        )
        _, costs = read_results(Path(folder), model, sequences, timesteps)
    output = counted.regions[1] if len(counted.regions) > 1 else None
    return StepCounts(counted.tool, counted.regions[0], output, costs.stack_bytes)


def call_cost(elf: Path, function: str, counted: RegionCount, cycles: tuple[int, int] | None = None) -> CallCost:
    """Sum up a region: mean, best and worst call, loads and stores, and its cycles for all calls as those of one."""
    calls = len(counted.calls)
    return CallCost(
        function,
        calls,
        counted.executed / calls,
        min(counted.calls),
        max(counted.calls),
        total_work(elf, counted),
        None if cycles is None else (cycles[0] / calls, cycles[1] / calls),
    )


def total_work(elf: Path, counted: RegionCount) -> Work:
    """Instructions, loads and stores of a mean call."""
    return work_of(counted.instructions, decoder(read_elf(elf).machine), len(counted.calls))
