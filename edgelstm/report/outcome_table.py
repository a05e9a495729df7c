"""The outcomes of several targets as text for a terminal of 80 columns: a line each."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from edgelstm.report.outcome import Outcome
from edgelstm.report.result import Cost, Result
from edgelstm.report.table import NOT_MEASURED, plain_table, print_accuracy, print_results, print_verification

MOST_SIDE_BY_SIDE = 3
"""So many columns of costs fit beside their labels."""


def print_outcomes(outcomes: Sequence[Outcome], console: Console) -> None:
    """Show results, costs of each target among them, then why some targets have none."""
    results = [outcome.result for outcome in outcomes if outcome.result is not None]
    if len(outcomes) <= MOST_SIDE_BY_SIDE:
        print_results(results, console)
    elif results:
        _print_lines(results, console)
    for outcome in outcomes:
        if outcome.error is not None:
            console.print(f"\n{outcome.target} FAILED: {outcome.error.message}")
            if outcome.error.hint:
                console.print(f"  {outcome.error.hint}")
    if len(results) < len(outcomes):
        console.print(f"\n{len(outcomes) - len(results)} of {len(outcomes)} targets failed")


def _print_lines(results: Sequence[Result], console: Console) -> None:
    first = results[0]
    console.print(
        f"{first.model.name}: {first.model.parameters} parameters, {first.target.optimize}, "
        f"sha256 {first.model.sha256[:12]}\n"
    )
    console.print(_table(results))
    if any(result.cost.cycles_per_step for result in results):
        console.print("\na step: executed instructions; c: cycles")
    console.print("\ncompiled by")
    for compiler in sorted({result.target.compiler for result in results}):
        console.print(f"  {compiler}")
    if first.accuracy is not None:
        console.print()
        print_accuracy(first.accuracy, console)
    console.print()
    print_verification("all targets", first.verification[:-1], console)


def _table(results: Sequence[Result]) -> Table:
    table = plain_table("target", "ran on", "flash", "RAM", "stack", "firmware", "a step", "values", "", left=2)
    table.columns[-1].justify = "left"
    for result in results:
        ram = result.ram.state + result.ram.buffers
        numbers = (result.flash.total, ram, result.ram.stack, result.firmware_flash_bytes)
        rung = result.verification[-1]
        table.add_row(
            result.target.name,
            result.target.runner,
            *(str(number) if number else NOT_MEASURED for number in numbers),
            _a_step(result.cost),
            str(rung.values),
            "equal" if rung.passed else "DIFFERS",
        )
    return table


def _a_step(cost: Cost) -> str:
    if cost.cycles_per_step:
        return f"{cost.cycles_per_step} c"
    return str(cost.instructions_per_step or NOT_MEASURED)
