"""How far a model drifts, as text."""

from rich.console import Console

from edgelstm.report.drift import CellUse, DriftReport, Settling
from edgelstm.report.table import plain_table

_MOST_UNITS = 8


def print_drift(report: DriftReport, console: Console) -> None:
    """Show the error of each decade, the verdict, cell states, recovery and warm-up."""
    repeated = report.steps / max(1, report.data_steps)
    again = f", {report.data_steps} steps of data again and again" if repeated > 1 else ""
    console.print(f"{report.steps} steps without a reset{again}; errors in percent of full scale\n")
    table = plain_table("steps", "error", "typical", left=1)
    for one in report.decades:
        table.add_row(f"{one.first} to {one.last}", f"{one.error_percent:.3g} %", f"{one.typical_percent:.3g} %")
    console.print(table)
    console.print(f"\nthe error {_verdict(report)}")
    for cell in report.cells:
        console.print(_cell(cell))
    console.print(f"warm-up: {_settling(report.warm_up)}, {_float(report.warm_up)} in float")
    console.print(f"recovery from a burst of extreme inputs: {_settling(report.recovery)}")
    _print_advice(report, console)


def _verdict(report: DriftReport) -> str:
    if report.grows:
        return f"grows: {report.growth:.1f} times as large in the last decade as in the one before"
    again = ", in which the same data come again" if report.steps > report.data_steps else ""
    return f"is bounded: {report.error_percent:.3g} % in the last decade{again}"


def _cell(cell: CellUse) -> str:
    text = f'cell state of "{cell.layer}": Q{cell.integer_bits}.{15 - cell.integer_bits}, reaches {cell.reached:.3g}'
    if not cell.clipped_percent:
        return f"{text}, never clipped"
    units = ", ".join(map(str, cell.units[:_MOST_UNITS]))
    more = f" and {len(cell.units) - _MOST_UNITS} more" if len(cell.units) > _MOST_UNITS else ""
    return f"{text}, {cell.clipped_percent:.2g} % of its values clipped, in unit {units}{more}"


def _settling(settling: Settling) -> str:
    return f"not within {settling.watched} steps" if settling.integer is None else f"{settling.integer} steps"


def _float(settling: Settling) -> str:
    return f"not within {settling.watched}" if settling.real is None else f"{settling.real}"


def _print_advice(report: DriftReport, console: Console) -> None:
    for cell in report.cells:
        if cell.clipped_percent and cell.needed_bits is None:
            console.print(
                f'advice: no scale holds the cell state of "{cell.layer}": reset the network now and then, or train it '
                "on sequences as long as it will see"
            )
    wider = report.wider
    if wider is None:
        return
    change = f"{wider.error_percent:.3g} % of full scale in the last decade instead of {report.error_percent:.3g} %"
    if wider.error_percent < report.error_percent:
        console.print(f"advice: --cell-bits {wider.cell_bits} (cell_bits in [quantize]): {change}")
    else:
        console.print(f"no advice: --cell-bits {wider.cell_bits} would hold all cell states, but {change}")
