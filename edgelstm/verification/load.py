"""What a model's samples cost in its firmware, counted by an emulator in a few steps."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from edgelstm.device.elf import read_elf
from edgelstm.device.profile import RegionCount
from edgelstm.device.profile.cycles import cycle_table, estimate_cycles
from edgelstm.device.profile.decoding import decoder
from edgelstm.device.targets import Target
from edgelstm.ir import IntArray, Model
from edgelstm.report.estimate import Load
from edgelstm.schedule import make_schedule
from edgelstm.verification.step_counts import StepCounts, count_steps


def count_load(
    elf: Path,
    target: Target,
    model: Model,
    inputs: IntArray,
    *,
    runner: str | None = None,
    timeout_s: float = 600,
    on_fallback: Callable[[str], None] = lambda _: None,
) -> Load:
    """Run stored inputs (sequences, rows, width) on a program and count every instruction.

    Raises:
        TargetError: no emulator of the target counts.
        ToolError: emulator, plugin or program failed.
    """
    counts = count_steps(elf, target, model, inputs, runner=runner, timeout_s=timeout_s, on_fallback=on_fallback)
    steps = np.array(counts.step.calls).reshape(len(inputs), -1)
    outputs = _outputs(model, counts, len(inputs))
    # A sample sets off the output behind it: each its own, or the last all slices behind the window.
    worst = steps[:, -outputs.shape[1] :] + outputs
    regions = [counts.step, *([] if counts.output is None else [counts.output])]
    cycles = _cycles(elf, target, regions)
    executed = sum(region.executed for region in regions)
    return Load(
        counter=counts.counter,
        step=float(steps.mean()),
        output=float(outputs.mean()),
        worst=int(max(worst.max(), steps.max())),
        stack_bytes=counts.stack_bytes,
        cycles_per_instruction=None if cycles is None else (cycles[0] / executed, cycles[1] / executed),
    )


def _outputs(model: Model, counts: StepCounts, sequences: int) -> IntArray:
    """(sequences, outputs of each), all slices of one together; 0 where steps yield them."""
    if counts.output is None:
        return np.zeros((sequences, 1), np.int64)
    calls: IntArray = np.array(counts.output.calls).reshape(sequences, -1)
    is_streaming = make_schedule(model, model.timesteps).is_streaming
    return calls if is_streaming else calls.sum(axis=1, keepdims=True)


def _cycles(elf: Path, target: Target, regions: Sequence[RegionCount]) -> tuple[int, int] | None:
    """Lowest and highest of all that was executed; None where the core's maker publishes no timing."""
    if all(region.clocks for region in regions):
        clocks = sum(sum(region.clocks) for region in regions)
        return clocks, clocks
    table, decode = cycle_table(target), decoder(read_elf(elf).machine)
    found = [estimate_cycles(table, region.instructions, decode).range for region in regions]
    known = [each for each in found if each is not None]
    return (sum(low for low, _ in known), sum(high for _, high in known)) if len(known) == len(found) else None
