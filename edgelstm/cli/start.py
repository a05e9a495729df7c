"""new, train: how a project begins."""

import shlex
from pathlib import Path

import click

from edgelstm.cli.console import Terminal, output_options
from edgelstm.cli.request import request_for
from edgelstm.output import write_atomically
from edgelstm.pipeline.request import read_data
from edgelstm.pipeline.trained import train_model
from edgelstm.project import find_project, load_project, new_project


@click.command
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--name", help="The C name of the model [the folder's].")
@output_options
def new(folder: Path, name: str | None, terminal: Terminal) -> None:
    """Write a starter project into FOLDER: settings, synthetic data to replace by yours, a README."""
    files = new_project(folder, name)
    for file, text in files.items():
        write_atomically(folder / file, text)
    terminal.note(f"made {folder}; next: cd {shlex.quote(str(folder))} && edgelstm build --target cortex-m4")
    terminal.result({"folder": str(folder), "files": sorted(files)}, lambda console: None)


@click.command
@output_options
def train(terminal: Terminal) -> None:
    """Train the model that edgelstm.toml describes, or that its model.py builds, and save it as .keras.

    Needs TensorFlow: pip install "edgelstm[train]". No other command does.
    """
    project = load_project(find_project(Path()))
    request = request_for(None, None, {})
    trained = train_model(project, read_data(request.data, request.base), terminal)
    values = {"model": str(trained.path), "metric": trained.metric, "float": trained.float_value}
    figure = "" if trained.float_value is None else f", {trained.metric} {trained.float_value:.4f}"
    terminal.result(values, lambda console: console.print(f"{trained.path}{figure}"))
