"""An arterial blood pressure with one labelled disturbance: UCR anomaly 135, from a wheel of the package `aeon`."""

import numpy as np
import numpy.typing as npt

from edgelstm.data import Wheel

WHEEL = Wheel(
    "aeon-1.6.0-py3-none-any.whl",
    sha256="d05227086706f80111ac5fee8de4d5d3115bb3bcfd1c786c8629393055816409",
)
MEMBER = "aeon/datasets/data/KDD-TSAD_135/135_UCR_Anomaly_InternalBleeding16_TEST.csv"

TRAINING_SAMPLES = 1200
"""The first samples, which are known to be normal."""

WINDOW_SAMPLES = 32
TRAINING_STEP, TEST_STEP = 1, 4

Floats = npt.NDArray[np.float32]


def load() -> dict[str, object]:
    """Return windows (N, 32, 1) in standard deviations, their own targets: 1169 to train on and 1568 to test."""
    pressure, _ = read_pressure()
    mean, deviation = normalisation(pressure)
    normalised = (pressure - mean) / deviation
    x = windows(normalised[:TRAINING_SAMPLES], TRAINING_STEP)
    x_test = windows(normalised[TRAINING_SAMPLES:], TEST_STEP)
    return {"x": x, "y": x, "x_test": x_test, "y_test": x_test}


def labels() -> npt.NDArray[np.bool_]:
    """Tell of each test window, (1568,), whether a sample of the disturbance is in it."""
    _, is_disturbed = read_pressure()
    return windows(is_disturbed[TRAINING_SAMPLES:], TEST_STEP).any(axis=(1, 2))


def normalisation(pressure: Floats) -> tuple[np.float32, np.float32]:
    """Return mean and standard deviation of the training samples."""
    training = pressure[:TRAINING_SAMPLES].astype(np.float64)
    return np.float32(training.mean()), np.float32(training.std())


def windows(samples: npt.NDArray[np.generic], step: int) -> npt.NDArray[np.generic]:
    """Return the windows (N, 32, 1) that begin `step` samples after each other."""
    return np.lib.stride_tricks.sliding_window_view(samples, WINDOW_SAMPLES)[::step, :, np.newaxis]


def read_pressure() -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return the 7501 samples of the pressure, and which of them are disturbed."""
    lines = WHEEL.read(MEMBER).decode().splitlines()
    table = np.loadtxt(lines, np.float32, delimiter=",", skiprows=1, usecols=(1, 2))
    return table[:, 0], table[:, 1] > 0
