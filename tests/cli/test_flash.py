"""`edgelstm flash`: what it would do, what it says when it cannot, and firmware of ours on QEMU's board."""

import os
import pty
import shutil
import socket
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from command import edgelstm, succeed
from fake_programs import Act, make_stage
from qemu_boards import MPS2, build_firmware, halted_board

from edgelstm.device.targets import load_target
from edgelstm.resources import targets_dir


@pytest.fixture
def qemu(require_tool: Callable[[str], None]) -> str:
    require_tool("qemu-system-arm")
    return str(shutil.which("qemu-system-arm"))


def test_a_dry_run_connects_to_nothing(built: Path) -> None:
    size = len((built / "out" / "firmware.bin").read_bytes())
    text = succeed("flash", "--dry-run", "--address", "board:4242").out
    assert "connect to the gdb server at board:4242" in text
    assert f"read back {size} bytes" in text
    plan = succeed("flash", "--dry-run", "--json", "--no-verify", "--no-run").json["plan"]
    assert "read back" not in plan
    assert "start the program" not in plan


@pytest.mark.parametrize("reset", ["monitor", "registers"])
def test_our_firmware_is_loaded_verified_and_passes_its_self_test(reset: str, built: Path, qemu: str) -> None:
    with halted_board(qemu, MPS2) as (board, port):
        outcome = succeed("flash", "--address", f":{port}", "--reset", reset)
        assert board.wait(10) == 0
        assert board.stderr is not None
        assert b"selftest passed" in board.stderr.read()
    assert "the program ran and its self-test passed" in outcome.out


def test_what_was_flashed_as_json(built: Path, qemu: str) -> None:
    with halted_board(qemu, MPS2, semihosting="gdb") as (_, port):
        result = succeed("flash", "out/firmware.elf", "--address", f"127.0.0.1:{port}", "--json", "-q").json
    assert result["run_exit_code"] == 0
    assert result["bytes_verified"] == result["bytes_written"] > 1000
    assert "selftest passed" in result["output"]


def test_without_run_the_program_is_only_loaded(built: Path, qemu: str) -> None:
    with halted_board(qemu, MPS2) as (board, port):
        outcome = succeed("flash", "--address", f":{port}", "--no-run")
        assert board.poll() is None
    assert "the program was not started" in outcome.out


@pytest.mark.parametrize(
    ("exit_code", "code", "message"),
    [(1, 2, "its self-test failed"), (99, 1, "it faulted"), (7, 1, "it ended with exit code 7")],
)
@pytest.mark.parametrize("as_json", [False, True])
def test_a_program_that_fails_is_no_success(
    exit_code: int,
    code: int,
    message: str,
    as_json: bool,
    tmp_path: Path,
    qemu: str,
    require_tool: Callable[[str], None],
) -> None:
    require_tool("arm-none-eabi-gcc")
    elf = build_firmware(tmp_path, "arm-none-eabi-gcc", MPS2, exit_code, 0)
    with halted_board(qemu, MPS2, semihosting="gdb") as (_, port):
        outcome = edgelstm("flash", elf, "--address", f":{port}", *(["--json"] if as_json else []))
    assert outcome.code == code
    text = outcome.json["error"]["message"] if as_json else outcome.err
    assert f"the program is loaded, but {message}" in text
    assert "it said:\nflashed" in text


def test_without_a_server_it_says_how_to_start_one(built: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    error = edgelstm("flash", "--address", f"127.0.0.1:{port}").error
    assert f"no gdb server at 127.0.0.1:{port}" in error
    for server in ("openocd", "pyocd gdbserver", "JLinkGDBServer", "st-util", "qemu-system-arm"):
        assert server in error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--address", "nowhere"), "'nowhere' is not the address of a gdb server"),
        (("--address", "host:0"), "is not the address"),
        (("--address", "host:99999"), "is not the address"),
        (("missing.elf",), "missing.elf is not a file"),
        (("model.keras",), "model.keras"),
        (("out/firmware.bin", "--dry-run"), "firmware.bin"),
        (("--wait", "0"), "0.0 is not in the range"),
        (("--runner", "jtag"), "'jtag' is not"),
        (("--baud", "9600"), "runner gdb does not take --baud"),
        (("--runner", "esptool", "--address", "x:1"), "runner esptool does not take --address"),
        (("--runner", "dfu"), "flash.dfu.id: missing"),
        (("--target", "host"), "host is no board that can be written to"),
        (("--target", "cortex-m44"), "there is no target called"),
    ],
)
def test_a_wrong_command_is_explained(arguments: tuple[str, ...], message: str, built: Path) -> None:
    error = edgelstm("flash", *arguments).error
    assert message in error
    assert "hint: " in error


def test_the_firmware_must_be_clear(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "run `edgelstm build` first" in edgelstm("flash", "--dry-run").error
    for name in ("one", "two"):
        Path("out", name).mkdir(parents=True)
        Path("out", name, "firmware.elf").write_bytes(b"")
    assert "there are several firmwares: out/one/firmware.elf and out/two/firmware.elf" in edgelstm("flash").error


def test_the_address_of_the_project_is_used(built: Path) -> None:
    Path("edgelstm.toml").write_text('[flash]\naddress = "bench:2331"\n')
    assert "bench:2331" in succeed("flash", "--dry-run").out
    assert "other:1" in succeed("flash", "--dry-run", "--address", "other:1").out
    Path("edgelstm.toml").write_text('[flash]\nrunner = "jtag"\n')
    assert "there is no flash runner 'jtag'" in edgelstm("flash", "--dry-run").error


def test_another_board_and_runner_by_name(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    board = replace(load_target("cortex-m4"), flash_runner="dfu", flash={"dfu": {"id": "0483:df11", "address": 0}})
    monkeypatch.setattr("edgelstm.cli.flash.load_target", {"cortex-m4": board}.__getitem__)
    stage = make_stage(tmp_path / "bin", monkeypatch)
    stage.play("dfu-util", Act("File downloaded successfully\n"))
    # The report of the build beside the firmware says which board it is for.
    outcome = succeed("flash", "--probe", "77")
    size = len(Path("out", "firmware.bin").read_bytes())
    assert f"wrote {size} bytes in" in outcome.out
    assert "the program runs; a DFU boot loader does not show" in outcome.out
    (call,) = stage.calls
    assert "-S 77 -s 0x00000000:leave -D firmware.bin" in " ".join(call.arguments)
    assert call.files["firmware.bin"].encode("latin-1") == Path("out", "firmware.bin").read_bytes()
    plan = succeed("flash", "--dry-run", "--json").json
    assert plan["runner"] == "dfu"
    assert plan["plan"].splitlines()[-1] == "dfu-util -d 0483:df11 -a 0 -s 0x00000000:leave -D firmware.bin"
    assert "connect to the gdb server" in succeed("flash", "--dry-run", "--runner", "gdb").out


def test_without_a_known_board_there_is_only_gdb_if_it_is_asked_for(built: Path) -> None:
    Path("out", "report.json").write_text('{"target": {"name": []}}')
    assert "report.json beside it, which `edgelstm build` writes, cannot be read" in edgelstm("flash").error
    Path("out", "firmware.elf").rename("alone.elf")
    for more in ((), ("--dry-run",)):
        error = edgelstm("flash", "alone.elf", *more).error
        assert "nothing says which chip alone.elf is for: report.json beside it" in error
        assert "--target" in error
        assert "--address" in error
    assert "connect to the gdb server" in succeed("flash", "alone.elf", "--dry-run", "--runner", "gdb").out
    assert "connect to the gdb server" in succeed("flash", "alone.elf", "--dry-run", "--address", ":1").out
    assert "connect to the gdb server" in succeed("flash", "alone.elf", "--dry-run", "--target", "cortex-m4").out
    Path("alone.elf").rename("out/firmware.elf")
    assert "runner openocd must know the board" in edgelstm("flash", "--dry-run", "--runner", "openocd").error


def test_a_board_of_the_users_own_is_never_taken_for_another(built: Path) -> None:
    own = (targets_dir() / "cortex-m4.toml").read_text().replace('flash_runner = "gdb"', 'flash_runner = "dfu"')
    Path("my-board.toml").write_text(f'{own}\n[flash.dfu]\nid = "0483:df11"\naddress = 0\n')
    Path("out", "report.json").write_text('{"target": {"name": "my-board"}}')
    for project in (None, '[build]\ntargets = ["cortex-m4", "rv32imc"]\n'):
        if project is not None:
            Path("edgelstm.toml").write_text(project)
        error = edgelstm("flash", "--dry-run").error
        assert "the firmware was built for 'my-board', and nothing here says what that is" in error
        assert "--target ./my-board.toml" in error
        assert "dfu-util" in succeed("flash", "--dry-run", "--target", "./my-board.toml").out
    Path("edgelstm.toml").write_text('[build]\ntargets = ["cortex-m4", "my-board.toml"]\n')
    assert "dfu-util" in succeed("flash", "--dry-run").out


@pytest.mark.parametrize(
    ("built_for", "target", "why"),
    [
        ("arduino-uno", "arduino-mega", "that has another processor"),
        ("arduino-mega", "atmega328p", "that has another processor"),
        ("bluepill", "stm32vldiscovery", "whose ram is at 0x20000000 to 0x20004fff"),
        ("cortex-m0plus", "rpi-pico", "that starts otherwise"),
    ],
)
def test_firmware_of_another_board_is_refused(built_for: str, target: str, why: str, built: Path) -> None:
    Path("out", "report.json").write_text(f'{{"target": {{"name": "{built_for}"}}}}')
    error = edgelstm("flash", "--target", target, "--dry-run").error
    assert f"was built for {built_for}, {why}" in error
    assert f"it is not for {target}" in error
    assert f"build it with --target {target}" in error


def test_firmware_of_a_core_is_for_a_board_with_its_memory(built: Path) -> None:
    board = (targets_dir() / "cortex-m4.toml").read_text()
    Path("my-board.toml").write_text(board)
    assert "connect to the gdb server" in succeed("flash", "--target", "./my-board.toml", "--dry-run").out
    Path("my-board.toml").write_text(board.replace("size_bytes = 0x40_0000", "size_bytes = 0x20_0000"))
    assert "was built for cortex-m4" in edgelstm("flash", "--target", "./my-board.toml", "--dry-run").error


def test_a_board_that_restarts_before_it_confirms_was_sent_all(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drive = Path("drive")
    drive.mkdir()
    (drive / "INFO_UF2.TXT").write_text("Board-ID: RPI-RP2\n")

    def lost(descriptor: int) -> None:
        drive.rename("gone")
        raise OSError(5, "Input/output error")

    board = replace(load_target("cortex-m4"), flash_runner="uf2", flash={"uf2": {"family": 1}})
    monkeypatch.setattr("edgelstm.cli.flash.load_target", {"cortex-m4": board}.__getitem__)
    monkeypatch.setattr("os.fsync", lost)
    outcome = succeed("flash", "--port", "drive")
    assert "sent; the board restarted before it was confirmed; a UF2 boot loader does not show" in outcome.out
    assert "the program runs" not in outcome.out


def test_a_self_test_that_fails_under_openocd_is_a_mismatch(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = {"openocd": {"interface": "stlink", "target": "stm32f4x"}}
    board = replace(load_target("cortex-m4"), flash_runner="openocd", flash=tables)
    monkeypatch.setattr("edgelstm.cli.flash.load_target", {"cortex-m4": board}.__getitem__)
    stage = make_stage(tmp_path / "bin", monkeypatch)
    stage.play("openocd", Act("selftest failed\n", 1, when="reset run"), Act("** Verified OK **\n"))
    outcome = edgelstm("flash")
    assert outcome.code == 2
    assert "its self-test failed: this chip computes other values; it said:\nselftest failed" in outcome.err


@contextmanager
def talking_board(said: bytes) -> Iterator[str]:
    """A serial port on which a board says the same again and again, for what came before it is opened is lost."""
    pytest.importorskip("serial")
    board, ours = pty.openpty()
    tty.setraw(board)
    over = threading.Event()

    def talk() -> None:
        while not over.wait(0.3):
            os.write(board, said)

    thread = threading.Thread(target=talk)
    thread.start()
    try:
        yield os.ttyname(ours)
    finally:
        over.set()
        thread.join()
        os.close(board)
        os.close(ours)


@pytest.mark.parametrize(
    ("report", "code", "message"),
    [
        (b"selftest failed\r\n", 2, "its self-test failed: this chip computes other values; it said:\n"),
        (b"fault: exception 0x3\r\n", 1, "it faulted; it said:\n"),
        (b"y[0] is 7\r\n", 1, "within 1 s; the board said:\n"),
    ],
)
def test_what_a_board_said_is_told_with_the_error_in_json(report: bytes, code: int, message: str) -> None:
    with talking_board(b"hello\r\n" + report) as port:
        outcome = edgelstm("monitor", "--port", port, "--json", "--seconds", "1")
    assert outcome.code == code
    assert f"{message}hello\n{report.decode().strip()}" in outcome.json["error"]["message"]


def test_following_a_board_wants_no_self_test() -> None:
    for said, code in ((b"y[0] is 7\n", 0), (b"selftest failed\n", 2)):
        with talking_board(said) as port:
            assert edgelstm("monitor", "--port", port, "--seconds", "1", "--follow").code == code
    assert "With --follow that is 0, too." in " ".join(succeed("monitor", "--help").out.split())


def test_a_serial_port_is_watched(tmp_path: Path) -> None:
    pytest.importorskip("serial")
    board, ours = pty.openpty()
    tty.setraw(board)
    port = os.ttyname(ours)
    for report, code in ((b"selftest passed\r\n", 0), (b"selftest failed\r\n", 2), (b"fault: exception 0x3\r\n", 1)):
        timer = threading.Timer(0.2, os.write, (board, b"\x1b[31mhello\r\n" + report))
        timer.start()
        outcome = edgelstm("monitor", "--port", port, "--seconds", "5")
        timer.join()
        assert outcome.code == code
        assert outcome.out == f"?[31mhello\n{report.decode().strip()}\n"
    timer = threading.Timer(0.2, os.write, (board, b"selftest passed\n"))
    timer.start()
    assert succeed("monitor", "--port", port, "--json", "--seconds", "5").json["exit_code"] == 0
    timer.join()
    assert (
        f"no self-test was reported on {port} within 0.2 s"
        in edgelstm("monitor", "--port", port, "--seconds", ".2").err
    )
    outcome = edgelstm("monitor", "--port", port, "--json", "--seconds", ".2")
    assert outcome.json["error"]["message"] == f"no self-test was reported on {port} within 0.2 s"
    os.close(board)
    os.close(ours)
    assert "cannot be opened" in edgelstm("monitor", "--port", str(tmp_path / "none")).error
