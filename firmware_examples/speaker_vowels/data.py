"""Nine men saying two Japanese vowels: the data set JapaneseVowels, from a wheel of the package `aeon`."""

import numpy as np
import numpy.typing as npt

from edgelstm.data import Wheel

WHEEL = Wheel(
    "aeon-1.6.0-py3-none-any.whl",
    sha256="d05227086706f80111ac5fee8de4d5d3115bb3bcfd1c786c8629393055816409",
)
MEMBER = "aeon/datasets/data/JapaneseVowels/JapaneseVowels_{}.ts"

FRAMES = 29
"""The longest utterance."""

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]


def load() -> dict[str, object]:
    """Return the 270 utterances to train on and the 370 to test, (N, 29, 12), and who spoke, 0 to 8."""
    utterances, speakers = read_utterances("TRAIN")
    utterances_test, speakers_test = read_utterances("TEST")
    return {
        "x": np.stack([window(utterance) for utterance in utterances]),
        "y": speakers,
        "x_test": np.stack([window(utterance) for utterance in utterances_test]),
        "y_test": speakers_test,
        "labels": [f"speaker {number}" for number in range(1, 10)],
    }


def window(utterance: Floats) -> Floats:
    """Put frames of zeros in front, up to 29."""
    padded = np.zeros((FRAMES, utterance.shape[1]), np.float32)
    padded[FRAMES - len(utterance) :] = utterance
    return padded


def read_utterances(part: str) -> tuple[list[Floats], Integers]:
    """Return utterances of (frames, 12) cepstral coefficients, and the speaker of each, of "TRAIN" or "TEST"."""
    _, _, lines = WHEEL.read(MEMBER.format(part)).decode().partition("@data\n")
    # One utterance a line: the twelve coefficients one behind the other with all their frames, then the speaker.
    rows = [line.split(":") for line in lines.split()]
    utterances = [np.array([channel.split(",") for channel in row[:-1]], np.float32).T for row in rows]
    return utterances, np.array([int(row[-1]) - 1 for row in rows])
