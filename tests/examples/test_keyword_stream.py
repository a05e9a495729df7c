import sys

import numpy as np
import pytest

from edgelstm.data import check_dataset
from edgelstm.errors import ToolFailedError, ToolMissingError


@pytest.fixture(scope="module")
def example(load_example):
    return load_example("keyword_stream")


@pytest.fixture
def features(example):
    return sys.modules["features"]


@pytest.fixture
def speech(example):
    return sys.modules["speech"]


def test_voices_of_the_test_are_not_those_of_the_training(example):
    dataset, data = example.dataset, example.data
    assert check_dataset(dataset, 20, 125) == ()
    assert (dataset.x.shape, dataset.x_test.shape) == ((900, 125, 20), (150, 125, 20))
    assert (dataset.y.shape, dataset.y_test.shape) == ((900, 125), (150, 125))
    assert dataset.labels == ("nothing", "yes", "no", "up", "left")
    assert set(data.TRAINING_SPEAKERS).isdisjoint(data.TEST_SPEAKERS)
    assert abs(dataset.x.mean()) < 0.2
    assert abs(dataset.x.std() - 1) < 0.1


def test_a_keyword_is_answered_from_its_end_on(example, speech, monkeypatch):
    data = example.data
    monkeypatch.setattr(data, "PAUSE_SAMPLES", (8000, 8001))
    words = [speech.Word(text, "en", 150, 50) for text in ("dog", "up")]
    spoken = [np.ones(8000, np.float32), np.ones(4096, np.float32)]
    clip = data.record(np.random.default_rng(0), words, spoken, 140)
    assert len(clip.sound) == 139 * 256 + 512
    answered = np.flatnonzero(clip.answers)
    assert set(clip.answers[answered].tolist()) == {data.LABELS.index("up")}
    # The word ends before sample 28096; frame 107 ends before 27904, frame 108 before 28160.
    assert answered.tolist() == list(range(108, 124))
    assert np.abs(clip.sound[28096 + 512 :]).max() < 0.2


def test_a_tone_sounds_in_the_band_of_its_frequency(features):
    bands = features.mel_bands()
    assert bands.shape == (20, 257)
    frequencies = np.fft.rfftfreq(512, 1 / 16000)
    for band in (0, 7, 19):
        frequency = frequencies[bands[band].argmax()]
        tone = np.sin(2 * np.pi * frequency * np.arange(16000) / 16000)
        frames = features.log_mel(tone.astype(np.float32))
        assert frames.shape == (61, 20)
        assert set(frames.argmax(axis=1).tolist()) == {band}


def test_silence_has_finite_features(features):
    np.testing.assert_allclose(features.log_mel(np.zeros(512)), (np.log(1e-3) + 1.9) / 3.4, rtol=1e-6)


def test_the_same_words_sound_the_same_again_and_voices_differ(speech):
    words = [speech.Word("stop", voice, 150, 50) for voice in ("en-us+f2", "en-us+m3")]
    first, again = speech.speak(words), speech.speak(words)
    for sound, once_more in zip(first, again, strict=True):
        np.testing.assert_array_equal(sound, once_more)
        assert np.abs(sound).max() == 1.0
        assert 0.2 * 16000 < len(sound) < 16000
    assert len(first[0]) != len(first[1])


def test_a_voice_that_is_not_there_is_named(speech):
    with pytest.raises(ToolFailedError, match="has no voice en-us"):
        speech.speak([speech.Word("stop", "en-us-of-nowhere", 150, 50)])


def test_another_computer_is_told_where_the_example_runs(speech, monkeypatch):
    monkeypatch.setattr("platform.machine", lambda: "pdp11")
    with pytest.raises(ToolMissingError, match="no espeak-ng for Linux pdp11") as caught:
        speech.speak([])
    assert "Linux x86_64" in caught.value.hint
