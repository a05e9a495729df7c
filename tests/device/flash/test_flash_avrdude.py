"""The real avrdude writes to an Arduino in simavr, whose boot loader runs and then its firmware."""

import os
import select
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from reference_models import classifier

from edgelstm.codegen.emit import Options, emit
from edgelstm.device.compilers import find_compiler
from edgelstm.device.flash import Connection, FlashJob, choose_flash_runner
from edgelstm.device.process import run
from edgelstm.device.targets import Target, load_target
from edgelstm.device.toolchain import compile_firmware
from edgelstm.errors import FlashError, ProjectError
from edgelstm.numerics.contracts import Contract

LOADERS = Path("/usr/share/arduino/hardware/arduino/avr/bootloaders")
BOARD = Path(__file__).parents[1] / "sources" / "arduino.c"
SHOWN_WITHIN_S = 20


@pytest.fixture(scope="module")
def tools(require_tool: Callable[[str], None], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the board's program and of optiboot, which fits its place only without flashing a LED."""
    for tool in ("avr-gcc", "avrdude", "simavr", "gcc"):
        require_tool(tool)
    if not LOADERS.is_dir():
        pytest.skip("arduino-core-avr is not installed")
    folder = tmp_path_factory.mktemp("arduino")
    optiboot = LOADERS / "optiboot"
    loader = ("-mmcu=atmega328p", "-DF_CPU=16000000L", "-DBAUD_RATE=115200", "-DLED_START_FLASHES=0", f"-I{optiboot}")
    place = ("-Wl,--section-start=.text=0x7e00", "-Wl,--section-start=.version=0x7ffe", "-Wl,--relax", "-nostartfiles")
    for command in (
        ("gcc", "-O2", str(BOARD), "-lsimavr", "-lutil", "-o", "arduino"),
        (
            "avr-gcc",
            "-Os",
            "-fno-split-wide-types",
            *loader,
            str(optiboot / "optiboot.c"),
            *place,
            "-o",
            "optiboot.elf",
        ),
        ("avr-objcopy", "-O", "ihex", "optiboot.elf", "optiboot.hex"),
    ):
        done = run(command, timeout_s=60, cwd=folder)
        assert done.exit_code == 0, done.output
    return folder


def firmware(target: Target, folder: Path) -> Path:
    """An LSTM(4) in the usual application."""
    model = classifier(3, (4,), 2, 4, Contract.LITERT)
    for name, text in emit(model, Options(target.isa, "size", "0" * 64)).files.items():
        (folder / name).write_text(text)
    sources = sorted(folder.glob("*.c"))
    return compile_firmware(target, find_compiler(target), sources, [folder], folder / "out", "it", optimize="size").elf


@contextmanager
def board(tools: Path, part: str, loader: Path, port: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """An Arduino whose serial line is `port`."""
    command = [str(tools / "arduino"), part, "16000000", str(loader), str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            while not port.is_symlink():
                assert process.poll() is None, "the board did not start"
                time.sleep(0.01)
            yield process
        finally:
            process.kill()


def shown(process: "subprocess.Popen[bytes]", wanted: bytes) -> bytes:
    """What the firmware sent until `wanted` was part of it, or too long."""
    assert process.stdout is not None
    end, text = time.monotonic() + SHOWN_WITHIN_S, b""
    while wanted not in text and time.monotonic() < end:
        if select.select([process.stdout], [], [], 0.2)[0]:
            text += os.read(process.stdout.fileno(), 4096)
    return text


@pytest.mark.parametrize(
    ("name", "loader", "baud"),
    [
        ("arduino-uno", None, None),
        ("arduino-uno", LOADERS / "atmega" / "ATmegaBOOT_168_atmega328.hex", 57600),
        ("arduino-mega", LOADERS / "stk500v2" / "stk500boot_v2_mega2560.hex", None),
    ],
    ids=["optiboot", "ATmegaBOOT", "stk500v2"],
)
def test_a_board_is_written_and_its_firmware_runs(
    name: str, loader: Path | None, baud: int | None, tools: Path, tmp_path: Path
) -> None:
    target = load_target(name)
    assert target.simavr is not None
    elf, port = firmware(target, tmp_path), tmp_path / "port"
    with board(tools, target.simavr.mcu, loader or tools / "optiboot.hex", port) as process:
        result = choose_flash_runner(target).flash(FlashJob(elf, Connection(port=str(port), baud=baud)))
        assert result.bytes_written == result.bytes_verified > 4000
        assert b"selftest passed" in shown(process, b"selftest passed\n")


def test_a_board_of_another_chip_is_not_written(tools: Path, tmp_path: Path) -> None:
    target = load_target("arduino-uno")
    elf, port = firmware(target, tmp_path), tmp_path / "port"
    wrong = replace(target, flash={"avrdude": {"part": "m168p", "programmer": "arduino", "baud": 115200}})
    with board(tools, "atmega328p", tools / "optiboot.hex", port), pytest.raises(FlashError) as caught:
        choose_flash_runner(wrong).flash(FlashJob(elf, Connection(port=str(port))))
    assert "another chip answers" in caught.value.message
    assert "--target" in caught.value.hint


def test_a_port_that_is_not_there(tools: Path, tmp_path: Path) -> None:
    target = load_target("arduino-uno")
    elf = firmware(target, tmp_path)
    with pytest.raises(FlashError, match="port /dev/no-such-port cannot be opened"):
        choose_flash_runner(target).flash(FlashJob(elf, Connection(port="/dev/no-such-port")))


def test_the_command(tools: Path, tmp_path: Path) -> None:
    target = load_target("arduino-mega")
    elf = firmware(target, tmp_path)
    runner = choose_flash_runner(target)
    with pytest.raises(ProjectError, match="must know the serial port"):
        runner.flash(FlashJob(elf))
    plan = runner.plan(FlashJob(elf)).splitlines()
    assert plan[0] == "# PORT: the board's serial port, which --port names"
    assert plan[-1] == "avrdude -p m2560 -c wiring -P PORT -b 115200 -D -U flash:w:firmware.hex:i"
    plan = runner.plan(FlashJob(elf, Connection(port="/dev/ttyACM0"), verify=False)).splitlines()
    assert plan[-1] == ("avrdude -p m2560 -c wiring -P /dev/ttyACM0 -b 115200 -D -V -U flash:w:firmware.hex:i")
    programmer = replace(target, flash={"avrdude": {"part": "m2560", "programmer": "usbasp"}})
    plan = choose_flash_runner(programmer).plan(FlashJob(elf)).splitlines()
    assert plan[-1] == "avrdude -p m2560 -c usbasp -U flash:w:firmware.hex:i"
