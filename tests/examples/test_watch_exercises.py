import io
import pickle
import re

import numpy as np
import pytest

from edgelstm.data import check_dataset


@pytest.fixture
def example(load_example):
    return load_example("watch_exercises")


def test_the_people_of_the_test_are_not_those_of_the_training(example):
    dataset, recordings = example.dataset, example.data.read_recordings()
    assert check_dataset(dataset, 6, 100) == ()
    assert dataset.labels == ("PEN", "ABD", "FEL", "IR", "ER", "TRAP", "ROW")
    counts = [1 + (len(motion) - 100) // 50 for motion in recordings.motions]
    is_test = [person in (8, 9, 10) for person in recordings.people]
    assert len(dataset.x_test) == np.dot(counts, is_test)
    assert len(dataset.x) == sum(counts) - len(dataset.x_test)
    assert np.bincount(recordings.people).tolist() == [0] + [14] * 10
    np.testing.assert_allclose(dataset.x.mean(axis=(0, 1)), 0.0, atol=0.02)
    np.testing.assert_allclose(dataset.x.std(axis=(0, 1)), 1.0, atol=0.02)


def test_windows_follow_each_other_by_half_a_window(example):
    recordings = example.data.read_recordings()
    x, y = example.data.windows(recordings, np.array([3]))
    np.testing.assert_array_equal(x[0], recordings.motions[3][:100])
    np.testing.assert_array_equal(x[2], recordings.motions[3][100:200])
    assert y.tolist() == [recordings.exercises[3]] * len(x)


def test_the_readme_gives_the_constants_of_the_people_trained_on(example):
    mean, deviation = example.data.normalisation(example.data.read_recordings())
    rows = re.findall(r"^\| ([\w ]+), (?:g|rad/s) \| (\S+) \| (\S+) \|$", example.readme, re.MULTILINE)
    assert len(rows) == 6
    np.testing.assert_allclose([float(row[1]) for row in rows], mean, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose([float(row[2]) for row in rows], deviation, rtol=1e-3)


def test_nothing_but_arrays_is_read_from_the_pickle(example, monkeypatch):
    array = np.empty((), object)
    array[()] = {"X": [], "run": eval}
    content = io.BytesIO()
    np.save(content, array, allow_pickle=True)

    class Hostile:
        def read(self, member: str) -> bytes:
            return content.getvalue()

    monkeypatch.setattr(example.data, "WHEEL", Hostile())
    with pytest.raises(pickle.UnpicklingError, match="eval is no part of an array"):
        example.data.read_recordings()
