"""estimate: what a model costs on every target, before anything is flashed, or even trained."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from edgelstm.cli.console import Terminal, output_options
from edgelstm.cli.quantities import Bytes, Counts, Deadline, Frequency
from edgelstm.cli.request import ALL, model_options, request_for, target_options
from edgelstm.errors import ProjectError, TargetError
from edgelstm.pipeline.estimated import chips, estimate_model, estimate_sizes
from edgelstm.pipeline.request import BuildRequest
from edgelstm.pipeline.stand_in import KINDS, Sizes
from edgelstm.project.settings import AUTO
from edgelstm.report.estimate import Estimate
from edgelstm.report.estimate_table import print_estimates
from edgelstm.report.limits import Limits, Pace, exceeded, misfits

_MHZ = 1e6
_LIMITS = ("max_flash", "max_ram", "max_instructions")


@click.command
@click.argument("model", required=False, type=click.Path(path_type=Path))
@target_options(several=False, default="all; with --units cortex-m4")
@click.option("--compiler", help="gcc, clang, zig, or a path [the first found].")
@click.option("--runner", help="qemu or unicorn [the first that can count here].")
@click.option("--units", type=Counts(), help="No model: layers of these many units, a row for each, like 16,32,64.")
@click.option("--inputs", type=click.IntRange(1, 1 << 16), help="Values of a sample, for --units.")
@click.option("--layer", type=click.Choice(list(KINDS)), help="Which layer, for --units [lstm].")
@click.option("--outputs", type=click.IntRange(1, 1 << 12), help="Of a Dense behind it, for --units [none].")
@click.option(
    "--sample-rate", "sample_rate_hz", type=Frequency("Hz", 1e-6, 1e9), help="Samples a second, in Hz, or like 16kHz."
)
@click.option(
    "--clock",
    "clock_hz",
    type=Frequency("MHz", 1e3, 1e11),
    help="Clock of all targets, in MHz or like 64MHz [the board's highest; of a core none is known].",
)
@click.option("--max-flash", type=Bytes(), help="Fail if the model takes more flash: bytes, or like 64K.")
@click.option("--max-ram", type=Bytes(), help="Fail if state, buffers and stack take more RAM.")
@click.option(
    "--deadline", type=Deadline(), help="Fail if the slowest sample takes longer: 5ms at the clock, or instructions."
)
@click.option(
    "--max-instructions", type=click.IntRange(1, 10**12), help="Fail if the slowest sample takes more: --deadline's."
)
@model_options
@output_options
def estimate(model: Path | None, terminal: Terminal, **options: Any) -> None:
    """Show what a model costs on every target, and whether it fits and keeps up.

    MODEL is a .keras, .h5 or .tflite file; in a project it is the project's, trained or not. Without --data inputs are
    made up. With --units there is no model yet. Figures are those of a firmware that is compiled and run for a few
    steps; what cannot be known here is said below the table. The exit code is 1 where a limit is exceeded, or where
    the firmware does not fit a target that --target names.
    """
    _require_sense(model, options)
    pace = Pace(options["sample_rate_hz"], options["clock_hz"])
    limits = _limits(options)
    found = _estimates(model, options, terminal)
    is_named = options["target"] not in (None, ALL)
    problems = [*(misfits(found) if is_named else ()), *exceeded(found, limits, pace)]
    values = {
        "estimates": [{**each.to_mapping(), **_pace_mapping(each, pace)} for each in found],
        "exceeded": problems,
    }
    terminal.result(values, lambda console: print_estimates(found, limits, pace, console))
    if problems and terminal.as_json:
        click.get_current_context().exit(TargetError.exit_code)
    if problems:
        listed = "\n".join(f"  - {problem}" for problem in problems)
        raise TargetError(f"it costs too much:\n{listed}", "choose another --optimize, fewer units, or another target")


def _estimates(model: Path | None, options: dict[str, Any], terminal: Terminal) -> tuple[Estimate, ...]:
    named = None if options["target"] == ALL else options["target"]
    if options["units"] is None:
        names = () if named else chips()
        return estimate_model(_request(model, {**options, "target": named}), terminal, names)
    request = _request(Path(), {**options, "target": named})
    if options["target"]:
        request = replace(request, targets=request.targets if named else chips())
    layer, outputs = options["layer"] or "lstm", options["outputs"] or 0
    sizes = [Sizes(layer, units, options["inputs"], outputs) for units in options["units"]]
    return estimate_sizes(sizes, request, terminal)


def _request(model: Path | None, options: dict[str, Any]) -> BuildRequest:
    """What is asked for. Limits decide about the model where its widths are chosen within them."""
    unlimited = {name: value for name, value in options.items() if name not in _LIMITS}
    request = replace(request_for(model, None, unlimited), may_train=False)
    # Time needs a clock, which the choice does not know.
    steering = replace(_limits(options), deadline_s=None)
    return replace(request, limits=steering.over(request.limits)) if request.activations == AUTO else request


def _limits(options: dict[str, Any]) -> Limits:
    deadline, deadline_s = options["deadline"] or (None, None)
    most = min((one for one in (options["max_instructions"], deadline) if one is not None), default=None)
    return Limits(options["max_flash"], options["max_ram"], most, deadline_s)


def _require_sense(model: Path | None, options: dict[str, Any]) -> None:
    """Raise ProjectError where options contradict each other; lists all of it."""
    problems = []
    if options["units"] is None:
        lone = [name for name in ("inputs", "layer", "outputs") if options[name] is not None]
        problems += [f"--{name} says what is meant by --units, which is missing" for name in lone]
    else:
        problems += ["--units describes a model, and a model is named too"] if model is not None else []
        problems += ["--units needs --inputs, the values of a sample"] if options["inputs"] is None else []
        problems += ["--data belongs to a model, not to --units"] if options["data"] is not None else []
    if problems:
        listed = "\n".join(f"  - {problem}" for problem in problems)
        raise ProjectError(f"the options do not go together:\n{listed}", "see `edgelstm estimate --help`")


def _pace_mapping(estimate: Estimate, pace: Pace) -> dict[str, float | None]:
    needed = pace.needed_hz(estimate)
    return {
        "needed_mhz": None if needed is None else needed / _MHZ,
        "real_time_factor": pace.real_time_factor(estimate),
    }
