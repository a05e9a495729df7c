"""Watching a serial port; a pseudo-terminal is the cable."""

import contextlib
import os
import pty
import threading
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edgelstm.device.monitor import MonitorResult, watch_serial_port
from edgelstm.errors import FlashError, ToolMissingError

pytest.importorskip("serial")


@pytest.fixture
def cable() -> Iterator[tuple[int, str]]:
    """The board's end, and the name of ours."""
    board, ours = pty.openpty()
    tty.setraw(board)
    yield board, os.ttyname(ours)
    os.close(ours)
    with contextlib.suppress(OSError):  # a test may have pulled it out
        os.close(board)


def watch(port: str, lines: list[str], *, limit_s: float = 10, follow: bool = False) -> MonitorResult:
    return watch_serial_port(port, 115200, limit_s=limit_s, follow=follow, on_line=lines.append)


def send(board: int, *parts: bytes, pause_s: float = 0.05) -> Callable[[], None]:
    def run() -> None:
        for part in parts:
            time.sleep(pause_s)
            os.write(board, part)

    thread = threading.Thread(target=run)
    thread.start()
    return thread.join


@pytest.mark.parametrize(
    ("report", "exit_code"),
    [(b"selftest passed\r\n", 0), (b"selftest failed\n", 1), (b"fault: exception 0x3 pc 0x8\n", 99)],
)
def test_it_ends_with_the_report_of_the_self_test(cable: tuple[int, str], report: bytes, exit_code: int) -> None:
    board, port = cable
    lines: list[str] = []
    finish = send(board, b"boot\r\nself", b"...\n" + report[:7], report[7:])
    result = watch(port, lines)
    finish()
    assert result.exit_code == exit_code
    assert lines == ["boot", "self...", report.decode().strip()]
    assert result.output == f"boot\nself...\n{report.decode().strip()}\n"
    assert result.seconds < 5


def test_it_ends_after_the_time_even_while_the_board_talks(cable: tuple[int, str]) -> None:
    board, port = cable
    lines: list[str] = []
    finish = send(board, *[b"tick\n"] * 20, pause_s=0.03)
    result = watch(port, lines, limit_s=0.3)
    finish()
    assert result.exit_code is None
    assert 0 < len(lines) < 20
    assert 0.3 <= result.seconds < 2


def test_it_may_go_on_after_the_report(cable: tuple[int, str]) -> None:
    board, port = cable
    lines: list[str] = []
    finish = send(board, b"selftest passed\n", b"result 3\nresult", b" 4")
    result = watch(port, lines, limit_s=1, follow=True)
    finish()
    assert result.exit_code == 0
    assert lines == ["selftest passed", "result 3", "result 4"]


def test_noise_is_bounded_and_is_no_report(cable: tuple[int, str]) -> None:
    board, port = cable
    lines: list[str] = []
    finish = send(board, bytes(range(128, 256)) * 4, *[b"x" * 4000] * 4, pause_s=0.01)
    result = watch(port, lines, limit_s=0.5)
    finish()
    assert result.exit_code is None
    assert max(map(len, lines)) < 16384
    assert "\N{REPLACEMENT CHARACTER}" in result.output


def test_a_board_that_is_pulled_out_is_an_error(cable: tuple[int, str]) -> None:
    board, port = cable
    timer = threading.Timer(0.2, os.close, (board,))
    timer.start()
    with pytest.raises(FlashError, match="went away"):
        watch(port, [])
    timer.join()


def test_a_port_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for name in ("missing", "file"):
        with pytest.raises(FlashError, match="cannot be opened: ") as caught:
            watch(str(tmp_path / name), [])
        assert "\n" not in caught.value.message


def test_without_pyserial_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "serial", None)
    with pytest.raises(ToolMissingError, match="pyserial is not installed") as caught:
        watch("/dev/null", [])
    assert "edgelstm[flash]" in caught.value.hint
