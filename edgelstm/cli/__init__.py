"""The command line."""

import difflib
import json
import os
import signal
import sys
import traceback
from importlib import import_module
from types import FrameType

import click

from edgelstm import __version__
from edgelstm.cli.printable import printable
from edgelstm.errors import EdgelstmError

TOUR = """From a Keras-trained LSTM to int8 firmware for a microcontroller, verified bit for bit.

\b
A first tour:
  edgelstm new gesture && cd gesture    start a project that works at once
  edgelstm build --target cortex-m4     train, quantize, compile and verify it
  edgelstm flash --address :3333        write it to a chip behind a gdb server

\b
With a model of your own:
  edgelstm build model.keras --data data.npz --target cortex-m4 --output out

\b
Step by step:
  edgelstm quantize model.keras --data data.npz -o model.tflite
  edgelstm generate model.tflite --target cortex-m4 -o src
  edgelstm verify model.tflite --data data.npz --target cortex-m4
"""

VERBS = {
    "new": ("start", "start a project that works from the first minute"),
    "train": ("start", "train the project's model"),
    "finetune": ("finetune", "train a Keras model on in the integers that it will be"),
    "quantize": ("build", "Keras model and data to an int8 model.tflite"),
    "generate": ("build", "model to readable C"),
    "build": ("build", "model to verified firmware: all steps in one"),
    "verify": ("build", "prove the C equal to the official interpreter"),
    "run": ("look", "run a model on data, in integers"),
    "estimate": ("estimate", "what a model costs on every target, even before it is trained"),
    "profile": ("measure", "count the instructions of a step, layer by layer"),
    "drift": ("drift", "run integers and float model along an endless stream"),
    "flash": ("flash", "write firmware to a chip and see its self-test pass"),
    "monitor": ("monitor", "show what firmware sends over a serial port"),
    "targets": ("chip", "list what firmware can be built for"),
    "inspect": ("look", "show layers, shapes and scales of a model, and its errors"),
    "doctor": ("chip", "show what is installed, and what is missing"),
}
"""Each command with its module and a line of help, in the order in which one meets them."""

INTERRUPTED = 130


class _Tour(click.Group):
    """Imports the module of a command when the command is called: all of them would slow `--help` down."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of VERBS."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, or None if there is no such verb; UsageError naming the verb that may be meant."""
        if cmd_name not in VERBS:
            near = difflib.get_close_matches(cmd_name, VERBS, n=1)
            if near and not ctx.resilient_parsing:
                ctx.fail(f"there is no command {cmd_name!r}; did you mean {near[0]!r}?")
            return None
        command = getattr(import_module(f"edgelstm.cli.{VERBS[cmd_name][0]}"), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(verb, text) for verb, (_, text) in VERBS.items()])


@click.group(
    cls=_Tour,
    help=TOUR,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="edgelstm")
@click.pass_context
def root(context: click.Context) -> None:
    """Show the tour where no command is named."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 the user's problem, 2 a verification mismatch, 130 interrupted."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _interrupt)
    sys.exit(call(sys.argv[1:]))


def _interrupt(number: int, frame: FrameType | None) -> None:
    """End as by Ctrl-C: child processes and temporary files must go, whoever asks us to stop."""
    raise KeyboardInterrupt


def call(arguments: list[str]) -> int:
    """Run a command and return its exit code; every error becomes a message."""
    try:
        exit_code = root.main(arguments, prog_name="edgelstm", standalone_mode=False)
    except BrokenPipeError:
        # Whoever read our output has gone (`| head`). Python would complain once more when it closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (KeyboardInterrupt, click.Abort):
        _show_error("interrupted", "nothing half-made was left behind; the same command goes on from there", arguments)
        return INTERRUPTED
    except Exception as error:
        message, hint, exit_code = _explain(error, arguments)
        _show_error(message, hint, arguments)
        return exit_code
    return exit_code if isinstance(exit_code, int) else 0


def _explain(error: Exception, arguments: list[str]) -> tuple[str, str, int]:
    """What happened, what to do about it, and the exit code."""
    if isinstance(error, EdgelstmError):
        return error.message, error.hint, error.exit_code
    if isinstance(error, click.ClickException):
        return error.format_message(), _usage_hint(error), 1
    if isinstance(error, MemoryError):
        return "there is not enough memory", "use a smaller model, or fewer sequences", 1
    if isinstance(error, OSError) and error.strerror:
        about = "" if error.filename is None else f"{error.filename}: "
        return f"{about}{error.strerror}", "check that the disk has room and that you may read and write there", 1
    where = f"\n{traceback.format_exc()}".rstrip() if {"-v", "--verbose"} & set(arguments) else ""
    return (
        f"this is a bug in edgelstm: {type(error).__name__}: {error}{where}",
        "please report it with the command and its inputs; --verbose shows where it happened",
        1,
    )


def _usage_hint(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    return "see `edgelstm --help`" if context is None else f"see `{context.command_path} --help`"


def _show_error(message: str, hint: str, arguments: list[str]) -> None:
    if "--json" in arguments:
        click.echo(json.dumps({"error": {"message": message, "hint": hint}}, indent=2))
        return
    click.echo(printable(f"error: {message}"), err=True)
    if hint:
        click.echo(printable(f"hint: {hint}"), err=True)
