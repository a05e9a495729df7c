"""Estimates as text for a terminal of 80 columns: a row for each model and target."""

from collections.abc import Sequence

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from edgelstm.report.estimate import Estimate, Load
from edgelstm.report.limits import Limits, Pace, exceeded, excess_in_words
from edgelstm.report.table import LINE_WIDTH, NOT_MEASURED, plain_table

_MHZ = 1e6
_LONG = 100_000
"""From here on a range is shown in thousands."""


def print_estimates(estimates: Sequence[Estimate], limits: Limits, pace: Pace, console: Console) -> None:
    """Show what models take, how fast they must run where samples have a rate, and what is unknown and why."""
    several = len({each.model for each in estimates}) > 1
    labels = ["model", "target"] if several else ["target"]
    if not several and estimates:
        console.print(f"{estimates[0].model}\n")
    costs = plain_table(*labels, "flash", "firmware", "RAM", "step", "output", "cycles", "fits", left=len(labels))
    paces = plain_table(*labels, "clock MHz", "MHz needed", "real time", left=len(labels))
    for each in estimates:
        names = [each.model, each.target] if several else [each.target]
        costs.add_row(*names, *_costs(each, limits, pace))
        paces.add_row(*names, *_paces(each, pace))
    _print_narrow(costs, console)
    if pace.sample_rate_hz:
        console.print()
        console.print(paces)
    _print_notes(estimates, limits, pace, console)


def _print_narrow(table: Table, console: Console) -> None:
    """With narrower gaps where it would be wider than a terminal."""
    if Measurement.get(console, console.options, table).maximum > LINE_WIDTH:
        table.padding = (0, 1, 0, 0)
    console.print(table)


def _costs(estimate: Estimate, limits: Limits, pace: Pace) -> list[str]:
    load, least = estimate.load, "" if estimate.code_known else ">"
    return [
        f"{least}{estimate.flash.total}",
        NOT_MEASURED if estimate.firmware_flash_bytes is None else str(estimate.firmware_flash_bytes),
        f"{'' if load else '>'}{estimate.ram_bytes}",
        f"{load.step:.0f}" if load else NOT_MEASURED,
        f"{load.output:.0f}" if load and load.output else NOT_MEASURED,
        _cycles(load),
        _fits(estimate, limits, pace),
    ]


def _fits(estimate: Estimate, limits: Limits, pace: Pace) -> str:
    if estimate.fits is False:
        return "no"
    if exceeded([estimate], limits, pace):
        return "limit"
    return "?" if estimate.fits is None else "yes"


def _paces(estimate: Estimate, pace: Pace) -> list[str]:
    clock, needed, factor = pace.clock_of(estimate), pace.needed_hz(estimate), pace.real_time_factor(estimate)
    return [
        NOT_MEASURED if clock is None else f"{clock / _MHZ:g}",
        NOT_MEASURED if needed is None else _megahertz(needed),
        NOT_MEASURED if factor is None else f"{factor:.3g}x",
    ]


def _megahertz(hertz: float) -> str:
    """To three digits, or to one MHz."""
    return f"{hertz / _MHZ:.3g}" if hertz < 1000 * _MHZ else f"{hertz / _MHZ:.0f}"


def _cycles(load: Load | None) -> str:
    if load is None or load.cycles_per_instruction is None:
        return NOT_MEASURED
    low, high = (round(load.step * each) for each in load.cycles_per_instruction)
    if low == high:
        return str(low)
    return f"{low}..{high}" if high < _LONG else f"{low / 1000:.0f}k..{high / 1000:.0f}k"


def _print_notes(estimates: Sequence[Estimate], limits: Limits, pace: Pace, console: Console) -> None:
    console.print(
        "\nflash and RAM: bytes of the model, stack included; firmware: flash of the whole"
        "\nprogram that `build` writes. step, output: instructions of a mean call;"
        "\ncycles: of a step."
    )
    if any(exceeded([each], limits, pace) for each in estimates):
        console.print("fits: limit where the memory would do, but a limit that was given does not.")
    if pace.sample_rate_hz and any(each.load and each.load.cycles_per_instruction is None for each in estimates):
        console.print(
            "MHz: an instruction counts as one cycle where no cycles are shown, which is\ntoo few on most chips."
        )
    if pace.sample_rate_hz and any(pace.clock_of(each) is None for each in estimates):
        console.print("A core has no clock of its own; --clock sets that of all targets.")
    for each in estimates:
        if each.excess:
            console.print(f"does not fit {each.target}: {each.model}, {excess_in_words(each)} bytes")
    for refusal in dict.fromkeys(each.refusal for each in estimates if each.refusal):
        console.print(refusal)
    reasons: dict[str, list[str]] = {}
    for each in estimates:
        for reason in each.missing:
            reasons.setdefault(reason, []).append(each.target)
    for reason, targets in reasons.items():
        console.print(f"unknown for {', '.join(dict.fromkeys(targets))}: {reason}")
