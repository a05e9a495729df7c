"""targets, flash, doctor: chips and the tools that reach them."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from edgelstm.cli.console import Terminal, output_options
from edgelstm.device.doctor import Finding, examine
from edgelstm.device.flash import FlashResult, GdbFlasher, parse_address
from edgelstm.device.targets import Target, list_targets, load_target
from edgelstm.errors import FlashError, ProjectError
from edgelstm.project import PROJECT_FILE, load_project

DEFAULT_ADDRESS = "localhost:3333"
FLASH_RUNNERS = ("gdb",)


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
    table = Table("target", "kernels", "runs on", "description", box=None, pad_edge=False)
    for target in found:
        table.add_row(target.name, target.isa, ", ".join(target.runners), target.description)
    console.print(table)


@click.command
@click.argument("elf", required=False, type=click.Path(path_type=Path))
@click.option("--runner", type=click.Choice(FLASH_RUNNERS), help="How to reach the chip [gdb].")
@click.option("--address", help=f"host:port of a running gdb server [{DEFAULT_ADDRESS}].")
@click.option(
    "--reset",
    type=click.Choice(["monitor", "registers"]),
    default="monitor",
    show_default=True,
    help="How to start the program: let the server reset the chip, or only set its registers.",
)
@click.option("--verify/--no-verify", default=True, help="Read the flash back and compare.")
@click.option("--run/--no-run", "start", default=True, help="Start the program and wait for its self-test.")
@click.option("--wait", "wait_s", type=click.FloatRange(0.1, 3600), default=30.0, show_default=True, help="Seconds.")
@click.option("--dry-run", is_flag=True, help="Say what would be done.")
@output_options
def flash(elf: Path | None, terminal: Terminal, **options: object) -> None:
    """Write ELF [the project's firmware] through a gdb server, verify it and run its self-test.

    Any gdb server will do: OpenOCD, pyOCD, J-Link, Black Magic, st-util, QEMU.
    """
    project = load_project(Path()) if Path(PROJECT_FILE).is_file() else None
    path = elf or Path("out", "firmware.elf")
    if not path.is_file():
        raise ProjectError(f"there is no firmware {path}", "build it first, or name an ELF file")
    address = options["address"] or (project.flash.address if project else None) or DEFAULT_ADDRESS
    runner = options["runner"] or (project.flash.runner if project else None) or "gdb"
    if runner not in FLASH_RUNNERS:
        raise ProjectError(f"there is no flash runner {runner!r}", f"choose one of {', '.join(FLASH_RUNNERS)}")
    host, port = parse_address(str(address))
    flasher = GdbFlasher(host, port, reset="monitor" if options["reset"] == "monitor" else "registers")
    verify, start, wait_s = bool(options["verify"]), bool(options["start"]), float(str(options["wait_s"]))
    if options["dry_run"]:
        plan = flasher.describe(path, verify=verify, run=start, wait_s=wait_s)
        terminal.result({"plan": plan}, lambda console: console.print(plan))
        return
    result = flasher.flash(
        path,
        progress=lambda done, total: terminal.advance("flashing", done, total),
        verify=verify,
        run=start,
        wait_s=wait_s,
    )
    terminal.result(asdict(result), lambda console: _print_flash(result, started=start, console=console))
    if result.run_exit_code not in (0, None):
        raise FlashError(
            f"the program ended with exit code {result.run_exit_code}: its self-test failed",
            "see its output above; is the target the chip that is connected?",
        )


def _print_flash(result: FlashResult, *, started: bool, console: Console) -> None:
    console.print(
        f"wrote {result.bytes_written} bytes, verified {result.bytes_verified}, in {result.seconds:.2f} s"
    )
    if result.output:
        console.print(result.output.rstrip())
    if result.run_exit_code == 0:
        console.print("the program ran and its self-test passed")
    elif started and result.run_exit_code is None:
        console.print("the program runs; it did not report a self-test to the server")


@click.command
@output_options
def doctor(terminal: Terminal) -> None:
    """Show which targets can be built and run here, which interpreters verify, and how to get the rest."""
    findings = examine()
    terminal.result([asdict(finding) for finding in findings], lambda console: _print_findings(findings, console))


def _print_findings(findings: Sequence[Finding], console: Console) -> None:
    table = Table("", "what", "found", "to get it", box=None, pad_edge=False)
    for finding in findings:
        table.add_row("ok" if finding.is_there else "--", finding.what, finding.found, finding.advice)
    console.print(table)
