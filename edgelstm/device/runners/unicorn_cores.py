"""What differs between the processor cores that Unicorn emulates: registers, semihosting, the instruction counter."""

import struct
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, ClassVar

from edgelstm.device.elf import Elf
from edgelstm.device.targets import Target
from edgelstm.errors import ToolError

CONTROL_PAGE_BYTES = 0x1000
_SYSTEM_CONTROL = 0xE000E000
_SYST_CVR = 0x18
_SYSTICK_MASK = 0xFFFFFF
_BKPT_SEMIHOSTING = b"\xab\xbe"
_THUMB_WIDE_PREFIX = 0b11101
"""Top five bits from which on a Thumb instruction has 32 bits, Armv7-M Architecture Reference Manual A5.1."""

_EBREAK_SEMIHOSTING = struct.pack("<III", 0x01F01013, 0x00100073, 0x40705013)
_EBREAK_OFFSET = 4
_CSRR_MCYCLE = 0xB0002073
_CSRR_RD_MASK = 0x1F << 7
_HOOKS_LIMIT = 1 << 10
_RISCV_WIDE = 0b11
"""Lowest two bits of a RISC-V instruction of 32 bits, RISC-V Unprivileged ISA 1.5."""

Request = Callable[[int, int], int]
"""Serves a semihosting request: operation and parameter to result."""


class Core(ABC):
    """A processor core; `uc` is Unicorn's handle of it."""

    elf_machine: ClassVar[str]
    uc: Any

    @abstractmethod
    def connect(self, elf: Elf, count: Callable[[], int], request: Request, stop: Callable[[str], None]) -> None:
        """Attach the core to what surrounds it, after its memory was filled.

        Args:
            elf: the program in memory.
            count: the instructions so far.
            request: who serves semihosting.
            stop: ends the run for a reason.
        """

    @abstractmethod
    def reset(self, elf: Elf) -> int:
        """Set the registers as reset does, after what the chip itself runs first; where emulation begins."""

    @abstractmethod
    def program_counter(self) -> int:
        """The address of the next instruction."""

    @abstractmethod
    def instructions_in(self, code: bytes) -> int:
        """The number of instructions in a block of code."""


class CortexM(Core):
    """Armv6-M to Armv8-M, with a SysTick that counts instructions."""

    elf_machine: ClassVar[str] = "EM_ARM"

    def __init__(self, target: Target) -> None:
        import unicorn
        from unicorn import arm_const

        self._api: Any = unicorn
        self._registers: Any = arm_const
        self.uc = self._api.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
        self.uc.ctl_set_cpu_model(_model(arm_const, "UC_CPU_ARM_", target))

    def connect(self, elf: Elf, count: Callable[[], int], request: Request, stop: Callable[[str], None]) -> None:
        """SysTick for the count, BKPT 0xAB for requests; see `Core.connect`."""

        def read_control(_: Any, offset: int, __: int, ___: object) -> int:
            return -count() & _SYSTICK_MASK if offset == _SYST_CVR else 0

        def write_control(_: Any, __: int, ___: int, ____: int, _____: object) -> None:
            """Start-up code sets SysTick, VTOR and the like; here they are what they shall be."""

        def take_exception(uc: Any, number: int, _: object) -> None:
            pc = self.program_counter()
            if bytes(uc.mem_read(pc, 2)) != _BKPT_SEMIHOSTING:
                stop(f"exception {number}")
                return
            r0, r1 = self._registers.UC_ARM_REG_R0, self._registers.UC_ARM_REG_R1
            uc.reg_write(r0, request(uc.reg_read(r0), uc.reg_read(r1)) & 0xFFFFFFFF)
            uc.reg_write(self._registers.UC_ARM_REG_PC, (pc + 2) | 1)

        self.uc.mmio_map(_SYSTEM_CONTROL, CONTROL_PAGE_BYTES, read_control, None, write_control, None)
        self.uc.hook_add(self._api.UC_HOOK_INTR, take_exception)

    def reset(self, elf: Elf) -> int:
        """Stack pointer and reset handler are the first two vectors."""
        stack_pointer, handler = struct.unpack("<II", self.uc.mem_read(elf.symbol("vectors").address, 8))
        self.uc.reg_write(self._registers.UC_ARM_REG_SP, stack_pointer)
        return int(handler | 1)

    def program_counter(self) -> int:
        """The register PC."""
        return int(self.uc.reg_read(self._registers.UC_ARM_REG_PC))

    def instructions_in(self, code: bytes) -> int:
        """Thumb instructions of 16 and 32 bits."""
        return _count(code, lambda halfword: halfword >> 11 >= _THUMB_WIDE_PREFIX)


class RiscV(Core):
    """RV32, with an mcycle that counts instructions.

    Unicorn's own mcycle follows the clock on the wall, and its ebreak ends the emulation. The instructions that
    read the one and request by the other are therefore found in the program beforehand, and served in their place.
    """

    elf_machine: ClassVar[str] = "EM_RISCV"

    def __init__(self, target: Target) -> None:
        import unicorn
        from unicorn import riscv_const

        self._api: Any = unicorn
        self._registers: Any = riscv_const
        self.uc = self._api.Uc(unicorn.UC_ARCH_RISCV, unicorn.UC_MODE_RISCV32)
        self.uc.ctl_set_cpu_model(_model(riscv_const, "UC_CPU_RISCV32_", target))

    def connect(self, elf: Elf, count: Callable[[], int], request: Request, stop: Callable[[str], None]) -> None:
        """mcycle for the count, semihosting's ebreak for requests; see `Core.connect`."""

        def serve(uc: Any, address: int, size: int, _: object) -> None:
            a0, a1 = self._registers.UC_RISCV_REG_A0, self._registers.UC_RISCV_REG_A1
            uc.reg_write(a0, request(uc.reg_read(a0), uc.reg_read(a1)) & 0xFFFFFFFF)
            uc.reg_write(self._registers.UC_RISCV_REG_PC, address + size)

        def read_mcycle(uc: Any, address: int, size: int, register: int) -> None:
            uc.reg_write(self._registers.UC_RISCV_REG_X0 + register, count() & 0xFFFFFFFF)
            uc.reg_write(self._registers.UC_RISCV_REG_PC, address + size)

        for segment in elf.segments:
            for offset in islice(_offsets(segment.data, _EBREAK_SEMIHOSTING), _HOOKS_LIMIT):
                self._at(segment.load_address + offset + _EBREAK_OFFSET, serve, None)
            for offset, register in islice(_mcycle_reads(segment.data), _HOOKS_LIMIT):
                self._at(segment.load_address + offset, read_mcycle, register)

    def reset(self, elf: Elf) -> int:
        """At the program's entry."""
        return elf.entry

    def program_counter(self) -> int:
        """The register pc."""
        return int(self.uc.reg_read(self._registers.UC_RISCV_REG_PC))

    def instructions_in(self, code: bytes) -> int:
        """Instructions of 16 and 32 bits."""
        return _count(code, lambda halfword: halfword & _RISCV_WIDE == _RISCV_WIDE)

    def _at(self, address: int, hook: Callable[..., None], data: object) -> None:
        self.uc.hook_add(self._api.UC_HOOK_CODE, hook, data, address, address)


CORES: dict[str, type[CortexM] | type[RiscV]] = {"cortex-m": CortexM, "riscv": RiscV}
"""By architecture."""


def _model(constants: Any, prefix: str, target: Target) -> int:
    name = target.unicorn_cpu.upper().replace("-", "_")
    model = getattr(constants, prefix + name, None)
    if model is None:
        raise ToolError(f"Unicorn has no CPU model {target.unicorn_cpu!r}", "choose another runner")
    return int(model)


def _count(code: bytes, is_wide: Callable[[int], bool]) -> int:
    position = count = 0
    while position < len(code):
        position += 4 if is_wide(int.from_bytes(code[position : position + 2], "little")) else 2
        count += 1
    return count


def _offsets(data: bytes, pattern: bytes) -> Iterator[int]:
    offset = data.find(pattern)
    while offset >= 0:
        yield offset
        offset = data.find(pattern, offset + 1)


def _mcycle_reads(data: bytes) -> Iterator[tuple[int, int]]:
    """Where `csrr rd, mcycle` may stand, and the number of rd; a hook on data that looks alike is never reached."""
    for end in _offsets(data, struct.pack("<I", _CSRR_MCYCLE)[2:]):
        offset = end - 2
        word = int.from_bytes(data[max(offset, 0) : offset + 4], "little")
        if offset >= 0 and offset % 2 == 0 and word & ~_CSRR_RD_MASK == _CSRR_MCYCLE:
            yield offset, (word & _CSRR_RD_MASK) >> 7
