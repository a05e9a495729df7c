"""inspect --error: where the error of a quantized model comes from."""

from collections.abc import Mapping
from pathlib import Path

from edgelstm.cli.console import Terminal
from edgelstm.cli.request import request_for
from edgelstm.errors import ProjectError
from edgelstm.pipeline.explained import explain
from edgelstm.pipeline.request import read_data
from edgelstm.report.errors_table import print_errors


def show_errors(model: Path | None, options: Mapping[str, object], terminal: Terminal) -> None:
    """Measure and print."""
    request = request_for(model, None, options)
    found = explain(request, read_data(request.data, request.base), terminal)
    terminal.result(found.to_mapping(), lambda console: print_errors(found, console))


def require_error(options: Mapping[str, object]) -> None:
    """Raise ProjectError where options were given that only --error reads."""
    given = ", ".join(f"--{name.replace('_', '-')}" for name, value in options.items() if value is not None)
    if given:
        raise ProjectError(f"inspect reads {given} with --error alone", "add --error, or leave them out")
