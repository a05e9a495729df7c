import random
from pathlib import Path

import pytest
from elf_file import EM_AVR, EM_RISCV, FLASH, RAM, cortex_m_program, elf_bytes

from edgelstm.device.flash import Segment, read_segments
from edgelstm.device.flash.image import read_image, reset_registers
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
            reset_registers(read_image(write(tmp_path, bytes(damaged))))
        except FlashError as error:
            assert error.message


def test_the_vector_table_gives_the_start_of_a_cortex_m(tmp_path: Path) -> None:
    image = read_image(write(tmp_path, elf_bytes([(FLASH, cortex_m_program(64))])))
    assert reset_registers(image) == {"sp": RAM + 0x1000, "pc": FLASH + 8, "xpsr": 0x01000000}
    assert list(reset_registers(image)) == ["sp", "pc", "xpsr"]


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
    image = read_image(write(tmp_path, elf_bytes([(FLASH, table.ljust(4 if len(table) == 4 else 16, b"\0"))])))
    with pytest.raises(FlashError, match="no Cortex-M vector table at the lowest load address 0x08000000"):
        reset_registers(image)


def test_other_architectures(tmp_path: Path) -> None:
    riscv = read_image(write(tmp_path, elf_bytes([(FLASH, b"code")], machine=EM_RISCV, entry=FLASH)))
    assert reset_registers(riscv) == {"pc": FLASH}
    avr = read_image(write(tmp_path, elf_bytes([(0, b"code")], machine=EM_AVR)))
    with pytest.raises(FlashError, match="how to start an AVR program") as caught:
        reset_registers(avr)
    assert "reset" in caught.value.hint
