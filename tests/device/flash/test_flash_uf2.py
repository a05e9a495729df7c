"""The UF2 runner: files parsed back, and drives that are folders."""

import errno
import os
import struct
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from elf_file import FLASH, RAM, elf_bytes

from edgelstm.device.flash import Connection, FlashJob, Segment, choose_flash_runner, read_segments
from edgelstm.device.flash import uf2_drive as drives
from edgelstm.device.flash.uf2 import to_uf2
from edgelstm.device.targets import MemoryRegion, load_target
from edgelstm.errors import FlashError, ProjectError, ToolTimeoutError

FAMILY = 0xE48BFF56
BOARD = replace(
    load_target("cortex-m0"),
    name="pico",
    memory=(MemoryRegion("flash", FLASH, 0x10000), MemoryRegion("ram", RAM, 0x2000)),
    flash_runner="uf2",
    flash={"uf2": {"family": FAMILY, "label": "RPI-RP2"}},
)
RUNNER = choose_flash_runner(BOARD)
INFO = "UF2 Bootloader v3.0\r\nModel: Raspberry Pi RP2\r\nBoard-ID: RPI-RP2\r\n"


@pytest.fixture
def mount(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the only mounted drive, and has a blank in its name."""
    folder = tmp_path / "the drive"
    folder.mkdir()
    (folder / drives.INFO_FILE).write_text(INFO)
    write_mounts(tmp_path, monkeypatch, folder)
    return folder


def write_mounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *folders: Path) -> None:
    lines = ["/dev/sda1 / ext4 rw 0 0", "server:/share /lost nfs rw 0 0", "damaged"]
    lines += [f"/dev/sd{i} {str(one).replace(' ', chr(92) + '040')} vfat rw 0 0" for i, one in enumerate(folders)]
    (tmp_path / "mounts").write_text("\n".join(lines))
    monkeypatch.setattr(drives, "MOUNTS", tmp_path / "mounts")
    monkeypatch.setattr("sys.platform", "linux")


def parse(content: bytes) -> dict[int, bytes]:
    """Pages by address, by the format's own description and not by our writer."""
    assert len(content) % 512 == 0
    pages = {}
    for index in range(len(content) // 512):
        block = content[512 * index : 512 * index + 512]
        one, two, flags, address, size, number, count, family = struct.unpack_from("<8I", block)
        assert (one, two, struct.unpack_from("<I", block, 508)[0]) == (0x0A324655, 0x9E5D5157, 0x0AB16F30)
        assert (flags, size, number, count, family) == (0x2000, 256, index, len(content) // 512, FAMILY)
        assert address % 256 == 0
        assert address not in pages
        assert not any(block[32 + size : 508])
        pages[address] = block[32 : 32 + size]
    return pages


def test_a_file_holds_each_byte_at_its_address() -> None:
    segments = [Segment(0x10000080, bytes(range(200))), Segment(0x10000148, b"abc"), Segment(0x10000F00, b"\0" * 600)]
    pages = parse(to_uf2(segments, FAMILY))
    assert list(pages) == [0x10000000, 0x10000100, 0x10000F00, 0x10001000, 0x10001100]
    memory = {address + i: byte for address, page in pages.items() for i, byte in enumerate(page)}
    stored = {segment.address + i: byte for segment in segments for i, byte in enumerate(segment.data)}
    assert {address: memory[address] for address in stored} == stored
    assert {byte for address, byte in memory.items() if address not in stored} == {0xFF}


def test_the_program_reaches_the_mounted_drive(flash_segment_elf: Path, mount: Path) -> None:
    result = RUNNER.flash(FlashJob(flash_segment_elf))
    assert sorted(path.name for path in mount.iterdir()) == ["INFO_UF2.TXT", "firmware.uf2"]
    pages = parse((mount / "firmware.uf2").read_bytes())
    (segment,) = read_segments(flash_segment_elf)
    assert b"".join(pages[address] for address in sorted(pages)).startswith(segment.data)
    assert (result.bytes_written, result.bytes_verified, result.run_exit_code) == (2500, 0, None)
    assert "debug probe" in result.note


def test_the_plan_names_file_and_drive(flash_segment_elf: Path, mount: Path) -> None:
    plan = RUNNER.plan(FlashJob(flash_segment_elf))
    assert "2560 bytes from 0x08000000 on, family 0xe48bff56" in plan
    assert "called RPI-RP2" in plan
    assert "/media/x" in RUNNER.plan(FlashJob(flash_segment_elf, Connection(port="/media/x")))
    assert not (mount / "firmware.uf2").exists()


def test_of_several_drives_the_label_or_the_user_chooses(
    flash_segment_elf: Path, mount: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "FEATHERBOOT"
    other.mkdir()
    (other / drives.INFO_FILE).write_text("UF2 Bootloader\nBoard-ID: SAMD21\n")
    write_mounts(tmp_path, monkeypatch, other, mount, tmp_path)
    RUNNER.flash(FlashJob(flash_segment_elf))
    assert (mount / "firmware.uf2").exists()
    RUNNER.flash(FlashJob(flash_segment_elf, Connection(port=str(other))))
    assert (other / "firmware.uf2").exists()
    anyone = choose_flash_runner(replace(BOARD, flash={"uf2": {"family": FAMILY}}))
    with pytest.raises(FlashError, match="there are several drives") as caught:
        anyone.flash(FlashJob(flash_segment_elf))
    assert str(mount) in caught.value.message
    write_mounts(tmp_path, monkeypatch, other)
    with pytest.raises(FlashError, match=r"called RPI-RP2 is mounted; there is SAMD21 at .*FEATHERBOOT"):
        RUNNER.flash(FlashJob(flash_segment_elf))


def test_a_folder_that_is_no_drive_is_not_written(flash_segment_elf: Path, tmp_path: Path) -> None:
    folder = tmp_path / "plain"
    folder.mkdir()
    with pytest.raises(FlashError, match=r"holds no INFO_UF2\.TXT"):
        RUNNER.flash(FlashJob(flash_segment_elf, Connection(port=str(folder))))
    assert list(folder.iterdir()) == []
    (folder / "file").write_text("")
    for name, why in (("none", "there is no folder"), ("file", "is no folder but a file")):
        with pytest.raises(FlashError, match=why):
            RUNNER.flash(FlashJob(flash_segment_elf, Connection(port=str(folder / name))))


def test_a_write_that_fails_leaves_nothing_half(
    flash_segment_elf: Path, mount: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    (mount / "firmware.uf2").write_bytes(b"older")
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(FlashError, match="cannot be written: No space left"):
        RUNNER.flash(FlashJob(flash_segment_elf))
    assert sorted(path.name for path in mount.iterdir()) == ["INFO_UF2.TXT", "firmware.uf2"]
    assert (mount / "firmware.uf2").read_bytes() == b"older"


def test_a_board_that_restarts_with_the_last_byte_has_it_all(
    flash_segment_elf: Path, mount: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The drive goes as soon as the boot loader has every block, before the file gets its name."""
    monkeypatch.setattr("os.fsync", lambda descriptor: mount.rename(mount.parent / "gone"))
    RUNNER.flash(FlashJob(flash_segment_elf))
    (written,) = (mount.parent / "gone").glob("edgelstm-*")
    assert len(parse(written.read_bytes())) == 10


@pytest.mark.parametrize("number", [errno.EIO, errno.ENODEV, errno.ENXIO])
def test_a_board_that_restarts_while_it_confirms_is_no_failure(
    number: int, flash_segment_elf: Path, mount: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has every block, and goes; the system needs a moment to see that."""

    def lost(descriptor: int) -> None:
        threading.Timer(0.3, mount.rename, (mount.parent / "gone",)).start()
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("os.fsync", lost)
    result = RUNNER.flash(FlashJob(flash_segment_elf))
    assert not result.is_confirmed
    (written,) = (mount.parent / "gone").glob("edgelstm-*")
    assert len(parse(written.read_bytes())) == 10


@pytest.mark.parametrize("step", ["os.fsync", "pathlib.Path.replace"])
def test_a_drive_that_stays_and_fails_is_a_failure(
    step: str, flash_segment_elf: Path, mount: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*arguments: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(drives, "GONE_WITHIN_S", 0.2)
    monkeypatch.setattr(step, fails)
    with pytest.raises(FlashError, match="cannot be written: Input/output error"):
        RUNNER.flash(FlashJob(flash_segment_elf))
    assert [path.name for path in mount.iterdir()] == ["INFO_UF2.TXT"]


def test_a_drive_that_goes_in_the_middle_is_a_failure(
    flash_segment_elf: Path, mount: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(**options: object) -> tuple[int, str]:
        mount.rename(mount.parent / "gone")
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("tempfile.mkstemp", lost)
    with pytest.raises(FlashError, match="cannot be written: Input/output error"):
        RUNNER.flash(FlashJob(flash_segment_elf))


def test_a_drive_that_hangs_is_left(flash_segment_elf: Path, mount: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    monkeypatch.setattr("os.fsync", lambda descriptor: released.wait(30))
    with pytest.raises(ToolTimeoutError, match=r"took longer than 0\.2 s"):
        RUNNER.flash(FlashJob(flash_segment_elf, limit_s=0.2))
    released.set()


def test_a_program_for_another_board_is_refused(tmp_path: Path, mount: Path) -> None:
    elf = tmp_path / "other.elf"
    elf.write_bytes(elf_bytes([(0x10000000, bytes(512))]))
    with pytest.raises(FlashError, match="not for pico: it has bytes at 0x10000000, outside its flash"):
        RUNNER.flash(FlashJob(elf))
    assert not (mount / "firmware.uf2").exists()


def test_what_it_cannot_do_is_said(flash_segment_elf: Path, mount: Path) -> None:
    with pytest.raises(FlashError, match="starts what it is given"):
        RUNNER.flash(FlashJob(flash_segment_elf, run=False))
    with pytest.raises(ProjectError, match="does not take --baud or --probe"):
        RUNNER.require_known_connection(Connection(port="x", baud=9600, probe="y"))
