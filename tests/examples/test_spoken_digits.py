import re

import numpy as np
import pytest

from edgelstm.data import check_dataset


@pytest.fixture
def example(load_example):
    return load_example("spoken_digits")


def test_the_recordings_are_split_and_normalised(example):
    dataset = example.dataset
    assert check_dataset(dataset, 13, 40) == ()
    assert (dataset.x.shape, dataset.x_test.shape) == ((2400, 40, 13), (600, 40, 13))
    assert np.bincount(np.concatenate([dataset.y, dataset.y_test])).tolist() == [300] * 10
    assert dataset.labels == tuple("0123456789")
    frames = dataset.x[np.any(dataset.x != 0, axis=2)]
    np.testing.assert_allclose(frames.std(axis=0), 1.0, atol=0.02)
    rows = {window.tobytes() for window in dataset.x}
    assert not any(window.tobytes() in rows for window in dataset.x_test)


def test_the_readme_gives_the_constants_of_the_training_frames(example):
    recordings, _ = example.data.read_recordings()
    order = np.random.default_rng(example.data.SPLIT_SEED).permutation(3000)
    mean, std = example.data.normalisation([recordings[i] for i in order[600:]])
    rows = re.findall(r"^\| (\d+) \| (\S+) \| (\S+) \|$", example.readme, re.MULTILINE)
    assert [int(row[0]) for row in rows] == list(range(13))
    np.testing.assert_allclose([float(row[1]) for row in rows], mean, rtol=1e-4)
    np.testing.assert_allclose([float(row[2]) for row in rows], std, rtol=1e-4)


def test_windows_of_frames_are_padded_in_front_and_keep_the_end(example):
    mean, std = np.array([1.0], np.float32), np.array([2.0], np.float32)
    short = example.data.window(np.array([[3.0], [5.0]], np.float32), mean, std)
    assert short.dtype == np.float32
    assert short[:, 0].tolist() == [0.0] * 38 + [1.0, 2.0]
    long = example.data.window(np.arange(50, dtype=np.float32)[:, np.newaxis], mean, std)
    assert long[:, 0].tolist() == ((np.arange(10, 50) - 1) / 2).tolist()
