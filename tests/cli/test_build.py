"""`edgelstm build`: what it writes, what it reuses, and what it makes again."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from command import BUILD, edgelstm, succeed
from keras_files import tiny_arrays, tiny_layers, write_keras

REPORT_KEYS = {
    "model": {"name", "sha256", "parameters", "macs_per_step"},
    "target": {"name", "compiler", "runner"},
    "memory": {"flash_bytes", "ram_bytes"},
    "cost": {"instructions_per_step", "instructions_per_run"},
    "accuracy": {"metric", "float", "quantized", "agreement", "sqnr_db", "saturated_inputs_percent"},
}
MEMORY_KEYS = {
    "flash_bytes": {"code", "tables", "weights", "other_constants", "total"},
    "ram_bytes": {"state", "buffers", "stack", "total"},
}
RUNG_KEYS = {"against", "contract", "sequences", "values", "mismatches"}
REUSED = ["reused model.tflite", "reused src", "reused firmware.elf", "reused report.json"]


def _reused(err: str) -> list[str]:
    return [line.split(":")[0] for line in err.splitlines() if line.startswith("reused ")]


def test_the_output_folder_holds_what_was_promised_and_nothing_else(built: Path) -> None:
    assert {path.name for path in (built / "out").iterdir()} == {
        *("model.tflite", "src", "firmware.elf", "firmware.bin", "firmware.hex", "firmware.map", "report.json"),
        ".edgelstm-manifest.json",
    }
    assert {path.name for path in (built / "out" / "src").iterdir()} >= {"model.h", "model.c", "main.c"}
    assert all(path.suffix in {".c", ".h"} for path in (built / "out" / "src").iterdir())


def test_the_report_has_the_agreed_keys(built: Path) -> None:
    report = json.loads((built / "out" / "report.json").read_text())
    for section, keys in REPORT_KEYS.items():
        assert set(report[section]) >= keys, section
    for section, keys in MEMORY_KEYS.items():
        assert set(report["memory"][section]) >= keys, section
        assert report["memory"][section]["total"] == sum(report["memory"][section][key] for key in keys - {"total"})
        assert all(report["memory"][section][key] > 0 for key in keys)
    assert report["cost"]["instructions_per_run"] > 8 * report["cost"]["instructions_per_step"] > 0
    assert len(report["verification"]) >= 4
    for rung in report["verification"]:
        assert set(rung) >= RUNG_KEYS
        assert rung["mismatches"] == 0
        assert rung["values"] > 0
    against = " ".join(rung["against"] for rung in report["verification"])
    for name in ("LiteRT BUILTIN_REF", "tflite-runtime", "C on this computer", "firmware.elf for cortex-m4"):
        assert name in against


def test_the_table_fits_a_terminal_of_80_columns(built: Path) -> None:
    lines = (built / "table.txt").read_text().splitlines()
    assert max(map(len, lines)) <= 80
    assert all(line == line.rstrip() for line in lines)
    table = "\n".join(lines)
    report = json.loads((built / "out" / "report.json").read_text())
    for label, value in (
        ("instructions a step", report["cost"]["instructions_per_step"]),
        ("flash: all of the model", f"{report['memory']['flash_bytes']['total']} B"),
        ("RAM: stack", f"{report['memory']['ram_bytes']['stack']} B"),
    ):
        assert re.search(rf"^{label} +{value}$", table, re.MULTILINE), label
    for rung in report["verification"]:
        assert re.search(rf"^  {rung['against']} +{rung['values']}  equal$", table, re.MULTILINE)


def test_progress_is_told_in_plain_lines(built: Path) -> None:
    lines = (built / "progress.txt").read_text().splitlines()
    assert "read model.keras: 138 parameters" in lines
    assert "calibration: 64 of 64" in lines
    assert any(re.fullmatch(r"verification: (\d) of \1", line) for line in lines)
    assert "verified for cortex-m4: every output and state is equal" in lines
    assert "\x1b" not in "".join(lines)


def test_a_second_build_reuses_everything_and_says_so(built: Path) -> None:
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in built.rglob("out/*") if path.is_file()}
    outcome = succeed(*BUILD)
    assert _reused(outcome.err) == REUSED
    assert outcome.out == (built / "table.txt").read_text()
    for path, (modified, content) in before.items():
        assert (path.stat().st_mtime_ns, path.read_bytes()) == (modified, content), path


def _change_targets(folder: Path) -> None:
    arrays = tiny_arrays()
    np.savez(folder / "data.npz", **(arrays | {"y_test": 1 - arrays["y_test"]}))


def _change_inputs(folder: Path) -> None:
    np.savez(folder / "data.npz", **tiny_arrays(seed=7))


def _change_model(folder: Path) -> None:
    write_keras(folder / "model.keras", tiny_layers(seed=5))


def _edit_main(folder: Path) -> None:
    with (folder / "out" / "src" / "main.c").open("a") as file:
        file.write("/* mine */\n")


def _lose_a_file(folder: Path) -> None:
    (folder / "out" / "firmware.hex").unlink()


def _nothing(folder: Path) -> None:
    """Leave it."""


@pytest.mark.usefixtures("quick_ladder")
@pytest.mark.parametrize(
    ("change", "options", "reused"),
    [
        # Other labels leave the integers alone; the firmware is verified anew because the data is another.
        (_change_targets, (), ["reused src", "reused firmware.elf"]),
        (_change_inputs, (), []),
        (_change_model, (), []),
        (_nothing, ("--optimize", "size"), ["reused model.tflite"]),
        (_nothing, ("--sequences", "2"), ["reused model.tflite", "reused src", "reused firmware.elf"]),
        (_nothing, ("--runner", "unicorn"), ["reused model.tflite", "reused src", "reused firmware.elf"]),
        (_edit_main, (), ["reused model.tflite", "reused src"]),
        (_lose_a_file, (), ["reused model.tflite", "reused src"]),
    ],
)
def test_a_change_makes_again_what_depends_on_it(
    change: Callable[[Path], None], options: tuple[str, ...], reused: list[str], built: Path
) -> None:
    change(built)
    report = (built / "out" / "report.json").stat().st_mtime_ns
    outcome = succeed(*BUILD, *options)
    assert _reused(outcome.err) == reused
    assert (built / "out" / "report.json").stat().st_mtime_ns != report
    assert _reused(succeed(*BUILD, *options).err) == REUSED


@pytest.mark.usefixtures("quick_ladder")
def test_a_renamed_model_leaves_no_file_of_the_old_name(built: Path) -> None:
    succeed(*BUILD, "--name", "gesture")
    names = {path.name for path in (built / "out" / "src").iterdir()}
    assert {"gesture.c", "gesture.h"} <= names
    assert not {"model.c", "model.h"} & names


@pytest.mark.usefixtures("quick_ladder")
def test_the_name_of_a_tflite_holds_when_it_is_reused(built: Path) -> None:
    arguments = ("build", "out/model.tflite", "--name", "gesture", "-o", "again")
    succeed(*arguments)
    assert _reused(succeed(*arguments).err) == REUSED
    assert (built / "again" / "src" / "gesture.c").is_file()


@pytest.mark.usefixtures("quick_ladder")
def test_what_the_user_writes_in_main_c_is_kept_and_compiled(built: Path) -> None:
    main = built / "out" / "src" / "main.c"
    main.write_text(main.read_text().replace('"selftest passed\\n"', '"my own words\\n"'))
    mine = main.read_text()
    outcome = succeed(*BUILD, "--name", "model", "--optimize", "size")
    assert "kept src/main.c, which you have changed" in outcome.err
    assert main.read_text() == mine
    assert b"my own words" in (built / "out" / "firmware.bin").read_bytes()


def test_a_generated_file_that_was_edited_is_refused_before_any_work(built: Path) -> None:
    (built / "out" / "src" / "model.c").write_text("mine")
    (built / "out" / "report.json").write_text("{}")
    error = edgelstm(*BUILD).error
    assert "out/report.json, out/src/model.c: not as edgelstm wrote it" in error
    assert "only src/main.c is yours to change" in error
    assert "choose another output folder" in error
    assert (built / "out" / "src" / "model.c").read_text() == "mine"
    assert (built / "out" / "report.json").read_text() == "{}"


def test_other_files_in_the_output_folder_disturb_nothing(built: Path) -> None:
    (built / "out" / "src" / "folder.c").mkdir()
    (built / "out" / "notes.txt").write_text("mine")
    assert _reused(succeed(*BUILD).err) == REUSED


@pytest.mark.usefixtures("quick_ladder")
def test_several_targets_have_a_folder_each(workspace: Path, require_tool: Callable[[str], None]) -> None:
    require_tool("arm-none-eabi-gcc")
    require_tool("qemu-system-arm")
    np.savez("data.npz", **tiny_arrays(samples=20))
    outcome = succeed(*BUILD, "--target", "cortex-m4, host", "--json")
    assert [result["target"]["name"] for result in outcome.json] == ["cortex-m4", "host"]
    assert {path.name for path in (workspace / "out").iterdir()} == {"cortex-m4", "host"}
    assert (workspace / "out" / "cortex-m4" / "firmware.elf").is_file()
    assert (workspace / "out" / "host" / "firmware").is_file()
    host, chip = (json.loads((workspace / "out" / name / "report.json").read_text()) for name in ("host", "cortex-m4"))
    assert [chip, host] == outcome.json
    assert host["model"] == chip["model"]
    assert host["cost"]["instructions_per_step"] is None
    assert outcome.err.count("quantized to int8") == 1
    assert outcome.err.count("only 20 sequences to calibrate on") == 1


@pytest.mark.usefixtures("quick_ladder")
def test_the_window_may_be_longer_than_the_data(workspace: Path) -> None:
    write_keras(Path("model.keras"), tiny_layers(), timesteps=None)
    arrays = tiny_arrays()
    np.savez("data.npz", **(arrays | {"x_test": arrays["x_test"][:, :5]}))
    succeed(*BUILD, "--timesteps", "12", "--target", "host")
    assert "#define MODEL_TIMESTEPS 12" in Path("out", "src", "model.h").read_text()


@pytest.mark.usefixtures("quick_ladder")
def test_a_build_of_its_own_tflite_gives_the_same_firmware(built: Path) -> None:
    outcome = succeed("build", "out/model.tflite", "-o", "second", "--json")
    assert outcome.json["accuracy"] is None
    for name in ("model.tflite", "firmware.bin", "src/model.c"):
        assert (built / "second" / name).read_bytes() == (built / "out" / name).read_bytes(), name


def test_contract_tflm_is_verified_against_its_own_interpreter(
    workspace: Path, require_tool: Callable[[str], None]
) -> None:
    require_tool("tflite_micro")
    report = succeed(*BUILD, "--contract", "tflm", "--target", "host", "--json").json
    assert {rung["contract"] for rung in report["verification"]} == {"tflm"}
    assert any(rung["against"].startswith("tflite_micro") for rung in report["verification"])
    assert all(rung["mismatches"] == 0 for rung in report["verification"])


def test_sensor_counts_get_a_function_and_build(workspace: Path) -> None:
    report = succeed(*BUILD, "--target", "host", "--raw-lsb", "0.01", "--json").json
    assert all(rung["mismatches"] == 0 for rung in report["verification"] if rung["allowed"] == 0)
    assert "void model_quantize_input(const int16_t raw[" in Path("out/src/model.h").read_text()
    assert "--raw-lsb has 2 numbers" in edgelstm(*BUILD, "--target", "host", "--raw-lsb", "1,2").error
    for wrong in ("", "a", "0", "-1", "nan", "1,,2"):
        assert edgelstm(*BUILD, "--target", "host", "--raw-lsb", wrong or ",").code == 1
