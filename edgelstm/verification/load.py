"""What a model's samples cost in its firmware, counted by an emulator in a few steps."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from edgelstm.device.elf import read_elf
from edgelstm.device.profile.counting import COUNTING_RUNNERS
from edgelstm.device.profile.cycles import cycle_table, estimate_cycles
from edgelstm.device.profile.decoding import decoder
from edgelstm.device.profile.instructions import InstructionCount
from edgelstm.device.runners import choose_runner
from edgelstm.device.targets import Target
from edgelstm.errors import ToolFailedError
from edgelstm.ir import IntArray, Model
from edgelstm.report.estimate import Load
from edgelstm.schedule import make_schedule
from edgelstm.verification.replayed import replay
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
    """Run stored inputs (sequences, rows, width) and count: every instruction where an emulator can, else by the clock
    that the program reads.

    Raises:
        TargetError: the target cannot be run by `runner`.
        ToolError: nothing here runs it, or emulator or program failed.
    """
    if any(name in COUNTING_RUNNERS for name in target.runners):
        counts = count_steps(elf, target, model, inputs, runner=runner, timeout_s=timeout_s, on_fallback=on_fallback)
        return _load(elf, target, model, inputs, counts)
    return _timed(elf, target, model, inputs, runner, timeout_s)


def _load(elf: Path, target: Target, model: Model, inputs: IntArray, counts: StepCounts) -> Load:
    timesteps = model.layout.timesteps(inputs)
    steps = np.array(counts.step.calls).reshape(len(inputs), timesteps)
    is_streaming = make_schedule(model, timesteps).is_streaming
    outputs, worst = np.zeros((len(inputs), 1)), steps
    instructions = [counts.step.instructions]
    if counts.output is not None:
        instructions.append(counts.output.instructions)
        outputs = np.array(counts.output.calls).reshape(len(inputs), -1)
        if not is_streaming:
            outputs = outputs.sum(axis=1, keepdims=True)
        worst = steps[:, -outputs.shape[1] :] + outputs
    cycles = _cycles(elf, target, instructions)
    executed = int(steps.sum() + outputs.sum())
    return Load(
        counter=counts.counter,
        unit="instructions",
        step=float(steps.mean()),
        output=float(outputs.mean()),
        worst=int(max(worst.max(), steps.max())),
        stack_bytes=counts.stack_bytes,
        cycles_per_instruction=None if cycles is None else (cycles[0] / executed, cycles[1] / executed),
    )


def _cycles(elf: Path, target: Target, regions: list[tuple[InstructionCount, ...]]) -> tuple[int, int] | None:
    """Lowest and highest of all that was executed; None where Arm publishes no timing."""
    table = cycle_table(target)
    if table is None:
        return None
    decode = decoder(read_elf(elf).machine)
    found = [estimate_cycles(table, instructions, decode).range for instructions in regions]
    known = [each for each in found if each is not None]
    return (sum(low for low, _ in known), sum(high for _, high in known)) if len(known) == len(found) else None


def _timed(elf: Path, target: Target, model: Model, inputs: IntArray, runner: str | None, timeout_s: float) -> Load:
    """What the program's own clock says, of means alone."""
    chosen = choose_runner(target, runner)
    found = replay(f"the firmware for {target.name}", model, inputs, elf, chosen, timeout_s)
    ticks, costs = found.instructions_per_tick, found.costs
    if ticks is None or not costs.steps:
        raise ToolFailedError(f"{chosen.name} does not count what {target.name} executes", "choose a microcontroller")
    step, output = float(ticks * costs.step_ticks / costs.steps), float(ticks * costs.output_ticks / costs.outputs)
    return Load(chosen.name, "cycles", step, output, round(step + output), costs.stack_bytes, (1.0, 1.0))
