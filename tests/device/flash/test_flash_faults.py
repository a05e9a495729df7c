"""Everything that a gdb server, a cable or an image can get wrong, and the error it becomes."""

from pathlib import Path

import pytest
from elf_file import FLASH, cortex_m_program, elf_bytes
from fake_gdb_server import FLASH_START, RAM_START, FakeGdbServer, Faults
from flashing import failure, flash

DOING = {
    b"qXfer:memory-map": "reading the memory-map",
    b"vFlashErase": "erasing 3072 bytes of flash at 0x08000000",
    b"vFlashWrite:80001f0": "writing 496 bytes of flash at 0x080001f0",
    b"vFlashDone": "finishing the flash",
    b"m80001f0": "reading 496 bytes at 0x080001f0",
    b"X20000100,c8": "writing 200 bytes at 0x20000100",
    b"P": "setting register sp to 0x20001000",
}


@pytest.mark.parametrize("packet", DOING)
@pytest.mark.parametrize(
    ("fault", "expected"),
    [("error", "error E01"), ("silence", "did not answer"), ("drop", "closed the connection")],
)
def test_the_error_says_during_what(program_elf: Path, packet: bytes, fault: str, expected: str) -> None:
    faults = {
        "error": Faults(answers={packet: b"E01"}),
        "silence": Faults(silent_on=packet),
        "drop": Faults(drop_on=packet),
    }
    with FakeGdbServer(faults[fault]) as server:
        message = failure(server, program_elf, timeout_s=0.2 if fault == "silence" else 5).message
    assert DOING[packet] in message
    assert expected in message


def test_a_connection_dropped_while_the_program_runs_is_an_error(program_elf: Path) -> None:
    run = [[b"O6f6f7073", b"Fwrite,1,20000100,4"]]
    with FakeGdbServer(Faults(drop_on=b"m20000100,4"), run=run) as server:
        assert "closed the connection while reading 4 bytes" in failure(server, program_elf).message
    with FakeGdbServer(Faults(drop_on=b"F"), run=run) as server:
        assert "closed the connection while answering" in failure(server, program_elf).message


@pytest.mark.parametrize(
    ("faults", "expected"),
    [
        (Faults(silent_on=b"c"), "did not answer while starting the program"),
        (Faults(drop_on=b"c"), "closed the connection while starting the program"),
    ],
)
def test_a_program_that_was_not_started_is_not_said_to_run(program_elf: Path, faults: Faults, expected: str) -> None:
    with FakeGdbServer(faults) as server:
        assert expected in failure(server, program_elf, timeout_s=0.2).message


def test_what_the_server_says_stands_in_the_hint(program_elf: Path) -> None:
    said = b"O" + b"flash is write-protected\n".hex().encode()
    with FakeGdbServer(Faults(answers={b"vFlashErase": said})) as server:
        assert "flash is write-protected" in failure(server, program_elf, timeout_s=0.2).hint


@pytest.mark.parametrize("faults", [Faults(wrong_checksums=2), Faults(naks=3)])
def test_damaged_packets_are_sent_again(program_elf: Path, faults: Faults) -> None:
    with FakeGdbServer(faults) as server:
        assert flash(server, program_elf).run_exit_code == 0
    assert server.flash[:2500] == cortex_m_program(2500)


@pytest.mark.parametrize("faults", [Faults(wrong_checksums=10**6), Faults(naks=10**6)])
def test_packets_that_stay_damaged_are_an_error(program_elf: Path, faults: Faults) -> None:
    with FakeGdbServer(faults) as server:
        assert "damaged 4 times" in failure(server, program_elf).message


@pytest.mark.parametrize("address", [FLASH_START, FLASH_START + 1234, FLASH_START + 2499, RAM_START + 0x1C7])
def test_one_wrong_bit_fails_the_verification(program_elf: Path, address: int) -> None:
    with FakeGdbServer(Faults(flip_bit_at=address)) as server:
        message = failure(server, program_elf).message
    content = cortex_m_program(2500)[address - FLASH_START] if address < RAM_START else ord("*")
    assert message == (f"verification failed at {address:#010x}: expected {content:#04x}, found {content ^ 0x10:#04x}")
    assert server.sent(b"c") == []


def test_a_short_write_fails_the_verification(program_elf: Path) -> None:
    with FakeGdbServer(Faults(most_written_bytes=100)) as server:
        error = failure(server, program_elf)
    assert f"verification failed at {FLASH_START + 100:#010x}" in error.message
    assert "found 0xff" in error.message


def test_without_verification_the_wrong_bit_goes_unseen(program_elf: Path) -> None:
    with FakeGdbServer(Faults(flip_bit_at=FLASH_START)) as server:
        assert flash(server, program_elf, verify=False, run=False).bytes_verified == 0


def test_reads_answered_in_parts_are_completed(program_elf: Path) -> None:
    with FakeGdbServer(Faults(most_read_bytes=100)) as server:
        assert flash(server, program_elf).bytes_verified == 2700


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"", "sent nothing while reading"),
        (b"0", "an unexpected answer 0"),
        (b"zz", "an unexpected answer zz"),
        (b"00" * 497, "sent 497 bytes"),
        (b"E.memory is locked", "error E.memory is locked"),
        (b"*!", "malformed"),
        (b"00*\x1f", "malformed"),
        (b"0" * (300 << 10), "endless"),
    ],
)
def test_wrong_reads_are_errors(program_elf: Path, answer: bytes, expected: str) -> None:
    with FakeGdbServer(Faults(answers={b"m": answer})) as server:
        assert expected in failure(server, program_elf).message


@pytest.mark.parametrize(
    ("memory_map", "expected"),
    [
        (b"garbage", "syntax error"),
        (b"", "no element found"),
        (b"<memory-map><memory", "unclosed"),
        (b"<html/>", "it is a <html> document"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><memory-map>&b;</memory-map>', "declares entities"),
        (b'<memory-map><memory type="ram" start="0" length="-1"/></memory-map>', "length is '-1'"),
        (b'<memory-map><memory type="ram" start="zero" length="1"/></memory-map>', "start is 'zero'"),
        (b'<memory-map><memory type="flash" start="0" length="9"/></memory-map>', "blocksize is ''"),
        (b" " * (300 << 10), "endless"),
    ],
)
def test_wrong_memory_maps_are_errors(program_elf: Path, memory_map: bytes, expected: str) -> None:
    with FakeGdbServer(memory_map=memory_map) as server:
        assert expected in failure(server, program_elf).message
    assert server.sent(b"vFlash") == []


@pytest.mark.parametrize("size", [b"0", b"3f"])
def test_packets_too_small_to_work_with_are_an_error(program_elf: Path, size: bytes) -> None:
    with FakeGdbServer(features=b"PacketSize=" + size) as server:
        assert "packets of" in failure(server, program_elf).message


@pytest.mark.parametrize("size", [b"-1", b"ffffffff", b"fffffffffffff", b"x"])
def test_packet_sizes_that_make_no_sense_are_not_followed(program_elf: Path, size: bytes) -> None:
    with FakeGdbServer(features=b"qXfer:memory-map:read+;PacketSize=" + size) as server:
        assert flash(server, program_elf).bytes_verified == 2700
    assert max(len(packet) for packet in server.packets) < 16 << 10


def test_all_parts_outside_the_memory_are_named(tmp_path: Path) -> None:
    elf = tmp_path / "outside.elf"
    elf.write_bytes(elf_bytes([(FLASH, cortex_m_program(64)), (FLASH + 0x10000 - 8, b"x" * 16), (0x1FFF0000, b"rom")]))
    with FakeGdbServer() as server:
        message = failure(server, elf).message
    assert "0x08010000..0x08010007 is outside the target's memory" in message
    assert "0x1fff0000..0x1fff0002 is in ROM" in message
    assert server.sent(b"vFlash") == []
