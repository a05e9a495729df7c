"""targets, flash, doctor: chips and the tools that reach them."""

import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console

from edgelstm.cli.console import Terminal, output_options
from edgelstm.device.doctor import Finding, examine
from edgelstm.device.flash import FlashResult, GdbFlasher, parse_address
from edgelstm.device.runners import EXIT_FAULT
from edgelstm.device.targets import Target, list_targets, load_target
from edgelstm.errors import FlashError, MismatchError, ProjectError
from edgelstm.project import PROJECT_FILE, load_project
from edgelstm.report.table import LINE_WIDTH

DEFAULT_ADDRESS = "localhost:3333"
FLASH_RUNNERS = ("gdb",)
SELFTEST_FAILED = 1
"""What the generated `app_main` returns then."""


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
@click.argument("elf", required=False, type=click.Path(path_type=Path))
@click.option("--runner", type=click.Choice(FLASH_RUNNERS), help="What writes to the chip [gdb].")
@click.option("--address", help=f"host:port of a running gdb server [{DEFAULT_ADDRESS}].")
@click.option(
    "--reset",
    type=click.Choice(["monitor", "registers"]),
    default="monitor",
    show_default=True,
    help="How to start the program: let the server reset the chip, or only set its registers.",
)
@click.option("--no-verify", "verify", flag_value=False, default=True, help="Do not read the flash back and compare.")
@click.option("--no-run", "start", flag_value=False, default=True, help="Do not start the program.")
@click.option(
    "--wait",
    "wait_s",
    metavar="SECONDS",
    type=click.FloatRange(0.1, 3600),
    default=30.0,
    help="How long to wait for the self-test [30].",
)
@click.option("--dry-run", is_flag=True, help="Say what would be done, and connect to nothing.")
@output_options
def flash(elf: Path | None, terminal: Terminal, **options: object) -> None:
    """Write ELF [the project's firmware] through a gdb server, verify it and run its self-test.

    Any gdb server will do: OpenOCD, pyOCD, J-Link, Black Magic, st-util, QEMU.
    """
    project = load_project(Path()) if Path(PROJECT_FILE).is_file() else None
    path = elf or _built_firmware()
    address = options["address"] or (project.flash.address if project else None) or DEFAULT_ADDRESS
    usual = load_target(project.build.targets[0]).flash_runner if project else "gdb"
    runner = options["runner"] or (project.flash.runner if project else None) or usual or "gdb"
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
    _require_success(result)
    terminal.result(asdict(result), lambda console: _print_flash(result, started=start, console=console))


def _built_firmware() -> Path:
    """The only firmware in the folder that `build` writes."""
    found = [
        path for path in (Path("out", "firmware.elf"), *sorted(Path("out").glob("*/firmware.elf"))) if path.is_file()
    ]
    if not found:
        raise ProjectError("there is no firmware in out", "run `edgelstm build` first, or name an ELF file")
    if len(found) > 1:
        listed = " and ".join(str(path) for path in found)
        raise ProjectError(f"there are several firmwares: {listed}", "name the one that is meant")
    return found[0]


def _require_success(result: FlashResult) -> None:
    """A program that was loaded and ended must have ended well."""
    if result.run_exit_code in (0, None):
        return
    said = f"; it said:\n{result.output.rstrip()}" if result.output else ""
    if result.run_exit_code == SELFTEST_FAILED:
        raise MismatchError(
            f"the program is loaded, but its self-test failed: this chip computes other values{said}",
            "check that it was built for this chip, and that nothing else changes its memory or its clock",
        )
    cause = "it faulted" if result.run_exit_code == EXIT_FAULT else f"it ended with exit code {result.run_exit_code}"
    raise FlashError(
        f"the program is loaded, but {cause}{said}", "check that it was built for the chip that is connected"
    )


def _print_flash(result: FlashResult, *, started: bool, console: Console) -> None:
    verified = f", verified {result.bytes_verified}" if result.bytes_verified else ""
    console.print(f"wrote {result.bytes_written} bytes{verified} in {result.seconds:.2f} s")
    if result.output:
        console.print(result.output.rstrip())
    if result.run_exit_code == 0:
        console.print("the program ran and its self-test passed")
    elif started:
        console.print("the program runs; it reported no self-test, as the server does not pass semihosting on")
    else:
        console.print("the program was not started")


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
