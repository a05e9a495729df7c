"""Firmware of known length, built for every microcontroller that an emulator here knows."""

from pathlib import Path

from cores import CORES, QEMU

from edgelstm.device.compilers import find_compiler
from edgelstm.device.profile import Counted, Region, count_calls
from edgelstm.device.targets import load_target
from edgelstm.device.toolchain import compile_firmware

SOURCE = Path(__file__).parent / "sources" / "loops.c"
FUNCTIONS = ("loop", "outer", "memory", "skipped", "crossing")
FIRST, SECOND, LONG = 1000, 10, 1_000_000
"""What `run_all` passes to each function, and `run_long` to the loop."""
EMULATED = [(name, runner) for name in CORES for runner in load_target(name).runners if runner in ("qemu", "unicorn")]


def program_of(target_name: str, runner: str) -> str:
    """What must be installed to count on a target."""
    return QEMU[load_target(target_name).arch] if runner == "qemu" else runner


def build_loops(target_name: str, folder: Path, text: str | None = None) -> Path:
    """Build the firmware, or a changed `text` of it; its ELF file."""
    target = load_target(target_name)
    source = folder / "loops.c"
    source.write_text(SOURCE.read_text() if text is None else text)
    return compile_firmware(target, find_compiler(target), [source], [], folder, "loops").elf


def count(
    elf: Path,
    target_name: str,
    runner: str | None,
    folder: Path,
    functions: tuple[str, ...] = FUNCTIONS,
    calls: int = 2,
) -> Counted:
    """Count the calls that `run_all` makes."""
    regions = [Region(function, calls) for function in functions]
    return count_calls(elf, load_target(target_name), regions, "run_all", cwd=folder, choice=runner, timeout_s=120)


def count_long(elf: Path, target_name: str, runner: str, folder: Path) -> tuple[int, ...]:
    """Count the loop's million turns."""
    target, regions = load_target(target_name), [Region("loop", 1)]
    counted = count_calls(elf, target, regions, "run_long", ["l"], cwd=folder, choice=runner, timeout_s=120)
    return counted.regions[0].calls
