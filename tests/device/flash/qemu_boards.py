"""Small programs for QEMU's boards, and the boards themselves, halted and waiting for a gdb client."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

FIRMWARE_SOURCE = r"""
extern unsigned stack_top, data_start, data_end, data_load;
static volatile int exit_code = EXIT_CODE;
const unsigned char filler[5000] = {FILLER};

static void semihosting(unsigned operation, const void *argument)
{
    register unsigned r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}
void reset_handler(void)
{
    for (unsigned *to = &data_start, *from = &data_load; to != &data_end;) *to++ = *from++;
    for (volatile unsigned i = 0; i < DELAY_LOOPS; i++) { }
    semihosting(4, "flashed\n");
    unsigned sum = 0;
    for (unsigned i = 0; i < sizeof filler; i++) sum += filler[i];
    const unsigned exit_block[2] = {0x20026, sum == FILLER_SUM ? (unsigned)exit_code : 99};
    semihosting(0x20, exit_block);
    for (;;) { }
}
static void fault(void) { for (;;) { } }
__attribute__((section(".vectors"), used))
const void *const vectors[] = {&stack_top, reset_handler, fault, fault};
"""
LINKER_SCRIPT = """
ENTRY(reset_handler)
SECTIONS {{
  . = {flash:#x};
  .text : {{ KEEP(*(.vectors)) *(.text*) KEEP(*(.rodata*)) . = ALIGN(4); }}
  data_load = .;
  .data {ram:#x} : AT(data_load) {{ data_start = .; *(.data*) . = ALIGN(4); data_end = .; }}
  stack_top = {ram:#x} + 0x1000;
}}
"""


@dataclass(frozen=True)
class Machine:
    """A QEMU machine, where its memories are, and its core."""

    name: str
    flash: int
    ram: int
    cpu: str = "cortex-m4"


class BuildFirmware(Protocol):
    """Builds a program, or gives the one built before."""

    def __call__(self, machine: Machine, exit_code: int, delay_loops: int = 0) -> Path: ...


class RunQemu(Protocol):
    """Starts a board; see `halted_board`."""

    def __call__(
        self, machine: Machine, semihosting: str = "native"
    ) -> AbstractContextManager[tuple[subprocess.Popen[bytes], int]]: ...


STM32VL = Machine("stm32vldiscovery", 0x08000000, 0x20000000, "cortex-m3")
MPS2_SECURE = Machine("mps2-an505", 0x10000000, 0x38000000, "cortex-m33")
MPS2 = Machine("mps2-an386", 0x00000000, 0x20000000)
STM32F405 = Machine("netduinoplus2", 0x08000000, 0x20000000)


def require(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        message = f"{program} is not installed"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return found


def build_firmware(folder: Path, compiler: str, machine: Machine, exit_code: int, delay_loops: int) -> Path:
    """A program that waits, prints "flashed", checks its constants and exits with a code."""
    elf = folder / "firmware.elf"
    filler = [b"#$}*+-\n\0"[i % 8] if i % 3 else i * 7 % 256 for i in range(5000)]
    source = FIRMWARE_SOURCE.replace("FILLER_SUM", f"{sum(filler)}u").replace("FILLER", str(filler)[1:-1])
    (folder / "firmware.c").write_text(source)
    (folder / "firmware.ld").write_text(LINKER_SCRIPT.format(flash=machine.flash, ram=machine.ram))
    command = [compiler, f"-mcpu={machine.cpu}", "-mthumb", "-O1", "-g", "-ffreestanding", "-nostdlib"]
    command += [f"-DEXIT_CODE={exit_code}", f"-DDELAY_LOOPS={delay_loops}u", "-Wl,--no-warn-rwx-segments"]
    command += ["-T", str(folder / "firmware.ld"), str(folder / "firmware.c"), "-o", str(elf)]
    subprocess.run(command, check=True, timeout=60)
    return elf


@contextmanager
def halted_board(
    qemu: str, machine: Machine, semihosting: str = "native"
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """QEMU halted, with nothing in its memory; gives the process and the port of its gdb server.

    QEMU inherits the listening socket: no other process can take the port, and a client may connect at once.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = [qemu, "-M", machine.name, "-S", "-display", "none", "-monitor", "none", "-serial", "null"]
        command += ["-chardev", f"socket,id=gdb,fd={listener.fileno()},server=on,wait=off,nodelay=on"]
        command += ["-gdb", "chardev:gdb", "-semihosting-config", f"enable=on,target={semihosting}"]
        process = subprocess.Popen(
            command, pass_fds=(listener.fileno(),), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        port = listener.getsockname()[1]
    try:
        yield process, port
    finally:
        process.kill()
        process.wait(5)
        assert process.stderr is not None
        process.stderr.close()
