"""Training real, tiny Keras networks: heads, determinism, the user's own network, what goes wrong."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgelstm.data import Dataset, load_dataset
from edgelstm.errors import DataError, ModelError, OutputError, ProjectError
from edgelstm.project import ModelSection, Project, load_project, new_project
from edgelstm.training import train
from edgelstm.training.backend import load_keras
from edgelstm.training.network import Head, build_network, head_for

X = np.random.default_rng(3).normal(size=(40, 6, 2)).astype(np.float32)
CLASS_IDS = np.arange(40) % 3
RELU_BUILD = """
import keras
def build(input_shape, dataset):
    assert dataset.x.shape[1:] == input_shape
    inputs = keras.Input(input_shape)
    return keras.Model(inputs, keras.layers.Dense({units})(keras.layers.LSTM(3)(inputs)))
"""


def project_in(folder: Path, **model: Any) -> Project:
    settings: dict[str, Any] = {"lstm": (3,), "epochs": 2, "batch_size": 8} | model
    return Project(folder=folder, name="tiny", model=ModelSection(**settings))


def saved_weights(project: Project) -> list[np.ndarray]:
    import keras

    return keras.saving.load_model(project.model_path).get_weights()


@pytest.mark.parametrize(
    ("y", "labels", "head"),
    [
        (np.array([0, 1, 2]), (), Head(3, "softmax", False)),
        (np.array([0, 1, 2]), tuple("abcd"), Head(4, "softmax", False)),
        (np.array([[0], [1], [2]]), (), Head(3, "softmax", False)),
        (np.array([0, 1, 1]), (), Head(1, "sigmoid", False)),
        (np.array([0, 1, 1]), tuple("abc"), Head(3, "softmax", False)),
        (np.array([0.0, 1.0, 1.0]), (), Head(1, "sigmoid", False)),
        (np.array([0.0, 0.5, 1.0]), (), Head(1, "linear", False)),
        (np.array([-4, 0, 3]), (), Head(1, "linear", False)),
        (np.eye(3), (), Head(3, "softmax", False)),
        (np.eye(3, dtype=int)[:, [0, 1, 2, 2]], (), Head(4, "sigmoid", False)),
        (np.full((3, 2), 0.5), (), Head(2, "linear", False)),
        (np.full((3, 6), 0.5), (), Head(6, "linear", False)),
        (np.full((3, 6), 3), (), Head(4, "softmax", True)),
        (np.full((3, 6, 1), 3), (), Head(4, "softmax", True)),
        (np.full((3, 6, 1), 0.5), (), Head(1, "linear", True)),
        (np.eye(3)[np.zeros((3, 6), int)], (), Head(3, "softmax", True)),
        (np.full((3, 6, 2), 0.5), (), Head(2, "linear", True)),
    ],
)
def test_the_head_follows_from_the_targets(y, labels, head):
    assert head_for(y, 6, labels) == head


@pytest.mark.parametrize("y", [np.zeros((3, 5, 1)), np.zeros((3, 6, 1, 1)), np.array([0, 1, 1_000_000])])
def test_targets_that_no_head_fits(y):
    with pytest.raises(DataError):
        head_for(y, 6, ())


def test_same_seed_same_weights(tmp_path):
    dataset = Dataset(x=X, y=CLASS_IDS)
    project = project_in(tmp_path, dense=(5,), dropout=0.5, seed=11)
    epochs = []
    trained = train(project, dataset, on_epoch=lambda *progress: epochs.append(progress))
    first = saved_weights(project)
    assert [epoch[:2] for epoch in epochs] == [(1, 2), (2, 2)]
    assert set(epochs[0][2]) == {"loss", "accuracy"}
    assert trained.path == tmp_path / "model.keras"
    assert trained.metric == "accuracy"
    assert 0.0 <= trained.float_value <= 1.0
    assert (trained.epochs, trained.warnings) == (2, ())
    assert [weights.shape for weights in first[:3]] == [(2, 12), (3, 12), (12,)]
    assert [path.name for path in tmp_path.iterdir()] == ["model.keras"]

    train(project, dataset)
    again = saved_weights(project)
    assert all(np.array_equal(*pair) for pair in zip(first, again, strict=True))

    other = project_in(tmp_path, dense=(5,), dropout=0.5, seed=12)
    train(other, dataset)
    assert not np.array_equal(saved_weights(other)[0], first[0])


@pytest.mark.parametrize(
    ("y", "output_shape", "metric"),
    [
        (np.linspace(-1, 1, 40, dtype=np.float32), (None, 1), "rmse"),
        (np.arange(40) % 2, (None, 1), "accuracy"),
        (np.eye(3, dtype=np.float32)[np.arange(240).reshape(40, 6) % 3], (None, 6, 3), "accuracy"),
    ],
)
def test_other_tasks(tmp_path, y, output_shape, metric):
    import keras

    figures = []
    dataset = Dataset(x=X, y=y, x_test=X[:10], y_test=y[:10], lengths=np.full(40, 3))
    project = project_in(tmp_path, epochs=1)
    trained = train(project, dataset, on_epoch=lambda epoch, epochs, logs: figures.append(logs))
    assert trained.metric == metric
    assert "val_loss" in figures[0]
    assert "ignores lengths" in trained.warnings[0]
    assert keras.saving.load_model(trained.path).output_shape == output_shape


def test_the_starter_project_learns_in_seconds(tmp_path):
    for name, text in new_project(tmp_path, "sines").items():
        (tmp_path / name).write_text(text)
    project = load_project(tmp_path)
    assert project.data.source is not None
    trained = train(project, load_dataset(project.data.source, base=tmp_path))
    assert trained.float_value > 0.9
    assert trained.seconds < 60


def test_own_network_gets_a_loss(tmp_path):
    (tmp_path / "model.py").write_text(RELU_BUILD.format(units=3))
    trained = train(project_in(tmp_path, build="model.py:build"), Dataset(x=X, y=CLASS_IDS))
    import keras

    network = keras.saving.load_model(trained.path)
    assert network.loss.name == "sparse_categorical_crossentropy"
    assert network.loss.from_logits


@pytest.mark.parametrize(
    ("last", "are_logits"),
    [
        ('Dense(3, activation="softmax")', False),
        ('TimeDistributed(keras.layers.Dense(3, activation="softmax"))', False),
        ("TimeDistributed(keras.layers.Dense(3))", True),
        ("Softmax()", False),
        ('Activation("softmax")', False),
    ],
)
def test_the_loss_knows_probabilities_from_sums(tmp_path, last, are_logits):
    layers = f"[keras.Input(shape), keras.layers.LSTM(3, return_sequences=True), keras.layers.{last}]"
    code = f"import keras\ndef build(shape, dataset):\n    return keras.Sequential({layers})\n"
    (tmp_path / "model.py").write_text(code)
    project = project_in(tmp_path, build="model.py:build")
    network = build_network(load_keras(0), project, Dataset(x=X, y=np.zeros(X.shape[:2], int)))
    assert network.loss.from_logits == are_logits


def test_images_train_a_network_of_ones_own(tmp_path):
    images = np.random.default_rng(0).normal(size=(30, 5, 4, 1)).astype(np.float32)
    data = Dataset.from_arrays({"x": images, "y": np.arange(30) % 3})
    with pytest.raises(DataError, match="means images"):
        train(project_in(tmp_path), data)
    stack = "keras.Input(shape), keras.layers.Conv2D(2, 3), keras.layers.Flatten(), keras.layers.Dense(3)"
    (tmp_path / "model.py").write_text(
        f"import keras\ndef build(shape, dataset):\n    return keras.Sequential([{stack}])\n"
    )
    assert train(project_in(tmp_path, build="model.py:build"), data).metric == "accuracy"


def test_own_compiled_network_keeps_its_loss(tmp_path):
    code = RELU_BUILD.format(units=1).replace("return ", "network = ")
    (tmp_path / "model.py").write_text(code + "    network.compile('sgd', 'mean_absolute_error')\n    return network\n")
    trained = train(project_in(tmp_path, build="model.py:build"), Dataset(x=X, y=X[:, 0, 0]))
    import keras

    assert type(keras.saving.load_model(trained.path).optimizer).__name__ == "SGD"
    assert trained.metric == "rmse"


@pytest.mark.parametrize(
    ("code", "error", "part"),
    [
        (RELU_BUILD.format(units=2), DataError, "class ids from 0 to 2"),
        ("def build(shape, dataset):\n    return 3\n", ProjectError, "must return a keras.Model"),
        ("def build(shape):\n    return 3\n", ProjectError, "TypeError"),
        (RELU_BUILD.format(units=3).replace("LSTM(3)", "LSTM(-3)"), ProjectError, "ValueError"),
    ],
)
def test_own_networks_that_do_not_fit(tmp_path, code, error, part):
    (tmp_path / "model.py").write_text(code)
    with pytest.raises(error) as caught:
        train(project_in(tmp_path, build="model.py:build"), Dataset(x=X, y=CLASS_IDS))
    assert part in caught.value.message
    assert not (tmp_path / "model.keras").exists()


def test_what_cannot_be_trained(tmp_path):
    with pytest.raises(DataError, match="no targets"):
        train(project_in(tmp_path), Dataset(x=X))
    with pytest.raises(DataError, match="NaN"):
        train(project_in(tmp_path), Dataset(x=X * np.nan, y=CLASS_IDS))
    with pytest.raises(DataError, match="has shape"):
        train(project_in(tmp_path), Dataset(x=X[0, 0], y=CLASS_IDS))
    with pytest.raises(DataError, match="4 time steps"):
        train(project_in(tmp_path), Dataset(x=X, y=CLASS_IDS, x_test=X[:, :4]))
    with pytest.raises(ProjectError, match=r"writes a \.keras file"):
        train(project_in(tmp_path, file="model.tflite"), Dataset(x=X, y=CLASS_IDS))
    assert list(tmp_path.iterdir()) == []


def test_divergence_is_reported(tmp_path):
    project = project_in(tmp_path, dense=(64, 64), learning_rate=10.0, epochs=50)
    with pytest.raises(ModelError, match="diverged"):
        train(project, Dataset(x=X, y=(X[:, 0] * np.float32(1e30))))
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_training_keeps_the_old_model(tmp_path):
    (tmp_path / "model.keras").write_text("old")

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(project_in(tmp_path), Dataset(x=X, y=CLASS_IDS), on_epoch=interrupt)
    assert [path.name for path in tmp_path.iterdir()] == ["model.keras"]
    assert (tmp_path / "model.keras").read_text() == "old"


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "models").write_text("a file")
    with pytest.raises(OutputError, match="cannot write"):
        train(project_in(tmp_path, file="models/model.keras", epochs=1), Dataset(x=X, y=CLASS_IDS))


CHILD = """
import sys
{block}
from pathlib import Path
import numpy as np
from edgelstm.data import Dataset
from edgelstm.errors import ToolMissingError
from edgelstm.project import ModelSection, Project
from edgelstm.training import train
x = np.zeros((8, 2, 1), np.float32)
try:
    project = Project(Path(sys.argv[1]), "tiny", model=ModelSection(lstm=(1, 1), epochs=1))
    train(project, Dataset(x=x, y=np.arange(8) % 3))
except ToolMissingError as error:
    sys.exit(error.hint)
"""


def run_child(folder: Path, block: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", CHILD.format(block=block), str(folder)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("missing", ["keras", "tensorflow"])
def test_missing_packages(tmp_path, missing):
    done = run_child(tmp_path, f"sys.modules['{missing}'] = None")
    assert (done.returncode, done.stderr) == (1, 'pip install "edgelstm[train]"\n')


def test_training_prints_nothing(tmp_path):
    done = run_child(tmp_path, "")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "model.keras").exists()


IDS_BUILD = """
import keras
def build(input_shape, dataset):
    assert dataset.x.shape[1:] == input_shape == (6,)
    layers = [keras.Input(input_shape), keras.layers.Embedding(5, 3), keras.layers.LSTM(3), keras.layers.Dense(1)]
    return keras.Sequential(layers)
"""


def test_own_network_takes_ids(tmp_path):
    (tmp_path / "model.py").write_text(IDS_BUILD)
    ids = np.arange(40 * 6).reshape(40, 6) % 5
    project = project_in(tmp_path, build="model.py:build")
    dataset = Dataset.from_arrays({"x": ids, "y": ids[:, 0] > 2, "x_test": ids[:9], "y_test": ids[:9, 0] > 2})
    assert train(project, dataset).metric == "accuracy"
    assert saved_weights(project)[0].shape == (5, 3)
    ids[7, 2] = 5
    with pytest.raises(DataError, match="not ids from 0 to 4, the first at sample 7, step 2: 5"):
        train(project, Dataset.from_arrays({"x": ids, "y": ids[:, 0] > 2}))


def test_ids_need_a_network_of_ones_own(tmp_path):
    with pytest.raises(DataError, match="no Embedding for them can be described"):
        train(project_in(tmp_path), Dataset.from_arrays({"x": np.zeros((40, 6), int), "y": CLASS_IDS}))
    with pytest.raises(DataError, match="not ids from 0 to 32767"):
        train(project_in(tmp_path), Dataset.from_arrays({"x": np.full((40, 6), 0.5), "y": CLASS_IDS}))
