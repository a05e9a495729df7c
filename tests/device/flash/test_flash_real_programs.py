"""The real programs, as far as they go without a board.

A serial number or port that nobody has is named, so that no board of yours is ever written.
"""

import hashlib
import struct
import subprocess
import sys
from dataclasses import replace
from functools import reduce
from operator import xor
from pathlib import Path

import pytest
from qemu_boards import require
from test_flash_programs import BOARD

from edgelstm.device.compilers import find_compiler
from edgelstm.device.elf import read_elf
from edgelstm.device.flash import Connection, FlashJob, choose_flash_runner, read_segments
from edgelstm.device.flash.esptool import EsptoolRunner
from edgelstm.device.targets import MemoryRegion, load_target
from edgelstm.device.toolchain import compile_firmware
from edgelstm.errors import FlashError

ESP32_C3 = replace(
    load_target("rv32imc"),
    name="esp32c3",
    memory=(MemoryRegion("flash", 0x4037C000, 0x20000), MemoryRegion("ram", 0x3FC9_C000, 0x10000)),
    flash_runner="esptool",
    flash={"esptool": {"chip": "esp32c3", "address": 0}},
)


@pytest.fixture(scope="module")
def esp_elf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    require("riscv64-unknown-elf-gcc")
    folder = tmp_path_factory.mktemp("esp")
    source = folder / "app.c"
    source.write_text(
        '#include "port.h"\nstatic volatile int one = 7;\nint app_main(void) { port_print("here\\n"); return one; }\n'
    )
    return compile_firmware(ESP32_C3, find_compiler(ESP32_C3), [source], [], folder / "out", "app").elf


@pytest.mark.parametrize(
    ("runner", "program"), [("openocd", "openocd"), ("pyocd", "pyocd"), ("dfu", "dfu-util")], ids=lambda one: one
)
def test_without_a_board_it_says_so(runner: str, program: str, flash_segment_elf: Path) -> None:
    one = choose_flash_runner(BOARD, runner)
    if one.missing():
        require(program)
    with pytest.raises(FlashError, match="there is no ") as caught:
        one.flash(FlashJob(flash_segment_elf, Connection(probe="no-such-probe"), limit_s=30))
    assert "\n" not in caught.value.message


def test_openocd_takes_the_script_up_to_the_probe(flash_segment_elf: Path) -> None:
    """A name that Tcl would take apart arrives whole: OpenOCD reaches the adapter, and fails only there."""
    require("openocd")
    one = choose_flash_runner(BOARD, "openocd")
    with pytest.raises(FlashError, match="there is no debug probe"):
        one.flash(FlashJob(flash_segment_elf, Connection(probe="a b[exit]"), limit_s=30))


OPENOCD_WITHOUT_A_CHIP = """
proc init {args} {}
proc reset {args} {}
proc flash {verb args} { if {$verb eq "write_image" && ![file exists [lindex $args end]]} { error "no such file" } }
proc verify_image {file} { if {![file exists $file]} { error "no such file" } }
"""


def test_openocd_does_not_run_what_the_path_says(
    tmp_path: Path, flash_segment_elf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own `program` evaluates the name a second time; only what it calls for the chip is replaced."""
    openocd = require("openocd")
    (tmp_path / "stub.tcl").write_text(OPENOCD_WITHOUT_A_CHIP)
    wrapper = tmp_path / "bin" / "openocd"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\nexec {openocd} -f {tmp_path}/stub.tcl "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", str(wrapper.parent))
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "x} [exec touch pwned] {b"
    folder.mkdir()
    awkward = flash_segment_elf.rename(folder / 'a [exit] $b; \\ "c".elf')
    result = choose_flash_runner(BOARD, "openocd").flash(FlashJob(awkward, run=False, limit_s=30))
    assert result.bytes_verified == 2500
    assert not (tmp_path / "pwned").exists()


def test_esptool_makes_an_image_of_our_program(esp_elf: Path, tmp_path: Path) -> None:
    runner = EsptoolRunner(ESP32_C3)
    if runner.missing():
        require("esptool")
    make, check = (line for line in runner.plan(FlashJob(esp_elf)).splitlines() if "write-flash" not in line)
    for command in (make, check):
        subprocess.run(["/bin/sh", "-ec", command], cwd=tmp_path, timeout=60, check=True, capture_output=True)
    image = (tmp_path / "firmware.bin").read_bytes()
    magic, count, _, _, entry = struct.unpack_from("<BBBBI", image)
    assert magic == 0xE9
    assert struct.unpack_from("<H", image, 12) == (5,)  # chip id of ESP32-C3
    memory: dict[int, int] = {}
    offset, checked = 24, []
    for _ in range(count):
        address, size = struct.unpack_from("<II", image, offset)
        data = image[offset + 8 : offset + 8 + size]
        memory.update({address + i: byte for i, byte in enumerate(data)})
        checked.append(data)
        offset += 8 + size
    offset += 15 - offset % 16
    assert image[offset] == reduce(xor, b"".join(checked), 0xEF)
    assert image[offset + 1 :] == hashlib.sha256(image[: offset + 1]).digest()
    stored = {s.address + i: byte for s in read_segments(esp_elf) for i, byte in enumerate(s.data)}
    assert {address: memory.get(address) for address in stored} == stored
    assert entry in stored


def test_esptool_makes_an_image_for_the_esp8266(build, tmp_path: Path) -> None:
    target = load_target("esp8266")
    runner = choose_flash_runner(target)
    if runner.missing():
        require("esptool")
    elf = build("lab", target.name, "gcc").elf
    make, check, write = runner.plan(FlashJob(elf)).splitlines()
    for command in (make, check):
        subprocess.run(["/bin/sh", "-ec", command], cwd=tmp_path, timeout=60, check=True, capture_output=True)
    image = (tmp_path / "firmware.bin0x00000.bin").read_bytes()
    assert write.endswith(" 0x0 firmware.bin0x00000.bin")
    magic, count, mode, _, entry = struct.unpack_from("<BBBBI", image)
    assert (magic, mode, entry) == (0xE9, 2, read_elf(elf).entry)  # dio
    memory: dict[int, int] = {}
    offset = 8
    for _ in range(count):
        address, size = struct.unpack_from("<II", image, offset)
        memory.update({address + i: byte for i, byte in enumerate(image[offset + 8 : offset + 8 + size])})
        offset += 8 + size
    stored = {s.address + i: byte for s in read_segments(elf) for i, byte in enumerate(s.data)}
    assert {address: memory.get(address) for address in stored} == stored
    memories = [target.region("iram"), target.region("ram")]
    assert all(any(region.holds(address) for region in memories) for address in memory)


def test_esptool_says_what_is_wrong_with_the_port(esp_elf: Path) -> None:
    runner = EsptoolRunner(ESP32_C3)
    if runner.missing():
        require("esptool")
    with pytest.raises(FlashError, match="the serial port /dev/no-such-port cannot be opened"):
        runner.flash(FlashJob(esp_elf, Connection(port="/dev/no-such-port"), limit_s=60))


def test_a_package_beside_us_serves_without_path(
    esp_elf: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    runner = EsptoolRunner(ESP32_C3)
    if runner.missing():
        require("esptool")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert runner.missing() is None
    assert runner.command_line() == (sys.executable, "-P", "-m", "esptool")
    with pytest.raises(FlashError, match="cannot be opened"):
        runner.flash(FlashJob(esp_elf, Connection(port="/dev/no-such-port"), limit_s=60))
