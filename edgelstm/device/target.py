"""What firmware is built for and runs on."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgelstm.device.architectures import ARCHITECTURES
from edgelstm.errors import TargetError


@dataclass(frozen=True)
class MemoryRegion:
    """A range of addresses on the chip, in bytes.

    `data_origin` is where the same bytes are read as data, on chips that fetch code and read data through
    different windows; None where one address serves both.
    """

    name: str
    origin: int
    size_bytes: int
    data_origin: int | None = None

    @property
    def end(self) -> int:
        """The first address behind the region."""
        return self.origin + self.size_bytes

    def holds(self, address: int) -> bool:
        """Whether `address` lies in the region."""
        return self.origin <= address < self.end

    @property
    def data_window(self) -> "MemoryRegion | None":
        """The window through which it is read as data, where that is another."""
        if self.data_origin is None:
            return None
        return MemoryRegion(f"{self.name}_data", self.data_origin, self.size_bytes)


@dataclass(frozen=True)
class QemuMachine:
    """How QEMU emulates a target: its `-M` name, the clock that `port_ticks` reads, in Hz, its `-cpu` or ""."""

    machine: str
    ticks_hz: int
    cpu: str = ""


@dataclass(frozen=True)
class SimavrMcu:
    """How simavr emulates a target: its name of the part, and the clock in Hz."""

    mcu: str
    clock_hz: int


@dataclass(frozen=True)
class Target:
    """What the generated firmware is built for and runs on.

    Attributes:
        name: the file's name without `.toml`.
        description: one line for people.
        board: the name of the board whose chip this is, "" where the target stands for a core.
        arch: names the folder of startup code, `targets/arch/<arch>`.
        isa: names the kernel header, `templates/c/isa/<isa>.h`.
        compiler_flags: what makes a compiler of each family generate code for this target.
        runners: how to run a firmware, best first.
        memory: the regions of the linker script; empty for the host.
        stack_bytes: reserved for the stack; 0 for the host.
        boot: names what the chip wants first in its flash, `targets/boot/<boot>.c`; "" for nothing.
        flash_runner: how to write a firmware to the chip by default, "" if there is no chip.
        flash: for each way to write it that needs to be told more, its options; that way knows which there are.
        qemu: None if QEMU does not emulate the target.
        unicorn_cpu: Unicorn's CPU model, "" if it has none.
        simavr: None if simavr does not emulate the target.
        clock_hz: the highest clock of a board's processor, in Hz; 0 where the target stands for a core.
    """

    name: str
    description: str
    arch: str
    isa: str
    compiler_flags: Mapping[str, tuple[str, ...]]
    runners: tuple[str, ...]
    memory: tuple[MemoryRegion, ...] = ()
    stack_bytes: int = 0
    board: str = ""
    boot: str = ""
    flash_runner: str = ""
    flash: Mapping[str, Mapping[str, str | int]] = field(default_factory=dict)
    qemu: QemuMachine | None = None
    unicorn_cpu: str = ""
    simavr: SimavrMcu | None = None
    clock_hz: int = 0

    @property
    def runs_from_ram(self) -> bool:
        """Whether code is loaded into a memory of its own, "iram", and constants into "ram"."""
        return "iram" in ARCHITECTURES[self.arch].regions

    def region(self, name: str) -> MemoryRegion:
        """The memory region of that name.

        Raises:
            TargetError: the target has no such region.
        """
        for region in self.memory:
            if region.name == name:
                return region
        raise TargetError(f"target {self.name} has no memory called {name}", "choose a microcontroller")
