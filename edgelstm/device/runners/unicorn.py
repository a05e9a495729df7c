"""Run a firmware in Unicorn, QEMU's processor core as a Python package: needs pip alone.

Unicorn is a core without a machine. Semihosting is served by `semihosting.py`; of the peripherals there is the
counter that `port_ticks` reads, which here counts instructions. Faults are not delivered to the firmware, they
end the run.
"""

import importlib.util
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

from edgelstm.device.elf import Elf, read_elf
from edgelstm.device.process import raise_if_stopped, tail
from edgelstm.device.runners.interface import EXIT_FAULT, Runner, RunResult, checked_arguments
from edgelstm.device.runners.semihosting import Semihosting
from edgelstm.device.runners.unicorn_cores import CORES, Core
from edgelstm.device.targets import Target
from edgelstm.errors import ToolError, ToolMissingError, ToolTimeoutError

_INSTALL = 'install unicorn by `pip install "edgelstm[emulate]"`'
_PAGE_BYTES = 0x1000
_NO_ADDRESS = 0xFFFFFFFE
_PATIENCE_S = 0.2


@dataclass(frozen=True)
class UnicornRunner(Runner):
    """Emulates the core in this process. `port_ticks` counts instructions (see `_Machine`).

    Attributes:
        on_block: called with address and size in bytes of every block of instructions before it runs.
    """

    name: ClassVar[str] = "unicorn"
    on_block: Callable[[int, int], None] | None = None

    def missing(self) -> str | None:
        """The package, unless it is installed."""
        return None if importlib.util.find_spec("unicorn") else _INSTALL

    def run(self, elf: Path, arguments: Sequence[str], *, cwd: Path, timeout_s: float) -> RunResult:
        """Run a firmware; see `Runner.run`."""
        started = time.monotonic()
        words = " ".join(checked_arguments(arguments))
        machine = _Machine(self.target, read_elf(elf), self.on_block)
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


def _await(emulation: "Future[None]") -> None:
    """Wait, but not longer than all work shall last."""
    while not wait([emulation], timeout=_PATIENCE_S).done:
        raise_if_stopped()
    emulation.result()


class _Machine:
    """A core and its memories.

    Unicorn tells when a block of instructions begins, not when one instruction ends. A reader of the counter
    therefore sees the count at the end of the block that reads it. The error is a constant of the reading code,
    and vanishes when the ticks of an empty interval are subtracted.
    """

    def __init__(self, target: Target, elf: Elf, on_block: Callable[[int, int], None] | None = None) -> None:
        try:
            import unicorn
        except ImportError as error:
            raise ToolMissingError(f"unicorn cannot be used: {error}", _INSTALL) from error
        self._api: Any = unicorn
        self._core: Core = CORES[target.arch](target)
        self._uc = self._core.uc
        self._on_block = on_block
        self._elf = elf
        self._instructions = 0
        self._block_lengths: dict[tuple[int, int], int] = {}
        self._bad_access = ""
        self.fault = ""
        self._load(target, elf)

    def run(self, semihosting: Semihosting, timeout_s: float) -> None:
        """Run from reset until the firmware exits, faults, or the time is up."""
        uc, api = self._uc, self._api

        def request(operation: int, parameter: int) -> int:
            result = semihosting.serve(operation, parameter)
            if semihosting.exit_code is not None:
                uc.emu_stop()
            return result

        self._core.connect(self._elf, lambda: self._instructions, request, self._stop)
        start = self._core.reset(self._elf)
        uc.hook_add(api.UC_HOOK_BLOCK, self._count)
        uc.hook_add(api.UC_HOOK_MEM_INVALID, self._note_bad_access)
        deadline = time.monotonic() + timeout_s
        # In a thread of its own, because Python delivers Ctrl-C on entry to a hook, where it would be lost.
        with ThreadPoolExecutor(max_workers=1) as executor:
            emulation = executor.submit(uc.emu_start, start, _NO_ADDRESS, int(timeout_s * 1e6) + 1)
            try:
                _await(emulation)
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

    def _load(self, target: Target, elf: Elf) -> None:
        if elf.machine != self._core.elf_machine:
            raise ToolError(f"the firmware is not for {target.name}", "build it for this target")
        self._flash, self._ram = flash, ram = target.region("flash"), target.region("ram")
        access = {flash: self._api.UC_PROT_READ | self._api.UC_PROT_EXEC, ram: self._api.UC_PROT_ALL}
        window = flash.data_window
        if window is not None:
            access[window] = self._api.UC_PROT_READ
        for region, protection in access.items():
            start = region.origin // _PAGE_BYTES * _PAGE_BYTES
            size = -(-(region.end - start) // _PAGE_BYTES) * _PAGE_BYTES
            self._uc.mem_map(start, size, protection)
        for segment in elf.segments:
            if segment.data:
                if not flash.holds(segment.load_address) or segment.load_address + len(segment.data) > flash.end:
                    raise ToolError(f"the firmware is not for {target.name}", "build it for this target")
                self._uc.mem_write(segment.load_address, segment.data)
                if window is not None and window.holds(segment.address):
                    self._uc.mem_write(segment.address, segment.data)

    def _count(self, uc: Any, address: int, size: int, _: object) -> None:
        length = self._block_lengths.get((address, size))
        if length is None:
            length = self._core.instructions_in(bytes(uc.mem_read(address, size)))
            self._block_lengths[address, size] = length
        self._instructions += length
        if self._on_block is not None:
            self._on_block(address, size)

    def _note_bad_access(self, _: Any, __: int, address: int, size: int, ___: int, ____: object) -> bool:
        # Not the end yet: only when the core has stopped is its PC that of the instruction.
        self._bad_access = f"access to {size} bytes at {address:#010x}"
        return False

    def _stop(self, reason: str) -> None:
        if not self.fault:
            self.fault = f"fault: {reason}, pc {self._core.program_counter():#010x}\n"
        self._uc.emu_stop()
