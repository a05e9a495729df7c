import numpy as np
import pytest

from edgelstm.data import check_dataset


@pytest.fixture
def example(load_example):
    return load_example("verb_agreement")


def test_sentences_agree_and_are_not_trained_and_tested_on(example):
    verbs = example.data
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


def test_the_verbs_of_the_readme(example):
    dataset, verbs = example.dataset, example.data
    assert check_dataset(dataset, 1, verbs.SENTENCE_WORDS, vocabulary=len(verbs.WORDS)) == ()
    assert f"a grammar of {len(verbs.WORDS)} words" in example.readme
    assert len(set(verbs.WORDS)) == len(verbs.WORDS)
    assert dataset.x.max() == len(verbs.WORDS) - 1
    short = dataset.x_test[(dataset.x_test == 0).any(axis=1)]
    assert (np.diff((short != 0).astype(int), axis=1) >= 0).all(), "padding does not stand in front alone"
