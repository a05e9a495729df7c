"""finetune: what the trained network says is what the file's integers do, on whole models and from the command line."""

import json
import warnings
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgelstm.cli import call
from edgelstm.data import Dataset
from edgelstm.errors import UnsupportedModelError
from edgelstm.frontends.keras import build_float_model, load_keras
from edgelstm.frontends.keras_rewrite import with_weights
from edgelstm.frontends.keras_source import read_keras
from edgelstm.ir import FloatArray, FloatModel
from edgelstm.numerics.contracts import Contract
from edgelstm.ops import registry
from edgelstm.pipeline.finetuned import finetune
from edgelstm.pipeline.request import BuildRequest, Data
from edgelstm.quantization import calibrate, quantize
from edgelstm.report.progress import Silent
from edgelstm.simulate import real_outputs, simulate, stored_inputs
from edgelstm.training.backend import load_keras as import_keras
from edgelstm.training.qat.network import FakeNetwork, head_of
from edgelstm.training.qat.provenance import find_sources
from edgelstm.training.qat.registry import FAKE_OPS
from edgelstm.training.qat.tune import Schedule

STEPS = 8


@pytest.fixture(scope="module")
def keras() -> Any:
    return import_keras(0)


def randomize(network: Any, seed: int = 0) -> Any:
    """Weights as far from their first values as training would bring them, statistics included."""
    rng = np.random.default_rng(seed)
    for layer in network._flatten_layers(include_self=False):
        if type(layer).__name__ == "BatchNormalization":
            shapes = [weight.shape for weight in layer.get_weights()]
            layer.set_weights([rng.uniform(0.5, 2.0, shape) for shape in shapes])
        elif type(layer).__name__ in ("LSTM", "GRU", "SimpleRNN", "Dense", "Conv1D", "Conv2D", "DepthwiseConv1D"):
            layer.set_weights([weight + 0.2 * rng.normal(size=weight.shape) for weight in layer.get_weights()])
    return network


def plain(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential([keras.Input((STEPS, 3)), layers.LSTM(6), layers.Dense(2, activation="tanh")])


def convolutional(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((STEPS, 3)),
            layers.Rescaling(0.5),
            layers.Conv1D(5, 3, padding="same", activation="relu"),
            layers.BatchNormalization(),
            layers.DepthwiseConv1D(2, use_bias=False),
            layers.BatchNormalization(),
            layers.MaxPooling1D(2),
            layers.GRU(4, return_sequences=True, reset_after=False),
            layers.AveragePooling1D(2, padding="same"),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ]
    )


def image(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((STEPS, 4, 1)),
            layers.Conv2D(2, (3, 2), padding="same", activation="relu"),
            layers.Reshape((STEPS, -1)),
            layers.GRU(3),
            layers.Dense(1, activation="sigmoid"),
        ]
    )


def autoencoder(keras: Any) -> Any:
    layers = keras.layers
    both = layers.Bidirectional(layers.LSTM(4, recurrent_activation="hard_sigmoid"))
    return keras.Sequential(
        [
            keras.Input((STEPS, 3)),
            both,
            layers.RepeatVector(STEPS),
            layers.GRU(5, return_sequences=True),
            layers.TimeDistributed(layers.Dense(3)),
        ]
    )


def branching(keras: Any) -> Any:
    layers = keras.layers
    source = keras.Input((STEPS, 3))
    steps, hidden, cell = layers.LSTM(4, return_sequences=True, return_state=True)(source)
    more = layers.LSTM(4, return_sequences=True)(steps, initial_state=[hidden, cell])
    joined = layers.Concatenate()([layers.Add()([steps, more]), layers.Multiply()([steps, more])])
    pooled = [layers.GlobalAveragePooling1D()(joined), layers.GlobalMaxPooling1D()(joined)]
    activated = layers.LeakyReLU()(layers.Concatenate()(pooled))
    return keras.Model(source, layers.Dense(2)(activated))


def words(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((STEPS,), dtype="int32"),
            layers.Embedding(9, 4),
            layers.SimpleRNN(5, return_sequences=True, activation="relu"),
            layers.SimpleRNN(5),
            layers.Dense(9),
            layers.Softmax(),
        ]
    )


def merging(keras: Any) -> Any:
    layers = keras.layers
    sensor, context = keras.Input((STEPS, 3), name="sensor"), keras.Input((2,), name="context")
    steps = layers.LSTM(4, return_sequences=True)(sensor)
    joined = layers.Concatenate()([steps, layers.RepeatVector(STEPS)(context)])
    return keras.Model([sensor, context], layers.Dense(2)(layers.GRU(3)(joined)))


def inputs_of(model: FloatModel, count: int) -> FloatArray:
    """Some ids are none of the vocabulary."""
    rng = np.random.default_rng(1)
    found = {}
    for one in model.inputs:
        shape = (count, STEPS, one.size) if one.is_sequence else (count, one.size)
        values = rng.integers(-1, 10, shape) if one.vocabulary else 2 * rng.normal(size=shape)
        found[one.name] = values.astype(np.float32)
    return model.layout.join(found)


@pytest.mark.parametrize("build", [plain, convolutional, image, autoencoder, branching, merging, words])
@pytest.mark.parametrize("contract", [Contract.LITERT, Contract.TFLM])
def test_the_network_yields_what_the_simulator_does(keras: Any, tmp_path: Path, build: Any, contract: Contract) -> None:
    network = randomize(build(keras))
    path = tmp_path / "model.keras"
    network.save(path)
    source = read_keras(path)
    arrays = [array for layer in source.layers for array in layer.weights]
    is_trained = [layer.class_name != "BatchNormalization" for layer in source.layers for _ in layer.weights]

    def rebuild(given: Any) -> Any:
        rest = iter(given)
        layers = tuple(replace(layer, weights=tuple(next(rest) for _ in layer.weights)) for layer in source.layers)
        return build_float_model(replace(source, layers=layers), registry)

    float_model = rebuild(arrays)
    x = inputs_of(float_model, 40)
    try:
        model = quantize(float_model, calibrate(float_model, x), STEPS, contract)
    except UnsupportedModelError:
        assert contract is Contract.TFLM
        return
    fake = FakeNetwork.of(keras, rebuild, arrays, is_trained, model, head_of(model, decides=True))
    expected = real_outputs(model, simulate(model, stored_inputs(model, x)))
    assert np.array_equal(fake.outputs(x), expected)

    # Gradients know which numbers of the file each number of a layer is: all arrays moved, the layers move as they say.
    fields = [(op.output.name, name) for op in model.ops for name in getattr(FAKE_OPS.get(type(op)), "trained", ())]
    sources = find_sources(rebuild, arrays, is_trained, fields)
    rng = np.random.default_rng(2)
    steps = [
        rng.normal(size=array.shape).astype(np.float32) * trained
        for array, trained in zip(arrays, is_trained, strict=True)
    ]
    here, there = (
        {layer.output.name: layer for layer in rebuild(one).layers}
        for one in (arrays, [array + step for array, step in zip(arrays, steps, strict=True)])
    )
    for (name, attribute), found in sources.items():
        moved = getattr(there[name], attribute) - getattr(here[name], attribute)
        said = sum((one.of(np, steps[one.array].ravel()) for one in found), np.zeros(moved.shape))
        assert np.allclose(moved, said, atol=1e-4), (name, attribute)

    # Other weights of the file are other integers.
    moved = [1.25 * array if trained else array for array, trained in zip(arrays, is_trained, strict=True)]
    other = rebuild(moved)
    again = quantize(other, calibrate(other, x), STEPS, contract)
    fake.set_weights(moved)
    fake.refresh(other, again)
    assert np.array_equal(fake.outputs(x), real_outputs(again, simulate(again, stored_inputs(again, x))))
    assert sorted(fake.weights()) == [number for number, trained in enumerate(is_trained) if trained]


def test_all_that_cannot_be_trained_is_listed(keras: Any, tmp_path: Path) -> None:
    layers = keras.layers
    network = keras.Sequential(
        [
            keras.Input((STEPS, 3)),
            layers.Masking(name="gaps"),
            layers.LSTM(4, return_sequences=True, name="lstm"),
            layers.LayerNormalization(name="even"),
            layers.Dense(1, name="out"),
        ]
    )
    path = tmp_path / "model.keras"
    network.save(path)
    data = Data(Dataset(np.ones((20, STEPS, 3), np.float32), np.ones((20, STEPS, 1), np.float32)), "")
    with pytest.raises(UnsupportedModelError) as error:
        finetune(path, BuildRequest(path, tmp_path), data, Schedule(), Silent())
    assert 'layer "gaps" (Masking)' in error.value.message
    assert 'layer "even" (LayerNormalization)' in error.value.message
    assert '"lstm"' not in error.value.message


def task_data(seed: int = 0) -> dict[str, Any]:
    """Values to predict that take memory: a sum over time of the one channel where the other is above 0."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(240, STEPS, 2)).astype(np.float32)
    y = (x[..., 0] * (x[..., 1] > 0)).sum(axis=1, keepdims=True).astype(np.float32) / 4
    return {"x": x[:200], "y": y[:200], "x_test": x[200:], "y_test": y[200:]}


@pytest.fixture(scope="module")
def folder(keras: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, hardly trained, with a BatchNormalization, and its data."""
    folder = tmp_path_factory.mktemp("finetune")
    layers = keras.layers
    network = keras.Sequential(
        [
            keras.Input((STEPS, 2), name="sensor"),
            layers.Conv1D(4, 2, padding="causal", name="conv"),
            layers.BatchNormalization(name="norm"),
            layers.GRU(5, name="gru"),
            layers.Dropout(0.2, name="drop"),
            layers.Dense(1, name="out"),
        ],
        name="gesture",
    )
    network.compile("adam", "mae")
    data = task_data()
    network.fit(data["x"], data["y"], epochs=1, verbose=0)
    network.save(folder / "model.keras")
    np.savez(folder / "data.npz", **data)
    return folder


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert call([*arguments, "--json"]) == 0, capsys.readouterr().err
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_the_reported_metric_is_the_deployed_one(folder: Path, keras: Any, capsys: pytest.CaptureFixture[str]) -> None:
    model, data, tuned = str(folder / "model.keras"), str(folder / "data.npz"), str(folder / "tuned.keras")
    options = ("--data", data, "--epochs", "3", "--learning-rate", "0.01", "--margin", "1.1")
    found = run(capsys, "finetune", model, *options, "-o", tuned)
    assert found["trained"] == found["int8"]
    assert found["int8"] < 0.9 * found["int8_before"]
    assert found["epoch"] == int(np.argmin(found["validation"]))
    assert found["metric"] == "rmse"

    # What another command makes of the file is what was reported.
    quantized = run(capsys, "quantize", tuned, "--data", data, "--margin", "1.1", "-o", str(folder / "t.tflite"))
    assert quantized["accuracy"]["quantized"] == found["int8"]
    assert quantized["accuracy"]["float"] == found["float"]

    # A plain Keras file: the same layers, statistics as they were, other weights.
    before, after = keras.models.load_model(model, compile=False), keras.models.load_model(tuned, compile=False)
    assert after.get_config() == before.get_config()
    for layer, old in zip(after.layers, before.layers, strict=True):
        same = [np.array_equal(a, b) for a, b in zip(layer.get_weights(), old.get_weights(), strict=True)]
        assert all(same) if layer.name == "norm" else not any(same), layer.name
    test = task_data()
    rmse = float(np.sqrt(np.mean((after.predict(test["x_test"], verbose=0) - test["y_test"]) ** 2)))
    assert rmse == pytest.approx(found["float"], rel=1e-4)


def test_same_seed_same_file_whatever_the_test_data(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = task_data()
    # By these any change would be for the worse.
    answers = load_keras(folder / "model.keras").forward(data["x_test"])
    np.savez(folder / "other.npz", **{**data, "y_test": answers})
    files = []
    for name, source, seed in (("a", "data", "0"), ("b", "other", "0"), ("c", "data", "1")):
        path = folder / f"{name}.keras"
        run(capsys, "finetune", str(folder / "model.keras"), "--data", str(folder / f"{source}.npz"), "--epochs", "1",
            "--learning-rate", "0.01", "--batch-size", "16", "--seed", seed, "-o", str(path))  # fmt: skip
        files.append(path.read_bytes())
    assert files[0] == files[1]
    assert files[0] != files[2]


def test_weights_are_kept_where_no_epoch_is_better(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, out = folder / "model.keras", folder / "kept.keras"
    found = run(capsys, "finetune", str(model), "--data", str(folder / "data.npz"), "--epochs", "1",
                "--learning-rate", "10", "-o", str(out))  # fmt: skip
    assert found["epoch"] == 0
    assert found["int8"] == found["int8_before"] == found["trained"]
    assert out.read_bytes() == with_weights(model, {})


def test_sequences_of_several_lengths_count_as_far_as_they_go(
    keras: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layers = keras.layers
    network = keras.Sequential([keras.Input((None, 2)), layers.LSTM(4, return_sequences=True), layers.Dense(1)])
    network.save(tmp_path / "model.keras")
    x = task_data()["x"]
    lengths = np.random.default_rng(0).integers(2, STEPS + 1, len(x))
    y = np.cumsum(x[..., :1], axis=1) / 4
    np.savez(tmp_path / "data.npz", x=x, y=y, lengths=lengths)
    # Behind their ends are numbers that would ruin everything.
    beyond = np.arange(STEPS) >= lengths[:, None]
    np.savez(tmp_path / "far.npz", x=x, y=np.where(beyond[..., None], 1e6, y), lengths=lengths)
    found = [
        run(capsys, "finetune", str(tmp_path / "model.keras"), "--data", str(tmp_path / f"{name}.npz"), "--epochs", "1",
            "--learning-rate", "0.02", "-o", str(tmp_path / f"{name}.keras"))
        for name in ("data", "far")
    ]  # fmt: skip
    assert found[0]["trained"] == found[0]["int8"] < found[0]["int8_before"]
    assert (tmp_path / "data.keras").read_bytes() == (tmp_path / "far.keras").read_bytes()


def test_what_is_refused(keras: Any, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, data = str(folder / "model.keras"), str(folder / "data.npz")
    (tmp_path / "mine.keras").write_text("mine")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras calls the format legacy
        keras.models.load_model(model).save(tmp_path / "model.h5")
    x = task_data()["x"]
    np.savez(tmp_path / "bare.npz", x=x)
    (tmp_path / "model.tflite").write_bytes(b"\x1c\x00\x00\x00TFL3" + bytes(64))
    for arguments, expected in (
        ((model, "--data", data, "-o", str(tmp_path / "mine.keras")), "did not write it"),
        ((model, "--data", data, "--activations", "int16", "-o", str(tmp_path / "x.keras")), "is for int8, not int16"),
        ((model, "--data", data, "-o", str(tmp_path / "x.h5")), "name a file that ends in .keras"),
        ((model, "--data", str(tmp_path / "bare.npz"), "-o", str(tmp_path / "x.keras")), "needs targets"),
        ((str(tmp_path / "model.h5"), "--data", data, "-o", str(tmp_path / "x.keras")), "expected a .keras file"),
        ((str(tmp_path / "model.tflite"), "--data", data, "-o", str(tmp_path / "x.keras")), "is a .tflite file"),
    ):
        assert call(["finetune", *arguments]) == 1
        assert expected in capsys.readouterr().err
    assert (tmp_path / "mine.keras").read_text() == "mine"


def test_a_rewritten_file_holds_the_same_but_for_its_weights(folder: Path, tmp_path: Path) -> None:
    path = folder / "model.keras"
    source = read_keras(path)
    gru = next(layer for layer in source.layers if layer.class_name == "GRU")
    moved = {where: array + 1 for where, array in zip(gru.weight_paths, gru.weights, strict=True)}
    copy = tmp_path / "copy.keras"
    copy.write_bytes(with_weights(path, moved))
    with zipfile.ZipFile(path) as one, zipfile.ZipFile(copy) as other:
        assert one.read("config.json") == other.read("config.json")
    for old, new in zip(source.layers, read_keras(copy).layers, strict=True):
        difference = 1.0 if old.class_name == "GRU" else 0.0
        for a, b in zip(old.weights, new.weights, strict=True):
            assert np.array_equal(a + np.float32(difference), b)
    assert load_keras(copy).parameters == load_keras(path).parameters


def test_a_project_fine_tunes_what_it_trains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "data.npz", **task_data())
    settings = '[project]\nname = "tiny"\n[data]\nsource = "data.npz"\n[model]\nlstm = [4]\nepochs = 1\n'
    (tmp_path / "edgelstm.toml").write_text(settings + "qat_epochs = 1\n[quantize]\nmargin = 1.2\n")
    monkeypatch.chdir(tmp_path)
    assert call(["quantize"]) == 0
    told = capsys.readouterr().err
    assert "fine-tuned in" in told
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".edgelstm-training.json", "data.npz", "edgelstm.toml", "model.keras", "model.tflite",
    ]  # fmt: skip
    first = (tmp_path / "model.keras").read_bytes()
    assert call(["quantize"]) == 0
    assert "reused model.keras" in capsys.readouterr().err
    (tmp_path / "edgelstm.toml").write_text(settings + "qat_epochs = 1\n[quantize]\nmargin = 1.4\n")
    assert call(["quantize"]) == 0
    assert "training again" in capsys.readouterr().err
    assert (tmp_path / "model.keras").read_bytes() != first
