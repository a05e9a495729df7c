"""targets, doctor: chips and the tools that reach them."""

import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict

import click
from rich.console import Console

from edgelstm.cli.console import Terminal, output_options
from edgelstm.device.doctor import Finding, Readiness, examine_packages, examine_targets
from edgelstm.device.targets import Target, list_targets, load_target
from edgelstm.report.table import LINE_WIDTH


@click.command
@output_options
def targets(terminal: Terminal) -> None:
    """List the targets, cores and boards: one TOML file each, in the folder targets/."""
    found = sorted((load_target(name) for name in list_targets()), key=lambda target: bool(target.board))
    values = [
        {
            "name": target.name,
            "board": target.board,
            "description": target.description,
            "isa": target.isa,
            "runners": list(target.runners),
        }
        for target in found
    ]
    terminal.result(values, lambda console: _print_targets(found, console))


def _print_targets(found: Sequence[Target], console: Console) -> None:
    margin = 2 + max(len(target.name) for target in found)
    for target in found:
        console.print(f"{target.name:<{margin}}kernels {target.isa}; runs on {' or '.join(target.runners)}")
        named = f"{target.board}: " if target.board else ""
        console.print(_indented(named + target.description, margin))


def _indented(text: str, margin: int) -> str:
    return textwrap.fill(text, LINE_WIDTH, initial_indent=" " * margin, subsequent_indent=" " * margin)


@click.command
@output_options
def doctor(terminal: Terminal) -> None:
    """Show what can be built, run and flashed here, which interpreters verify, and how to get the rest."""
    packages, chips = examine_packages(), examine_targets()
    values = {"packages": [asdict(one) for one in packages], "targets": [asdict(one) for one in chips]}
    terminal.result(values, lambda console: _print_findings(packages, chips, console))


def _print_findings(packages: Sequence[Finding], chips: Sequence[Readiness], console: Console) -> None:
    width = 2 + max(len(finding.what) for finding in packages)
    for finding in packages:
        console.print(f"{'ok' if finding.is_there else '--'}  {finding.what:<{width}}{finding.found}")
        if finding.advice:
            console.print(f"    {'':<{width}}{finding.advice}")
    console.print()
    rows = [("target", "build", "run", "flash")]
    rows += [(one.target, _cell(one.build), _cell(one.run), _cell(one.flash)) for one in chips]
    widths = [2 + max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        console.print("".join(f"{cell:<{width}}" for cell, width in zip(row, (*widths, 0), strict=True)))
    for (what, advice), names in _missing(chips).items():
        console.print("\n" + _wrapped(f"to {what} {', '.join(names)}:", "  "))
        console.print(_wrapped(f"  {advice}", "    "))


def _cell(finding: Finding | None) -> str:
    if finding is None:
        return ""
    return finding.found if finding.is_there else "--"


def _missing(chips: Sequence[Readiness]) -> Mapping[tuple[str, str], list[str]]:
    """The targets that lack the same, by what cannot be done and how that is mended."""
    missing: dict[tuple[str, str], list[str]] = {}
    for chip in chips:
        for finding in (chip.build, chip.run, chip.flash):
            if finding is not None and not finding.is_there:
                missing.setdefault((finding.what, finding.advice or finding.found), []).append(chip.target)
    return missing


def _wrapped(text: str, indent: str) -> str:
    """Lines that break outside of commands, which stand in backquotes: one that is broken cannot be copied."""
    whole = re.sub("`[^`]*`", lambda command: command[0].replace(" ", "\N{NO-BREAK SPACE}"), text)
    lines = textwrap.fill(whole, LINE_WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return lines.replace("\N{NO-BREAK SPACE}", " ")
