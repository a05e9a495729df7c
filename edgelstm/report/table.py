"""The result of a build as a table for a terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from edgelstm.report.metrics import Accuracy
from edgelstm.report.result import Result, Rung

LARGEST_CONFUSION_SHOWN = 12


def print_results(results: Sequence[Result], console: Console) -> None:
    """Show costs of every target side by side, then accuracy and verification."""
    if not results:
        return
    model = results[0].model
    console.print(
        f"\n{model.name}: {model.parameters} parameters, {model.macs_per_step} multiply-accumulates a step, "
        f"model.tflite {model.sha256[:12]}"
    )
    console.print(_costs(results))
    if results[0].accuracy is not None:
        print_accuracy(results[0].accuracy, console)
    for result in results:
        print_verification(result.target.name, result.verification, console)


def _costs(results: Sequence[Result]) -> Table:
    table = Table("cost", *(result.target.name for result in results), box=None, pad_edge=False)
    rows = {
        "compiler": [result.target.compiler for result in results],
        "ran on": [result.target.runner for result in results],
        "flash, code": [f"{result.flash.code} B" for result in results],
        "flash, tables": [f"{result.flash.tables} B" for result in results],
        "flash, weights": [f"{result.flash.weights} B" for result in results],
        "flash, other constants": [f"{result.flash.other_constants} B" for result in results],
        "flash, model in all": [f"{result.flash.total} B" for result in results],
        "RAM, state": [f"{result.ram.state} B" for result in results],
        "RAM, buffers": [f"{result.ram.buffers} B" for result in results],
        "RAM, stack": [_or_dash(result.ram.stack, " B") for result in results],
        "RAM, model in all": [f"{result.ram.total} B" for result in results],
        "instructions a step": [_or_dash(result.cost.instructions_per_step) for result in results],
        "instructions a run": [_or_dash(result.cost.instructions_per_run) for result in results],
    }
    for label, cells in rows.items():
        table.add_row(label, *cells)
    return table


def _or_dash(number: int | None, unit: str = "") -> str:
    return f"{number}{unit}" if number else "not measured here"


def print_accuracy(accuracy: Accuracy, console: Console) -> None:
    """Show metric, agreement, SQNR, saturation and a small confusion matrix."""
    console.print(f"\naccuracy on {accuracy.outputs} outputs")
    if accuracy.float_value is not None and accuracy.quantized_value is not None:
        console.print(
            f"  {accuracy.metric}: float {accuracy.float_value:.4f}, int8 {accuracy.quantized_value:.4f}"
        )
    if accuracy.float_mae is not None and accuracy.quantized_mae is not None:
        console.print(f"  mae: float {accuracy.float_mae:.4f}, int8 {accuracy.quantized_mae:.4f}")
    console.print(f"  agreement with float {100 * accuracy.agreement:.2f} %, SQNR {accuracy.sqnr_db:.1f} dB")
    shares = accuracy.saturated_inputs_percent
    if shares:
        worst = max(range(len(shares)), key=shares.__getitem__)
        console.print(f"  saturated inputs: at most {shares[worst]:.2f} % (channel {worst})")
    if accuracy.confusion is not None and len(accuracy.confusion) <= LARGEST_CONFUSION_SHOWN:
        console.print(_confusion(accuracy))


def _confusion(accuracy: Accuracy) -> Table:
    rows = accuracy.confusion or ()
    names = [
        accuracy.labels[index] if index < len(accuracy.labels) else str(index) for index in range(len(rows))
    ]
    table = Table("true \\ int8", *names, box=None, pad_edge=False)
    for name, row in zip(names, rows, strict=True):
        table.add_row(name, *(str(count) if count else "." for count in row))
    return table


def print_verification(target: str, rungs: Sequence[Rung], console: Console) -> None:
    """Show every rung of the ladder."""
    console.print(f"\nverification of {target}: the simulator against")
    table = Table("", "sequences", "values", "mismatches", "", box=None, pad_edge=False)
    for rung in rungs:
        verdict = "equal" if rung.mismatches == 0 else "DIFFERS" if rung.must_match else "for information"
        table.add_row(f"  {rung.against}", str(rung.sequences), str(rung.values), str(rung.mismatches), verdict)
    console.print(table)
    for rung in rungs:
        if not rung.passed:
            console.print(f"  first difference from {rung.against}: {rung.first}")
