"""Bad input gets a message that says what is wrong and what to do, before anything is written."""

import errno
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import BUILD, Outcome, edgelstm, succeed
from keras_files import CHANNELS, CLASSES, TIMESTEPS, KerasLayer, dense, lstm, tiny_arrays, write_keras

USAGE = [
    (("bogus",), "No such command 'bogus'", "edgelstm --help"),
    (("buidl",), "did you mean 'build'?", "edgelstm --help"),
    (("build", "--bogus"), "No such option", "edgelstm build --help"),
    (("build", "a.keras", "b.keras"), "unexpected extra argument", "edgelstm build --help"),
    (("new",), "Missing argument 'FOLDER'", "edgelstm new --help"),
    ((*BUILD, "--optimize", "fast"), "'fast' is not one of 'size', 'balanced', 'speed'", "edgelstm build --help"),
    ((*BUILD, "--timesteps", "0"), "0 is not in the range", "edgelstm build --help"),
    ((*BUILD, "--contract", "native"), "'native' is not one of", "edgelstm build --help"),
    (("build",), "no model is named", "`edgelstm new` makes one"),
    (("inspect",), "no model is named", "name a model file"),
    (("train",), "there is no edgelstm.toml", "edgelstm new"),
    (("build", "missing.keras"), "there is no model file missing.keras", ".keras, .h5 or .tflite"),
    (("inspect", "missing.h5"), "there is no model file missing.h5", ".keras, .h5 or .tflite"),
    (("build", "."), "there is no model file .", ".keras, .h5 or .tflite"),
    (("build", "model.keras"), "quantization needs data", "--data data.npz"),
    (("quantize", "model.keras"), "quantization needs data", "--data data.npz"),
    (("run", "model.keras"), "nothing to run on", "--data data.npz"),
    (("build", "model.keras", "--data", "missing.npz"), "there is no data file missing.npz", ""),
    (("build", "model.keras", "--data", "model.keras"), "cannot read data from", "file.py:function"),
    ((*BUILD, "--target", "cortx-m4"), "there is no target called 'cortx-m4'", "did you mean cortex-m4"),
    ((*BUILD, "--target", "esp32"), "there is no target called 'esp32'", "`edgelstm targets` lists them"),
    ((*BUILD, "--target", "../host"), "there is no target", "edgelstm targets"),
    ((*BUILD, "--target", "host,"), "leaves a name out", "cortex-m4,host"),
    (("generate", "model.keras", "--target", "host,cortex-m4"), "one target at a time", "choose one of"),
    ((*BUILD, "--runner", "host"), "cortex-m4 cannot be run by 'host'", "choose one of qemu, unicorn"),
    ((*BUILD, "--compiler", "icc"), "there is no compiler called 'icc'", "choose gcc, clang, zig"),
    ((*BUILD, "--name", "int"), "--name 'int' cannot name a model", "use a C identifier: model_int"),
    ((*BUILD, "--name", "a b; rm"), "cannot name a model", "a_b_rm"),
    (
        (*BUILD, "--timesteps", "5"),
        "--timesteps 5 is asked for, but the model's own window is 8",
        "leave --timesteps out",
    ),
    (
        (*BUILD, "--calibration", "tf", "--margin", "2", "--clip", "mse"),
        "which --margin and --clip would change",
        "leave --margin and --clip out",
    ),
    (("quantize", "model.keras", "-o", "x.txt"), "cannot write x.txt", "ends in .tflite"),
    (("run", *BUILD[1:], "-o", "x.txt"), "cannot write x.txt", "ends in .npy"),
    (("new", "a", "--name", "9"), "'9' cannot name a model", "model_9"),
]


@pytest.mark.parametrize(("arguments", "message", "hint"), USAGE, ids=lambda value: str(value)[:40])
def test_a_wrong_command_is_explained(arguments: tuple[str, ...], message: str, hint: str, workspace: Path) -> None:
    before = sorted(workspace.rglob("*"))
    error = edgelstm(*arguments).error
    assert message in error.partition("\nhint: ")[0]
    assert hint in error.partition("\nhint: ")[2]
    assert sorted(workspace.rglob("*")) == before


@pytest.mark.parametrize(("arguments", "message", "hint"), USAGE[::6], ids=lambda value: str(value)[:40])
def test_an_error_in_json_is_one_document(arguments: tuple[str, ...], message: str, hint: str, workspace: Path) -> None:
    outcome = edgelstm(*arguments, "--json", "--quiet")
    assert outcome.code == 1
    assert message in outcome.json["error"]["message"]
    assert hint in outcome.json["error"]["hint"]
    assert outcome.err == ""


def _build() -> Outcome:
    outcome = edgelstm(*BUILD)
    assert not Path("out").exists()
    return outcome


@pytest.mark.parametrize("name", ["model.keras", "data.npz", "model.tflite"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_a_truncated_file_is_refused(name: str, share: float, workspace: Path) -> None:
    if name == "model.tflite":
        succeed("quantize", *BUILD[1:])
    content = Path(name).read_bytes()
    Path(name).write_bytes(content[: int(share * len(content))])
    error = edgelstm("build", name).error if name == "model.tflite" else _build().error
    assert name.removeprefix("model") in error
    assert "hint: " in error


@pytest.mark.parametrize(
    "content", [b"", b"\x89HDF\r\n\x1a\n" + bytes(100), b"PK\x03\x04" + bytes(50), b"\x80\x04.", b"{}"]
)
def test_a_file_that_is_no_model_is_refused(content: bytes, workspace: Path) -> None:
    Path("model.keras").write_bytes(content)
    error = _build().error
    assert "model.keras" in error
    assert "hint: " in error


def _with(**changed: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda arrays: arrays | changed


def _placed(value: float) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def change(arrays: dict[str, Any]) -> dict[str, Any]:
        arrays["x"][3, 2, 1] = value
        return arrays

    return change


@pytest.mark.parametrize(
    ("change", "messages"),
    [
        (_with(x=np.zeros((60, TIMESTEPS, 5))), [f'"x" has 5 channels; the model expects {CHANNELS}']),
        (_with(x=np.zeros((60, 9, CHANNELS))), [f'"x" has 9 time steps; the model expects {TIMESTEPS}']),
        (_with(x=np.zeros((60, 24))), [f'"x" has shape (60, 24); expected (samples, time steps, {CHANNELS} channels)']),
        (_placed(np.nan), ['"x" has 1 values that are NaN', "sample 3, step 2, channel 1"]),
        (_placed(np.inf), ['"x" has 1 values that are NaN, infinite', "sample 3, step 2, channel 1"]),
        (_with(y=[0, 1]), ['"y" has 2 targets for 64 samples']),
        (_with(y_test=np.full(20, 7)), ["class"]),
        (_with(lengths=np.full(64, 99)), ['"lengths" must lie in 1..8']),
        (_with(nonsense=[1]), ["unknown array 'nonsense'"]),
        (_with(x=np.zeros((60, TIMESTEPS, 5)), lengths=[1]), ["5 channels", "y"]),
    ],
)
def test_wrong_data_is_refused(
    change: Callable[[dict[str, Any]], dict[str, Any]], messages: list[str], workspace: Path
) -> None:
    np.savez("data.npz", **change(dict(tiny_arrays())))
    error = _build().error
    for message in messages:
        assert message in error


def test_lengths_do_not_go_with_a_model_that_needs_its_window(workspace: Path) -> None:
    rng = np.random.default_rng(0)
    write_keras(Path("model.keras"), [lstm(rng, CHANNELS, 4, go_backwards=True), dense(rng, 4, CLASSES)])
    np.savez("data.npz", **tiny_arrays(), lengths=np.full(64, 5))
    assert "has sequences of several lengths, but the model needs its whole window" in _build().error
    write_keras(Path("model.keras"), [lstm(rng, CHANNELS, 4), dense(rng, 4, CLASSES)])
    succeed("quantize", *BUILD[1:])


def test_pickles_in_data_are_never_read(workspace: Path) -> None:
    np.savez("data.npz", x=np.array([{"a": 1}], dtype=object))
    assert "pickled Python objects, which are never read" in _build().error


def test_the_window_of_a_tflite_cannot_be_changed(workspace: Path) -> None:
    succeed("quantize", *BUILD[1:])
    assert "the model's own window is 8 steps" in edgelstm("generate", "model.tflite", "--timesteps", "4").error


@pytest.mark.parametrize(
    ("samples", "options", "warning"),
    [
        (49, (), "warning: only 49 sequences to calibrate on"),
        (64, ("--calibration-samples", "12"), "warning: only 12 sequences to calibrate on, though there are 64"),
        (64, (), ""),
        (50, ("--calibration-samples", "99"), ""),
    ],
)
def test_few_calibration_samples_are_worth_a_warning(
    samples: int, options: tuple[str, ...], warning: str, workspace: Path
) -> None:
    np.savez("data.npz", **tiny_arrays(samples))
    err = succeed("quantize", *BUILD[1:], *options).err
    assert warning in err
    assert ("sequences to calibrate on" in err) == bool(warning)


def test_a_constant_channel_is_worth_a_warning(workspace: Path) -> None:
    arrays = tiny_arrays()
    arrays["x"][..., 1] = 0.25
    np.savez("data.npz", **arrays)
    assert "warning: channels that never change in the calibration data: 1" in succeed("quantize", *BUILD[1:]).err


def test_test_inputs_beyond_the_calibrated_range_are_worth_a_warning(workspace: Path) -> None:
    arrays = tiny_arrays()
    arrays["x_test"][..., 2] *= 10
    np.savez("data.npz", **arrays)
    outcome = succeed("quantize", *BUILD[1:])
    assert "warning: test data leave the calibrated range: channel 2 of the input (" in outcome.err
    assert "; calibrate on data that cover it\n" in outcome.err, "no margin holds ten times as much"
    assert "saturated inputs: at most" in outcome.out
    assert "of channel 2 of the input, in 20 sequences" in outcome.out


def test_the_margin_that_is_advised_cures_what_is_clipped(workspace: Path) -> None:
    arrays = tiny_arrays()
    arrays["x_test"] = 2.3 * arrays["x"][: len(arrays["x_test"])]
    np.savez("data.npz", **arrays)
    before = succeed("quantize", *BUILD[1:])
    advised = re.search(r"or --margin (\d\.\d), which holds it", before.err)
    assert advised is not None
    assert "in coarser steps" not in before.err
    after = succeed("quantize", *BUILD[1:], "--margin", advised.group(1))
    assert "leave the calibrated range" not in after.err
    assert "clipped" not in after.out
    decibels = [float(re.findall(r"SQNR ([\d.]+) dB", outcome.out)[0]) for outcome in (before, after)]
    assert decibels[1] > decibels[0] + 3.0
    arrays["x_test"] *= 2
    np.savez("data.npz", **arrays)
    assert "in coarser steps" in succeed("quantize", *BUILD[1:]).err, "that is too much to hold at any price"


def test_all_unsupported_layers_and_options_are_listed_at_once(workspace: Path) -> None:
    rng = np.random.default_rng(0)
    layers = [
        lstm(rng, CHANNELS, 4, name="first", return_sequences=True, activation="relu"),
        KerasLayer("GRU", {"name": "second", "units": 4}),
        KerasLayer("Lambda", {"name": "evil", "function": {"class_name": "__lambda__", "config": {"code": "AAAA"}}}),
        KerasLayer("Magic", {"name": "own"}, module="my_package"),
        dense(rng, 4, 2, activation="selu"),
    ]
    write_keras(Path("model.keras"), layers)
    error = _build().error
    for name in ("first", "second", "evil", "own", "head"):
        assert f'"{name}"' in error, name
    assert "Python code" in error
    assert "custom" in error
    assert "supported layers: " in error


def test_an_output_folder_with_files_of_others_is_refused_before_any_work(workspace: Path) -> None:
    Path("out").mkdir()
    Path("out", "thesis.tex").write_text("mine")
    outcome = edgelstm(*BUILD)
    assert "out holds files that edgelstm did not write: thesis.tex" in outcome.error
    assert outcome.err.startswith("error: ")
    assert [path.name for path in Path("out").iterdir()] == ["thesis.tex"]
    assert "out is a file" in _with_file_named_out().error
    assert "holds files that edgelstm did not write" in edgelstm("generate", *BUILD[1:], "-o", ".").error


def _with_file_named_out() -> Outcome:
    Path("out", "thesis.tex").unlink()
    Path("out").rmdir()
    Path("out").write_text("mine")
    return edgelstm(*BUILD)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"stages": 3}',
        '{"stages": {"model": {"key": "", "files": {"../../etc/passwd": ""}, "facts": {}}}}',
        '{"stages": {"model": {"key": "", "files": {"/etc/passwd": ""}, "facts": {}}}}',
        '{"stages": {"model": {"key": "", "files": {"a\\u0000b": ""}, "facts": {}}}}',
        "[" * 100_000,
    ],
)
def test_a_damaged_manifest_is_refused(content: str, workspace: Path) -> None:
    Path("out").mkdir()
    Path("out", ".edgelstm-manifest.json").write_text(content)
    assert "choose another output folder, or delete this one" in edgelstm(*BUILD).error


def test_a_senseless_manifest_or_report_is_only_built_again(built: Path, quick_ladder: None) -> None:
    manifest = Path("out", ".edgelstm-manifest.json")
    stages = json.loads(manifest.read_text())
    stages["stages"]["model"]["facts"] = {"accuracy": {"metric": 7}}
    manifest.write_text(json.dumps(stages))
    assert "quantized to int8" in succeed(*BUILD).err


def test_a_full_or_unwritable_place_is_named(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(*arguments: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/somewhere/file")

    monkeypatch.setattr("edgelstm.pipeline.observed.calibrate", no_room)
    error = _build().error
    assert "/somewhere/file: No space left on device" in error
    assert "check that the disk has room" in error


def test_a_bug_is_owned_up_to_and_shown_only_on_demand(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object, **options: object) -> None:
        raise KeyError("surprise")

    monkeypatch.setattr("edgelstm.pipeline.observed.calibrate", broken)
    outcome = edgelstm(*BUILD)
    assert outcome.code == 1
    assert "this is a bug in edgelstm: KeyError: 'surprise'" in outcome.err
    assert "Traceback" not in outcome.err
    assert "Traceback" in edgelstm(*BUILD, "--verbose").err


def test_a_project_file_lists_all_its_problems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("edgelstm.toml").write_text('[project]\nnmae = "a"\n[build]\noptimise = "size"\ntargets = "host"\n[modle]\n')
    error = edgelstm("build").error
    for text in ('did you mean "name"?', 'did you mean "optimize"?', "build.targets", 'did you mean "model"?'):
        assert text in error


@pytest.mark.parametrize(("near", "is_far"), [(10.0, False), (200.0, True)])
def test_an_integer_model_far_from_the_float_model_is_worth_a_warning(
    near: float, is_far: bool, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgelstm.pipeline.accuracy_warnings.NEAR_DB", near)
    err = succeed("quantize", *BUILD[1:]).err
    assert ("warning: the integer model is far from the float model: SQNR " in err) == is_far
