"""Estimates as text for a terminal: a row for each model and target."""

from collections.abc import Sequence

from rich.console import Console

from edgelstm.report.estimate import Estimate, Load
from edgelstm.report.limits import Pace
from edgelstm.report.table import NOT_MEASURED, plain_table

_MHZ = 1e6


def print_estimates(estimates: Sequence[Estimate], pace: Pace, console: Console) -> None:
    """Show the table, and below it what is unknown and why."""
    several = len({each.model for each in estimates}) > 1
    headings = ["flash", "firmware", "RAM", "step", "output", "cycles a step", "fits"]
    headings += ["MHz needed"] if pace.sample_rate_hz else []
    headings += ["real time"] if pace.sample_rate_hz and pace.clock_hz else []
    labels = ["model", "target"] if several else ["target"]
    table = plain_table(*labels, *headings, left=len(labels))
    for each in estimates:
        table.add_row(*([each.model] if several else []), each.target, *_cells(each, pace))
    if not several and estimates:
        console.print(f"{estimates[0].model}\n")
    console.print(table)
    _print_notes(estimates, pace, console)


def _cells(estimate: Estimate, pace: Pace) -> list[str]:
    load, least = estimate.load, "" if estimate.code_known else ">"
    cells = [
        f"{least}{estimate.flash.total}",
        NOT_MEASURED if estimate.firmware_flash_bytes is None else str(estimate.firmware_flash_bytes),
        f"{'' if load else '>'}{estimate.ram_bytes}",
        f"{load.step:.0f}" if load else NOT_MEASURED,
        f"{load.output:.0f}" if load and load.output else NOT_MEASURED,
        _cycles(load),
        _fits(estimate),
    ]
    if pace.sample_rate_hz:
        needed, factor = pace.needed_hz(estimate), pace.real_time_factor(estimate)
        cells.append(NOT_MEASURED if needed is None else f"{needed / _MHZ:.3g}")
        if pace.clock_hz:
            cells.append(NOT_MEASURED if factor is None else f"{factor:.3g}x")
    return cells


def _cycles(load: Load | None) -> str:
    if load is None or load.cycles_per_instruction is None:
        return NOT_MEASURED
    low, high = (load.step * each for each in load.cycles_per_instruction)
    return f"{low:.0f}" if round(low) == round(high) else f"{low:.0f}..{high:.0f}"


def _fits(estimate: Estimate) -> str:
    if estimate.fits is None:
        return "?"
    excess = ", ".join(f"{name} +{size}" for name, size in estimate.excess.items())
    return "yes" if estimate.fits else f"no: {excess}" if excess else "no"


def _print_notes(estimates: Sequence[Estimate], pace: Pace, console: Console) -> None:
    console.print(
        "\nflash and RAM: bytes of the model, stack included; firmware: flash of the whole program that `build` writes."
        "\nstep, output: instructions of a mean call."
    )
    if pace.sample_rate_hz and any(each.load and each.load.cycles_per_instruction is None for each in estimates):
        console.print("MHz: an instruction counts as one cycle where none are shown, which is too few on most chips.")
    for refusal in dict.fromkeys(each.refusal for each in estimates if each.refusal):
        console.print(refusal)
    reasons: dict[str, list[str]] = {}
    for each in estimates:
        for reason in each.missing:
            reasons.setdefault(reason, []).append(each.target)
    for reason, targets in reasons.items():
        console.print(f"unknown for {', '.join(dict.fromkeys(targets))}: {reason}")
