"""What firmware prints without a host, read as a debug probe does: found in RAM by its name, through a gdb server."""

import socket
import struct
import subprocess
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import pytest
from cores import QEMU

from edgelstm.device.elf import read_elf
from edgelstm.device.flash.server import GdbServer
from edgelstm.device.runners import choose_runner
from edgelstm.device.targets import Target, load_target
from edgelstm.device.toolchain import Firmware

HEADER = struct.Struct("<16sii6I")
READ_OFFSET = 40
NAME = b"SEGGER RTT\0\0\0\0\0\0"


class Probe:
    """Looks for the block and takes what is new, each time the board is stopped for a moment."""

    def __init__(self, target: Target, ram_bytes: int, port: int) -> None:
        self._ram = target.region("ram").origin
        self._ram_bytes = ram_bytes
        self._port = port
        self._block = 0

    def find(self) -> bool:
        with GdbServer("127.0.0.1", self._port, 5, 5) as server:
            offset = server.read_memory(self._ram, self._ram_bytes).find(NAME)
            self._block = self._ram + offset
            _let_run(server)
        return offset >= 0

    def take(self) -> str:
        with GdbServer("127.0.0.1", self._port, 5, 5) as server:
            header = HEADER.unpack(server.read_memory(self._block, HEADER.size))
            name, up_count, down_count, title, buffer, size, write, read, mode = header
            assert (name, up_count, down_count, mode) == (NAME, 1, 0, 0)
            assert server.read_memory(title, 9) == b"Terminal\0"
            assert write < size
            content = server.read_memory(buffer, size)
            server.write_memory(self._block + READ_OFFSET, struct.pack("<I", write))
            _let_run(server)
        return ((content + content)[read : write if write >= read else write + size]).decode("ascii")


def _let_run(server: GdbServer) -> None:
    assert server.command(b"D", "letting the board run") == b"OK"


@contextmanager
def running_board(target: Target, elf: Path, folder: Path):
    """QEMU without semihosting; gives the port of its gdb server."""
    assert target.qemu is not None
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = [
            QEMU[target.arch],
            "-M",
            target.qemu.machine,
            "-display",
            "none",
            "-monitor",
            "none",
            "-serial",
            "null",
        ]
        command += ["-bios", "none"] if target.arch == "riscv" else []
        command += ["-chardev", f"socket,id=gdb,fd={listener.fileno()},server=on,wait=off,nodelay=on"]
        command += ["-gdb", "chardev:gdb", "-kernel", str(elf)]
        process = subprocess.Popen(command, pass_fds=(listener.fileno(),), stdin=subprocess.DEVNULL, cwd=folder)
        port = listener.getsockname()[1]
    try:
        yield port
    finally:
        process.kill()
        process.wait(5)


@pytest.mark.parametrize("name", ["cortex-m0", "cortex-m4", "rv32imc"])
def test_a_probe_reads_whole_lines_in_order(
    name: str, build: Callable[..., Firmware], require_tool: Callable[[str], None], tmp_path: Path
) -> None:
    target = load_target(name)
    require_tool(QEMU[target.arch])
    firmware = build("ticking", name, "gcc")
    ram = target.region("ram")
    ram_bytes = max(s.address + s.size for s in read_elf(firmware.elf).segments if ram.holds(s.address)) - ram.origin
    with running_board(target, firmware.elf, tmp_path) as port:
        probe = Probe(target, ram_bytes, port)
        deadline = time.monotonic() + 20
        while not probe.find():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(1)
        taken = []
        for _ in range(40):
            taken.append(probe.take())
            time.sleep(0.01)
    lines = "".join(taken).splitlines(keepends=True)
    # The buffer was full long before the probe came, and still begins with the report.
    assert lines[:3] == ["selftest passed\n", "tick 00001\n", "tick 00002\n"]
    assert len(taken[0]) in range(128 - 11, 128)
    assert {len(line) for line in lines[1:]} == {11}
    numbers = [int(line[5:]) for line in lines[1:]]
    assert numbers == sorted(set(numbers))
    assert len(numbers) > 20


def test_with_a_host_the_text_goes_there(
    build: Callable[..., Firmware], require_tool: Callable[[str], None], tmp_path: Path
) -> None:
    require_tool("qemu-system-arm")
    firmware = build("board", "cortex-m4", "gcc")
    result = choose_runner(load_target("cortex-m4"), "qemu").run(firmware.elf, ["a"], cwd=tmp_path, timeout_s=20)
    assert (result.output, result.exit_code) == ("a\n", 5)
