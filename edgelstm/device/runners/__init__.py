"""Ways to run a firmware: directly, in QEMU, Unicorn, simavr or rp2040js. One interface, one function that chooses."""

from edgelstm.device.runners.host import HostRunner
from edgelstm.device.runners.interface import EXIT_FAULT, Runner, RunResult
from edgelstm.device.runners.qemu import QemuRunner
from edgelstm.device.runners.rp2040js import Rp2040jsRunner
from edgelstm.device.runners.simavr import SimavrRunner
from edgelstm.device.runners.unicorn import UnicornRunner
from edgelstm.device.targets import Target
from edgelstm.errors import TargetError, ToolMissingError

__all__ = ["EXIT_FAULT", "RunResult", "Runner", "choose_runner"]

_RUNNERS: dict[str, type[Runner]] = {
    runner.name: runner for runner in (HostRunner, QemuRunner, UnicornRunner, SimavrRunner, Rp2040jsRunner)
}


def choose_runner(target: Target, choice: str | None = None) -> Runner:
    """The first runner of the target that is installed here, or the chosen one.

    Raises:
        TargetError: the target cannot be run by `choice`.
        ToolMissingError: nothing is installed that can run it; the hint says what to install.
    """
    if choice is not None and choice not in target.runners:
        raise TargetError(f"{target.name} cannot be run by {choice!r}", f"choose one of {', '.join(target.runners)}")
    names = target.runners if choice is None else (choice,)
    reasons = []
    for name in names:
        runner = _RUNNERS[name](target)
        missing = runner.missing()
        if missing is None:
            return runner
        reasons.append(missing)
    raise ToolMissingError(
        f"nothing is installed that can run a firmware for {target.name}", "; or ".join(reasons) or "flash it"
    )
