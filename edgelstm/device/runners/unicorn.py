"""Run a firmware in Unicorn, QEMU's processor core as a Python package: needs pip alone.

Unicorn is a core without a machine. Semihosting is served by `semihosting.py`; of the peripherals there is
SysTick, which here counts instructions. Faults are not delivered to the firmware, they end the run.
"""

import importlib.util
import struct
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

from edgelstm.device.elf import Elf, read_elf
from edgelstm.device.process import tail
from edgelstm.device.runners.interface import EXIT_FAULT, Runner, RunResult, checked_arguments
from edgelstm.device.runners.semihosting import Semihosting
from edgelstm.device.targets import Target
from edgelstm.errors import ToolError, ToolMissingError, ToolTimeoutError

_INSTALL = 'install unicorn by `pip install "edgelstm[emulate]"`'
_PAGE_BYTES = 0x1000
_SYSTEM_CONTROL = 0xE000E000
_SYST_CVR = 0x18
_SYSTICK_MASK = 0xFFFFFF
_NO_ADDRESS = 0xFFFFFFFE
_BKPT_SEMIHOSTING = b"\xab\xbe"
_WIDE_PREFIX = 0b11101
"""Top five bits from which on a Thumb instruction has 32 bits, Armv7-M Architecture Reference Manual A5.1."""


class UnicornRunner(Runner):
    """Emulates the core in this process. `port_ticks` counts instructions (see `_Machine`)."""

    name: ClassVar[str] = "unicorn"

    def missing(self) -> str | None:
        """The package, unless it is installed."""
        return None if importlib.util.find_spec("unicorn") else _INSTALL

    def run(self, elf: Path, arguments: Sequence[str], *, cwd: Path, timeout_s: float) -> RunResult:
        """Run a firmware; see `Runner.run`."""
        started = time.monotonic()
        words = " ".join(checked_arguments(arguments))
        machine = _Machine(self.target, read_elf(elf))
        with Semihosting(machine, words, cwd) as semihosting:
            machine.run(semihosting, timeout_s)
            output = semihosting.text.decode("utf-8", "replace") + machine.fault
            exit_code = EXIT_FAULT if machine.fault else semihosting.exit_code
        if exit_code is None:
            raise ToolTimeoutError(
                f"{elf.name} was ended after {timeout_s:g} s in Unicorn{tail(output)}",
                "it may hang; if the work is just large, allow it more time",
            )
        return RunResult(exit_code, output, time.monotonic() - started, Fraction(1))


class _Machine:
    """A Cortex-M core, its memories and SysTick.

    Unicorn tells when a block of instructions begins, not when one instruction ends. A read of SysTick
    therefore sees the count at the end of the block that reads it. The error is a constant of the reading
    code, and vanishes when the ticks of an empty interval are subtracted.
    """

    def __init__(self, target: Target, elf: Elf) -> None:
        try:
            import unicorn
            from unicorn import arm_const
        except ImportError as error:
            raise ToolMissingError(f"unicorn cannot be used: {error}", _INSTALL) from error
        self._api: Any = unicorn
        self._arm: Any = arm_const
        self._uc = self._core(target)
        self._instructions = 0
        self._block_lengths: dict[tuple[int, int], int] = {}
        self._bad_access = ""
        self.fault = ""
        self._load(target, elf)

    def run(self, semihosting: Semihosting, timeout_s: float) -> None:
        """Run from reset until the firmware exits, faults, or the time is up."""
        uc, api = self._uc, self._api
        stack_pointer, reset = struct.unpack("<II", uc.mem_read(self._vectors, 8))
        uc.reg_write(self._arm.UC_ARM_REG_SP, stack_pointer)
        uc.hook_add(api.UC_HOOK_BLOCK, self._count)
        uc.hook_add(api.UC_HOOK_INTR, self._exception, semihosting)
        uc.hook_add(api.UC_HOOK_MEM_INVALID, self._note_bad_access)
        deadline = time.monotonic() + timeout_s
        # In a thread of its own, because Python delivers Ctrl-C on entry to a hook, where it would be lost.
        with ThreadPoolExecutor(max_workers=1) as executor:
            emulation = executor.submit(uc.emu_start, reset | 1, _NO_ADDRESS, int(timeout_s * 1e6) + 1)
            try:
                emulation.result()
            except api.UcError as error:
                self._stop(self._bad_access or str(error))
            except BaseException:
                uc.emu_stop()
                raise
        if semihosting.exit_code is None and time.monotonic() < deadline:
            self._stop("the core went to sleep")

    def read(self, address: int, size: int) -> bytes | None:
        """Memory as the firmware sees it; None where there is none."""
        try:
            return bytes(self._uc.mem_read(address, size)) if size else b""
        except self._api.UcError:
            return None

    def write(self, address: int, data: bytes) -> bool:
        """Write to RAM; False anywhere else."""
        if not (self._ram.holds(address) and address + len(data) <= self._ram.end):
            return False
        self._uc.mem_write(address, data)
        return True

    def _core(self, target: Target) -> Any:
        model = getattr(self._arm, f"UC_CPU_ARM_{target.unicorn_cpu.upper().replace('-', '_')}", None)
        if model is None:
            raise ToolError(f"Unicorn has no CPU model {target.unicorn_cpu!r}", "choose another runner")
        uc = self._api.Uc(self._api.UC_ARCH_ARM, self._api.UC_MODE_THUMB | self._api.UC_MODE_MCLASS)
        uc.ctl_set_cpu_model(model)
        return uc

    def _load(self, target: Target, elf: Elf) -> None:
        if elf.machine != "EM_ARM":
            raise ToolError(f"the firmware is not for {target.name}", "build it for this target")
        flash, ram = target.region("flash"), target.region("ram")
        self._ram, self._vectors = ram, flash.origin
        access = {flash: self._api.UC_PROT_READ | self._api.UC_PROT_EXEC, ram: self._api.UC_PROT_ALL}
        for region, protection in access.items():
            start = region.origin // _PAGE_BYTES * _PAGE_BYTES
            size = -(-(region.end - start) // _PAGE_BYTES) * _PAGE_BYTES
            self._uc.mem_map(start, size, protection)
        self._uc.mmio_map(_SYSTEM_CONTROL, _PAGE_BYTES, self._read_control, None, self._write_control, None)
        for segment in elf.segments:
            if segment.data:
                if not flash.holds(segment.load_address) or segment.load_address + len(segment.data) > flash.end:
                    raise ToolError(f"the firmware is not for {target.name}", "build it for this target")
                self._uc.mem_write(segment.load_address, segment.data)

    def _count(self, uc: Any, address: int, size: int, _: object) -> None:
        length = self._block_lengths.get((address, size))
        if length is None:
            length = _count_instructions(bytes(uc.mem_read(address, size)))
            self._block_lengths[address, size] = length
        self._instructions += length

    def _read_control(self, _: Any, offset: int, __: int, ___: object) -> int:
        return -self._instructions & _SYSTICK_MASK if offset == _SYST_CVR else 0

    def _write_control(self, _: Any, __: int, ___: int, ____: int, _____: object) -> None:
        """Start-up code sets SysTick, VTOR and the like; here they are what they shall be."""

    def _exception(self, uc: Any, number: int, semihosting: Semihosting) -> None:
        pc = uc.reg_read(self._arm.UC_ARM_REG_PC)
        if self.read(pc, 2) != _BKPT_SEMIHOSTING:
            self._stop(f"exception {number}")
            return
        operation, parameter = (uc.reg_read(r) for r in (self._arm.UC_ARM_REG_R0, self._arm.UC_ARM_REG_R1))
        result = semihosting.serve(operation, parameter)
        uc.reg_write(self._arm.UC_ARM_REG_R0, result & 0xFFFFFFFF)
        uc.reg_write(self._arm.UC_ARM_REG_PC, (pc + 2) | 1)
        if semihosting.exit_code is not None:
            uc.emu_stop()

    def _note_bad_access(self, _: Any, __: int, address: int, size: int, ___: int, ____: object) -> bool:
        # Not the end yet: only when the core has stopped is its PC that of the instruction.
        self._bad_access = f"access to {size} bytes at {address:#010x}"
        return False

    def _stop(self, reason: str) -> None:
        if not self.fault:
            pc = self._uc.reg_read(self._arm.UC_ARM_REG_PC)
            self.fault = f"fault: {reason}, pc {pc:#010x}\n"
        self._uc.emu_stop()


def _count_instructions(code: bytes) -> int:
    position = count = 0
    while position < len(code):
        position += 4 if code[position + 1] >> 3 >= _WIDE_PREFIX else 2
        count += 1
    return count
