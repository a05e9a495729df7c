"""The flash runners by name."""

from collections.abc import Mapping

from edgelstm.device.flash.avrdude import AvrdudeRunner
from edgelstm.device.flash.dfu import DfuRunner
from edgelstm.device.flash.esptool import EsptoolRunner
from edgelstm.device.flash.gdb_runner import GdbRunner
from edgelstm.device.flash.interface import FlashRunner
from edgelstm.device.flash.jlink import JLinkRunner
from edgelstm.device.flash.openocd import OpenOcdRunner
from edgelstm.device.flash.pyocd import PyOcdRunner
from edgelstm.device.flash.uf2_runner import Uf2Runner
from edgelstm.device.targets import Target
from edgelstm.errors import ProjectError, TargetError

FLASH_RUNNERS: Mapping[str, type[FlashRunner]] = {
    runner.name: runner
    for runner in (
        GdbRunner,
        OpenOcdRunner,
        PyOcdRunner,
        JLinkRunner,
        DfuRunner,
        Uf2Runner,
        EsptoolRunner,
        AvrdudeRunner,
    )
}


def choose_flash_runner(target: Target | None, name: str | None = None) -> FlashRunner:
    """The named runner, or the one that the target names, or `gdb` where nobody said which target.

    Raises:
        ProjectError: there is no such runner.
        TargetError: the target has no chip to write to.
    """
    chosen = name or (target.flash_runner if target else GdbRunner.name)
    if not chosen and target is not None:
        raise TargetError(
            f"{target.name} is no board that can be written to",
            "choose a board by --target; `edgelstm targets` lists them",
        )
    if chosen not in FLASH_RUNNERS:
        raise ProjectError(f"there is no flash runner {chosen!r}", f"choose one of {', '.join(FLASH_RUNNERS)}")
    return FLASH_RUNNERS[chosen](target)
