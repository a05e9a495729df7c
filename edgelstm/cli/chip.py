"""targets, doctor: chips and the tools that reach them."""

import textwrap
from collections.abc import Sequence
from dataclasses import asdict

import click
from rich.console import Console

from edgelstm.cli.console import Terminal, output_options
from edgelstm.device.doctor import Finding, examine
from edgelstm.device.targets import Target, list_targets, load_target
from edgelstm.report.table import LINE_WIDTH


@click.command
@output_options
def targets(terminal: Terminal) -> None:
    """List the targets: one TOML file each, in the folder targets/."""
    found = [load_target(name) for name in list_targets()]
    values = [
        {"name": target.name, "description": target.description, "isa": target.isa, "runners": list(target.runners)}
        for target in found
    ]
    terminal.result(values, lambda console: _print_targets(found, console))


def _print_targets(found: Sequence[Target], console: Console) -> None:
    margin = 2 + max(len(target.name) for target in found)
    for target in found:
        console.print(f"{target.name:<{margin}}kernels {target.isa}; runs on {' or '.join(target.runners)}")
        console.print(_indented(target.description, margin))


def _indented(text: str, margin: int) -> str:
    return textwrap.fill(text, LINE_WIDTH, initial_indent=" " * margin, subsequent_indent=" " * margin)


@click.command
@output_options
def doctor(terminal: Terminal) -> None:
    """Show which targets can be built and run here, which interpreters verify, and how to get the rest."""
    findings = examine()
    terminal.result([asdict(finding) for finding in findings], lambda console: _print_findings(findings, console))


def _print_findings(findings: Sequence[Finding], console: Console) -> None:
    width = 2 + max(len(finding.what) for finding in findings)
    for finding in findings:
        console.print(f"{'ok' if finding.is_there else '--'}  {finding.what:<{width}}{finding.found}")
        if finding.advice:
            console.print(f"    {'':<{width}}{finding.advice}")
