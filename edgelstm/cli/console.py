"""What the command line shows: progress on standard error, results on standard output."""

import io
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, TextIO

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from edgelstm.cli.printable import printable
from edgelstm.cli.temporary import own_temporary_folder

_UNFOLDED = 1000


@dataclass
class Terminal:
    """Implements `report.progress.Progress` for people: bars on a terminal, plain lines elsewhere.

    Attributes:
        verbosity: -1 quiet, 0 normal, 1 verbose.
        as_json: whether standard output carries one JSON document and nothing else.
    """

    verbosity: int = 0
    as_json: bool = False
    _bars: Progress | None = None
    _stdout: TextIO = field(default_factory=lambda: sys.stdout)
    _tasks: dict[str, TaskID] = field(default_factory=dict)
    _announced: dict[str, int] = field(default_factory=dict)

    def __enter__(self) -> "Terminal":
        """Start the bars, if there is a terminal to draw them on, and keep standard output to ourselves for JSON."""
        self._stdout = sys.stdout
        if self.as_json:
            # The user's own data.py or model.py may print.
            sys.stdout = sys.stderr
        if self.verbosity >= 0 and sys.stderr.isatty():
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
            # Redirected, standard output would come out with the bars, and not in the file that it was sent to.
            self._bars = Progress(
                *columns, console=Console(stderr=True), transient=True, redirect_stdout=False, redirect_stderr=False
            )
            self._bars.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Remove the bars, and give standard output back."""
        self._remove_bars()
        sys.stdout = self._stdout

    def note(self, text: str) -> None:
        """Show a line unless quiet."""
        if self.verbosity >= 0:
            self._line(text)

    def detail(self, text: str) -> None:
        """Show a line if verbose."""
        if self.verbosity >= 1:
            self._line(text)

    def warn(self, text: str) -> None:
        """Show a warning, even if quiet."""
        self._line(f"warning: {text}")

    def advance(self, what: str, done: int, total: int) -> None:
        """Move the bar called `what`; without a terminal, say so at every fifth."""
        if self.verbosity < 0:
            return
        if self._bars is not None:
            if what not in self._tasks:
                self._tasks[what] = self._bars.add_task(what, total=total)
            self._bars.update(self._tasks[what], completed=done, total=total)
            return
        fifth = 5 * done // max(total, 1)
        if fifth > self._announced.get(what, 0):
            self._announced[what] = fifth
            self._line(f"{what}: {done} of {total}")

    def _line(self, text: str) -> None:
        if self._bars is not None:
            self._bars.console.print(printable(text), markup=False, highlight=False, soft_wrap=True)
        else:
            click.echo(printable(text), err=True)

    def result(self, values: Mapping[str, Any] | list[Any], show: Callable[[Console], None]) -> None:
        """Print a result: as JSON, or for people by `show`."""
        self._remove_bars()
        if self.as_json:
            click.echo(json.dumps(values, indent=2), file=self._stdout)
            return
        shown = io.StringIO()
        # Wider than any table: a terminal that is too narrow wraps lines, it does not fold or cut cells.
        show(Console(file=shown, width=_UNFOLDED, highlight=False, markup=False, emoji=False, soft_wrap=True))
        for line in printable(shown.getvalue()).splitlines():
            click.echo(line.rstrip())

    def _remove_bars(self) -> None:
        if self._bars is not None:
            self._bars.stop()
            self._bars = None


def output_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add --json, --quiet and --verbose to a command and hand it a started Terminal as `terminal`."""

    @click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
    @click.option("-q", "--quiet", is_flag=True, help="Show warnings and results only.")
    @click.option("-v", "--verbose", is_flag=True, help="Show every step.")
    @wraps(command)
    def wrapped(*args: Any, as_json: bool, quiet: bool, verbose: bool, **kwargs: Any) -> None:
        with own_temporary_folder(), Terminal(verbosity=int(verbose) - int(quiet), as_json=as_json) as terminal:
            command(*args, terminal=terminal, **kwargs)

    return wrapped
