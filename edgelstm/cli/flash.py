"""flash: firmware to a chip, by the way that suits the board."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console

from edgelstm.cli.console import Terminal, output_options
from edgelstm.cli.selftest import require_passed
from edgelstm.device.flash import FLASH_RUNNERS, Connection, FlashJob, FlashResult, FlashRunner, choose_flash_runner
from edgelstm.device.flash.belonging import require_same_board
from edgelstm.device.flash.gdb_runner import DEFAULT_ADDRESS
from edgelstm.device.targets import TARGET_SUFFIX, Target, list_targets, load_target
from edgelstm.errors import ProjectError
from edgelstm.project import PROJECT_FILE, Project, load_project

_REPORT = "report.json"
_REPORT_LIMIT_BYTES = 1 << 20


@click.command
@click.argument("elf", required=False, type=click.Path(path_type=Path))
@click.option("--target", help="The board [that of the project or of the build].")
@click.option("--runner", type=click.Choice(list(FLASH_RUNNERS)), help="What writes to the chip [the board's].")
@click.option("--address", help=f"gdb: host:port of a running server [{DEFAULT_ADDRESS}].")
@click.option("--port", help="A serial port, or for uf2 the folder of the drive.")
@click.option("--baud", type=click.IntRange(300, 10_000_000), help="Speed of the serial port, bits per second.")
@click.option("--probe", metavar="SERIAL", help="Which debug probe or device, where several are plugged in.")
@click.option(
    "--reset",
    type=click.Choice(["monitor", "registers"]),
    default="monitor",
    show_default=True,
    help="gdb: start the program by a reset of the chip, or only set its registers.",
)
@click.option("--no-verify", "verify", flag_value=False, default=True, help="Do not read the flash back and compare.")
@click.option("--no-run", "run", flag_value=False, default=True, help="Do not start the program.")
@click.option(
    "--wait",
    "wait_s",
    metavar="SECONDS",
    type=click.FloatRange(0.1, 3600),
    default=30.0,
    help="How long to wait for the self-test [30].",
)
@click.option(
    "--limit",
    "limit_s",
    metavar="SECONDS",
    type=click.FloatRange(1, 3600),
    default=120.0,
    help="The most that writing may take [120].",
)
@click.option("--dry-run", is_flag=True, help="Show the commands, and connect to nothing.")
@output_options
def flash(elf: Path | None, terminal: Terminal, **options: object) -> None:
    """Write ELF [the project's firmware] to a board, verify it and run its self-test.

    Each board has a runner of its own: a debug probe (openocd, pyocd, jlink), a boot loader (dfu, uf2, esptool,
    avrdude), or gdb, which is any running gdb server. --dry-run shows what the runner would do.
    """
    project = load_project(Path()) if Path(PROJECT_FILE).is_file() else None
    path, target = _program(elf, options["target"], project)
    named = str(options["runner"] or "") or (project.flash.runner if project else None)
    if target is None and named is None and options["address"] is None and path.is_file():
        raise _unknown_chip(path)
    runner = choose_flash_runner(target, named)
    job = FlashJob(
        path,
        _connection(runner, project, options),
        verify=bool(options["verify"]),
        run=bool(options["run"]),
        wait_s=float(str(options["wait_s"])),
        limit_s=float(str(options["limit_s"])),
        reset="monitor" if options["reset"] == "monitor" else "registers",
    )
    if options["dry_run"]:
        plan = runner.plan(job)
        terminal.result({"runner": runner.name, "plan": plan}, lambda console: console.print(plan))
        return
    result = runner.flash(job, lambda done, total: terminal.advance("flashing", done, total))
    require_passed(result.run_exit_code, result.output)
    terminal.result(
        {"runner": runner.name, **asdict(result)}, lambda console: _print(result, started=job.run, console=console)
    )


def _program(elf: Path | None, target_name: object, project: Project | None) -> tuple[Path, Target | None]:
    """The ELF file and the target: as named, else the firmware of a build and what that was for."""
    named = None if target_name is None else load_target(str(target_name))
    path = elf or _built_firmware(named)
    of_project = project.build.targets if project is not None else ()
    built_for = _target_of_build(path)
    if named is not None:
        _require_for(named, path, built_for, of_project)
        return path, named
    if built_for is not None:
        return path, load_target(_known_as(built_for, of_project))
    return path, load_target(of_project[0]) if of_project else None


def _require_for(named: Target, path: Path, built_for: str | None, of_project: Sequence[str]) -> None:
    """Refuse firmware of another board, where the report beside it tells what it was built for."""
    if built_for is None or built_for == named.name or not named.memory:
        return
    try:
        other = load_target(_known_as(built_for, of_project))
    except ProjectError:
        return  # a board of somebody's own; its bytes are checked against the memory of the named one
    require_same_board(named, str(path), other)


def _unknown_chip(path: Path) -> ProjectError:
    reason = "cannot be read" if (path.parent / _REPORT).exists() else "is missing"
    return ProjectError(
        f"nothing says which chip {path} is for: {_REPORT} beside it, which `edgelstm build` writes, {reason}",
        "name the board by --target (`edgelstm targets` lists them), or a running gdb server by --address, as :3333",
    )


def _built_firmware(target: Target | None) -> Path:
    """The only firmware in the folder that `build` writes, or that of the target."""
    out = Path("out")
    if target is not None and (out / target.name / "firmware.elf").is_file():
        return out / target.name / "firmware.elf"
    found = [path for path in (out / "firmware.elf", *sorted(out.glob("*/firmware.elf"))) if path.is_file()]
    if not found:
        raise ProjectError("there is no firmware in out", "run `edgelstm build` first, or name an ELF file")
    if len(found) > 1:
        listed = " and ".join(str(path) for path in found)
        raise ProjectError(f"there are several firmwares: {listed}", "name the one that is meant, or its --target")
    return found[0]


def _target_of_build(elf: Path) -> str | None:
    """The target that the report beside a firmware names, None if there is no such report."""
    try:
        with (elf.parent / _REPORT).open("rb") as file:
            name = json.loads(file.read(_REPORT_LIMIT_BYTES))["target"]["name"]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None
    return name if isinstance(name, str) else None


def _known_as(name: str, of_project: Sequence[str]) -> str:
    """The target of a report, as `load_target` takes it: a file of the project, or one of ours."""
    for one in of_project:
        if one.endswith(TARGET_SUFFIX) and Path(one).stem == name:
            return one
    if name in list_targets():
        return name
    raise ProjectError(
        f"the firmware was built for {name[:80]!r}, and nothing here says what that is",
        "name its file by --target, as in --target ./my-board.toml",
    )


def _connection(runner: FlashRunner, project: Project | None, options: dict[str, object]) -> Connection:
    """What the options say; for the project's own runner also its address."""
    said = {name: str(options[name]) for name in ("address", "port", "probe") if options[name] is not None}
    if project is not None and project.flash.address and project.flash.runner in (None, runner.name):
        for name in ("address", "port"):
            if name in runner.reached_by:
                said.setdefault(name, project.flash.address)
    baud = options["baud"]
    connection = Connection(**said, baud=baud if isinstance(baud, int) else None)
    runner.require_known_connection(connection)
    return connection


def _print(result: FlashResult, *, started: bool, console: Console) -> None:
    verified = f", verified {result.bytes_verified}" if result.bytes_verified else ""
    console.print(f"wrote {result.bytes_written} bytes{verified} in {result.seconds:.2f} s")
    if result.output:
        console.print(result.output.rstrip())
    if result.run_exit_code == 0:
        console.print("the program ran and its self-test passed")
    elif not started:
        console.print("the program was not started")
    elif not result.is_confirmed:
        console.print(f"sent; the board restarted before it was confirmed; {result.note}")
    elif result.note:
        console.print(f"the program runs; {result.note}")
    else:
        console.print("the program runs; it reported no self-test, as the server does not pass semihosting on")
