"""`edgelstm estimate`: its table, its JSON, its limits, and what it says where something is missing."""

import re
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import BUILD, edgelstm, succeed
from keras_files import KerasLayer, dense, gru, lstm, write_keras

from edgelstm.pipeline.estimated import chips

TARGETS = "cortex-m0,cortex-m4,rv32imc"
UNITS = ("estimate", "--units", "4,8", "--inputs", "3", "--quiet")
MODEL = ("estimate", "model.keras", "--data", "data.npz", "--quiet")


@pytest.fixture
def tools(require_tool) -> None:
    for tool in ("arm-none-eabi-gcc", "riscv64-unknown-elf-gcc", "qemu-system-arm", "qemu-system-riscv32", "cc"):
        require_tool(tool)


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing on PATH, and no package that stands in."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("edgelstm.device.compilers._zig", lambda: None)


@pytest.mark.usefixtures("tools", "quick_ladder")
@pytest.mark.parametrize("kind", [lstm, gru])
def test_it_is_near_what_build_measures(kind, workspace: Path) -> None:
    rng = np.random.default_rng(3)
    recurrent = kind(rng, 3, 12)
    # Large enough for cell states that only other data would show to need other code.
    recurrent = replace(recurrent, weights=[3 * array for array in recurrent.weights])
    write_keras(workspace / "model.keras", [recurrent, dense(rng, 12, 2)])
    built = succeed(*BUILD, "--target", TARGETS, "--json").json
    for how, allowed in ((MODEL, 0.02), (("estimate", "model.keras", "--quiet"), 0.05)):
        found = succeed(*how, "--target", TARGETS, "--json").json["estimates"]
        assert [each["target"] for each in found] == TARGETS.split(",")
        for measured, each in zip(built, found, strict=True):
            assert each["fits"] is True
            assert each["flash_bytes"]["weights"] == measured["memory"]["flash_bytes"]["weights"]
            cost = measured["cost"]
            assert _figures(each, each["load"]["step"], each["load"]["per_run"]) == pytest.approx(
                _figures(measured["memory"], cost["instructions_per_step"], cost["instructions_per_run"]), rel=allowed
            )


def _figures(memory: Mapping[str, Any], step: float, run: float) -> dict[str, float]:
    return {
        "flash": memory["flash_bytes"]["total"],
        "RAM": memory["ram_bytes"]["total"],
        "flash of the firmware": memory["firmware_bytes"]["flash"],
        "RAM of the firmware": memory["firmware_bytes"]["ram"],
        "step": step,
        "run": run,
    }


@pytest.mark.usefixtures("tools")
def test_a_model_is_shown_for_every_microcontroller(workspace: Path) -> None:
    before = set(workspace.rglob("*"))
    outcome = succeed("estimate", "model.keras", "--sample-rate", "100Hz")
    costs, paces = (
        {line.split()[0]: line.split() for line in table.splitlines() if line}
        for table in re.split(r"^target .*$", outcome.out, flags=re.MULTILINE)[1:]
    )
    assert set(chips()) <= set(costs)
    assert set(chips()) <= set(paces)
    assert "host" not in costs
    assert costs["cortex-m4"][-1] == "yes"
    assert ".." in costs["cortex-m4"][-2]
    assert paces["cortex-m4"][1::2] == ["-", "-"]
    assert paces["bluepill"][1] == "72"
    assert float(paces["bluepill"][3].removesuffix("x")) == pytest.approx(72 / float(paces["bluepill"][2]), rel=0.01)
    assert max(map(len, outcome.out.splitlines())) <= 80
    assert "an instruction counts as one cycle" in outcome.out
    assert "A core has no clock of its own" in outcome.out
    assert "inputs of mean 0 and variance 1 are assumed" in outcome.err
    assert set(workspace.rglob("*")) == before


@pytest.mark.usefixtures("tools")
def test_sizes_need_no_model_and_more_units_cost_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = succeed(*UNITS, "--outputs", "2")
    assert "LSTM(4)" in outcome.out
    assert "LSTM(8)" in outcome.out
    for layer in ("lstm", "gru", "simple_rnn"):
        small, large = succeed(*UNITS, "--layer", layer, "--json").json["estimates"]
        assert small["target"] == "cortex-m4"
        assert 0 < small["flash_bytes"]["weights"] < large["flash_bytes"]["weights"]
        assert 0 < small["load"]["step"] < large["load"]["step"] <= large["load"]["worst"]
        assert small["ram_bytes"]["total"] < large["ram_bytes"]["total"]
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("tools")
def test_a_project_needs_no_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, require_tool) -> None:
    require_tool("tensorflow")
    monkeypatch.chdir(tmp_path)
    succeed("new", "gesture")
    monkeypatch.chdir(tmp_path / "gesture")
    before = set(Path().rglob("*"))
    outcome = succeed("estimate", "--target", "cortex-m4", "--json")
    assert "is not trained yet" in outcome.err
    assert "a third more" not in outcome.err
    assert "a third more" in succeed("estimate", "--target", "cortex-m4", "--optimize", "speed").err
    (found,) = outcome.json["estimates"]
    assert found["model"] == "gesture"
    assert found["fits"] is True
    assert found["load"]["step"] > 0
    assert {path for path in Path().rglob("*") if "__pycache__" not in path.parts} == before


@pytest.mark.usefixtures("tools")
def test_limits_fail_and_say_by_how_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    kept = ("--max-flash", "64K", "--max-ram", "1k", "--deadline", "20000", "--clock", "64")
    known = succeed(*UNITS, *kept, "--json").json
    assert known["exceeded"] == []
    large = known["estimates"][1]
    flash, ram, worst = large["flash_bytes"]["total"], large["ram_bytes"]["total"], large["load"]["worst"]
    exceeded = ("--max-flash", flash - 1, "--max-ram", ram - 1, "--deadline", worst - 1)
    outcome = edgelstm(*UNITS, *exceeded)
    assert outcome.code == 1
    small, other = (line for line in outcome.out.splitlines() if line.startswith(("LSTM(4)", "LSTM(8)")))
    assert small.endswith("yes")
    assert other.endswith("limit")
    same = edgelstm(*UNITS, *exceeded[:4], "--max-instructions", worst - 1)
    assert same.err == outcome.err
    for line in (
        f"LSTM(8) on cortex-m4: flash takes {flash} bytes, 1 more than {flash - 1}",
        f"LSTM(8) on cortex-m4: RAM takes {ram} bytes, 1 more than {ram - 1}",
        f"LSTM(8) on cortex-m4: the slowest sample takes {worst} instructions, 1 more than {worst - 1}",
    ):
        assert line in outcome.err
    assert "LSTM(4)" not in outcome.err
    in_json = edgelstm(*UNITS, *exceeded, "--json")
    assert in_json.code == 1
    assert len(in_json.json["exceeded"]) == 3
    late = ("estimate", "--units", "8", "--inputs", "3", "--deadline", "5us", "--json")
    assert "the slowest sample cannot be checked: a core has no clock of its own, give --clock" in edgelstm(*late).out
    for how in (("--clock", "64"), ("--clock", "64MHz"), ("--target", "nrf52840dk")):
        outcome = edgelstm(*late, *how)
        assert outcome.code == 1
        assert "us, " in outcome.json["exceeded"][0]


@pytest.mark.usefixtures("tools")
def test_what_does_not_fit_says_by_how_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ("estimate", "--units", "260", "--inputs", "8", "--target", "cortex-m0", "--quiet")
    outcome = edgelstm(*arguments, "--json")
    assert outcome.code == 1
    (found,) = outcome.json["estimates"]
    over = found["firmware_bytes"]["flash"] - found["target_bytes"]["flash"]
    assert found["fits"] is False
    assert over > 0
    assert found["excess_bytes"] == {"flash": over}
    shown = edgelstm(*arguments)
    assert shown.code == 1
    assert f"does not fit cortex-m0: LSTM(260), flash +{over} bytes" in shown.out
    assert f"LSTM(260) on cortex-m0: it does not fit: flash +{over} bytes" in shown.err


@pytest.mark.usefixtures("bare")
def test_targets_that_nobody_named_may_be_too_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = succeed("estimate", "--units", "260", "--inputs", "8", "--target", "all", "--json").json
    assert {each["target"] for each in found["estimates"] if each["fits"] is False} >= {"cortex-m0", "bluepill"}
    assert found["exceeded"] == []


@pytest.mark.parametrize(
    ("units", "why"),
    [("90", r"weights would be larger than 32767 bytes"), ("130", r"weights would be larger"), ("60,60", "")],
)
def test_what_avr_gcc_refuses_is_no_and_not_unknown(units, why, require_tool, tmp_path, monkeypatch) -> None:
    for tool in ("avr-gcc", "simavr"):
        require_tool(tool)
    monkeypatch.chdir(tmp_path)
    arguments = ("estimate", "--units", units, "--inputs", "16", "--target", "atmega2560", "--quiet")
    outcome = edgelstm(*arguments, "--json")
    assert outcome.code == (1 if why else 0)
    for found in outcome.json["estimates"]:
        assert found["fits"] is (not why)
        assert re.search(why, found["refusal"])
    shown = edgelstm(*arguments).out
    assert "?" not in shown
    assert "unknown for" not in shown
    assert "/src/" not in shown


@pytest.mark.usefixtures("bare")
def test_without_tools_what_is_known_is_a_lower_bound(workspace: Path) -> None:
    outcome = succeed(*MODEL, "--target", "cortex-m4,rv32imc")
    assert "no compiler for cortex-m4 was found" in outcome.out
    assert "install gcc-riscv64-unknown-elf" in outcome.out
    for each in succeed(*MODEL, "--target", "cortex-m4,rv32imc", "--json").json["estimates"]:
        assert each["fits"] is None
        assert each["load"] is None
        assert each["flash_bytes"]["code_known"] is False
        assert each["flash_bytes"]["total"] > each["flash_bytes"]["weights"] > 0
        assert each["ram_bytes"]["state"] > 0
    outcome = edgelstm(*MODEL, "--target", "cortex-m4", "--max-flash", "64K", "--deadline", "9999", "--max-ram", "8")
    assert outcome.code == 1
    assert "flash cannot be checked: no compiler for cortex-m4" in outcome.err
    assert "the slowest sample cannot be checked" in outcome.err
    assert "RAM takes at least" in outcome.err


@pytest.mark.usefixtures("bare")
def test_the_lower_bound_is_what_the_generator_declares(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = succeed(*MODEL, "--target", "cortex-m4", "--json").json["estimates"]
    monkeypatch.undo()
    monkeypatch.chdir(workspace)
    if shutil.which("arm-none-eabi-gcc"):
        (compiled,) = succeed(*MODEL, "--target", "cortex-m4", "--json").json["estimates"]
        declared, kept = found["flash_bytes"], compiled["flash_bytes"]
        assert declared["tables"] == kept["tables"]
        # The compiler puts small arrays into the code.
        assert kept["weights"] <= declared["weights"] < kept["weights"] + 64


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--units", "0,abc,-3,99999999", "--inputs", "6"), ["'0'", "'abc'", "'-3'", "'99999999'", "from 1 to 65536"]),
        (("--units", "16"), ["--units needs --inputs"]),
        (("model.keras", "--units", "16", "--data", "x"), ["a model is named too", "--inputs", "--data belongs"]),
        (("model.keras", "--inputs", "3", "--layer", "gru"), ["--inputs says", "--layer says"]),
        (("--units", "20000,8,30000", "--inputs", "6"), ["LSTM(20000)", "LSTM(30000)", "no target has the flash"]),
        (("--units", "8", "--inputs", "0"), ["--inputs"]),
        (("--units", "8", "--inputs", "3", "--clock", "64 parsecs"), ["'64 parsecs' is no frequency", "64MHz"]),
        (("--units", "8", "--inputs", "3", "--clock", "1Hz"), ["'1Hz' is no frequency from 1000 to"]),
        (("--units", "8", "--inputs", "3", "--deadline", "soon"), ["'soon' is no deadline"]),
        (("--units", "8", "--inputs", "3", "--max-flash", "12Q"), ["'12Q' is no number of bytes"]),
        (("--units", "8", "--inputs", "3", "--layer", "rnn"), ["--layer"]),
        (("--units", "8", "--inputs", "3", "--target", "host"), ["host has no memory"]),
        (("--units", "8", "--inputs", "3", "--target", "cortex-m5"), ["there is no target called 'cortex-m5'"]),
        (("missing.keras",), ["cannot read missing.keras"]),
        ((), ["no model is named"]),
    ],
)
def test_bad_input_is_named(arguments: tuple[str, ...], words: list[str], workspace: Path) -> None:
    error = edgelstm("estimate", *arguments).error
    for word in words:
        assert word in error


def test_all_that_cannot_be_compiled_is_named_at_once(workspace: Path) -> None:
    layers = [KerasLayer(kind, {"name": kind.lower()}) for kind in ("Conv3D", "UpSampling1D")]
    write_keras(workspace / "model.keras", layers)
    error = edgelstm("estimate", "model.keras").error
    assert "conv3d" in error
    assert "upsampling1d" in error
