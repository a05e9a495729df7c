"""What each command does when all is well, for people and as JSON."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from command import BUILD, edgelstm, succeed
from keras_files import CHANNELS, TIMESTEPS, KerasLayer, dense, lstm, tiny_arrays, tiny_layers, write_keras
from random_models import Bounds, random_model

from edgelstm import __version__
from edgelstm.cli import VERBS
from edgelstm.device.targets import load_target
from edgelstm.numerics.contracts import Contract
from edgelstm.tflite import read_tflite, write_tflite
from edgelstm.tflite.export import to_tflite_model

DATA = ("--data", "data.npz")


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",)])
def test_help_is_a_tour_in_order_within_80_columns(arguments: tuple[str, ...]) -> None:
    outcome = succeed(*arguments)
    listed = re.findall(r"^  (\w+) {2,}\w", outcome.out.partition("Commands:")[2], re.MULTILINE)
    assert listed == list(VERBS)
    assert max(map(len, outcome.out.splitlines())) <= 80
    assert outcome.err == ""


@pytest.mark.parametrize("verb", VERBS)
def test_every_command_has_help(verb: str) -> None:
    text = succeed(verb, "--help").out
    assert max(map(len, text.splitlines())) <= 80
    assert "--json" in text
    assert "--quiet" in text
    assert "--verbose" in text


def test_the_version() -> None:
    assert __version__ in succeed("--version").out


def test_quantize_writes_a_tflite_and_says_what_it_costs(workspace: Path) -> None:
    outcome = succeed("quantize", "model.keras", *DATA)
    assert (workspace / "model.tflite").read_bytes()[4:8] == b"TFL3"
    assert "wrote model.tflite" in outcome.err
    assert "agreement with float" in outcome.out
    assert "true class down" in outcome.out


def test_quantize_replaces_its_own_file_but_no_other(workspace: Path) -> None:
    succeed("quantize", "model.keras", *DATA, "-o", "mine.tflite")
    succeed("quantize", "model.keras", *DATA, "-o", "mine.tflite", "--contract", "tflm")
    (workspace / "mine.tflite").write_bytes(b"\0\0\0\0TFL3 somebody else's")
    assert "edgelstm did not write it" in edgelstm("quantize", "model.keras", *DATA, "-o", "mine.tflite").error
    assert (workspace / "mine.tflite").read_bytes().endswith(b"somebody else's")


def test_scales_of_tensorflows_converter_are_chosen_by_option_or_by_project(workspace: Path) -> None:
    succeed("quantize", *BUILD[1:], "-o", "own.tflite")
    succeed("quantize", *BUILD[1:], "--calibration", "tf", "-o", "like.tflite")
    Path("edgelstm.toml").write_text(
        '[project]\nname = "it"\n[data]\nsource = "data.npz"\n[model]\nfile = "like.keras"\n'
        '[quantize]\ncalibration = "tf"\n'
    )
    Path("model.keras").rename("like.keras")
    succeed("quantize", "--data", "data.npz", "-o", "project.tflite")
    clips = [
        operator.options["cell_clip"]
        for name in ("own", "like", "project")
        for operator in read_tflite(Path(f"{name}.tflite").read_bytes()).operators
        if operator.builtin == "UNIDIRECTIONAL_SEQUENCE_LSTM"
    ]
    assert clips == [0.0, 10.0, 10.0]


def test_generate_from_keras_and_from_its_tflite_gives_the_same_c(workspace: Path) -> None:
    succeed("quantize", "model.keras", *DATA)
    succeed("generate", "model.keras", *DATA, "-o", "a")
    outcome = succeed("generate", "model.tflite", "-o", "b")
    assert "start with model.h" in outcome.err
    first, second = (
        {path.name: path.read_bytes() for path in (workspace / folder).iterdir() if path.suffix in {".c", ".h"}}
        for folder in ("a", "b")
    )
    assert first == second
    assert {"model.c", "model.h"} <= set(first)


def test_generated_c_compiles_by_itself(workspace: Path, require_tool: Callable[[str], None]) -> None:
    require_tool("cc")
    succeed("generate", "model.keras", *DATA, "--target", "host")
    sources = sorted(path.name for path in (workspace / "src").glob("*.c"))
    strict = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    subprocess.run(["cc", *strict, "-c", *sources], cwd=workspace / "src", check=True, timeout=60)


def test_generate_again_changes_nothing_and_refuses_edited_files(workspace: Path) -> None:
    succeed("generate", "model.keras", *DATA)
    before = {path: path.read_bytes() for path in (workspace / "src").glob("*.[ch]")}
    succeed("generate", "model.keras", *DATA)
    assert {path: path.read_bytes() for path in (workspace / "src").glob("*.[ch]")} == before
    (workspace / "src" / "model.h").write_text("mine")
    assert "src/model.h: not as edgelstm wrote it" in edgelstm("generate", "model.keras", *DATA).error


def test_verify_of_a_tflite_needs_no_data_and_keeps_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, require_tool: Callable[[str], None]
) -> None:
    require_tool("ai_edge_litert")
    monkeypatch.chdir(tmp_path)
    model = random_model(3, Contract.LITERT, Bounds(units=6, inputs=4, timesteps=4))
    Path("random.tflite").write_bytes(write_tflite(to_tflite_model(model)))
    outcome = succeed("verify", "random.tflite", "--target", "host", "--json")
    (result,) = outcome.json
    assert result["target"] == "host"
    assert all(rung["passed"] for rung in result["verification"])
    assert [path.name for path in tmp_path.iterdir()] == ["random.tflite"]


def test_run_shows_outputs_and_writes_them(workspace: Path) -> None:
    outcome = succeed("run", "model.keras", *DATA, "-o", "outputs.npy")
    outputs = np.load("outputs.npy")
    assert outputs.shape == (20, 2)
    assert outputs.dtype == np.float32
    assert np.allclose(outputs.sum(axis=1), 1, atol=0.02)
    assert f"sequence 0: {outputs[0, 0]:.4f} {outputs[0, 1]:.4f}" in outcome.out
    assert "10 more" in outcome.out


def test_run_names_the_decided_class(workspace: Path) -> None:
    arrays = dict(np.load("data.npz"))
    np.savez("data.npz", **arrays, labels=["rest", "wave"])
    outcome = succeed("run", "model.keras", *DATA)
    assert re.search(r"sequence 0: [\d.]+ [\d.]+  (rest|wave)$", outcome.out, re.MULTILINE)


def test_inspect_a_keras_file_and_a_tflite(built: Path) -> None:
    shown = succeed("inspect", "model.keras").out
    assert f"{TIMESTEPS} steps of {CHANNELS} values, 138 parameters, float" in shown
    assert "streams sample by sample: answers after any of them\n" in shown
    assert re.search(r"^lstm +lstm +4 a step +128$", shown, re.MULTILINE)
    layers = succeed("inspect", "model.keras", "--json").json["layers"]
    quantized = succeed("inspect", "out/model.tflite").out
    assert re.search(r"^lstm +lstm +4 a step .* 12 B$", quantized, re.MULTILINE)
    assert max(map(len, quantized.splitlines())) <= 80
    operations = succeed("inspect", "out/model.tflite", "--json").json["operations"]
    assert [layer["kind"] for layer in layers] == [operation["kind"] for operation in operations]


def test_inspect_names_what_waits_for_the_window(workspace: Path) -> None:
    rng = np.random.default_rng(3)
    turned = lstm(rng, CHANNELS, 4, name="turned", go_backwards=True)
    write_keras(Path("backwards.keras"), [turned, dense(rng, 4, 2)])
    reason = f'needs the whole window of {TIMESTEPS} steps before it answers, because\n  layer "turned" reads its'
    assert reason in succeed("inspect", "backwards.keras").out
    found = succeed("inspect", "backwards.keras", "--json").json
    assert found["is_streaming"] is False
    assert found["waiting"] == [{"name": "turned", "kind": "reverse", "reason": "reads its sequence from the end"}]
    succeed("quantize", "backwards.keras", *DATA, "-o", "turned.tflite")
    assert reason in succeed("inspect", "turned.tflite").out


def test_inspect_says_what_cannot_be_built(workspace: Path) -> None:
    rng = np.random.default_rng(3)
    pool = KerasLayer("MaxPooling1D", {"name": "wide", "pool_size": 40, "strides": 40, "padding": "valid"})
    write_keras(Path("long.keras"), [pool, lstm(rng, CHANNELS, 4)], timesteps=None)
    shown = succeed("inspect", "long.keras").out
    assert "cannot be built for windows of 32 steps:\n  layer 'wide' looks at 40 time steps" in shown
    found = succeed("inspect", "long.keras", "--json").json
    assert (found["is_streaming"], found["timesteps"]) == (None, None)


def test_names_in_a_model_file_give_no_orders_to_the_terminal(workspace: Path) -> None:
    model = random_model(3, Contract.LITERT, Bounds(units=4, inputs=2, timesteps=2))
    records = to_tflite_model(model)
    text = write_tflite(records).replace(b"edgelstm: random_3", b"edgelstm: \x1b[31mrand")
    (workspace / "hostile.tflite").write_bytes(text)
    outcome = edgelstm("inspect", "hostile.tflite")
    assert "\x1b" not in outcome.out + outcome.err


def test_targets_and_doctor_are_readable(require_tool: Callable[[str], None]) -> None:
    listed = succeed("targets").out
    assert re.search(r"^cortex-m4 +kernels armv7em; runs on qemu or unicorn$", listed, re.MULTILINE)
    assert re.search(r"^host ", listed, re.MULTILINE)
    found = succeed("doctor").out
    assert re.search(r"^target +build +run +flash$", found, re.MULTILINE)
    assert re.search(r"^cortex-m4 +(\S+ [0-9.]+|--) +(qemu|unicorn|--) +gdb$", found, re.MULTILINE)
    assert re.search(r"^host +\S.* host$", found, re.MULTILINE)
    assert max(map(len, (listed + found).splitlines())) <= 80


def test_doctor_says_how_to_get_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name, package=None: None)
    found = succeed("doctor").out
    assert re.search(r"^cortex-m4 +-- +-- +gdb$", found, re.MULTILINE)
    assert re.search(r"^to build bluepill, .*cortex-m4,\s.*:$", found, re.MULTILINE | re.DOTALL)
    assert "\n  install gcc-arm-none-eabi (apt)" in found
    assert "\n  install qemu-system-arm (apt)" in found
    assert all(line.count("`") % 2 == 0 for line in found.splitlines())
    assert max(map(len, found.splitlines())) <= 80
    chip = next(one for one in succeed("doctor", "--json").json["targets"] if one["target"] == "cortex-m4")
    assert not chip["run"]["is_there"]
    assert "unicorn" in chip["run"]["advice"]
    assert chip["flash"] == {"what": "flash", "found": "gdb", "is_there": True, "advice": ""}


def test_doctor_knows_what_a_board_is_flashed_with(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    chip = load_target("cortex-m3")
    boards = {
        "blue": replace(chip, name="blue", flash_runner="openocd", flash={"openocd": {"x": 1}}),
        "red": replace(chip, name="red", flash_runner="dfu", flash={"dfu": {"id": "1:2", "address": 0}}),
    }
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("edgelstm.device.doctor.list_targets", lambda: tuple(boards))
    monkeypatch.setattr("edgelstm.device.doctor.load_target", boards.__getitem__)
    found = succeed("doctor").out
    assert re.search(r"^red .* --$", found, re.MULTILINE)
    assert "to flash red:\n  install dfu-util (apt-get install dfu-util" in found
    assert "to flash blue:\n  correct its table [flash.openocd]" in found


@pytest.mark.parametrize(
    "arguments",
    [
        ("quantize", "model.keras", *DATA),
        ("generate", "model.keras", *DATA),
        ("run", "model.keras", *DATA),
        ("inspect", "model.keras"),
        ("targets",),
        ("doctor",),
        ("new", "gesture"),
        BUILD,
        ("flash", "--dry-run"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_json_is_one_document_and_quiet_says_nothing_else(arguments: tuple[str, ...], built: Path) -> None:
    outcome = succeed(*arguments, "--json", "--quiet")
    assert outcome.json
    assert outcome.err == ""


def test_what_the_users_code_prints_is_no_part_of_the_json(workspace: Path) -> None:
    Path("data.py").write_text(
        "import numpy\ndef load():\n    print('loading')\n    return dict(numpy.load('data.npz'))\n"
    )
    outcome = succeed("run", "model.keras", "--data", "data.py:load", "--json")
    assert outcome.json["shape"] == [20, 2]
    assert "loading" in outcome.err
    assert succeed("run", "model.keras", "--data", "data.py:load").out.startswith("loading\n")


def test_quiet_leaves_results_and_verbose_adds_steps(workspace: Path) -> None:
    usual = succeed("quantize", "model.keras", *DATA)
    quiet = succeed("quantize", "model.keras", *DATA, "-q")
    assert quiet.out == usual.out
    assert quiet.err == ""
    assert usual.err != ""
    np.savez("data.npz", x=np.load("data.npz")["x"][:9])
    assert "warning: only 9 sequences" in succeed("quantize", "model.keras", *DATA, "-q").err


def test_verbose_names_what_is_running(built: Path, quick_ladder: None) -> None:
    assert "running firmware.elf for cortex-m4, qemu" in succeed(*BUILD, "--verbose").err


@pytest.mark.usefixtures("quick_ladder")
def test_a_new_project_is_trained_built_and_reused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, require_tool: Callable[[str], None]
) -> None:
    require_tool("tensorflow")
    monkeypatch.chdir(tmp_path)
    outcome = succeed("new", "gesture")
    assert "cd gesture && edgelstm build" in outcome.err
    monkeypatch.chdir("gesture")
    settings = Path("edgelstm.toml")
    small = re.sub(r"epochs = \d+", "epochs = 1", settings.read_text()).replace('"data.py:load"', '"data.npz"')
    settings.write_text(re.sub(r"lstm = \[.*?\]", "lstm = [4]", small))
    np.savez("data.npz", **tiny_arrays())
    trained = _child("train", "--json")
    assert set(json.loads(trained.stdout)) == {"model", "metric", "float"}
    assert "training: 1 of 1" in trained.stderr
    built = succeed("build", "--target", "host")
    assert "reused model.keras: settings and data are unchanged" in built.err
    assert "accuracy" in built.out
    assert Path("out", "src", "gesture.h").is_file()
    write_keras(Path("model.keras"), tiny_layers())
    assert "was not trained by edgelstm" in edgelstm("train").error
    assert "using model.keras as it is: edgelstm did not train it" in succeed("quantize").err
    assert succeed("inspect").out.startswith("tiny: ")


def _child(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own, for TensorFlow's sake."""
    return subprocess.run(
        [sys.executable, "-m", "edgelstm", *arguments],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""},
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    )
