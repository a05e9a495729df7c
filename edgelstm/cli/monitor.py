"""monitor: what a firmware sends over a serial port."""

from dataclasses import asdict

import click

from edgelstm.cli.console import Terminal, output_options
from edgelstm.cli.printable import printable
from edgelstm.cli.selftest import require_passed
from edgelstm.device.monitor import watch_serial_port
from edgelstm.errors import FlashError


@click.command
@click.option("--port", required=True, help="The serial port, such as /dev/ttyUSB0 or COM3.")
@click.option(
    "--baud", type=click.IntRange(300, 10_000_000), default=115200, show_default=True, help="Bits per second."
)
@click.option(
    "--seconds",
    type=click.FloatRange(0.1, 86400),
    default=30.0,
    help="How long to read [30].",
)
@click.option("--follow", is_flag=True, help="Go on after the self-test's line, and want none.")
@output_options
def monitor(terminal: Terminal, port: str, baud: int, seconds: float, follow: bool) -> None:
    """Print what the firmware sends over a serial port, until its self-test has reported.

    Exit codes: 0 the self-test passed, 2 it failed, 1 it did not report. With --follow that is 0, too.
    """

    def show(line: str) -> None:
        if not terminal.as_json:
            click.echo(printable(line))

    result = watch_serial_port(port, baud, limit_s=seconds, follow=follow, on_line=show)
    untold = result.output if terminal.as_json else ""
    require_passed(result.exit_code, untold)
    if result.exit_code is None and not follow:
        said = f"; the board said:\n{untold.rstrip()}" if untold.strip() else ""
        raise FlashError(
            f"no self-test was reported on {port} within {seconds:g} s{said}",
            "restart the board while this runs; firmware without a debugger writes to a serial port only where its "
            "main.c or its board's port does",
        )
    if terminal.as_json:
        terminal.result(asdict(result), lambda console: None)
