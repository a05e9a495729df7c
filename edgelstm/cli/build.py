"""quantize, generate, build, verify: from a model to verified firmware."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import click

from edgelstm import pipeline
from edgelstm.cli.console import Terminal, output_options
from edgelstm.cli.next_step import next_step
from edgelstm.cli.request import limit_options, model_options, request_for, step_graph_option, target_options
from edgelstm.codegen.emit import APP_FILES
from edgelstm.device.targets import load_target
from edgelstm.errors import OutputError, ProjectError
from edgelstm.identifiers import as_model_name
from edgelstm.output import OutputFolder, content_hash, write_atomically
from edgelstm.pipeline.accuracy_warnings import warn_untested
from edgelstm.pipeline.firmware import generate as generate_c
from edgelstm.pipeline.quantized import is_own_tflite, quantize_file
from edgelstm.pipeline.request import read_data
from edgelstm.pipeline.step_file import STEP
from edgelstm.pipeline.trained import ensure_trained
from edgelstm.report.outcome import Outcome
from edgelstm.report.outcome_table import print_outcomes
from edgelstm.report.result import accuracy_mapping
from edgelstm.report.table import print_accuracy


@click.command
@click.argument("model", required=False, type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="File to write [model.tflite].")
@model_options
@step_graph_option
@output_options
def quantize(model: Path | None, output: Path | None, terminal: Terminal, **options: object) -> None:
    """Choose scales on calibration data, round the weights, write a .tflite and say what that costs.

    MODEL is a .keras or .h5 file, or a .tflite with float weights; in a project it is the project's.
    """
    request = request_for(model, None, options)
    target = output or Path("model.tflite")
    step_target = target.with_name(f"{target.stem}_step.tflite")
    _refuse_overwriting(target)
    if request.tflite_recurrent == STEP:
        _refuse_overwriting(step_target)
    data = read_data(request.data, request.base)
    path = ensure_trained(request, data, terminal)
    quantized = quantize_file(path, request, data, terminal)
    accuracy = quantized.accuracy
    if quantized.was_read or accuracy is None:
        raise ProjectError(f"{path} is quantized already", "give the Keras model it came from")
    warn_untested(accuracy, data, terminal)
    write_atomically(target, quantized.tflite)
    terminal.note(f"wrote {target}, {len(quantized.tflite)} bytes")
    values = {"tflite": str(target), "sha256": quantized.sha256, "accuracy": accuracy_mapping(accuracy)}
    if quantized.step is not None:
        write_atomically(step_target, quantized.step.tflite)
        terminal.note(f"wrote {step_target}, {len(quantized.step.tflite)} bytes")
        values["step_graph"] = {
            "tflite": str(step_target),
            "accuracy": [one.to_mapping() for one in quantized.step.accuracy],
        }
    terminal.result(values, lambda console: print_accuracy(accuracy, console))


def _refuse_overwriting(target: Path) -> None:
    """A .tflite of ours may be replaced by a new one; nothing else may."""
    if target.suffix != ".tflite":
        raise ProjectError(f"cannot write {target}", "name a file that ends in .tflite")
    if target.exists() and not is_own_tflite(target):
        raise OutputError(
            f"{target} is there already, and edgelstm did not write it", "move it away, or name another file with -o"
        )


@click.command
@click.argument("model", required=False, type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Folder to write [src].")
@target_options(several=False)
@model_options
@limit_options
@output_options
def generate(model: Path | None, output: Path | None, terminal: Terminal, **options: object) -> None:
    """Write the C of a model, to be compiled with your own: a header, a source and the small headers they include.

    MODEL is an int8 .tflite; or a .keras, .h5 or float .tflite with --data to quantize it first. `build` adds a whole
    firmware.
    """
    request = request_for(model, output or Path("src"), options)
    if len(request.targets) > 1:
        raise ProjectError("C is written for one target at a time", f"choose one of {', '.join(request.targets)}")
    target = load_target(request.targets[0])
    request.require_wide_weights([target])
    folder = OutputFolder(request.output)
    data = read_data(request.data, request.base)
    quantized = quantize_file(ensure_trained(request, data, terminal), request, data, terminal)
    generated = generate_c(quantized, target.isa, request).files
    files = {name: text for name, text in generated.items() if name not in APP_FILES}
    folder.install("c", content_hash(*files, *files.values()), files)
    name = as_model_name(quantized.model.name)
    terminal.note(f"wrote {len(files)} files to {request.output}; start with {name}.h")
    terminal.result({"output": str(request.output), "files": sorted(files)}, lambda console: None)


@click.command
@click.argument("model", required=False, type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Folder to write [out].")
@target_options(several=True)
@model_options
@limit_options
@step_graph_option
@output_options
def build(model: Path | None, output: Path | None, terminal: Terminal, **options: object) -> None:
    """Do whatever is missing or out of date: train, quantize, export, generate, compile, verify.

    MODEL is a .keras, .h5 or .tflite file; in a folder with an edgelstm.toml it is the project's.
    """
    request = request_for(model, output, options)
    outcomes = pipeline.build_each(request, terminal)
    _require_one(outcomes)
    terminal.note(f"firmware and report are in {request.output}")
    if line := next_step(request, outcomes):
        terminal.note(line)
    values = [
        {"target": {"name": one.target}, "error": _error(one)} if one.result is None else one.result.to_mapping()
        for one in outcomes
    ]
    terminal.result(values[0] if len(values) == 1 else values, lambda console: print_outcomes(outcomes, console))
    _exit(outcomes)


@click.command
@click.argument("model", required=False, type=click.Path(path_type=Path))
@target_options(several=True)
@model_options
@limit_options
@output_options
def verify(model: Path | None, terminal: Terminal, **options: object) -> None:
    """Compare simulator, official interpreters, C on this computer and firmware on the target's emulator.

    Every output and every state of every step must be equal; if not, the first difference is named and the exit code
    is 2. Nothing is kept. Several targets are verified side by side, and one that fails stops no other.
    """
    with tempfile.TemporaryDirectory(prefix="edgelstm-") as work:
        request = replace(request_for(model, Path(work) / "out", options), may_train=False)
        outcomes = pipeline.build_each(request, terminal)
    _require_one(outcomes)
    values = [
        {"target": one.target, "error": _error(one)}
        if one.result is None
        else {"target": one.target, "verification": one.result.to_mapping()["verification"]}
        for one in outcomes
    ]
    terminal.result(values, lambda console: print_outcomes(outcomes, console))
    _exit(outcomes)


def _require_one(outcomes: Sequence[Outcome]) -> None:
    """Raise the error of a single target: there is no table to show."""
    if len(outcomes) == 1 and outcomes[0].error is not None:
        raise outcomes[0].error


def _error(outcome: Outcome) -> Mapping[str, str]:
    assert outcome.error is not None
    return {"message": outcome.error.message, "hint": outcome.error.hint}


def _exit(outcomes: Sequence[Outcome]) -> None:
    """End with the worst exit code of several targets; what went wrong has been shown."""
    worst = max((one.error.exit_code for one in outcomes if one.error is not None), default=0)
    if worst:
        click.get_current_context().exit(worst)
