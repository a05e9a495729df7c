"""Boards: the memory that their data sheets give, what their chips want first in flash, and users' own."""

from pathlib import Path

import pytest

from edgelstm.device.elf import read_elf
from edgelstm.device.linker_script import render_linker_script
from edgelstm.device.runners import choose_runner
from edgelstm.device.targets import list_cores, list_targets, load_target, read_target
from edgelstm.errors import TargetError
from edgelstm.resources import targets_dir

KILOBYTE = 1024
MEMORIES = {
    "microbit": (0, 256, 0x20000000, 16),
    "rpi-pico": (0x10000000, 2048, 0x20000000, 264),
    "stm32vldiscovery": (0x08000000, 128, 0x20000000, 8),
    "bluepill": (0x08000000, 64, 0x20000000, 20),
    "netduinoplus2": (0x08000000, 1024, 0x20000000, 128),
    "nucleo-f446re": (0x08000000, 512, 0x20000000, 128),
    "nucleo-l4r5zi": (0x08000000, 2048, 0x20000000, 640),
    "stm32f746-disco": (0x08000000, 1024, 0x20000000, 320),
    "nrf52840dk": (0, 1024, 0x20000000, 256),
    "lpc55s69-evk": (0, 630, 0x20000000, 256),
    "mps3-an547": (0x10000000, 512, 0x11000000, 2048),
    "esp32c3": (0x42000000, 4096, 0x3FC80000, 320),
    "hifive1": (0x20400000, 12288, 0x80000000, 16),
}
"""Origin and kilobytes of flash and of RAM."""
RESERVED_VECTORS = (8, 9, 10, 13)
GOOD = (targets_dir() / "bluepill.toml").read_text()


def crc32_mpeg2(data: bytes) -> int:
    """The checksum of the RP2040's ROM: CRC-32 from all ones, highest bit first, not inverted (datasheet 2.8.1.3.1)."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1) ^ (0x104C11DB7 if value >> 31 else 0)
    return value


@pytest.mark.parametrize("name", MEMORIES)
def test_memories_are_those_of_the_data_sheet(name: str) -> None:
    board = load_target(name)
    flash, ram = board.region("flash"), board.region("ram")
    sizes = flash.size_bytes // KILOBYTE, ram.size_bytes // KILOBYTE
    assert (flash.origin, sizes[0], ram.origin, sizes[1]) == MEMORIES[name]
    assert board.board
    assert board.stack_bytes <= ram.size_bytes // 4
    assert board.flash_runner == "gdb" or board.flash_runner in board.flash


def test_cores_are_no_boards() -> None:
    assert {"cortex-m0plus", "cortex-m4", "rv32imac"} <= set(list_cores())
    assert not set(list_cores()) & set(MEMORIES)
    assert set(MEMORIES) <= set(list_targets())
    assert "host" not in list_cores()


@pytest.mark.parametrize("compiler", ["gcc", "zig"])
def test_the_rp2040_finds_its_second_boot_stage_in_front_of_the_vectors(build, compiler: str) -> None:
    firmware = build("lab", "rpi-pico", compiler)
    image = firmware.bin.read_bytes()
    elf = read_elf(firmware.elf)
    assert crc32_mpeg2(image[:252]) == int.from_bytes(image[252:256], "little")
    assert elf.symbol("vectors").address == 0x10000100
    assert elf.segments[0].load_address == 0x10000000


@pytest.mark.parametrize("compiler", ["gcc", "zig"])
def test_the_esp32c3_starts_behind_its_magic_and_reads_constants_through_the_window_for_data(
    build, compiler: str
) -> None:
    firmware = build("lab", "esp32c3", compiler)
    elf = read_elf(firmware.elf)
    assert firmware.bin.read_bytes()[:8] == bytes.fromhex("1d04dbae") * 2
    assert elf.symbol("boot_esp32c3").address == 0x42000008
    assert elf.symbol("trap_handler").address % 256 == 0
    sections = {section.name: section for section in elf.sections}
    constants = sections[".rodata"]
    (segment,) = (one for one in elf.segments if one.data and one.address == constants.address)
    assert segment.load_address - 0x42000000 == constants.address - 0x3C000000 == sections[".text"].size


def test_reserved_vectors_are_zero(build) -> None:
    """The LPC55's ROM reads some of them as length and type of a signed image."""
    firmware = build("lab", "lpc55s69-evk", "gcc")
    image = firmware.bin.read_bytes()
    words = [int.from_bytes(image[4 * index : 4 * index + 4], "little") for index in range(16)]
    assert [index for index, word in enumerate(words) if word == 0] == list(RESERVED_VECTORS)


def test_a_new_board_is_one_file(tmp_path: Path) -> None:
    path = tmp_path / "my-board.toml"
    path.write_text(GOOD.replace("size_bytes = 0x5000", "size_bytes = 0x2800").replace("Blue Pill", "Mine"))
    target = load_target(str(path))
    assert (target.name, target.board, target.region("ram").size_bytes) == ("my-board", "Mine", 0x2800)
    assert "LENGTH = 0x00002800" in render_linker_script(target)
    assert choose_runner(target).target is target


@pytest.mark.parametrize("name", ["My Board.toml", "-x.toml", ".toml", "a;b.toml"])
def test_a_file_must_be_named_like_a_target(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(GOOD)
    with pytest.raises(TargetError, match="cannot name a target") as caught:
        load_target(str(tmp_path / name))
    assert "a-z, 0-9 and -" in caught.value.hint


@pytest.mark.parametrize("name", ["absent.toml", "folder.toml"])
def test_a_file_that_is_not_there(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(TargetError, match=rf"there is no target file .*{name}"):
        load_target(str(tmp_path / name))


@pytest.mark.parametrize(
    "flag",
    [
        "-fplugin=evil",
        "-wrapper",
        "@file",
        "-B.",
        "-specs=x",
        "/bin/sh",
        "-o",
        "-Wl,-x",
        "-load=x",
        "-I..",
        "-mx,y",
        "",
    ],
)
def test_a_file_cannot_make_the_compiler_run_or_read_others(tmp_path: Path, flag: str) -> None:
    path = tmp_path / "board.toml"
    path.write_text(GOOD.replace('"-mthumb"', f'"{flag}"'))
    with pytest.raises(TargetError) as caught:
        read_target(path)
    assert f"compiler_flags.gcc: {flag!r} does not choose a core" in caught.value.message


@pytest.mark.parametrize(
    ("board", "old", "new", "problem"),
    [
        ("rpi-pico", 'boot = "rp2040"', 'boot = "rp2350"', "boot: there is no targets/boot/rp2350.c"),
        ("rpi-pico", 'boot = "rp2040"', 'boot = "../x"', "boot: needs a word"),
        ("esp32c3", "0x3C00_0000", "0x3FC0_0000", "ram and flash_data overlap|flash_data and ram overlap"),
        ("esp32c3", "0x3C00_0000", "0xFFF0_0000", "flash_data: ends behind"),
        ("esp32c3", "0x3C00_0000", '"here"', "data_origin: needs an integer"),
        ("nrf52840dk", "size_bytes = 0x10_0000", "size_bytes = 0x10_0000\ndata_origin = 0x3000_0000", "only the flash"),
        ("esp32c3", "size_bytes = 0x5_0000", "size_bytes = 0x5_0000\ndata_origin = 0x5000_0000", "only the flash"),
    ],
)
def test_what_boards_may_not_say(tmp_path: Path, board: str, old: str, new: str, problem: str) -> None:
    text = (targets_dir() / f"{board}.toml").read_text()
    assert old in text
    (tmp_path / "board.toml").write_text(text.replace(old, new))
    with pytest.raises(TargetError, match=problem):
        read_target(tmp_path / "board.toml")
