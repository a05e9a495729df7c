"""The flash runner against a server that acts out what real ones do, right and wrong."""

import socket
import time
from pathlib import Path

import pytest
from elf_file import EM_RISCV, FLASH, RAM, cortex_m_program, elf_bytes
from fake_gdb_server import BLOCK_BYTES, FakeGdbServer, Faults
from flashing import failure, flash

from edgelstm.device.flash import GdbFlasher, parse_address
from edgelstm.errors import FlashError

WITHOUT_MAP = b"PacketSize=400;qXfer:features:read+"


def test_flash_is_erased_once_in_whole_blocks_and_ram_is_written_directly(program_elf: Path) -> None:
    with FakeGdbServer() as server:
        result = flash(server, program_elf)
    program = cortex_m_program(2500)
    assert server.violations == []
    assert server.flash[:2500] == program
    assert server.flash[2500 : 3 * BLOCK_BYTES] == b"\xff" * (3 * BLOCK_BYTES - 2500)
    assert server.flash[3 * BLOCK_BYTES :].count(0) == len(server.flash) - 3 * BLOCK_BYTES
    assert server.ram[0x100:0x1C8] == b"#$}*" * 50
    assert result.bytes_written == result.bytes_verified == 2700
    assert result.erased_bytes == 3 * BLOCK_BYTES
    assert server.sent(b"vFlashErase") == [b"vFlashErase:8000000,c00"]
    assert server.sent(b"vFlashDone") == [b"vFlashDone"]
    assert server.packets.index(b"vFlashDone") < server.packets.index(server.sent(b"m8000")[0])
    assert result.run_exit_code == 0


def test_segments_in_one_block_do_not_erase_each_other(tmp_path: Path) -> None:
    elf = tmp_path / "two.elf"
    first, second = cortex_m_program(100), b"second" * 50
    elf.write_bytes(elf_bytes([(FLASH, first), (FLASH + 0x380, second), (FLASH + 0x4000, b"third")]))
    with FakeGdbServer() as server:
        result = flash(server, elf)
    assert server.violations == []
    assert server.sent(b"vFlashErase") == [b"vFlashErase:8000000,800", b"vFlashErase:8004000,400"]
    assert result.erased_bytes == 3 * BLOCK_BYTES


def test_packets_stay_within_the_packet_size(program_elf: Path) -> None:
    with FakeGdbServer(features=b"PacketSize=80;qXfer:memory-map:read+") as server:
        flash(server, program_elf)
    writes = server.sent(b"vFlashWrite") + server.sent(b"M") + server.sent(b"X")
    assert len(writes) > 2500 / 0x80
    assert max(len(write) + sum(write.count(byte) for byte in b"#$}*") + 4 for write in writes) <= 0x80


def test_without_a_memory_map_everything_is_written_as_memory(tmp_path: Path) -> None:
    elf = tmp_path / "ram.elf"
    elf.write_bytes(elf_bytes([(RAM, cortex_m_program(600).replace(b"\x09\0\0\x08", b"\x09\0\0\x20", 1))]))
    with FakeGdbServer(features=WITHOUT_MAP) as server:
        result = flash(server, elf)
    assert (result.erased_bytes, result.bytes_verified) == (0, 600)
    assert server.sent(b"vFlash") == []
    assert server.sent(b"M") == []


def test_memory_is_written_in_hexadecimal_where_binary_is_not_supported(program_elf: Path) -> None:
    with FakeGdbServer(Faults(answers={b"X": b""})) as server:
        flash(server, program_elf)
    assert len(server.sent(b"X")) == 1
    assert server.ram[0x100:0x1C8] == b"#$}*" * 50


def test_registers_are_set_by_the_numbers_of_the_target_description(program_elf: Path) -> None:
    with FakeGdbServer() as server:
        flash(server, program_elf)
    assert {number: int.from_bytes(value, "little") for number, value in server.registers.items()} == {
        13: RAM + 0x1000,
        15: FLASH + 8,
        16: 1 << 24,
    }


def test_registers_are_set_by_gdbs_numbers_without_a_target_description(program_elf: Path) -> None:
    with FakeGdbServer(features=b"PacketSize=400;qXfer:memory-map:read+") as server:
        flash(server, program_elf)
    assert sorted(server.registers) == [13, 15, 25]


def test_risc_v_starts_at_the_entry_address(tmp_path: Path) -> None:
    elf = tmp_path / "riscv.elf"
    elf.write_bytes(elf_bytes([(FLASH, b"\x13\0\0\0" * 4)], machine=EM_RISCV, entry=FLASH + 4))
    with FakeGdbServer(features=b"PacketSize=400;qXfer:memory-map:read+") as server:
        flash(server, elf)
    assert server.registers == {32: (FLASH + 4).to_bytes(4, "little")}


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({b"qRcmd": b"OK"}, [b"reset halt"]),
        ({b"qRcmd," + b"reset halt".hex().encode(): b"E01", b"qRcmd": b"OK"}, [b"reset halt", b"reset"]),
        ({b"qqemu": b"ENABLE=1,NOIRQ=2", b"qRcmd": b"OK"}, [b"system_reset"]),
    ],
)
def test_the_server_resets_the_chip(program_elf: Path, answers: dict[bytes, bytes], expected: list[bytes]) -> None:
    with FakeGdbServer(Faults(answers=answers)) as server:
        GdbFlasher("127.0.0.1", server.port, timeout_s=5, reset="monitor").flash(program_elf)
    assert [bytes.fromhex(packet[6:].decode()) for packet in server.sent(b"qRcmd")] == expected
    assert server.registers == {}
    assert server.packets[-1] == b"c"


def test_a_server_without_a_reset_command_is_reported(program_elf: Path) -> None:
    with FakeGdbServer() as server, pytest.raises(FlashError, match="does not support monitor reset"):
        GdbFlasher("127.0.0.1", server.port, timeout_s=5, reset="monitor").flash(program_elf)


def test_a_probe_without_a_target_is_told_to_look_for_one(program_elf: Path) -> None:
    answers = {b"?": b"W00", b"qRcmd": b"OK", b"vAttach;1": b"T05"}
    with FakeGdbServer(Faults(answers=answers)) as server:
        assert flash(server, program_elf).run_exit_code == 0
    assert server.sent(b"qRcmd") == [b"qRcmd," + b"swdp_scan".hex().encode()]
    with FakeGdbServer(Faults(answers={**answers, b"vAttach;1": b"E01"})) as server:
        assert "no target" in failure(server, program_elf).message


def test_what_the_program_writes_is_collected(program_elf: Path) -> None:
    calls = [
        b"O" + b"console \x1b[31m\r\n".hex().encode(),
        b"Fwrite,1,20000100,4",
        b"Fwrite,2,20000100,8",
        b"Fopen,20000100/5,0,0",
        b"Fwrite,1,20000100,ffffffff",
        b"Fwrite,1,20000100,-4",
    ]
    run = [calls[:2], calls[2:3], calls[3:4], calls[4:5], calls[5:6], [b"W2a;process:1"]]
    with FakeGdbServer(run=run) as server:
        result = flash(server, program_elf)
    assert result.output == "console \N{REPLACEMENT CHARACTER}[31m\n" + "#$}*" * 3
    assert result.run_exit_code == 42
    assert server.sent(b"F") == [b"F4", b"F8", b"F-1,270f", b"F-1,270f", b"F-1,270f"]


def test_output_has_a_limit(program_elf: Path) -> None:
    line = b"O" + b"12" * 30000
    with FakeGdbServer(run=[[line] * 40 + [b"W00"]]) as server:
        assert len(flash(server, program_elf, verify=False).output) == 1 << 20


@pytest.mark.parametrize(
    ("packet", "expected"),
    [
        (b"T05thread:01;", "SIGTRAP"),
        (b"S0b", "SIGSEGV"),
        (b"X1D", "signal 29"),
        (b"E01", "'E01'"),
        (b"", "''"),
        (b"Wzz", "'Wzz'"),
    ],
)
def test_a_program_that_stops_without_an_exit_is_an_error(program_elf: Path, packet: bytes, expected: str) -> None:
    with FakeGdbServer(run=[[b"O6f6f7073", packet]]) as server:
        assert expected in failure(server, program_elf).message


def test_waiting_for_the_exit_ends(program_elf: Path) -> None:
    with FakeGdbServer(run=[[]]) as server:
        started = time.monotonic()
        result = flash(server, program_elf, wait_s=0.2)
    assert result.run_exit_code is None
    assert 0.2 <= time.monotonic() - started < 10


def test_no_server_says_how_to_start_one(program_elf: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(FlashError, match="no gdb server at 127") as caught:
        GdbFlasher("127.0.0.1", port).flash(program_elf)
    for server in ("openocd", "pyocd", "JLinkGDBServer", "st-util", "qemu-system-arm"):
        assert server in caught.value.hint


def test_a_listener_that_says_nothing_is_reported_in_time(program_elf: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        started = time.monotonic()
        with pytest.raises(FlashError, match="did not answer while asking what the server supports"):
            GdbFlasher("127.0.0.1", listener.getsockname()[1], timeout_s=0.2).flash(program_elf)
        assert time.monotonic() - started < 10


def test_a_host_name_that_cannot_exist_is_reported(program_elf: Path) -> None:
    with pytest.raises(FlashError, match="is not known"):
        GdbFlasher("a" * 70 + ".invalid", 3333, timeout_s=1).flash(program_elf)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("localhost:3333", ("localhost", 3333)),
        (":2331", ("localhost", 2331)),
        ("board-7.lab:1", ("board-7.lab", 1)),
        ("[::1]:65535", ("::1", 65535)),
    ],
)
def test_addresses(text: str, expected: tuple[str, int]) -> None:
    assert parse_address(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "localhost",
        "3333",
        "localhost:",
        "localhost:0",
        "localhost:65536",
        "a b:1",
        "::1:3",
        "a:\u0661",
        "h:-1",
    ],
)
def test_addresses_that_are_none(text: str) -> None:
    with pytest.raises(FlashError, match="is not the address of a gdb server") as caught:
        parse_address(text)
    assert "host:port" in caught.value.hint


def test_a_dry_run_names_every_step_and_connects_to_nothing(program_elf: Path) -> None:
    flasher = GdbFlasher("nowhere.invalid", 3333)
    text = flasher.describe(program_elf, wait_s=5)
    for expected in (
        "nowhere.invalid:3333",
        "write 2500 bytes at 0x08000000..0x080009c3",
        "write 200 bytes at 0x20000100..0x200001c7",
        "read back 2700 bytes",
        "sp = 0x20001000, pc = 0x08000008, xpsr = 0x01000000",
        "up to 5 s",
    ):
        assert expected in text
    short = flasher.describe(program_elf, verify=False, run=False)
    assert "read back" not in short
    assert "start" not in short
    assert "reset command" in GdbFlasher("h", 1, reset="monitor").describe(program_elf)
