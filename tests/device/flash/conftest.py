from functools import cache, partial
from pathlib import Path

import pytest
from elf_file import FLASH, RAM, cortex_m_program, elf_bytes
from qemu_boards import BuildFirmware, Machine, RunQemu, build_firmware, halted_board, require


@pytest.fixture(scope="session", name="build_firmware")
def built_firmware(tmp_path_factory: pytest.TempPathFactory) -> BuildFirmware:
    compiler = require("arm-none-eabi-gcc")

    @cache
    def build(machine: Machine, exit_code: int, delay_loops: int = 0) -> Path:
        folder = tmp_path_factory.mktemp("firmware")
        return build_firmware(folder, compiler, machine, exit_code, delay_loops)

    return build


@pytest.fixture(scope="session")
def run_qemu() -> RunQemu:
    return partial(halted_board, require("qemu-system-arm"))


@pytest.fixture
def program_elf(tmp_path: Path) -> Path:
    """A program for the fake server: one segment that ends in the middle of a flash block, and one in RAM."""
    elf = tmp_path / "program.elf"
    elf.write_bytes(elf_bytes([(FLASH, cortex_m_program(2500)), (RAM + 0x100, b"#$}*" * 50)]))
    return elf


@pytest.fixture
def flash_segment_elf(tmp_path: Path) -> Path:
    """A program of one segment, all in flash, that ends in the middle of a page."""
    elf = tmp_path / "flash.elf"
    elf.write_bytes(elf_bytes([(FLASH, cortex_m_program(2500))]))
    return elf
