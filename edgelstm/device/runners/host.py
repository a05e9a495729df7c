"""Run a program that was built for this computer."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from edgelstm.device.process import run
from edgelstm.device.runners.interface import EXIT_FAULT, Runner, RunResult, checked_arguments

_SANITIZER_ENVIRONMENT = {
    # The port never frees what the system frees at exit, and leak detection fails under a debugger.
    "ASAN_OPTIONS": f"detect_leaks=0:exitcode={EXIT_FAULT}",
    "UBSAN_OPTIONS": f"print_stacktrace=1:halt_on_error=1:exitcode={EXIT_FAULT}",
}


class HostRunner(Runner):
    """Starts the program directly; sanitizers report into its output and end it with EXIT_FAULT."""

    name: ClassVar[str] = "host"

    def missing(self) -> str | None:
        """Nothing: this computer is here."""
        return None

    def run(self, elf: Path, arguments: Sequence[str], *, cwd: Path, timeout_s: float) -> RunResult:
        """Run a program; see `Runner.run`."""
        completed = run(
            [str(elf.resolve()), *checked_arguments(arguments)],
            timeout_s=timeout_s,
            cwd=cwd,
            environment=_SANITIZER_ENVIRONMENT,
        )
        return RunResult(completed.exit_code, completed.output, completed.seconds, None)
