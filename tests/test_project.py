"""edgelstm.toml: defaults, every key, all problems at once; and the files of a new project."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgelstm.data import check_dataset, load_dataset
from edgelstm.errors import OutputError, ProjectError
from edgelstm.numerics.contracts import Contract
from edgelstm.project import Project, as_model_name, find_project, is_model_name, load_project, new_project

EVERY_KEY = """
[project]
name = "gesture"
[data]
source = "data.py:load"
[model]
file = "models/gesture.keras"
lstm = [24, 16]
dense = [8]
activation = "tanh"
dropout = 0.25
epochs = 3
batch_size = 64
learning_rate = 1
seed = 7
[quantize]
calibration_samples = 200
[build]
targets = ["cortex-m4", "host"]
optimize = "speed"
contract = "tflm"
compiler = "clang"
runner = "qemu"
[verify]
sequences = 4
[flash]
runner = "openocd"
address = "localhost:3333"
"""


def load(folder: Path, text: str) -> Project:
    (folder / "edgelstm.toml").write_text(text)
    return load_project(folder)


def problems_of(folder: Path, text: str) -> list[str]:
    with pytest.raises(ProjectError) as caught:
        load(folder, text)
    return caught.value.message.splitlines()[1:]


def test_every_key(tmp_path):
    project = load(tmp_path, EVERY_KEY)
    assert project.name == "gesture"
    assert project.model_path == tmp_path / "models" / "gesture.keras"
    assert (project.model.lstm, project.model.dense) == ((24, 16), (8,))
    assert (project.model.learning_rate, type(project.model.learning_rate)) == (1.0, float)
    assert project.quantize.calibration_samples == 200
    assert project.build.targets == ("cortex-m4", "host")
    assert project.build.contract is Contract.TFLM
    assert project.verify.sequences == 4
    assert project.flash.address == "localhost:3333"


def test_defaults_and_the_folders_name(tmp_path):
    folder = tmp_path / "3 Büsche"
    folder.mkdir()
    project = load(folder, "")
    assert project == Project(folder=folder, name="model_3_busche")
    assert project.build.contract is None
    assert project.data.source is None


def test_problems_are_all_listed_with_their_keys(tmp_path):
    problems = problems_of(
        tmp_path,
        """
        verify = 3
        [projekt]
        [project]
        name = "int8"
        [model]
        epoch = 3
        epochs = 0
        batch_size = true
        learning_rate = nan
        lstm = [32, "16"]
        dense = 8
        dropout = 1.0
        build = "model.build"
        file = "../model.keras"
        [build]
        targets = []
        contract = "onnx"
        compiler = "/tmp/gcc"
        zzz = 1
        [data]
        source = "data.csv"
        [flash]
        address = "a\\u001b[31m"
        """,
    )
    expected = [
        "verify must be a section, [verify]",
        '[projekt] is no section; did you mean "project"?',
        "project.name = 'int8': expected a lower-case C identifier of at most 40 characters that C does not"
        ' use, such as "model_int8"',
        'model.epoch is no key; did you mean "epochs"?',
        "model.epochs = 0: expected a whole number from 1 to 100000",
        "model.batch_size = True: expected a whole number from 1 to 65536",
        "model.learning_rate = nan: expected a number from 1e-09 to 10",
        "model.lstm = [32, '16']: expected a list, each a whole number from 1 to 1024",
        "model.dense = 8: expected a list of 0 to 8 values",
        "model.dropout = 1.0: expected a number from 0 to 0.9",
        "model.build = 'model.build': expected \"file.py:function\"",
        "model.file = '../model.keras': expected a path inside the project's folder that ends in .keras, .h5,"
        " .hdf5, .tflite",
        "build.targets = []: expected a list of 1 to 32 values",
        "build.contract = 'onnx': expected one of litert, tflm",
        "build.compiler = '/tmp/gcc': expected one of gcc, clang, zig",
        "build.zzz is no key (there are targets, optimize, constant_time, no_asm, wide_weights, raw_lsb, contract,"
        " activations, max_flash, max_ram, max_instructions, compiler, runner, main)",
        "data.source = 'data.csv': expected a .npz or .npy file, or \"file.py:function\"",
        "flash.address = 'a\\x1b[31m': expected a printable text of 1 to 400 characters",
    ]
    assert problems == [f"  - {problem}" for problem in expected]


@pytest.mark.parametrize("file", ["/etc/model.keras", "C:\\model.keras", "a/../../m.keras", "..\\m.keras", "model"])
def test_the_model_file_stays_in_the_project(tmp_path, file):
    assert "model.file" in problems_of(tmp_path, f"[model]\nfile = '{file}'")[0]


@pytest.mark.parametrize("file", ["/etc/main.c", "C:\\main.c", "a/../../main.c", "main.h", "main"])
def test_the_main_file_stays_in_the_project(tmp_path, file):
    assert "build.main" in problems_of(tmp_path, f"[build]\nmain = '{file}'")[0]


def test_own_network_excludes_the_default_one(tmp_path):
    problems = problems_of(tmp_path, "[model]\nbuild = 'model.py:build'\nlstm = [8]\ndropout = 0.1")
    assert problems == ["  - model.build makes the whole model, so model.lstm, model.dropout must not be set"]


def test_limits_without_a_choice_to_limit_are_refused(tmp_path):
    problems = problems_of(tmp_path, '[build]\nmax_ram = 600\nmax_flash = 9000\nactivations = "int16"\n')
    assert problems == ['  - build.max_flash, build.max_ram is for activations = "auto", which is not set']
    (tmp_path / "edgelstm.toml").write_text('[build]\nmax_ram = 600\nmax_flash = "16K"\nactivations = "auto"\n')
    assert load_project(tmp_path).build.max_ram == 600
    assert load_project(tmp_path).build.max_flash == 16384
    (problem,) = problems_of(tmp_path, '[build]\nmax_ram = "2 apples"\nactivations = "auto"\n')
    assert "a number of bytes, like 2048" in problem


@pytest.mark.parametrize(
    "text",
    [
        "[model",
        "x = 1\nx = 2",
        "[" * 5000,
        "model.file" + ".a" * 3_000 + " = 1",
        "[model]\nseed = 0x" + "F" * 8_000,
        "[model]\nseed = " + "9" * 8_000,
        "[model]\nlstm = [0x" + "F" * 8_000 + "]",
        "[data]\nsource = 1979-05-27T07:32:00Z",
        f'[model]\n"{"k" * 8_000}" = 1',
        "#" * 17_000,
    ],
    ids=range(10),
)
def test_hostile_files_give_a_short_error(tmp_path, text):
    with pytest.raises(ProjectError) as caught:
        load(tmp_path, text)
    assert len(caught.value.message) < 1500


def test_files_that_are_not_text(tmp_path):
    (tmp_path / "edgelstm.toml").write_bytes(b"\xff\xfe\0")
    with pytest.raises(ProjectError, match="not valid TOML"):
        load_project(tmp_path)


def test_find_project_looks_in_one_folder(tmp_path):
    (tmp_path / "below").mkdir()
    (tmp_path / "edgelstm.toml").touch()
    assert find_project(tmp_path) == tmp_path
    with pytest.raises(ProjectError, match=r"there is no edgelstm\.toml"):
        find_project(tmp_path / "below")
    with pytest.raises(ProjectError, match=r"there is no edgelstm\.toml"):
        load_project(tmp_path / "below")


@given(st.text(max_size=60))
def test_any_text_becomes_a_name_that_reaches_c_unchanged(text):
    name = as_model_name(text)
    assert is_model_name(name)
    assert as_model_name(name) == name
    if is_model_name(text):
        assert name == text


@pytest.mark.parametrize("name", ["uint8", "size", "int", "main", "string", "el_x", "port_1", "time", "runtime"])
def test_names_that_c_uses(name):
    assert not is_model_name(name)
    assert as_model_name(name) == f"model_{name}"


@pytest.mark.parametrize("name", ["", "1a", "_a", "a_", "a__b", "Gesture", "a-b", "a" * 41, "a\n", "é"])
def test_names_that_are_no_c_identifiers(name):
    assert not is_model_name(name)


def test_a_new_project_loads(tmp_path):
    folder = tmp_path / "My Sines"
    files = new_project(folder)
    assert set(files) == {"edgelstm.toml", "data.py", "README.md"}
    assert not folder.exists()
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    project = load_project(folder)
    assert project.name == "my_sines"
    assert files["README.md"].startswith("# my_sines\n")
    assert project.data.source is not None
    dataset = load_dataset(project.data.source, base=folder)
    assert check_dataset(dataset, 1, 50) == ()
    assert dataset.labels == ("2 Hz", "3 Hz", "4 Hz", "5 Hz")
    assert dataset.y is not None
    assert np.bincount(dataset.y).min() > 200
    with pytest.raises(OutputError, match=r"already holds edgelstm\.toml, README\.md, data\.py"):
        new_project(folder)


def test_a_new_project_takes_a_name(tmp_path):
    assert 'name = "sine" ' in new_project(tmp_path, "sine")["edgelstm.toml"]
    with pytest.raises(ProjectError, match="cannot name a model") as caught:
        new_project(tmp_path, "my sine")
    assert caught.value.hint == 'use a C identifier: "my_sine"'
