"""The pipeline as a Python function, and when it trains."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from random_models import Bounds, random_model

from edgelstm.codegen.emit import Generated, Options, emit
from edgelstm.data import Dataset
from edgelstm.errors import DataError, ModelError, OutputError, ProjectError, ToolTimeoutError
from edgelstm.ir import Model
from edgelstm.numerics.contracts import Contract
from edgelstm.pipeline import BuildRequest, Data, build, read_data
from edgelstm.pipeline.trained import RECORD, ensure_trained, train_model
from edgelstm.project import DataSection, ModelSection, Project
from edgelstm.report.progress import Silent
from edgelstm.tflite import write_tflite
from edgelstm.tflite.export import to_tflite_model
from edgelstm.training import TrainedModel


@dataclass
class Listener(Silent):
    """Remembers what it is told."""

    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        self.notes.append(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)


@pytest.fixture
def tflite(tmp_path: Path) -> Path:
    path = tmp_path / "random.tflite"
    model = random_model(3, Contract.LITERT, Bounds(units=6, inputs=4, timesteps=4))
    path.write_bytes(write_tflite(to_tflite_model(model)))
    return path


def test_build_returns_what_it_wrote(tflite: Path, tmp_path: Path, require_tool: Callable[[str], None]) -> None:
    require_tool("arm-none-eabi-gcc")
    require_tool("qemu-system-arm")
    request = BuildRequest(model=tflite, output=tmp_path / "out", sequences=2)
    (result,) = build(request)
    assert (tmp_path / "out" / "report.json").read_text() == result.to_json()
    assert build(request) == (result,)
    source = tmp_path / "out" / "src"
    written = "".join((source / name).read_text() for name in ("random_3.c", "random_3.h"))
    costs = {label: int(number) for label, number in re.findall(r"(\w+, \w+) +(\d+) bytes", written)}
    assert costs["RAM, state"] == result.ram.state
    assert costs["RAM, buffers"] == result.ram.buffers
    # The compiler may turn small arrays into code.
    assert 0 < result.flash.weights <= costs["flash, weights"]
    assert 0 < result.flash.tables <= costs["flash, tables"]
    assert result.firmware_flash_bytes > result.flash.total
    assert result.firmware_ram_bytes > result.ram.state + result.ram.buffers
    sections = result.firmware_sections
    assert result.firmware_flash_bytes == pytest.approx(sections[".text"] + sections[".rodata"], abs=8)
    assert sections[".stack"] <= result.firmware_ram_bytes <= sections[".stack"] + sections[".bss"] + 8


def test_a_program_that_hangs_is_ended_and_says_what_to_do(
    tflite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, require_tool: Callable[[str], None]
) -> None:
    require_tool("cc")

    def hanging(model: Model, options: Options) -> Generated:
        generated = emit(model, options)
        main = re.sub(
            r"int app_main\(void\)\n{", "int app_main(void)\n{\n    for (;;) {\n    }", generated.files["main.c"]
        )
        return replace(generated, files={**generated.files, "main.c": main})

    monkeypatch.setattr("edgelstm.pipeline.firmware.emit", hanging)
    monkeypatch.setattr("edgelstm.pipeline.verified.SHORTEST_LIMIT_S", 0.3)
    monkeypatch.setattr("edgelstm.verification.ladder.ORACLES", ())
    with pytest.raises(ToolTimeoutError, match="was ended after") as caught:
        build(BuildRequest(model=tflite, output=tmp_path / "out", targets=("host",)))
    assert "--sequences 2" in caught.value.hint


def test_data_is_known_by_its_content(tmp_path: Path) -> None:
    x = np.zeros((4, 3, 2), np.float32)
    np.savez(tmp_path / "one.npz", x=x)
    np.save(tmp_path / "two.npy", x)
    np.savez(tmp_path / "three.npz", x=x.reshape(4, 2, 3))
    np.savez(tmp_path / "four.npz", x=x, x_test=x)
    np.savez(tmp_path / "five.npz", x=x, labels=["a", "b"])
    hashes = [read_data(name, tmp_path).sha256 for name in ("one.npz", "two.npy", "three.npz", "four.npz", "five.npz")]
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 4
    assert read_data(None, tmp_path).dataset is None
    with pytest.raises(DataError):
        read_data("missing.npz", tmp_path)


class Trainer:
    """Stands in for training, which the tests of `training` and of the command line do for real."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.runs = 0
        monkeypatch.setattr("edgelstm.pipeline.trained.train", self)

    def __call__(self, project: Project, dataset: Dataset, *, on_epoch: object) -> TrainedModel:
        self.runs += 1
        project.model_path.write_bytes(b"model %d" % self.runs)
        return TrainedModel(project.model_path, "accuracy", 0.5, 1, 0.1, ("a warning",))


@pytest.fixture
def trainer(monkeypatch: pytest.MonkeyPatch) -> Trainer:
    return Trainer(monkeypatch)


def _request(folder: Path, **model: object) -> BuildRequest:
    project = Project(folder, "gesture", DataSection("data.py:load"), ModelSection(**model))  # type: ignore[arg-type]
    return BuildRequest(model=project.model_path, output=folder / "out", project=project)


def _data(value: float = 0.0) -> Data:
    dataset = Dataset(np.full((4, 3, 2), value, np.float32), np.zeros(4, np.int64))
    return Data(dataset, f"hash {value}")


def test_a_project_is_trained_when_model_settings_or_data_change(tmp_path: Path, trainer: Trainer) -> None:
    listener = Listener()
    assert ensure_trained(_request(tmp_path), _data(), listener) == tmp_path / "model.keras"
    assert trainer.runs == 1
    ensure_trained(_request(tmp_path), _data(), listener)
    assert trainer.runs == 1
    assert listener.notes[-1] == "reused model.keras: settings and data are unchanged"
    ensure_trained(_request(tmp_path, epochs=7), _data(), listener)
    assert trainer.runs == 2
    ensure_trained(_request(tmp_path, epochs=7), _data(1.0), listener)
    assert trainer.runs == 3
    (tmp_path / "model.keras").unlink()
    ensure_trained(_request(tmp_path, epochs=7), _data(1.0), listener)
    assert trainer.runs == 4


def test_a_changed_model_py_means_training_again(tmp_path: Path, trainer: Trainer) -> None:
    (tmp_path / "model.py").write_text("one")
    request = _request(tmp_path, build="model.py:build")
    ensure_trained(request, _data(), Listener())
    ensure_trained(request, _data(), Listener())
    assert trainer.runs == 1
    (tmp_path / "model.py").write_text("two")
    ensure_trained(request, _data(), Listener())
    assert trainer.runs == 2


def test_a_model_of_the_users_is_used_and_never_replaced(tmp_path: Path, trainer: Trainer) -> None:
    (tmp_path / "model.keras").write_bytes(b"mine")
    listener = Listener()
    request = _request(tmp_path)
    ensure_trained(request, _data(), listener)
    assert listener.notes == ["using model.keras as it is: edgelstm did not train it"]
    assert request.project is not None
    with pytest.raises(OutputError, match=r"model\.keras was not trained by edgelstm"):
        train_model(request.project, _data(), listener)
    assert (tmp_path / "model.keras").read_bytes() == b"mine"
    assert trainer.runs == 0


@pytest.mark.parametrize("record", ["", "[]", "{", "[" * 99_999, '{"sha256": 3}'])
def test_a_damaged_record_of_training_counts_as_none(record: str, tmp_path: Path, trainer: Trainer) -> None:
    ensure_trained(_request(tmp_path), _data(), Listener())
    (tmp_path / RECORD).write_text(record)
    listener = Listener()
    ensure_trained(_request(tmp_path), _data(), listener)
    assert "edgelstm did not train it" in listener.notes[-1]


def test_without_data_there_is_nothing_to_train_on(tmp_path: Path, trainer: Trainer) -> None:
    with pytest.raises(ModelError, match="there is no data to train") as caught:
        ensure_trained(_request(tmp_path), Data(None, ""), Listener())
    assert "[data]" in caught.value.hint


def test_a_tflite_of_a_project_is_never_trained(tmp_path: Path, trainer: Trainer) -> None:
    with pytest.raises(ModelError, match="there is no model file"):
        ensure_trained(_request(tmp_path, file="model.tflite"), _data(), Listener())
    assert trainer.runs == 0


def test_nothing_is_written_where_the_window_cannot_be(tflite: Path, tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="the model's own window is"):
        build(BuildRequest(model=tflite, output=tmp_path / "out", targets=("host",), timesteps=99))
    assert not (tmp_path / "out").exists()
