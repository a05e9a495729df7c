"""Runners that call programs: how they call them, and what they make of what those say. The programs are fakes."""

import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from elf_file import EM_ARM, EM_RISCV, FLASH, RAM, elf_bytes
from fake_programs import Act, Stage, make_stage

from edgelstm.device.flash import Connection, FlashJob, FlashResult, choose_flash_runner, read_segments
from edgelstm.device.targets import MemoryRegion, Target, load_target
from edgelstm.errors import EdgelstmError, FlashError, TargetError, ToolMissingError, ToolTimeoutError

TABLES: Mapping[str, Mapping[str, str | int]] = {
    "openocd": {"interface": "stlink", "target": "stm32f4x"},
    "pyocd": {"target": "stm32f446retx"},
    "jlink": {"device": "STM32F446RE"},
    "dfu": {"id": "0483:df11", "address": FLASH},
    "esptool": {"chip": "esp32c3", "address": 0},
}
PROGRAMS = {"openocd": "openocd", "pyocd": "pyocd", "jlink": "JLinkExe", "dfu": "dfu-util", "esptool": "esptool"}
BOARD = replace(
    load_target("cortex-m4"),
    name="board",
    memory=(MemoryRegion("flash", FLASH, 0x10000), MemoryRegion("ram", 0x20000000, 0x2000)),
    flash_runner="openocd",
    flash=TABLES,
)
NO_PORTS = ["-c", "gdb_port disabled", "-c", "tcl_port disabled", "-c", "telnet_port disabled"]
OPENOCD_DONE = "** Programming Started **\n** Programming Finished **\n** Verify Started **\n** Verified OK **\n"
OPENOCD_RAN = "Open On-Chip Debugger 0.12.0\nInfo : clock speed 2000 kHz\nsemihosting is enabled\nselftest passed\n"
JLINK_PROBE = (
    "J-Link connection not established yet but required for command.\n"
    "Connecting to J-Link via USB...O.K.\n"
    "Target connection not established yet but required for command.\n"
)
JLINK_DONE = (
    f"{JLINK_PROBE}Downloading file [firmware.hex]...\nJ-Link: Flash download: Total: 0.5s\nO.K.\n\n"
    "Script processing completed.\n"
)
DFU_DONE = "Download\t[=========================] 100%\nDownload done.\nFile downloaded successfully\n"
ESPTOOL_DONE = (
    Act("Successfully created ESP32-C3 image.\n", when="elf2image"),
    Act("Checksum: 0xd0 (valid)\nValidation hash: e989 (valid)\n", when="image-info"),
    Act("Wrote 2600 bytes\nHash of data verified.\nHard resetting via RTS pin...\n", when="write-flash"),
)


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    return make_stage(tmp_path / "bin", monkeypatch)


@pytest.fixture
def flash_elf(tmp_path: Path, flash_segment_elf: Path) -> Path:
    """A program with a name that every shell and script language would like to take apart."""
    return flash_segment_elf.rename(tmp_path / "a [b] $c.elf")


def flash(runner: str, elf: Path, connection: Connection | None = None, **options: float) -> FlashResult:
    job = FlashJob(elf, connection or Connection(), **options)  # type: ignore[arg-type]
    return choose_flash_runner(BOARD, runner).flash(job)


def failure(runner: str, elf: Path, limit_s: float = 60) -> EdgelstmError:
    with pytest.raises((FlashError, ToolTimeoutError)) as caught:
        flash(runner, elf, limit_s=limit_s)
    assert "\n" not in caught.value.message
    assert caught.value.hint
    return caught.value


def test_openocd_programs_then_watches(stage: Stage, flash_elf: Path) -> None:
    program = "program firmware.elf verify exit"
    stage.play("openocd", Act(OPENOCD_DONE, when=program), Act(OPENOCD_RAN, when="reset run"))
    result = flash("openocd", flash_elf, Connection(probe="066D 12"), wait_s=7)
    connect = [*NO_PORTS, "-f", "interface/stlink.cfg", "-c", "adapter serial 066D\\ 12", "-f", "target/stm32f4x.cfg"]
    assert [call.arguments for call in stage.calls] == [
        [*connect, "-c", program],
        [
            *connect,
            *["-c", "init", "-c"],
            "arm semihosting enable",
            "-c",
            "reset run",
            "-c",
            "sleep 7000",
            "-c",
            "shutdown",
        ],
    ]
    size = sum(len(segment.data) for segment in read_segments(flash_elf))
    assert (result.bytes_written, result.bytes_verified, result.run_exit_code) == (size, size, 0)
    assert (result.output, result.note) == ("selftest passed\n", "")


@pytest.mark.parametrize(
    ("said", "code", "expected"),
    [
        (OPENOCD_RAN, 3, 3),
        (OPENOCD_RAN.replace("passed", "failed"), 1, 1),
        ("fault: exception 0x03 pc 0x08000010\n", 99, 99),
        ("selftest failed\nError: unable to open the log\n", 1, 1),
        ("Error: open failed\n", 0, None),
        ("a firmware that ends without a report\n", 7, None),
        ("shutdown command invoked\n", 0, None),
    ],
)
def test_openocd_ends_as_the_firmware_does(
    stage: Stage, flash_elf: Path, said: str, code: int, expected: int | None
) -> None:
    stage.play("openocd", Act(said, code, when="reset run"), Act(OPENOCD_DONE))
    result = flash("openocd", flash_elf)
    assert result.run_exit_code == expected
    assert bool(result.note) == (expected is None)


@pytest.mark.parametrize(
    ("runner", "begins", "said", "message"),
    [
        ("openocd", "reset run", "Error: open failed\n", "there is no debug probe"),
        ("openocd", "reset run", "Error: Examination failed, examination will be deferred\n", "does not answer"),
        ("pyocd", "run", "0000321 C No connected debug probes\n", "there is no debug probe"),
    ],
)
def test_what_was_never_started_does_not_run(
    stage: Stage, flash_elf: Path, runner: str, begins: str, said: str, message: str
) -> None:
    stage.play(runner, Act(said, 1, when=begins), Act(OPENOCD_DONE))
    assert f"written, but not started: {runner}: " in failure(runner, flash_elf).message
    assert message in failure(runner, flash_elf).message


def test_openocd_without_verification_or_start(stage: Stage, flash_elf: Path) -> None:
    stage.play("openocd", Act("** Programming Finished **\n"))
    result = flash("openocd", flash_elf, verify=False, run=False)
    assert len(stage.calls) == 1
    assert stage.calls[0].arguments[-1] == "program firmware.elf exit"
    assert (result.bytes_verified, result.run_exit_code, result.note) == (0, None, "")


def test_pyocd_never_waits_for_a_probe(stage: Stage, flash_elf: Path) -> None:
    stage.play("pyocd", Act(when="flash"), Act("0000123 I Run server started\nselftest passed\n", when="run"))
    result = flash("pyocd", flash_elf, Connection(probe="0240"), wait_s=4)
    chip = ["--no-wait", "-t", "stm32f446retx", "-u", "0240"]
    assert [call.arguments for call in stage.calls] == [
        ["flash", *chip, "--format", "elf", str(flash_elf)],
        ["run", *chip, "--timelimit", "4"],
    ]
    assert (result.run_exit_code, result.output, result.bytes_verified) == (0, "selftest passed\n", 0)


def test_pyocd_is_not_watched_longer_than_the_report_takes(stage: Stage, flash_elf: Path) -> None:
    stage.play("pyocd", Act(when="flash"), Act("selftest failed\n", when="run", sleeps_s=60))
    result = flash("pyocd", flash_elf)
    assert result.run_exit_code == 1
    assert result.seconds < 10


def test_an_older_pyocd_still_writes(stage: Stage, flash_elf: Path) -> None:
    stage.play("pyocd", Act(when="flash"), Act("error: argument cmd: invalid choice: 'run'", 2, when="run"))
    result = flash("pyocd", flash_elf)
    assert result.run_exit_code is None
    assert "pyocd run" in result.note


def test_jlink_reads_a_command_file(stage: Stage, flash_segment_elf: Path) -> None:
    stage.play("JLinkExe", Act(JLINK_DONE))
    result = flash("jlink", flash_segment_elf, Connection(probe="683"))
    (call,) = stage.calls
    settings = "-NoGui 1 -ExitOnError 1 -AutoConnect 1 -Device STM32F446RE -If SWD -Speed 4000 -SelectEmuBySN 683"
    assert call.arguments == [*settings.split(), "-CommandFile", "flash.jlink"]
    assert call.files["flash.jlink"] == "r\nh\nloadfile firmware.hex\nr\ng\nq\n"
    assert call.files["firmware.hex"].startswith(":020000040800F2\n")
    assert result.bytes_verified == result.bytes_written == 2500
    assert "JLinkRTTLogger -Device STM32F446RE -If SWD -Speed 4000 " in result.note


def test_jlink_keeps_to_the_clock_of_the_board(stage: Stage, flash_segment_elf: Path) -> None:
    stage.play("JLinkExe", Act(JLINK_DONE))
    slow = replace(BOARD, flash={"jlink": {"device": "NRF51822_XXAA", "speed": 1000}})
    result = choose_flash_runner(slow, "jlink").flash(FlashJob(flash_segment_elf))
    assert " -Speed 1000 " in " ".join(stage.calls[0].arguments)
    assert " -Speed 1000 " in result.note
    assert "-speed 1000`" in result.note


def test_dfu_downloads_the_binary_and_leaves(stage: Stage, flash_segment_elf: Path) -> None:
    # The board is gone before the last answer: dfu-util's own failure after success.
    stage.play("dfu-util", Act(DFU_DONE + "dfu-util: Error during download get_status\n", 74))
    flash("dfu", flash_segment_elf, Connection(probe="357"))
    (call,) = stage.calls
    assert call.arguments == ["-d", "0483:df11", "-a", "0", "-S", "357", "-s", "0x08000000:leave", "-D", "firmware.bin"]
    assert call.files["firmware.bin"].encode("latin-1") == read_segments(flash_segment_elf)[0].data


def test_dfu_refuses_a_program_for_another_place(stage: Stage, flash_segment_elf: Path) -> None:
    moved = replace(BOARD, flash={"dfu": {"id": "0483:df11", "address": 0x08004000}})
    with pytest.raises(FlashError, match="begins at 0x08000000, and this board is written from 0x08004000"):
        choose_flash_runner(moved, "dfu").plan(FlashJob(flash_segment_elf))


def test_esptool_makes_checks_and_writes_an_image(stage: Stage, flash_elf: Path) -> None:
    stage.play("esptool", *ESPTOOL_DONE)
    result = flash("esptool", flash_elf, Connection(port="/dev/ttyACM0", baud=115200))
    chip = ["--chip", "esp32c3"]
    assert [call.arguments for call in stage.calls] == [
        [*chip, "elf2image", "--use-segments", "--output", "firmware.bin", str(flash_elf)],
        [*chip, "image-info", "firmware.bin"],
        [
            *chip,
            *[
                "--baud",
                "115200",
                "--port",
                "/dev/ttyACM0",
                "--after",
                "hard-reset",
                "write-flash",
                "0x0",
                "firmware.bin",
            ],
        ],
    ]
    assert result.bytes_verified == result.bytes_written
    assert "edgelstm monitor" in result.note


def test_a_damaged_image_is_not_written(stage: Stage, flash_elf: Path) -> None:
    bad = Act("Checksum: 0xd0 (invalid - calculated d1)\n", when="image-info")
    stage.play("esptool", ESPTOOL_DONE[0], bad, ESPTOOL_DONE[2])
    assert "damaged" in failure("esptool", flash_elf).message
    assert len(stage.calls) == 2


@pytest.mark.parametrize("runner", PROGRAMS)
@pytest.mark.parametrize(
    ("segments", "machine", "said"),
    [
        ([(FLASH, bytes(512))], EM_RISCV, "it is a program for RISCV, not ARM"),
        ([(0, bytes(512))], EM_ARM, "it has bytes at 0x00000000, outside its flash"),
        ([(FLASH, bytes(0x10001))], EM_ARM, "it has bytes at 0x08000000, outside"),
        ([(FLASH, bytes(512)), (RAM, b"data")], EM_ARM, "it has bytes at 0x20000000, outside"),
        ([(RAM, b"data")], EM_RISCV, "for RISCV, not ARM; it has bytes at 0x20000000, outside"),
    ],
)
def test_a_program_for_another_chip_is_not_written(
    runner: str, segments: Sequence[tuple[int, bytes]], machine: int, said: str, stage: Stage, tmp_path: Path
) -> None:
    stage.play(PROGRAMS[runner], *ESPTOOL_DONE, Act(OPENOCD_DONE + JLINK_DONE + DFU_DONE))
    elf = tmp_path / "other.elf"
    elf.write_bytes(elf_bytes(segments, machine=machine))
    one = choose_flash_runner(BOARD, runner)
    for use in (one.plan, one.flash):
        with pytest.raises(FlashError, match=said) as caught:
            use(FlashJob(elf))
        assert "other.elf is not for board: " in caught.value.message
    assert not stage.calls


def test_what_a_chip_copies_to_memory_is_stored_at_the_copy(stage: Stage, tmp_path: Path) -> None:
    copied = replace(BOARD, memory=(*BOARD.memory, MemoryRegion("iram", 0x40100000, 0x8000)))
    runner = choose_flash_runner(copied, "esptool")
    elf = tmp_path / "copied.elf"
    elf.write_bytes(elf_bytes([(RAM, b"data"), (0x40100000, b"code")]))
    assert "elf2image" in runner.plan(FlashJob(elf))
    elf.write_bytes(elf_bytes([(RAM, b"data"), (FLASH, b"code")]))
    with pytest.raises(FlashError, match="it has bytes at 0x08000000, outside its iram"):
        runner.plan(FlashJob(elf))


def test_a_raw_program_begins_where_flash_does(stage: Stage, tmp_path: Path) -> None:
    board = replace(BOARD, flash={"esptool": {"chip": "esp32c3", "address": 0, "format": "raw"}})
    elf = tmp_path / "late.elf"
    elf.write_bytes(elf_bytes([(FLASH + 0x100, bytes(512))]))
    with pytest.raises(FlashError, match="begins at 0x08000100, and this board is written from 0x08000000"):
        choose_flash_runner(board, "esptool").plan(FlashJob(elf))


def test_a_raw_program_is_written_as_it_is(stage: Stage, flash_segment_elf: Path) -> None:
    board = replace(BOARD, flash={"esptool": {"chip": "esp32c3", "address": 0, "format": "raw"}})
    stage.play("esptool", *ESPTOOL_DONE)
    choose_flash_runner(board, "esptool").flash(FlashJob(flash_segment_elf, run=False))
    (call,) = stage.calls
    assert call.arguments[-5:] == ["--after", "no-reset", "write-flash", "0x0", "firmware.bin"]
    assert call.files["firmware.bin"].encode("latin-1") == read_segments(flash_segment_elf)[0].data


def test_openocd_is_told_the_transport_where_the_board_says_it(stage: Stage, flash_elf: Path) -> None:
    board = replace(BOARD, flash={"openocd": {"interface": "jlink", "target": "nrf52", "transport": "swd"}})
    (first, _) = choose_flash_runner(board).plan(FlashJob(flash_elf)).splitlines()[-2:]
    assert "-f interface/jlink.cfg -c 'transport select swd' -f target/nrf52.cfg" in first


FAILURES = [
    ("openocd", "Error: open failed\n", 1, "there is no debug probe"),
    ("openocd", "Error: unable to find a matching CMSIS-DAP device\n", 1, "there is no debug probe"),
    ("openocd", "Error: libusb_open() failed with LIBUSB_ERROR_ACCESS\n", 1, "may not use the probe"),
    ("openocd", "Error: Can't find interface/stlink.cfg\n", 1, "no file interface/stlink.cfg"),
    ("openocd", "Error: init mode failed (unable to connect to the target)\n", 1, "does not answer"),
    ("openocd", "Warn : UNEXPECTED idcode: 0x1ba01477\nError: expected 1 of 1: 0x2ba01477\n", 1, "another chip"),
    ("openocd", "** Programming Finished **\nError: checksum mismatch\n** Verify Failed **\n", 1, "read back differs"),
    ("openocd", "Error: failed erasing sectors 0 to 1\n** Programming Failed **\n", 1, "refused"),
    ("openocd", "something new\n\n", 1, "failed (exit code 1): something new"),
    ("openocd", "** Programming Finished **\n", 0, "failed (exit code 0)"),
    ("pyocd", "No connected debug probes\n0002654 E No target device available [load_cmd]\n", 1, "no debug probe"),
    ("pyocd", "0000700 C Target type stm32f446re not recognized. Use 'pyocd list'\n", 1, "know the chip stm32f446re"),
    ("pyocd", "0000700 C No ACK received [__main__]\n", 1, "does not answer"),
    ("jlink", "Connecting to J-Link via USB...FAILED: Cannot connect to J-Link.\n", 0, "there is no J-Link"),
    (
        "jlink",
        f'{JLINK_PROBE}The selected device "X" is unknown to this version of the software.\n',
        1,
        "does not know the device",
    ),
    ("jlink", f"{JLINK_PROBE}Cannot connect to target.\n", 0, "does not answer"),
    ("jlink", f"{JLINK_PROBE}Writing failed.\nScript processing completed.\n", 0, "refused"),
    ("jlink", f"{JLINK_DONE}Verification failed @ address 0x08000000\n", 0, "refused"),
    ("jlink", f"{JLINK_PROBE}Script processing completed.\n", 0, "failed (exit code 0): Script processing completed."),
    ("dfu", "dfu-util: No DFU capable USB device available\n", 74, "no board in DFU mode"),
    ("dfu", "dfu-util: More than one DFU capable USB device found!\n", 74, "several boards"),
    ("dfu", "dfu-util: Page at 0x08100000 can not be erased\n", 74, "another chip"),
    ("dfu", "DFU state(10) = dfuERROR, status(8) = Cannot program memory\n", 74, "refused the program (Cannot program"),
    (
        "esptool",
        "A fatal error occurred: This chip is ESP32-S3, not ESP32-C3. Wrong chip argument?\n",
        2,
        "is ESP32-S3",
    ),
    (
        "esptool",
        "Could not open /dev/ttyUSB9, the port is busy or doesn't exist.\n",
        2,
        "/dev/ttyUSB9 cannot be opened",
    ),
    ("esptool", "Could not connect to an Espressif device on any of the 1 available serial ports.\n", 2, "not answer"),
]


@pytest.mark.parametrize(("runner", "said", "code", "message"), FAILURES)
def test_what_a_program_says_becomes_one_line(
    stage: Stage, flash_segment_elf: Path, runner: str, said: str, code: int, message: str
) -> None:
    stage.play(PROGRAMS[runner], *(ESPTOOL_DONE[:2] if runner == "esptool" else ()), Act(said, code))
    assert message in failure(runner, flash_segment_elf).message


@pytest.mark.parametrize("runner", PROGRAMS)
def test_a_program_that_hangs_is_ended(stage: Stage, flash_segment_elf: Path, runner: str) -> None:
    stage.play(PROGRAMS[runner], Act("Waiting for a debug probe to be connected...\n", sleeps_s=60))
    started = time.monotonic()
    error = failure(runner, flash_segment_elf, limit_s=1)
    assert isinstance(error, ToolTimeoutError)
    assert "was ended after" in error.message
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("runner", PROGRAMS)
def test_a_missing_program_is_named_with_how_to_get_it(
    stage: Stage, flash_segment_elf: Path, runner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name, package=None: None)
    one = choose_flash_runner(BOARD, runner)
    with pytest.raises(ToolMissingError, match=f"{PROGRAMS[runner]} is not installed") as caught:
        one.flash(FlashJob(flash_segment_elf))
    assert "install" in caught.value.hint
    assert caught.value.hint in str(one.missing())
    assert one.plan(FlashJob(flash_segment_elf)).startswith(f"# {PROGRAMS[runner]} is not installed: ")


@pytest.mark.parametrize("runner", PROGRAMS)
def test_a_dry_run_is_what_is_run(stage: Stage, flash_segment_elf: Path, runner: str) -> None:
    """Its lines, given to a shell with the file that it only names, call the program in the same way."""
    stage.play(PROGRAMS[runner], *ESPTOOL_DONE, Act(OPENOCD_DONE + JLINK_DONE + DFU_DONE + "selftest passed\n"))
    one = choose_flash_runner(BOARD, runner)
    one.flash(FlashJob(flash_segment_elf))
    by_us = [(call.arguments, call.files.get("flash.jlink"), call.files.get("firmware.elf")) for call in stage.calls]
    folder = stage.folder / "shell"
    folder.mkdir()
    text = one.plan(FlashJob(flash_segment_elf)).replace("cat >", "/bin/cat >").replace("cp ", "/bin/cp ")
    subprocess.run(["/bin/sh", "-ec", text], cwd=folder, timeout=30, check=True, capture_output=True)
    calls = stage.calls[len(by_us) :]
    assert [(call.arguments, call.files.get("flash.jlink"), call.files.get("firmware.elf")) for call in calls] == by_us


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({}, "flash.openocd.interface: missing; it is the probe's file"),
        ({"interface": "stlink", "target": 4}, "flash.openocd.target: needs a word"),
        ({"interface": "../../stlink", "target": "x"}, "flash.openocd.interface: needs a word"),
        ({"interface": "-c", "target": "x"}, "flash.openocd.interface: needs a word"),
        ({"interface": "a b", "target": "x"}, "flash.openocd.interface: needs a word"),
        (
            {"interface": "a", "target": "x", "speed": 3},
            "flash.openocd.speed: unknown key (there are interface, target, transport)",
        ),
    ],
)
def test_a_wrong_table_is_named_to_the_key(
    table: Mapping[str, str | int], problem: str, flash_segment_elf: Path
) -> None:
    board = replace(BOARD, flash={"openocd": table})
    with pytest.raises(TargetError) as caught:
        choose_flash_runner(board).plan(FlashJob(flash_segment_elf))
    assert "board.toml" in caught.value.message
    assert problem in caught.value.message


def test_all_problems_of_a_table_are_told_at_once(flash_segment_elf: Path) -> None:
    board: Target = replace(BOARD, flash={"dfu": {"adress": 3}})
    with pytest.raises(TargetError) as caught:
        choose_flash_runner(board, "dfu").plan(FlashJob(flash_segment_elf))
    assert caught.value.message.count("\n  - ") == 3
