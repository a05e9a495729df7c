"""Ctrl-C, an ended terminal and a closed pipe: nothing half-made stays, and no process."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from command import BUILD, succeed

LIMIT_S = 120
SLOW = "cortex-m0,cortex-m3,cortex-m4,cortex-m7,cortex-m33,rv32imc"
WHOLE = {"model.tflite", "src", "firmware.elf", "firmware.bin", "firmware.hex", "firmware.map", "report.json"}


class Child:
    """A command in a process of its own, with a folder of its own for temporary files."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.temporary = folder / "temporary"
        self.temporary.mkdir(exist_ok=True)
        self.mark = f"EDGELSTM_TEST={uuid.uuid4()}"
        name, value = self.mark.split("=")
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-m", "edgelstm", *arguments],
            cwd=folder,
            env={**os.environ, name: value, "TMPDIR": str(self.temporary)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_for(self, text: str) -> None:
        """Read standard error up to a line that starts with `text`."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if line.startswith(text):
                return
        pytest.fail(f"the command ended before it said {text!r}")

    def end(self, number: signal.Signals) -> tuple[int, str, str]:
        """Send a signal; exit code, standard output and the rest of standard error."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=LIMIT_S)
        return self.process.returncode, out, err

    def left_behind(self) -> list[str]:
        """Processes and temporary files."""
        files = [str(path) for path in self.temporary.rglob("*")]
        processes = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if self.mark.encode() in (entry / "environ").read_bytes():
                    processes.append((entry / "cmdline").read_text())
            except OSError:
                continue
        return files + processes


@contextmanager
def running(folder: Path, *arguments: str) -> Iterator[Child]:
    child = Child(folder, *arguments)
    try:
        yield child
    finally:
        child.process.kill()
        child.process.communicate(timeout=LIMIT_S)


@pytest.fixture(autouse=True)
def _tools(require_tool: Callable[[str], None]) -> None:
    require_tool("arm-none-eabi-gcc")
    require_tool("qemu-system-arm")


@pytest.mark.parametrize(
    ("moment", "options", "number"),
    [
        ("generated", (), signal.SIGINT),
        ("compiled", (), signal.SIGHUP),
        ("verification: 2 of", ("--runner", "unicorn"), signal.SIGINT),
        ("verification: 3 of", (), signal.SIGTERM),
    ],
    ids=str,
)
def test_an_interrupted_build_leaves_no_litter(
    moment: str, options: tuple[str, ...], number: signal.Signals, workspace: Path
) -> None:
    with running(workspace, *BUILD, *options) as child:
        child.wait_for(moment)
        code, out, err = child.end(number)
        assert code == 130
        assert "error: interrupted" in err
        assert "Traceback" not in err
        assert out == ""
        assert child.left_behind() == []
    names = {path.name for path in (workspace / "out").glob("*")} - {".edgelstm-manifest.json"}
    assert names <= WHOLE - {"report.json"}
    assert not list((workspace / "out").rglob(".edgelstm-[!m]*"))


def test_an_interrupted_estimate_waits_for_nobody(workspace: Path) -> None:
    with running(
        workspace, "estimate", "--units", "96", "--inputs", "8", "--runner", "unicorn", "--target", SLOW
    ) as child:
        child.wait_for("estimating: ")
        time.sleep(1)  # until the next targets are well under way
        started = time.monotonic()
        code, out, err = child.end(signal.SIGINT)
        assert time.monotonic() - started < 5  # of the nine and more that a step count takes in Unicorn
        assert code == 130
        assert "error: interrupted" in err
        assert out == ""
        assert child.left_behind() == []


def test_the_build_after_an_interruption_goes_on_from_there(workspace: Path) -> None:
    with running(workspace, *BUILD) as child:
        child.wait_for("compiled")
        child.end(signal.SIGINT)
    outcome = succeed(*BUILD)
    assert "reused firmware.elf" in outcome.err
    assert {path.name for path in (workspace / "out").iterdir()} >= WHOLE


def test_an_interruption_in_json_is_one_document(workspace: Path) -> None:
    with running(workspace, *BUILD, "--json") as child:
        child.wait_for("generated")
        code, out, _ = child.end(signal.SIGINT)
    assert code == 130
    assert json.loads(out)["error"]["message"] == "interrupted"


def test_a_reader_that_goes_away_is_no_bug(workspace: Path) -> None:
    with running(workspace, "targets") as child:
        assert child.process.stdout is not None
        child.process.stdout.close()
        child.process.stdout = None
        _, err = child.process.communicate(timeout=LIMIT_S)
    assert child.process.returncode == 1
    assert err == ""


def test_bars_on_a_terminal_leave_standard_output_alone(workspace: Path) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "edgelstm", "quantize", *BUILD[1:], "--json"],
        cwd=workspace,
        env={**os.environ, "TERM": "xterm"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
    ) as process:
        os.close(theirs)
        shown = _read_all(ours)
        assert process.stdout is not None
        result = json.loads(process.stdout.read())
        assert process.wait(LIMIT_S) == 0
    assert result["tflite"] == "model.tflite"
    assert b"calibration" in shown
    assert b"wrote model.tflite" in shown
    assert b"\x1b[" in shown


def _read_all(terminal: int) -> bytes:
    shown = b""
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        try:
            chunk = os.read(terminal, 1 << 16)
        except OSError:
            break
        if not chunk:
            break
        shown += chunk
    os.close(terminal)
    return shown
