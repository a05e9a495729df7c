"""Seconds of sound in which a synthetic voice says keywords and other words: generated, always the same."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from features import FRAME_SAMPLES, HOP_SAMPLES, SAMPLE_RATE_HZ, log_mel
from speech import Word, speak

KEYWORDS = ("yes", "no", "up", "left")
OTHER_WORDS = (
    *("seven", "house", "light", "river", "happy", "open", "zero", "follow", "dog", "bird", "tree", "learn"),
    *("three", "nine", "stop", "right", "music", "water", "garden", "cup", "nose", "step", "guess", "on"),
)
LABELS = ("nothing", *KEYWORDS)

ACCENTS = ("en", "en-us", "en-029", "en-gb-scotland", "en-gb-x-rp")
TRAINING_SPEAKERS = (
    *("f1", "f2", "f3", "f5", "m1", "m2", "m3", "m5", "m6", "m7"),
    *("linda", "steph", "anika", "belinda", "adam", "michael", "john", "edward"),
)
TEST_SPEAKERS = ("f4", "m4", "m8", "shelby", "ed", "benjamin")

TRAINING_TAKES, TEST_TAKES = 10, 5
"""How many clips there are of each voice."""

CLIP_FRAMES = 125
CLIP_SAMPLES = (CLIP_FRAMES - 1) * HOP_SAMPLES + FRAME_SAMPLES
CLIP_WORDS = 3
KEYWORD_SHARE = 2 / 3
PAUSE_SAMPLES = (SAMPLE_RATE_HZ // 4, SAMPLE_RATE_HZ)

ANSWER_FRAMES = 16
"""A keyword is to be named from its end on, for a quarter of a second."""

SEED = 0

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Clip:
    """Sound at 16 kHz, and what is to be answered after each of its frames, as a number into LABELS."""

    sound: Floats
    answers: Integers


def load() -> dict[str, object]:
    """Return clips (N, 125, 20) and answers (N, 125): 900 clips to train on, and 150 of other voices to test."""
    random = np.random.default_rng(SEED)
    training = [voice for voice in voices(TRAINING_SPEAKERS) for _ in range(TRAINING_TAKES)]
    test = [voice for voice in voices(TEST_SPEAKERS) for _ in range(TEST_TAKES)]
    words = [word for voice in (*training, *test) for word in choose_words(random, voice, CLIP_WORDS)]
    spoken = speak(words)
    clips = [
        record(random, words[first : first + CLIP_WORDS], spoken[first : first + CLIP_WORDS], CLIP_FRAMES)
        for first in range(0, len(words), CLIP_WORDS)
    ]
    x = log_mel(np.stack([clip.sound for clip in clips]))
    y = np.stack([clip.answers for clip in clips])
    return {
        "x": x[: len(training)],
        "y": y[: len(training)],
        "x_test": x[len(training) :],
        "y_test": y[len(training) :],
        "labels": list(LABELS),
    }


def voices(speakers: Sequence[str]) -> list[str]:
    """Return every speaker with every accent."""
    return [f"{accent}+{speaker}" for accent in ACCENTS for speaker in speakers]


def choose_words(random: np.random.Generator, voice: str, count: int) -> list[Word]:
    """Return keywords, and other words half as often."""
    texts = [str(random.choice(KEYWORDS if random.random() < KEYWORD_SHARE else OTHER_WORDS)) for _ in range(count)]
    return [Word(text, voice, int(random.integers(120, 200)), int(random.integers(30, 70))) for text in texts]


def record(random: np.random.Generator, words: Sequence[Word], spoken: Sequence[Floats], frames: int) -> Clip:
    """Return words with pauses between them, and noise, cut to `frames` frames."""
    sound = np.zeros((frames - 1) * HOP_SAMPLES + FRAME_SAMPLES)
    answers = np.zeros(frames, np.int64)
    start = 0
    for word, heard in zip(words, spoken, strict=True):
        start += int(random.integers(PAUSE_SAMPLES[0], PAUSE_SAMPLES[1]))
        part = heard[: max(0, len(sound) - start)]
        sound[start : start + len(part)] = part * random.uniform(0.3, 1.0)
        start += len(heard)
        if word.text in KEYWORDS:
            # The first frame that reaches behind the word's end.
            end = max(0, start - FRAME_SAMPLES) // HOP_SAMPLES + 1
            answers[end : end + ANSWER_FRAMES] = LABELS.index(word.text)
    sound += 10.0 ** random.uniform(-3.5, -1.5) * random.standard_normal(len(sound))
    return Clip(sound.astype(np.float32), answers)
