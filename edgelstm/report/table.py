"""The result of a build as text for a terminal of 80 columns."""

import math
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from edgelstm.report.metrics import Accuracy
from edgelstm.report.result import Result, Rung

LINE_WIDTH = 80
MOST_SATURATIONS = 8
LARGEST_CONFUSION_SHOWN = 12
NOT_MEASURED = "-"


def plain_table(*headings: str, left: int) -> Table:
    """A table without lines: the first `left` columns hold text, the others numbers, and no cell is folded."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for index, heading in enumerate(headings):
        table.add_column(heading, justify="left" if index < left else "right", no_wrap=True)
    return table


def print_results(results: Sequence[Result], console: Console) -> None:
    """Show costs of every target side by side, then accuracy and verification."""
    if not results:
        return
    model = results[0].model
    console.print(
        f"{model.name}: {model.parameters} parameters, {model.macs_per_step} multiply-accumulates a step, "
        f"sha256 {model.sha256[:12]}\n"
    )
    console.print(_costs(results))
    if results[0].accuracy is not None:
        console.print()
        print_accuracy(results[0].accuracy, console)
    for result in results:
        console.print()
        print_verification(result.target.name, result.verification, console)


def _costs(results: Sequence[Result]) -> Table:
    table = plain_table("cost", *(result.target.name for result in results), left=1)
    rows = {
        "compiler": [result.target.compiler for result in results],
        "optimized for": [result.target.optimize for result in results],
        "ran on": [result.target.runner for result in results],
        "flash: code": [_bytes(result.flash.code) for result in results],
        "flash: tables": [_bytes(result.flash.tables) for result in results],
        "flash: weights": [_bytes(result.flash.weights) for result in results],
        "flash: other constants": [_bytes(result.flash.other_constants) for result in results],
        "flash: all of the model": [_bytes(result.flash.total) for result in results],
        "flash: whole firmware": [_measured(result.firmware_flash_bytes, " B") for result in results],
        "RAM: state": [_bytes(result.ram.state) for result in results],
        "RAM: buffers": [_bytes(result.ram.buffers) for result in results],
        "RAM: stack": [_measured(result.ram.stack, " B") for result in results],
        "RAM: all of the model": [_bytes(result.ram.total) for result in results],
        "RAM: firmware, stack reserve": [_measured(result.firmware_ram_bytes, " B") for result in results],
        **_sections(results),
    }
    costs = [result.cost for result in results]
    if any(cost.cycles_per_step for cost in costs):
        rows["cycles a step"] = [_measured(cost.cycles_per_step) for cost in costs]
        rows["cycles a run"] = [_measured(cost.cycles_per_run) for cost in costs]
    # Where clocks are exact, instructions are not counted: a row of dashes would say that nothing was measured.
    if any(cost.instructions_per_step for cost in costs) or "cycles a step" not in rows:
        rows["instructions a step"] = [_measured(cost.instructions_per_step) for cost in costs]
        rows["instructions a run"] = [_measured(cost.instructions_per_run) for cost in costs]
    for label, cells in rows.items():
        table.add_row(label, *cells)
    return table


def _sections(results: Sequence[Result]) -> dict[str, list[str]]:
    """Rows for the sections of the firmware."""
    names = dict.fromkeys(name for result in results for name in result.firmware_sections)
    return {
        f"firmware: {name}": [_measured(result.firmware_sections.get(name), " B") for result in results]
        for name in names
    }


def _bytes(count: int) -> str:
    return f"{count} B"


def _measured(number: int | None, unit: str = "") -> str:
    """A number, or a dash where the target cannot measure it."""
    return f"{number}{unit}" if number else NOT_MEASURED


def print_accuracy(accuracy: Accuracy, console: Console) -> None:
    """Show metric, agreement, SQNR, saturation and a small confusion matrix."""
    if accuracy.outputs_apart:
        for name, apart in accuracy.outputs_apart.items():
            console.print(f"output {name}: ", end="")
            _print_one_output(apart, console)
    else:
        _print_one_output(accuracy, console)
    shares = accuracy.saturated_inputs_percent
    if shares:
        console.print(f"  saturated inputs: {f'at most {max(shares):.2f} %' if any(shares) else 'none'}")
    for one in accuracy.saturations[:MOST_SATURATIONS]:
        console.print(
            f"  clipped: {one.percent:.2f} % of {one.where}, in {one.samples} sequence{'s' if one.samples > 1 else ''}"
        )
    if len(accuracy.saturations) > MOST_SATURATIONS:
        console.print(f"  clipped: {len(accuracy.saturations) - MOST_SATURATIONS} more, in report.json")
    for shown in (accuracy, *accuracy.outputs_apart.values()):
        _print_confusion(shown, console)


def _metric(value: float) -> str:
    """To four decimals, or three digits where these would say little, as of a small error in large units."""
    return f"{value:.4f}" if value == 0.0 or abs(value) >= 0.01 else f"{value:.3g}"


def _print_one_output(accuracy: Accuracy, console: Console) -> None:
    console.print(f"accuracy on {accuracy.outputs} outputs")
    table = plain_table("", "float", "integers", left=1)
    for name, values in (
        (accuracy.metric, (accuracy.float_value, accuracy.quantized_value)),
        ("mae", (accuracy.float_mae, accuracy.quantized_mae)),
    ):
        if values[1] is not None:
            table.add_row(f"  {name}", *(NOT_MEASURED if value is None else _metric(value) for value in values))
    if table.row_count:
        console.print(table)
    if accuracy.metric != "none" and accuracy.float_value is None:
        return
    noise = f"SQNR {accuracy.sqnr_db:.1f} dB" if math.isfinite(accuracy.sqnr_db) else "no quantization noise"
    alike = "outputs within 1 % of full scale of float's" if accuracy.metric == "rmse" else "agreement with float"
    console.print(f"  {alike} {100 * accuracy.agreement:.2f} %, {noise}")


def _print_confusion(accuracy: Accuracy, console: Console) -> None:
    if accuracy.confusion is not None and len(accuracy.confusion) <= LARGEST_CONFUSION_SHOWN:
        console.print("\n  true class down, decided by integers across")
        console.print(_confusion(accuracy.confusion, accuracy.labels))


def _confusion(rows: Sequence[Sequence[int]], labels: Sequence[str]) -> Table:
    """The matrix; its columns have numbers where the names would make it too wide."""
    numbers = [str(index) for index in range(len(rows))]
    names = list(labels) if len(labels) == len(rows) else numbers
    widest = max(len(name) for name in names)
    is_wide = 4 + widest + sum(2 + max(len(name), 4) for name in names) > LINE_WIDTH
    sides = [f"{number} {name}" for number, name in zip(numbers, names, strict=True)] if is_wide else names
    table = plain_table("", *(numbers if is_wide else names), left=1)
    for side, row in zip(sides, rows, strict=True):
        table.add_row(f"  {side}", *(str(count) if count else "." for count in row))
    return table


def print_verification(target: str, rungs: Sequence[Rung], console: Console) -> None:
    """Show every rung of the ladder."""
    console.print(f"verification of {target}: the simulator against")
    table = plain_table("", "values", "", left=1)
    table.columns[-1].justify = "left"
    for rung in rungs:
        table.add_row(f"  {rung.against}", str(rung.values), _verdict(rung))
    console.print(table)
    for rung in rungs:
        if not rung.passed:
            console.print(f"  first difference from {rung.against}:\n    {rung.first}")


def _verdict(rung: Rung) -> str:
    if not rung.mismatches:
        return "equal"
    if not rung.passed:
        return f"{rung.mismatches} DIFFER"
    why = "for information" if rung.allowed is None else "allowed"
    return f"{rung.mismatches} off by {rung.largest}, {why}"
