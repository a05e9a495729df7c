import numpy as np
import pytest

from edgelstm.data import check_dataset


@pytest.fixture
def example(load_example):
    return load_example("speaker_vowels")


def test_the_utterances_are_those_of_the_data_set(example):
    dataset = example.dataset
    assert check_dataset(dataset, 12, 29) == ()
    assert (dataset.x.shape, dataset.x_test.shape) == ((270, 29, 12), (370, 29, 12))
    assert np.bincount(dataset.y).tolist() == [30] * 9
    assert np.bincount(dataset.y_test).tolist() == [31, 35, 88, 44, 29, 24, 40, 50, 29]
    assert dataset.labels == tuple(f"speaker {number}" for number in range(1, 10))


def test_an_utterance_has_its_frames_in_rows_and_ends_with_the_window(example):
    utterances, _ = example.data.read_utterances("TRAIN")
    assert utterances[0].shape == (20, 12)
    np.testing.assert_allclose(utterances[0][:2, :2], [[1.860936, -0.207383], [1.891651, -0.193249]])
    assert max(len(utterance) for utterance in utterances) <= 29
    np.testing.assert_array_equal(example.dataset.x[0, 9:], utterances[0])
    assert not example.dataset.x[0, :9].any()
