import re

import numpy as np
import pytest

from edgelstm.data import check_dataset


@pytest.fixture
def example(load_example):
    return load_example("anomaly_autoencoder")


def test_windows_are_their_own_targets_and_the_test_is_later(example):
    dataset, data = example.dataset, example.data
    length = data.WINDOW_SAMPLES
    assert check_dataset(dataset, 1, length) == ()
    np.testing.assert_array_equal(dataset.y, dataset.x)
    np.testing.assert_array_equal(dataset.y_test, dataset.x_test)
    assert len(dataset.x) == 1200 - length + 1
    pressure, is_disturbed = data.read_pressure()
    assert np.flatnonzero(is_disturbed)[[0, -1]].tolist() == [4187, 4198]
    mean, deviation = data.normalisation(pressure)
    np.testing.assert_allclose(dataset.x_test[0, :, 0] * deviation + mean, pressure[1200 : 1200 + length], rtol=1e-5)


def test_a_window_is_labelled_that_holds_any_of_the_disturbance(example):
    data = example.data
    labels = data.labels()
    assert len(labels) == len(example.dataset.x_test)
    starts = 1200 + data.TEST_STEP * np.flatnonzero(labels)
    assert 4187 - data.WINDOW_SAMPLES < starts[0] <= 4187 - data.WINDOW_SAMPLES + data.TEST_STEP
    assert 4198 - data.TEST_STEP < starts[-1] <= 4198
    assert (np.diff(starts) == data.TEST_STEP).all()


def test_the_readme_gives_the_constants_of_the_training_samples(example):
    mean, deviation = example.data.normalisation(example.data.read_pressure()[0])
    given = re.search(r"`\(pressure - (\S+)\) / (\S+)`", example.readme)
    np.testing.assert_allclose([float(number) for number in given.groups()], [mean, deviation], rtol=1e-4)
