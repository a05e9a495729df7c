"""The command line."""

import json
import sys
import traceback

import click

from edgelstm import __version__
from edgelstm.cli.build import build, generate, quantize, verify
from edgelstm.cli.chip import doctor, flash, targets
from edgelstm.cli.look import inspect, run
from edgelstm.cli.start import new, train
from edgelstm.errors import EdgelstmError

TOUR = """From a Keras-trained LSTM to int8 firmware for a microcontroller, verified bit for bit.

\b
A first tour:
  edgelstm new gesture && cd gesture       a project that works from the first minute
  edgelstm build --target cortex-m4        train, quantize, generate C, compile, verify
  edgelstm flash --address localhost:3333  write it to a chip behind a gdb server

\b
With a model of your own:
  edgelstm build model.keras --data data.npz --target cortex-m4 --output out

\b
Step by step:
  edgelstm quantize model.keras --data data.npz -o model.tflite
  edgelstm generate model.tflite --target cortex-m4 -o src
  edgelstm verify model.tflite --data data.npz --target cortex-m4
"""


class _Tour(click.Group):
    """Lists commands in the order in which one meets them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In order of registration."""
        return list(self.commands)


@click.group(cls=_Tour, help=TOUR, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="edgelstm")
def root() -> None:
    """Collect the commands."""


for _command in (new, train, quantize, generate, build, verify, run, flash, targets, inspect, doctor):
    root.add_command(_command)


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 the user's problem, 2 a verification mismatch, 130 interrupted."""
    sys.exit(call(sys.argv[1:]))


def call(arguments: list[str]) -> int:
    """Run a command and return its exit code; every error becomes a message."""
    try:
        root.main(arguments, prog_name="edgelstm", standalone_mode=False)
    except EdgelstmError as error:
        _show_error(error.message, error.hint, arguments)
        return error.exit_code
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        _show_error(error.format_message(), _usage_hint(error), arguments)
        return 1
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted: nothing half-made was left behind", err=True)
        return 130
    except Exception as error:
        details = traceback.format_exc() if "-v" in arguments or "--verbose" in arguments else ""
        _show_error(
            f"this is a bug in edgelstm: {type(error).__name__}: {error}\n{details}".rstrip(),
            "please report it with the command and its inputs; --verbose shows where it happened",
            arguments,
        )
        return 1
    return 0


def _usage_hint(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    return f"see `{context.command_path} --help`" if context is not None else ""


def _show_error(message: str, hint: str, arguments: list[str]) -> None:
    if "--json" in arguments:
        click.echo(json.dumps({"error": {"message": message, "hint": hint}}, indent=2))
        return
    click.echo(f"error: {message}", err=True)
    if hint:
        click.echo(f"hint: {hint}", err=True)
