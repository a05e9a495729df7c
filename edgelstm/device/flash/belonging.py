"""Whether a program is for the chip to which it would be written."""

from collections.abc import Sequence

from edgelstm.device.flash.image import FirmwareImage
from edgelstm.device.targets import MemoryRegion, Target
from edgelstm.errors import FlashError

_MACHINES = {"cortex-m": "EM_ARM", "riscv": "EM_RISCV", "avr": "EM_AVR", "xtensa": "EM_XTENSA"}
"""The ELF specification's name of the processor of each architecture."""


def require_built_for(target: Target, name: str, image: FirmwareImage) -> None:
    """Refuse a program for another processor, or with bytes that no memory of the target stores.

    Args:
        target: the chip.
        name: of the program's file.
        image: what it stores where.

    Raises:
        FlashError: it is for another chip; says all that shows this.
        TargetError: the target has no flash.
    """
    regions = _stored_in(target)
    problems = _foreign(target, image)
    problems += [
        f"it has bytes at {segment.address:#010x}, outside its {regions[0].name}"
        for segment in image.segments
        if not any(region.origin <= segment.address and segment.end <= region.end for region in regions)
    ]
    _refuse(target, name, problems)


def require_processor(target: Target, name: str, image: FirmwareImage) -> None:
    """Refuse a program for another processor; it may lie anywhere. Parameters and errors as above."""
    _refuse(target, name, _foreign(target, image))


def require_same_board(target: Target, name: str, built_for: Target) -> None:
    """Refuse a program that was built for a chip with another core, or with RAM or flash where this one has none.

    Raises:
        FlashError: it is for another chip; says all that shows this.
    """
    problems = []
    if (built_for.arch, built_for.compiler_flags) != (target.arch, target.compiler_flags):
        problems.append("that has another processor")
    if built_for.boot != target.boot:
        problems.append("that starts otherwise")
    problems += [
        f"whose {region.name} is at {region.origin:#x} to {region.end - 1:#x}"
        for region in built_for.memory
        if region.name != "flash" and not any(_holds(other, region) for other in target.memory)
    ]
    if problems:
        raise FlashError(
            f"{name} was built for {built_for.name}, {' and '.join(problems)}; it is not for {target.name}",
            f"build it with --target {target.name}, or name the board that it is for",
        )


def _holds(memory: MemoryRegion, region: MemoryRegion) -> bool:
    return memory.origin <= region.origin and region.end <= memory.end


def _foreign(target: Target, image: FirmwareImage) -> list[str]:
    wanted = _MACHINES.get(target.arch, "")
    if image.machine == wanted:
        return []
    return [f"it is a program for {image.machine.removeprefix('EM_')}, not {wanted.removeprefix('EM_') or target.arch}"]


def _refuse(target: Target, name: str, problems: Sequence[str]) -> None:
    if problems:
        raise FlashError(
            f"{name} is not for {target.name}: {'; '.join(problems)}", "build it for the --target of the board"
        )


def _stored_in(target: Target) -> Sequence[MemoryRegion]:
    """The memories in which a program's load addresses may lie."""
    if any(region.name == "iram" for region in target.memory):
        # The ROM copies all of it out of flash: the addresses are those of the copy.
        return [target.region("iram"), target.region("ram")]
    flash = target.region("flash")
    return [flash] if flash.data_window is None else [flash, flash.data_window]
