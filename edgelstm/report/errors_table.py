"""Where errors come from, as text."""

import math
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from edgelstm.report.errors_found import ErrorReport, LayerError, PartError, WorstSample
from edgelstm.report.table import NOT_MEASURED, plain_table

_HEADS = {"weights": "weights", "sum": "pre-activation", "function": "function", "state": "state"}
"""What a part can have rounded, and the heading of its share."""


def print_errors(report: ErrorReport, console: Console) -> None:
    """Show layers, gates, the worst sequence and advice."""
    looked_at = f"{report.sequences} of {report.available} test sequences"
    console.print(f"output SQNR {_db(report.sqnr_db)} on {looked_at}; shares are of the output's error\n")
    console.print(_layers((*report.inputs, *report.layers)))
    if report.parts:
        console.print()
        console.print(_parts(report.parts))
    if report.worst is not None:
        console.print(f"\nworst test sequence: {_worst(report.worst)}")
    console.print()
    for advice in report.advice:
        console.print(f"advice: {advice.text}")
    if not report.advice:
        console.print(
            "no advice: no single cause was found. What is rounded everywhere, --activations int16, --rounding data\n"
            "and `edgelstm finetune` may bring back"
        )


def _layers(rows: Sequence[LayerError]) -> Table:
    table = plain_table("layer", "kind", "SQNR", "by itself", "share", left=2)
    for row in rows:
        table.add_row(row.name, row.kind, _db(row.sqnr_db), _db(row.own_sqnr_db), _share(row.share))
    return table


def _parts(rows: Sequence[PartError]) -> Table:
    table = plain_table("layer", "gate or state", "SQNR", *_HEADS.values(), left=2)
    for row in rows:
        shares = [_share(row.shares.get(what)) for what in _HEADS]
        table.add_row(row.layer, row.name, _db(row.sqnr_db), *shares)
    return table


def _worst(worst: WorstSample) -> str:
    where = f"output {worst.output}" if worst.step is None else f"output {worst.output} of step {worst.step}"
    return (
        f"number {worst.index}, SQNR {_db(worst.sqnr_db)}, {_share(worst.share)} of all error; "
        f"its largest is {worst.error:+.4g}, at {where}"
    )


def _db(ratio: float | None) -> str:
    if ratio is None:
        return NOT_MEASURED
    return f"{ratio:.1f} dB" if math.isfinite(ratio) else ("exact" if ratio > 0 else "noise")


def _share(share: float | None) -> str:
    return NOT_MEASURED if share is None else f"{100 * share:.1f} %"
