"""Run a program built with the replay application on a model's inputs, and take back all that it wrote."""

import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from edgelstm.device.runners import Runner
from edgelstm.errors import ToolFailedError
from edgelstm.ir import IntArray, Model
from edgelstm.report.result import Cost
from edgelstm.verification.replay import ReplayCosts, read_results, write_vectors
from edgelstm.verification.trace import Trace

SELFTEST_EXIT_CODE = 1


@dataclass(frozen=True, eq=False)
class Replayed:
    """What a program made of inputs.

    Attributes:
        trace: its states and outputs.
        costs: what it measured of itself.
        instructions_per_tick: of its ticks; None where the runner counts nothing.
        selftest_failed: whether it answers other values than were known.
    """

    trace: Trace
    costs: ReplayCosts
    instructions_per_tick: Fraction | None
    selftest_failed: bool

    def cost(self, timesteps: int) -> Cost:
        """Instructions of a step, and of a window of that many steps with one output."""
        if self.instructions_per_tick is None or self.costs.steps == 0:
            return Cost(None, None)
        step = self.costs.step_ticks * self.instructions_per_tick / self.costs.steps
        output = self.costs.output_ticks * self.instructions_per_tick / self.costs.outputs
        return Cost(round(step), round(step * timesteps + output))


def replay(name: str, model: Model, inputs: IntArray, program: Path, runner: Runner, timeout_s: float) -> Replayed:
    """Run a program on stored inputs (sequences, rows, width).

    Args:
        name: of the program, for errors.
        model: whose C the program has.
        inputs: what it is given.
        program: the ELF file, or the executable of the host.
        runner: of the program's target.
        timeout_s: wall-clock limit in seconds.

    Raises:
        ToolError: it could not be run, failed, or wrote something else than results.
    """
    sequences, timesteps = len(inputs), model.layout.timesteps(inputs)
    with tempfile.TemporaryDirectory(prefix="edgelstm-") as folder:
        arguments = write_vectors(Path(folder), model, inputs)
        run = runner.run(program, list(arguments), cwd=Path(folder), timeout_s=timeout_s)
        selftest_failed = run.exit_code == SELFTEST_EXIT_CODE and "selftest failed" in run.output
        if run.exit_code != 0 and not selftest_failed:
            text = run.output.strip()[-2000:]
            raise ToolFailedError(f"{name}: the program ended with exit code {run.exit_code}\n{text}")
        trace, costs = read_results(Path(folder), model, sequences, timesteps)
    return Replayed(trace, costs, run.instructions_per_tick, selftest_failed)
