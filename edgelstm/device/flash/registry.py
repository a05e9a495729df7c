"""The flash runners by name."""

from collections.abc import Mapping

from edgelstm.device.flash.gdb_runner import GdbRunner
from edgelstm.device.flash.interface import FlashRunner
from edgelstm.device.targets import Target
from edgelstm.errors import ProjectError, TargetError

FLASH_RUNNERS: Mapping[str, type[FlashRunner]] = {runner.name: runner for runner in (GdbRunner,)}


def choose_flash_runner(target: Target, name: str | None = None) -> FlashRunner:
    """The named runner, or the one that the target names.

    Raises:
        ProjectError: there is no such runner.
        TargetError: the target has no chip to write to.
    """
    chosen = name or target.flash_runner
    if not chosen:
        raise TargetError(f"{target.name} has no chip to write to", "choose a microcontroller by --target")
    if chosen not in FLASH_RUNNERS:
        raise ProjectError(f"there is no flash runner {chosen!r}", f"choose one of {', '.join(FLASH_RUNNERS)}")
    return FLASH_RUNNERS[chosen](target)
