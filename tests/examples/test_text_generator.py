import re

import numpy as np
import pytest

from edgelstm.data import check_dataset


@pytest.fixture
def example(load_example):
    return load_example("text_generator")


def test_the_text_is_cut_into_windows_and_what_follows(example):
    dataset, text = example.dataset, example.data
    assert check_dataset(dataset, 1, 50, vocabulary=len(text.CHARACTERS)) == ()
    assert (dataset.x.shape, dataset.x_test.shape) == ((24_000, 50), (2_000, 50))
    assert (dataset.y.shape, dataset.y_test.shape) == ((24_000, 50), (2_000, 50))
    np.testing.assert_array_equal(dataset.x[:, 1:], dataset.y[:, :-1])
    np.testing.assert_array_equal(dataset.x[1:, 0], dataset.y[:-1, -1])
    assert dataset.x_test[0, 0] == dataset.y[-1, -1]
    shown = "".join(text.CHARACTERS[int(place)] for place in dataset.x[0])
    assert shown == " in the beginning god created the heaven and the e"
    assert sorted(np.unique(dataset.x)) == list(range(len(text.CHARACTERS)))


def test_characters_outside_the_alphabet(example):
    text = example.data
    places = text.as_ids("Lo\u2019 [A]\n\n\u2014b 9")
    assert "".join(text.CHARACTERS[place] for place in places) == "lo' a b "


def test_the_firmware_has_the_alphabet_of_the_data(example):
    main, text = (example.project.folder / "main.c").read_text(), example.data
    assert f'alphabet[TEXT_GENERATOR_VOCABULARY + 1] = "{text.CHARACTERS}";' in main
    beginning = re.search(r'beginning\[\] = "(.+)";', main)
    assert set(beginning[1]) <= set(text.CHARACTERS)


def test_the_readme_gives_the_accuracy_of_simple_guesses(example):
    dataset, text = example.dataset, example.data
    training, following = np.append(dataset.x[0, 0], dataset.y), dataset.y_test.ravel()
    test = np.concatenate([training[-5:], following]).astype(np.int64)
    rows = re.findall(r"^\| after the last (\d) characters, .* ([\d,]+) \| (\S+) \|$", example.readme, re.MULTILINE)
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
