"""drift: how far the integers go from the float model along a stream."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from edgelstm.cli.console import Terminal, output_options
from edgelstm.cli.request import model_options, request_for
from edgelstm.errors import DriftError
from edgelstm.pipeline.drift_limit import refuse_excess
from edgelstm.pipeline.drifted import drift as measure
from edgelstm.pipeline.request import read_data
from edgelstm.project.settings import LARGEST_DRIFT, LEAST_DRIFT, LEAST_DRIFT_STEPS, MOST_DRIFT_STEPS
from edgelstm.report.drift import exceeded
from edgelstm.report.drift_table import print_drift


@click.command
@click.argument("model", required=False, type=click.Path(path_type=Path))
@click.option(
    "--steps", type=click.IntRange(LEAST_DRIFT_STEPS, MOST_DRIFT_STEPS), help="How far to run without a reset [100000]."
)
@click.option(
    "--stream",
    type=click.Path(path_type=Path),
    help="A .npy or .npz file to run along [the test data, strung together].",
)
@click.option(
    "--max-drift",
    type=click.FloatRange(LEAST_DRIFT, LARGEST_DRIFT),
    help="Fail if the error of the last decade of steps is larger: percent of full scale.",
)
@model_options
@output_options
def drift(model: Path | None, stream: Path | None, terminal: Terminal, **options: Any) -> None:
    """Run integers and float model side by side along a stream, without a reset.

    Shows how the error grows from decade to decade of steps, whether cell states are clipped and which scale would hold
    them, how long the model takes to forget its start, and a burst of extreme inputs. MODEL is a float model; in a
    project it is the project's. The exit code is 1 where the limit is exceeded.
    """
    request = request_for(model, None, options)
    if options["steps"] is not None:
        request = replace(request, drift_steps=options["steps"])
    limit = options["max_drift"] if options["max_drift"] is not None else request.max_drift
    report = measure(request, read_data(request.data, request.base), stream, terminal)
    problems = exceeded(report, limit)
    terminal.result({**report.to_mapping(), "exceeded": problems}, lambda console: print_drift(report, console))
    if problems and terminal.as_json:
        click.get_current_context().exit(DriftError.exit_code)
    refuse_excess(report, limit)
