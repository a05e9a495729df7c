"""The firmware of every chip reaches it by the runner that its target names, and runs there."""

from pathlib import Path

import pytest
from cores import QEMU
from qemu_boards import Machine, halted_board, require

from edgelstm.device.compilers import PROGRAMS, find_compiler
from edgelstm.device.flash import GdbFlasher
from edgelstm.device.targets import list_targets, load_target
from edgelstm.device.toolchain import compile_firmware


@pytest.mark.parametrize("name", [name for name in list_targets() if load_target(name).flash_runner == "gdb"])
def test_loads_verifies_and_runs(name: str, tmp_path: Path) -> None:
    target = load_target(name)
    require(PROGRAMS[target.arch][0])
    source = tmp_path / "app.c"
    source.write_text('#include "port.h"\nint app_main(void) { port_print("flashed\\n"); return 3; }\n')
    elf = compile_firmware(target, find_compiler(target), [source], [], tmp_path / "out", "app").elf
    assert target.qemu is not None
    board = f"{target.qemu.machine},firmware=none" if target.arch == "riscv" else target.qemu.machine
    machine = Machine(board, target.region("flash").origin, target.region("ram").origin)
    with halted_board(require(QEMU[target.arch]), machine) as (qemu, port):
        result = GdbFlasher("127.0.0.1", port, timeout_s=5).flash(elf, wait_s=10)
        assert qemu.wait(5) == 3
    assert result.run_exit_code == 3
    assert result.bytes_written == result.bytes_verified > 0
