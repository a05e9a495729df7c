"""What each architecture asks of a target's file: its memories, where these may lie, and the kernels it can name."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Place:
    """Where a region of memory may begin, from `first` to `last`, and where it must end at the latest."""

    first: int = 0
    last: int = (1 << 32) - 1
    end: int = 1 << 32
    alignment: int = 1

    def problem(self, origin: int, end: int) -> str | None:
        """What is wrong with a region from `origin` up to `end`; None if nothing."""
        if not self.first <= origin <= self.last:
            wanted = f"at {self.first:#x}" if self.first == self.last else f"from {self.first:#x} to {self.last:#x}"
            return f"begins at {origin:#x}, where it must begin {wanted}"
        if origin % self.alignment:
            return f"begins at {origin:#x}, where it must begin at a multiple of {self.alignment:#x}"
        return f"ends behind {self.end:#x}" if end > self.end else None


@dataclass(frozen=True)
class Architecture:
    """What is common to all targets of an architecture.

    Attributes:
        regions: the memory regions that its linker script needs.
        isas: the kernel headers that its compilers take.
        places: where regions may lie, of those that may not lie everywhere.
    """

    regions: tuple[str, ...]
    isas: tuple[str, ...]
    places: Mapping[str, Place] = field(default_factory=dict)


ARCHITECTURES: Mapping[str, Architecture] = {
    # VTOR lacks its lower 7 bits, on some Cortex-M0+ 8 ("Armv6-M Architecture Reference Manual", B3.2.5).
    "cortex-m": Architecture(
        ("flash", "ram"), ("armv6m", "armv7m", "armv7em", "mve", "ref"), {"flash": Place(alignment=256)}
    ),
    # The core starts at the first address, from which the linker would move code whose trap handler is aligned so.
    "riscv": Architecture(("flash", "ram"), ("rv32", "ref"), {"flash": Place(alignment=256)}),
    # Program memory is a space of its own; GNU tools put data memory at 0x80_0000, and EEPROM at 0x81_0000.
    "avr": Architecture(
        ("flash", "ram"),
        ("avr",),
        {"flash": Place(last=0, end=0x80_0000), "ram": Place(first=0x80_0000, last=0x80_FFFF, end=0x81_0000)},
    ),
    "xtensa": Architecture(("flash", "iram", "ram"), ("ref", "lx106")),
    "host": Architecture((), ("ref",)),
}
