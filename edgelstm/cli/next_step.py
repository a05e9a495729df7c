"""What to do with firmware that has just been built: the command that flashes it."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from edgelstm.device.targets import TARGET_SUFFIX, Target, load_target
from edgelstm.pipeline.request import BuildRequest
from edgelstm.report.outcome import Outcome

_FLASH = ("edgelstm", "flash")


def next_step(request: BuildRequest, outcomes: Sequence[Outcome]) -> str:
    """A line for whoever has built firmware for boards; "" where there is nothing to flash."""
    built = {outcome.target for outcome in outcomes if outcome.result is not None}
    targets = {name: load_target(name) for name in request.targets}
    boards = {name: target for name, target in targets.items() if target.board and target.name in built}
    if not boards:
        return ""
    name, target = next(iter(boards.items()))
    further = f", or another of the {len(boards)} boards" if len(boards) > 1 else ""
    return f"next: {shlex.join([*_FLASH, *_arguments(request, name, target)])}{further}"


def _arguments(request: BuildRequest, name: str, target: Target) -> list[str]:
    """What `flash` cannot find out by itself."""
    is_alone = len(request.targets) == 1
    is_own = name.endswith(TARGET_SUFFIX) and request.project is None
    folder = request.output if is_alone else request.output / target.name
    return [
        *([str(folder / "firmware.elf")] if request.output != Path("out") else []),
        *(["--target", name] if is_own or not is_alone else []),
        *(["--port", "PORT"] if target.flash_runner == "avrdude" else []),
    ]
