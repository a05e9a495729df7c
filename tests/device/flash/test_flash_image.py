import random
from pathlib import Path

import pytest
from elf_file import EM_AVR, EM_RISCV, FLASH, RAM, cortex_m_program, elf_bytes
from qemu_boards import require

from edgelstm.device.compilers import find_compiler
from edgelstm.device.elf import read_elf
from edgelstm.device.flash import FlashJob, Segment, choose_flash_runner, read_segments
from edgelstm.device.flash.image import read_image, reset_registers
from edgelstm.device.targets import load_target
from edgelstm.device.toolchain import compile_firmware
from edgelstm.errors import FlashError


def write(tmp_path: Path, content: bytes) -> Path:
    elf = tmp_path / "x.elf"
    elf.write_bytes(content)
    return elf


def test_segments_are_ordered_by_physical_address_and_empty_ones_left_out(tmp_path: Path) -> None:
    elf = write(tmp_path, elf_bytes([(RAM, b"ram"), (FLASH, b"flash"), (FLASH + 64, b"")]))
    assert read_segments(elf) == (Segment(FLASH, b"flash"), Segment(RAM, b"ram"))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "not a readable ELF file"),
        (b"\x7fELF", "not a readable ELF file"),
        (b"MZ" * 100, "not a readable ELF file"),
        (elf_bytes([(FLASH, b"x")]).replace(b"\x7fELF\x01\x01", b"\x7fELF\x01\x02"), "ELF file"),
        (elf_bytes([]), "holds nothing to load"),
        (elf_bytes([(FLASH, b"12345678")], missing_bytes=1), "0x08000000 is cut off"),
        (elf_bytes([(0xFFFFFFFC, b"12345678")]), "does not fit in 32-bit addresses"),
        (elf_bytes([(FLASH, b"12345678"), (FLASH + 7, b"x")]), "0x08000000 and 0x08000007 overlap"),
        (elf_bytes([(FLASH, b"x")], header_count=300), "300 program headers"),
    ],
)
def test_files_that_cannot_be_loaded(tmp_path: Path, content: bytes, expected: str) -> None:
    with pytest.raises(FlashError) as caught:
        read_image(write(tmp_path, content))
    assert expected in caught.value.message
    assert caught.value.hint


def test_all_problems_are_reported_together(tmp_path: Path) -> None:
    content = elf_bytes([(FLASH, b"1" * 8), (FLASH + 4, b"2"), (0xFFFFFFFF, b"33")], missing_bytes=1)
    with pytest.raises(FlashError, match=r"cut off.*does not fit.*overlap"):
        read_image(write(tmp_path, content))


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.elf"):
        with pytest.raises(FlashError, match="is not a file"):
            read_image(path)


def test_damaged_files_never_raise_anything_else(tmp_path: Path) -> None:
    generator = random.Random(7)
    whole = elf_bytes([(FLASH, cortex_m_program(64)), (RAM, b"data")])
    for _ in range(150):
        damaged = bytearray(whole)
        for _ in range(generator.randrange(1, 6)):
            damaged[generator.randrange(116)] = generator.randrange(256)
        try:
            elf = write(tmp_path, bytes(damaged))
            reset_registers(elf, read_image(elf))
        except FlashError as error:
            assert error.message


def test_the_vector_table_gives_the_start_of_a_cortex_m(tmp_path: Path) -> None:
    elf = write(tmp_path, elf_bytes([(FLASH, cortex_m_program(64))]))
    registers = reset_registers(elf, read_image(elf))
    assert registers == {"sp": RAM + 0x1000, "pc": FLASH + 8, "xpsr": 0x01000000}
    assert list(registers) == ["sp", "pc", "xpsr"]


@pytest.mark.parametrize("name", ["rpi-pico", "cortex-m4"])
def test_the_vector_table_is_found_behind_a_boot_loader(name: str, tmp_path: Path) -> None:
    require("arm-none-eabi-gcc")
    target = load_target(name)
    source = tmp_path / "app.c"
    source.write_text('#include "port.h"\nint app_main(void) { port_print("x"); return 0; }\n')
    elf = compile_firmware(target, find_compiler(target), [source], [], tmp_path / "out", "app").elf
    registers = reset_registers(elf, read_image(elf))
    symbols = {symbol.name: symbol.address for symbol in read_elf(elf).symbols}
    assert registers["pc"] == symbols["reset_handler"]
    ram = target.region("ram")
    assert registers["sp"] in (ram.end, ram.origin + target.stack_bytes)
    behind_boot_loader = symbols["vectors"] - target.region("flash").origin
    assert behind_boot_loader == (0x100 if target.boot else 0)
    plan = choose_flash_runner(target, "gdb").plan(FlashJob(elf, reset="registers"))
    assert f"pc = {registers['pc']:#010x}" in plan


@pytest.mark.parametrize(
    "table",
    [
        b"\x00\x10\x00\x20",
        b"\x00\x10\x00\x20\x08\x00\x00\x08",
        b"\x01\x10\x00\x20\x09\x00\x00\x08",
        b"\x00\x10\x00\x20\x41\x00\x00\x08",
    ],
    ids=["too short", "handler is not Thumb code", "stack is not aligned", "handler is not in the image"],
)
def test_what_is_no_vector_table_is_not_started(tmp_path: Path, table: bytes) -> None:
    elf = write(tmp_path, elf_bytes([(FLASH, table.ljust(4 if len(table) == 4 else 16, b"\0"))]))
    with pytest.raises(FlashError, match=r"no Cortex-M vector table .* at the lowest load address 0x08000000"):
        reset_registers(elf, read_image(elf))


def test_other_architectures(tmp_path: Path) -> None:
    elf = write(tmp_path, elf_bytes([(FLASH, b"code")], machine=EM_RISCV, entry=FLASH))
    assert reset_registers(elf, read_image(elf)) == {"pc": FLASH}
    avr = read_image(write(tmp_path, elf_bytes([(0, b"code")], machine=EM_AVR)))
    with pytest.raises(FlashError, match="how to start an AVR program") as caught:
        reset_registers(elf, avr)
    assert "reset" in caught.value.hint
