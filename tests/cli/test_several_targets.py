"""Several targets in one command: side by side, one table, and what becomes of the others if one fails."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from command import BUILD, edgelstm, succeed
from keras_files import CHANNELS, CLASSES, dense, lstm, write_keras
from test_interrupt import running
from test_mismatch import wrong_weight

from edgelstm.codegen.emit import Generated, Options, emit
from edgelstm.device.runners import Runner
from edgelstm.device.targets import list_targets, load_target
from edgelstm.errors import DoesNotFitError
from edgelstm.ir import Model
from edgelstm.pipeline import fitting
from edgelstm.pipeline.request import BuildRequest
from edgelstm.resources import targets_dir
from edgelstm.verification.ladder import Expectation, ProgramRun, run_program

VERIFY = ("verify", *BUILD[1:])
BOARD = (targets_dir() / "bluepill.toml").read_text()
PIP_TARGETS = ("cortex-m0", "cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33", "rv32imc")
LIMIT_S = 240


@pytest.fixture(autouse=True)
def _tools(require_tool: Callable[[str], None]) -> None:
    for name in ("arm-none-eabi-gcc", "riscv64-unknown-elf-gcc", "qemu-system-arm", "qemu-system-riscv32", "unicorn"):
        require_tool(name)


def _board(folder: Path, name: str, flash_bytes: int, ram_bytes: int = 0x5000) -> str:
    """Write a user's own board with other sizes of memory; its path."""
    text = BOARD.replace("size_bytes = 0x1_0000", f"size_bytes = {flash_bytes}")
    (folder / name).write_text(text.replace("size_bytes = 0x5000", f"size_bytes = {ram_bytes}"))
    return f"./{name}"


@pytest.mark.usefixtures("quick_ladder")
def test_all_targets_are_verified_in_one_table(workspace: Path) -> None:
    outcome = succeed(*VERIFY, "--target", "all", "--sequences", "2")
    for name in list_targets():
        assert re.search(rf"^{name} .* equal$", outcome.out, re.MULTILINE), name
        assert f"verified for {name}: every output and state is equal" in outcome.err
    assert max(map(len, outcome.out.splitlines())) <= 80
    assert re.search(r"^atmega328p .* \d+ c  ", outcome.out, re.MULTILINE)
    assert f"targets: {len(list_targets())} of {len(list_targets())}" in outcome.err
    assert not (workspace / "out").exists()


@pytest.mark.usefixtures("quick_ladder")
def test_equal_firmware_runs_once_on_equal_machines(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[tuple[str, str]] = []

    def run(name: str, expected: Expectation, program: Path, runner: Runner, *rest: Any) -> ProgramRun:
        ran.append((runner.target.name, runner.name))
        return run_program(name, expected, program, runner, *rest)

    monkeypatch.setattr("edgelstm.pipeline.verified.run_program", run)
    microbit = (targets_dir() / "microbit.toml").read_text()
    Path("elsewhere.toml").write_text(
        microbit.replace('"microbit"', '"mps2-an385"').replace("16_000_000", "25_000_000")
    )
    Path("again.toml").write_text(microbit)
    names = "microbit,./again.toml,./elsewhere.toml"
    outcome = succeed(*BUILD, "--target", names, "--json")
    rungs = [one["verification"][-1]["against"] for one in outcome.json]
    assert rungs == [f"firmware.elf for {name}, qemu" for name in ("microbit", "again", "elsewhere")]
    on_qemu = [name for name, runner in ran if runner == "qemu"]
    assert len(on_qemu) == 2
    assert "elsewhere" in on_qemu
    assert Path("out/again/firmware.elf").read_bytes() == Path("out/elsewhere/firmware.elf").read_bytes()


@pytest.mark.usefixtures("quick_ladder")
def test_a_board_that_was_built_can_be_flashed_next(workspace: Path) -> None:
    outcome = succeed(*BUILD, "--target", "bluepill", "-o", "bench")
    assert outcome.err.endswith("next: edgelstm flash bench/firmware.elf\n")
    assert "openocd" in succeed("flash", "bench/firmware.elf", "--dry-run").out
    names = f"cortex-m3,{_board(workspace, 'tiny.toml', 0x800)},{_board(workspace, 'my-board.toml', 0x8000)}"
    assert edgelstm(*BUILD, "--target", names).err.endswith("next: edgelstm flash --target ./my-board.toml\n")
    assert "openocd" in succeed("flash", "--target", "./my-board.toml", "--dry-run").out
    assert "next: " not in succeed(*BUILD, "--target", "cortex-m3", "-o", "core").err


@pytest.mark.usefixtures("quick_ladder")
def test_a_board_of_ones_own_is_one_file(workspace: Path) -> None:
    outcome = succeed(*BUILD, "--target", f"{_board(workspace, 'my-board.toml', 0x4000)},cortex-m4", "--json")
    assert [one["target"]["name"] for one in outcome.json] == ["my-board", "cortex-m4"]
    assert all(rung["mismatches"] == 0 for one in outcome.json for rung in one["verification"])
    assert (workspace / "out" / "my-board" / "firmware.elf").is_file()
    again = succeed(*BUILD, "--target", "./my-board.toml,cortex-m4", "-v")
    assert "my-board: reused firmware.elf" in again.err


@pytest.mark.usefixtures("quick_ladder")
def test_a_target_that_fails_stops_no_other(workspace: Path) -> None:
    names = f"{_board(workspace, 'tiny.toml', 0x800)},cortex-m4,rv32imc,microbit"
    outcome = edgelstm(*BUILD, "--target", names)
    assert outcome.code == 1
    assert re.search(r"^microbit .* equal$", outcome.out, re.MULTILINE)
    assert "tiny FAILED: the firmware does not fit into tiny: it exceeds flash by" in outcome.out
    assert "1 of 4 targets failed" in outcome.out
    assert "failed for tiny: " in outcome.err
    assert (workspace / "out" / "rv32imc" / "report.json").is_file()
    assert not (workspace / "out" / "tiny" / "firmware.elf").exists()
    verified = edgelstm(*VERIFY, "--target", names, "--json")
    assert verified.code == 1
    assert "does not fit" in verified.json[0]["error"]["message"]
    assert verified.json[1]["verification"]


@pytest.mark.usefixtures("quick_ladder")
def test_a_mismatch_of_one_target_is_the_exit_code(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    board = _board(workspace, "tiny.toml", 0x800)

    def wrong_on_m4(model: Model, options: Options) -> Generated:
        return wrong_weight(model, options) if options.isa == "armv7em" else emit(model, options)

    monkeypatch.setattr("edgelstm.pipeline.firmware.emit", wrong_on_m4)
    outcome = edgelstm(*BUILD, "--target", f"cortex-m4,rv32imc,{board}")
    assert outcome.code == 2
    assert re.search(r"cortex-m4 FAILED: .*self-test failed", outcome.out)
    assert "firmware.elf for rv32imc" in outcome.out
    assert "2 of 3 targets failed" in outcome.out


def test_what_no_target_can_do_is_said_at_once(workspace: Path) -> None:
    for runner, message in (("bochs", "cannot be run by 'bochs'"), ("host", "cannot be run by 'host'")):
        outcome = edgelstm(*BUILD, "--target", "cortex-m4,rv32imc", "--runner", runner)
        assert message in outcome.error
        assert not (workspace / "out").exists()
    _board(workspace, "cortex-m4.toml", 0x8000)
    assert "several targets are called cortex-m4" in edgelstm(*BUILD, "--target", "cortex-m4,./cortex-m4.toml").error
    assert "there is no target file none.toml" in edgelstm(*BUILD, "--target", "none.toml").error


@pytest.mark.usefixtures("quick_ladder")
@pytest.mark.parametrize(
    ("flash_bytes", "ram_bytes", "options", "says"),
    [
        (7500, 0x5000, ("--optimize", "speed"), r"exceeds flash by \d+ bytes.*--optimize (balanced|size) fits"),
        (
            0xC00,
            0x5000,
            (),
            r"even with --optimize size it exceeds flash by \d+ bytes, of which it has 3072; the weights",
        ),
        (0xC00, 0x5000, ("--optimize", "size"), r"hint: it exceeds flash by \d+ bytes.*take fewer units"),
        (
            0x8000,
            0x1004,
            (),
            r"exceeds ram by \d+ bytes.*RAM by \d+ bytes, of which it has 4100; the model's state and",
        ),
    ],
)
def test_what_would_fit_is_tried(
    workspace: Path, flash_bytes: int, ram_bytes: int, options: tuple[str, ...], says: str
) -> None:
    board = _board(workspace, "small.toml", flash_bytes, ram_bytes)
    error = edgelstm(*BUILD, "--target", board, *options).error
    assert re.search(says, error, re.DOTALL), error
    fits = re.search(r"(--optimize \w+) fits", error)
    if fits:
        succeed(*BUILD, "--target", board, *fits.group(1).split())


def test_a_layer_that_avr_gcc_refuses_is_said_to_be_too_large(
    workspace: Path, require_tool: Callable[[str], None]
) -> None:
    for tool in ("avr-gcc", "simavr"):
        require_tool(tool)
    rng = np.random.default_rng(0)
    write_keras(workspace / "model.keras", [lstm(rng, CHANNELS, 92), dense(rng, 92, CLASSES)])
    error = edgelstm(*BUILD, "--target", "atmega2560").error
    assert "does not fit into atmega2560: model_lstm_weights would be larger than 32767 bytes" in error
    assert "or several smaller layers" in error
    assert "the command was" not in error


def test_options_that_can_never_fit_do_not_hide_one_that_does(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def measure(*arguments: Any) -> fitting._Size:
        request: BuildRequest = arguments[-1]
        if request.optimize == "balanced":
            raise DoesNotFitError("constants lie too far")
        return fitting._Size(0, 0, 0, 1)

    monkeypatch.setattr(fitting, "_measure", measure)
    bench: Any = SimpleNamespace(request=BuildRequest(tmp_path / "model.keras", tmp_path, optimize="speed"))
    compiler: Any = None
    error = fitting.what_fits(DoesNotFitError("it is large"), load_target("atmega2560"), compiler, tmp_path, bench)
    assert (error.message, error.hint) == ("it is large", "--optimize size fits")


@pytest.mark.usefixtures("quick_ladder")
def test_wide_weights_are_the_first_to_go(workspace: Path) -> None:
    rng = np.random.default_rng(0)
    write_keras(workspace / "model.keras", [lstm(rng, CHANNELS, 24), dense(rng, 24, CLASSES)])
    text = (targets_dir() / "nucleo-f446re.toml").read_text()
    wide = succeed(*BUILD, "--target", "nucleo-f446re", "--wide-weights", "--json").json
    narrow = succeed(*BUILD, "--target", "nucleo-f446re", "--json").json
    sizes = [one["memory"]["firmware_bytes"]["flash"] for one in (narrow, wide)]
    assert sizes[0] < sizes[1]
    (workspace / "small.toml").write_text(text.replace("size_bytes = 0x8_0000", f"size_bytes = {sizes[0]}"))
    error = edgelstm(*BUILD, "--target", "small.toml", "--wide-weights", "-o", "out2").error
    assert f"exceeds flash by {sizes[1] - sizes[0]} bytes" in error
    assert "--optimize balanced without --wide-weights fits" in error


@pytest.mark.parametrize("moment", ["quantized", "verified for"])
def test_ctrl_c_ends_all_targets(workspace: Path, moment: str) -> None:
    with running(workspace, *BUILD, "--target", "all") as child:
        child.wait_for(moment)
        code, out, err = child.end(signal.SIGINT)
        assert code == 130
        assert "error: interrupted" in err
        assert "Traceback" not in err
        assert out == ""
        assert child.left_behind() == []
    assert not list((workspace / "out").rglob(".edgelstm-[!m]*"))


def test_pip_packages_alone_build_and_verify(workspace: Path, require_tool: Callable[[str], None]) -> None:
    require_tool("ziglang")
    command = [sys.executable, "-m", "edgelstm", *VERIFY, "--target", ",".join(PIP_TARGETS), "--sequences", "2"]
    environment = {**os.environ, "PATH": str(Path(sys.executable).parent)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, done.stderr
    for name in PIP_TARGETS:
        assert re.search(rf"^{name} +unicorn .* equal$", done.stdout, re.MULTILINE), name
    assert re.search(r"^compiled by\n  zig \S+$", done.stdout, re.MULTILINE)
