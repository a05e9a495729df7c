"""Seconds of sound in which a synthetic voice says a keyword, another word or nothing: generated, always the same."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from features import log_mel
from speech import SAMPLE_RATE_HZ, Word, speak

KEYWORDS = ("yes", "no", "up", "stop")
OTHER_WORDS = (
    *("seven", "house", "light", "river", "happy", "open", "zero", "follow", "dog", "bird", "tree", "learn"),
    *("three", "nine", "left", "right", "music", "water", "garden", "cup", "nose", "step", "guess", "on"),
)
LABELS = (*KEYWORDS, "other word", "silence")

ACCENTS = ("en", "en-us", "en-029", "en-gb-scotland", "en-gb-x-rp")
TRAINING_SPEAKERS = (
    *("f1", "f2", "f3", "f5", "m1", "m2", "m3", "m5", "m6", "m7"),
    *("linda", "steph", "anika", "belinda", "adam", "michael", "john", "edward"),
)
TEST_SPEAKERS = ("f4", "m4", "m8", "shelby", "ed", "benjamin")

KEYWORD_TAKES, OTHER_TAKES, SILENT_TAKES = 3, 6, 3
"""How often each voice says every keyword, other words, and nothing."""

CLIP_SAMPLES = 61 * 256 + 256
SEED = 0

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Clip:
    """What one second holds: `label` is a number into LABELS, `words` are none, one, or a remnant of another before."""

    label: int
    words: tuple[Word, ...]


def load() -> dict[str, object]:
    """Return clips (N, 61, 20) and what is said in them (N,); the voices of the test are others."""
    random = np.random.default_rng(SEED)
    training = plan_clips(random, TRAINING_SPEAKERS)
    test = plan_clips(random, TEST_SPEAKERS)
    sounds = record(random, [*training, *test])
    x = log_mel(sounds)
    y = np.array([clip.label for clip in (*training, *test)])
    return {
        "x": x[: len(training)],
        "y": y[: len(training)],
        "x_test": x[len(training) :],
        "y_test": y[len(training) :],
        "labels": list(LABELS),
    }


def plan_clips(random: np.random.Generator, speakers: Sequence[str]) -> list[Clip]:
    """Choose what is said, and how, with every accent by every speaker."""
    clips = []
    for voice in (f"{accent}+{speaker}" for accent in ACCENTS for speaker in speakers):
        said = [word for word in KEYWORDS for _ in range(KEYWORD_TAKES)]
        said += [str(word) for word in random.choice(OTHER_WORDS, OTHER_TAKES)]
        for text in said:
            label = KEYWORDS.index(text) if text in KEYWORDS else len(KEYWORDS)
            before = [str(random.choice(OTHER_WORDS))] if random.random() < 0.5 else []
            clips.append(Clip(label, tuple(_in_a_voice(random, word, voice) for word in (*before, text))))
        clips += [Clip(len(KEYWORDS) + 1, ())] * SILENT_TAKES
    return clips


def record(random: np.random.Generator, clips: Sequence[Clip]) -> Floats:
    """Return the sound of each clip, (N, 15872) at 16 kHz: the last word ends with the clip or up to 0.2 s before."""
    spoken = iter(speak([word for clip in clips for word in clip.words]))
    return np.stack([_clip(random, [next(spoken) for _ in clip.words]) for clip in clips])


def _clip(random: np.random.Generator, spoken: Sequence[Floats]) -> Floats:
    sound = 10.0 ** random.uniform(-3.5, -1.5) * random.standard_normal(CLIP_SAMPLES)
    end = CLIP_SAMPLES - int(random.integers(SAMPLE_RATE_HZ // 5))
    for word in reversed(spoken):
        heard = word[-end:]
        sound[end - len(heard) : end] += heard * random.uniform(0.3, 1.0)
        end -= len(heard) + int(random.integers(SAMPLE_RATE_HZ // 20, SAMPLE_RATE_HZ // 5))
        if end <= 0:
            break
    return sound.astype(np.float32)


def _in_a_voice(random: np.random.Generator, text: str, voice: str) -> Word:
    return Word(text, voice, int(random.integers(120, 200)), int(random.integers(30, 70)))
