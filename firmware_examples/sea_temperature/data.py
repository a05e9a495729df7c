"""Monthly sea surface temperature off Peru, 1950 to 2010: `elnino.csv`, from a wheel of the package `statsmodels`."""

import io

import numpy as np
import numpy.typing as npt

from edgelstm.data import Wheel

WHEEL = Wheel(
    "statsmodels-0.15.0-cp312-cp312-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl",
    sha256="c6f2bd48915cc9b3b95c3c7f6ac363b6f8aaa38172962ba5f7f6885f0dfe57f2",
)
MEMBER = "statsmodels/datasets/elnino/elnino.csv"

WINDOW_MONTHS = 36
TRAINING_MONTHS = 50 * 12

Floats = npt.NDArray[np.float32]


def load() -> dict[str, object]:
    """Return windows (N, 36, 1) and the month after each, (N,), in standard deviations: 564 to train, 132 to test.

    The months to predict are 1953 to 1999 in training and 2000 to 2010 in the test, whose first windows look back
    into the training years.
    """
    celsius = read_months()
    mean, deviation = normalisation(celsius)
    x, y = windows((celsius - mean) / deviation)
    first_test = TRAINING_MONTHS - WINDOW_MONTHS
    return {"x": x[:first_test], "y": y[:first_test], "x_test": x[first_test:], "y_test": y[first_test:]}


def normalisation(celsius: Floats) -> tuple[np.float32, np.float32]:
    """Return mean and standard deviation of the training years, in degrees Celsius."""
    training = celsius[:TRAINING_MONTHS].astype(np.float64)
    return np.float32(training.mean()), np.float32(training.std())


def windows(months: Floats) -> tuple[Floats, Floats]:
    """Return all windows of 36 months, (N, 36, 1), and the month after each, (N,)."""
    x = np.lib.stride_tricks.sliding_window_view(months[:-1], WINDOW_MONTHS)
    return x[..., np.newaxis], months[WINDOW_MONTHS:]


def read_months() -> Floats:
    """Return the 732 months from January 1950 to December 2010, in degrees Celsius."""
    table = io.BytesIO(WHEEL.read(MEMBER))
    # One year a row, which is in the first column.
    return np.loadtxt(table, np.float32, delimiter=",", skiprows=1, usecols=range(1, 13)).reshape(-1)
