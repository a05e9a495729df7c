"""What is wrong with a target whose values are each right by themselves."""

from collections.abc import Mapping
from itertools import pairwise

from edgelstm.device.architectures import ARCHITECTURES, Place
from edgelstm.device.compiler_flags import forbidden_flags
from edgelstm.device.target import Target
from edgelstm.resources import targets_dir

RUNNER_NAMES = ("host", "qemu", "unicorn", "simavr", "rp2040js")
COMPILER_FAMILIES = ("gcc", "clang", "zig")

_MPS2 = ((0x0000_0000, 0x0080_0000), (0x2000_0000, 0x2080_0000), (0x2100_0000, 0x2200_0000))
MACHINE_MEMORIES: Mapping[str, tuple[tuple[int, int], ...]] = {
    "microbit": ((0x0000_0000, 0x0004_0000), (0x2000_0000, 0x2000_4000)),
    "mps2-an385": _MPS2,
    "mps2-an386": _MPS2,
    "mps2-an500": (*_MPS2[:2], (0x6000_0000, 0x6100_0000)),
    "mps2-an505": ((0x1000_0000, 0x1040_0000), (0x3800_0000, 0x3840_0000), (0x8000_0000, 0x8100_0000)),
    "mps3-an547": ((0x1000_0000, 0x1008_0000), (0x1100_0000, 0x1120_0000), (0x2100_0000, 0x2140_0000)),
    "netduino2": ((0x0800_0000, 0x0810_0000), (0x2000_0000, 0x2002_0000)),
    "netduinoplus2": ((0x0800_0000, 0x0810_0000), (0x2000_0000, 0x2003_0000)),
    "stm32vldiscovery": ((0x0800_0000, 0x0802_0000), (0x2000_0000, 0x2000_2000)),
    "sifive_e": ((0x2000_0000, 0x4000_0000), (0x8000_0000, 0x8000_4000)),
    "virt": ((0x8000_0000, 0x8800_0000),),
}
"""Start and end of what QEMU's machines have, by `info mtree` of QEMU 7.2; other machines are tried as they are."""


def contradictions(target: Target) -> list[str]:
    """What is wrong with values that are each right by themselves."""
    problems = [
        f"compiler_flags.{family}: the families are {', '.join(COMPILER_FAMILIES)}"
        for family in target.compiler_flags
        if family not in COMPILER_FAMILIES
    ]
    problems += [
        f"compiler_flags.{family}: {flag[:40]!r} does not choose a core"
        for family, flags in target.compiler_flags.items()
        for flag in forbidden_flags(flags)
    ]
    problems += [
        f"runners: {runner!r} is none of {', '.join(RUNNER_NAMES)}"
        for runner in target.runners
        if runner not in RUNNER_NAMES
    ]
    if not target.compiler_flags:
        problems.append("compiler_flags: no compiler can build it")
    if "qemu" in target.runners and target.qemu is None:
        problems.append("qemu: needed, because runners names it")
    if "unicorn" in target.runners and not target.unicorn_cpu:
        problems.append("unicorn: needed, because runners names it")
    if "simavr" in target.runners and target.simavr is None:
        problems.append("simavr: needed, because runners names it")
    if "rp2040js" in target.runners and target.boot != "rp2040":
        problems.append('runners: rp2040js starts in boot = "rp2040", and emulates no other chip')
    if target.boot and not (targets_dir() / "boot" / f"{target.boot}.c").is_file():
        problems.append(f"boot: there is no targets/boot/{target.boot}.c")
    if target.arch not in ARCHITECTURES:
        return [*problems, f"arch: {target.arch!r} is none of {', '.join(ARCHITECTURES)}"]
    isas = ARCHITECTURES[target.arch].isas
    if target.isa not in isas:
        problems.append(f"isa: {target.isa!r} is none of {', '.join(isas)}, the kernels for {target.arch}")
    return problems + _memory_problems(target)


def _memory_problems(target: Target) -> list[str]:
    needed, places = ARCHITECTURES[target.arch].regions, ARCHITECTURES[target.arch].places
    names = [region.name for region in target.memory]
    if sorted(names) != sorted(needed):
        return [f"memory: {target.arch} needs the regions ({', '.join(needed)}), not ({', '.join(names)})"]
    windows = [window for region in target.memory if (window := region.data_window) is not None]
    spans = [*target.memory, *windows]
    problems = [
        f"memory {span.name}: {problem}"
        for span in spans
        if (problem := places.get(span.name.removesuffix("_data"), Place()).problem(span.origin, span.end)) is not None
    ]
    if any(target.arch != "riscv" or window.name != "flash_data" for window in windows):
        problems.append("memory: only the flash of riscv may have a data_origin")
    ordered = sorted(spans, key=lambda region: region.origin)
    problems += [
        f"memory: {one.name} and {other.name} overlap" for one, other in pairwise(ordered) if one.end > other.origin
    ]
    if needed and not 256 <= target.stack_bytes <= target.region("ram").size_bytes:
        problems.append("stack_bytes: needed, and at most the size of ram")
    if target.stack_bytes % 8:
        problems.append("stack_bytes: not a multiple of 8")
    return problems


def machine_problems(target: Target) -> list[str]:
    """Memory that QEMU's machine lacks: the firmware would end there in a lockup."""
    if target.qemu is None or "qemu" not in target.runners:
        return []
    machine = target.qemu.machine
    spans = MACHINE_MEMORIES.get(machine, ())
    has = ", ".join(f"{start:#010x} to {end - 1:#010x}" for start, end in spans)
    return [
        f"memory {region.name}: QEMU's {machine} has no {region.origin:#010x} to {region.end - 1:#010x}, but {has}; "
        "leave qemu out of runners: unicorn takes any memory map"
        for region in target.memory
        if spans and not any(start <= region.origin and region.end <= end for start, end in spans)
    ]
