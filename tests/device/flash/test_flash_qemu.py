"""The flash runner against real gdb servers: QEMU's boards."""

import time
from pathlib import Path
from typing import Literal

import pytest
from qemu_boards import MPS2, MPS2_SECURE, STM32F405, STM32VL, BuildFirmware, Machine, RunQemu

from edgelstm.device.flash import GdbFlasher, read_segments
from edgelstm.errors import FlashError

OUTSIDE = Machine("mps2-an386", 0x90000000, 0x20000000)


@pytest.mark.parametrize("machine", [MPS2, MPS2_SECURE, STM32F405, STM32VL], ids=lambda machine: machine.name)
@pytest.mark.parametrize("exit_code", [0, 3])
@pytest.mark.parametrize("reset", ["registers", "monitor"])
def test_loads_verifies_and_runs(
    build_firmware: BuildFirmware,
    run_qemu: RunQemu,
    machine: Machine,
    exit_code: int,
    reset: Literal["registers", "monitor"],
) -> None:
    elf = build_firmware(machine, exit_code)
    size_bytes = sum(len(segment.data) for segment in read_segments(elf))
    calls: list[tuple[int, int]] = []
    with run_qemu(machine) as (qemu, port):
        result = GdbFlasher("127.0.0.1", port, timeout_s=5, reset=reset).flash(
            elf, progress=lambda done, total: calls.append((done, total)), wait_s=10
        )
        assert qemu.wait(5) == exit_code
        assert qemu.stderr is not None
        assert qemu.stderr.read() == b"flashed\n"
    assert result.run_exit_code == exit_code
    assert size_bytes > 5000
    assert (result.bytes_written, result.bytes_verified, result.erased_bytes) == (size_bytes, size_bytes, 0)
    assert 0 < result.seconds < 5
    assert calls[-1] == (2 * size_bytes, 2 * size_bytes)
    assert calls == sorted(calls)


def test_text_comes_through_the_server_when_it_forwards_semihosting(
    build_firmware: BuildFirmware, run_qemu: RunQemu
) -> None:
    with run_qemu(MPS2, semihosting="gdb") as (_, port):
        result = GdbFlasher("127.0.0.1", port, timeout_s=5).flash(build_firmware(MPS2, 3), wait_s=10)
    assert result.output == "flashed\n"
    assert result.run_exit_code == 3


@pytest.mark.parametrize("wait_s", [0, 0.05])
def test_a_program_that_does_not_exit_in_time_is_left_running(
    build_firmware: BuildFirmware, run_qemu: RunQemu, wait_s: float
) -> None:
    elf = build_firmware(MPS2, 3, delay_loops=120_000_000)
    with run_qemu(MPS2) as (qemu, port):
        result = GdbFlasher("127.0.0.1", port, timeout_s=5).flash(elf, wait_s=wait_s)
        assert result.run_exit_code is None
        assert qemu.poll() is None
        assert qemu.wait(10) == 3


def test_without_run_the_chip_stays_halted_and_keeps_the_program(
    build_firmware: BuildFirmware, run_qemu: RunQemu
) -> None:
    elf = build_firmware(MPS2, 0)
    with run_qemu(MPS2) as (qemu, port):
        flasher = GdbFlasher("127.0.0.1", port, timeout_s=5)
        first = flasher.flash(elf, verify=False, run=False)
        assert (first.run_exit_code, first.bytes_verified) == (None, 0)
        time.sleep(0.1)
        assert qemu.poll() is None
        assert flasher.flash(elf, wait_s=10).run_exit_code == 0


def test_an_image_outside_the_memory_is_refused(build_firmware: BuildFirmware, run_qemu: RunQemu) -> None:
    with run_qemu(MPS2) as (_, port), pytest.raises(FlashError) as caught:
        GdbFlasher("127.0.0.1", port, timeout_s=5).flash(build_firmware(OUTSIDE, 0))
    assert "error E" in caught.value.message
    assert "0x90000000" in caught.value.message


def test_a_server_that_dies_is_reported(build_firmware: BuildFirmware, run_qemu: RunQemu, tmp_path: Path) -> None:
    elf = build_firmware(MPS2, 0)
    with run_qemu(MPS2) as (qemu, port), pytest.raises(FlashError) as caught:
        GdbFlasher("127.0.0.1", port, timeout_s=5).flash(elf, progress=lambda done, total: qemu.kill())
    assert "closed the connection while" in caught.value.message


def test_a_board_that_runs_is_stopped_and_written(build_firmware: BuildFirmware, run_qemu: RunQemu) -> None:
    """QEMU tells every client that comes while the board runs, unasked, that it has stopped it."""
    slow, quick = build_firmware(MPS2, 3, delay_loops=2_000_000_000), build_firmware(MPS2, 5)
    with run_qemu(MPS2) as (qemu, port):
        flasher = GdbFlasher("127.0.0.1", port, timeout_s=5)
        assert flasher.flash(slow, wait_s=0).run_exit_code is None
        time.sleep(0.2)
        assert flasher.flash(quick, wait_s=10).run_exit_code == 5
        assert qemu.wait(5) == 5
