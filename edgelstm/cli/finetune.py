"""finetune: train a model on in the integers that it will be."""

from dataclasses import replace
from pathlib import Path

import click
from rich.console import Console

from edgelstm.cli.console import Terminal, output_options
from edgelstm.cli.request import model_options, request_for
from edgelstm.errors import OutputError, ProjectError
from edgelstm.frontends.keras_rewrite import is_rewritten
from edgelstm.output import write_atomically
from edgelstm.pipeline.finetuned import FineTuned
from edgelstm.pipeline.finetuned import finetune as finetune_file
from edgelstm.pipeline.request import read_data
from edgelstm.pipeline.trained import ensure_trained
from edgelstm.training.qat.tune import Schedule

_DEFAULTS = Schedule()


@click.command
@click.argument("model", required=False, type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="File to write [<model>_qat.keras].")
@click.option(
    "--epochs",
    type=click.IntRange(1, 10_000),
    default=_DEFAULTS.epochs,
    show_default=True,
    help="How often to see all.",
)
@click.option(
    "--learning-rate",
    type=click.FloatRange(1e-9, 10.0),
    default=_DEFAULTS.learning_rate,
    show_default=True,
    help="Of the first step; it falls to zero.",
)
@click.option(
    "--batch-size",
    type=click.IntRange(1, 65_536),
    default=_DEFAULTS.batch_size,
    show_default=True,
    help="Sequences a step.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=_DEFAULTS.seed,
    show_default=True,
    help="Of all that is random.",
)
@model_options
@output_options
def finetune(
    model: Path | None,
    output: Path | None,
    terminal: Terminal,
    epochs: int,
    learning_rate: float,
    batch_size: int,
    seed: int,
    **options: object,
) -> None:
    """Train a .keras model on in the very integers that the firmware computes, where quantization costs accuracy.

    What is written is a .keras file with the same layers and other weights. The data need targets, `y`; give
    --margin, --clip, --contract and --calibration-samples as `build` will have them. Needs TensorFlow: pip install
    "edgelstm[train]".
    """
    request = request_for(model, None, options)
    target = output or request.model.with_name(f"{request.model.stem}_qat.keras")
    _refuse_overwriting(target)
    data = read_data(request.data, request.base)
    path = ensure_trained(request, data, terminal)
    found = finetune_file(
        path, replace(request, model=path), data, Schedule(epochs, batch_size, learning_rate, seed), terminal
    )
    write_atomically(target, found.content)
    terminal.note(f"wrote {target}, {len(found.content)} bytes, in {found.seconds:.0f} s")
    terminal.result({"model": str(target), **_values(found)}, lambda console: _print(found, console))


def _refuse_overwriting(target: Path) -> None:
    """A file that `finetune` wrote may be replaced by a new one; nothing else may."""
    if target.suffix != ".keras":
        raise ProjectError(f"cannot write {target}", "name a file that ends in .keras")
    if target.exists() and not is_rewritten(target):
        raise OutputError(
            f"{target} is there already, and edgelstm finetune did not write it",
            "move it away, or name another file with -o",
        )


def _values(found: FineTuned) -> dict[str, object]:
    return {
        "metric": found.after.metric,
        "float_before": found.before.float_value,
        "int8_before": found.before.quantized_value,
        "trained": found.trained_value,
        "int8": found.after.quantized_value,
        "float": found.after.float_value,
        "sqnr_db": {"before": found.before.sqnr_db, "after": found.after.sqnr_db},
        "epoch": found.tuned.epoch,
        "validation": list(found.tuned.scores),
    }


def _print(found: FineTuned, console: Console) -> None:
    rows = (
        ("float, before", found.before.float_value),
        ("int8, before", found.before.quantized_value),
        ("int8 as trained", found.trained_value),
        ("int8, as build will make it", found.after.quantized_value),
    )
    metric = "" if found.after.metric == "none" else f"{found.after.metric} of "
    for label, value in rows:
        console.print(f"{metric}{label:<28} {'-' if value is None else f'{value:.4f}'}")
    if found.tuned.epoch == 0:
        console.print("no epoch did better on the validation data than the model as it was; its weights are unchanged")
    else:
        console.print(f"the weights are those after epoch {found.tuned.epoch}, which did best on the validation data")
