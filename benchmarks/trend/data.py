"""Weekly carbon dioxide at Mauna Loa, 1958 to 2001: `co2.csv`, from a wheel of the package `statsmodels`."""

import numpy as np
import numpy.typing as npt

from edgelstm.data import Wheel

WHEEL = Wheel(
    "statsmodels-0.15.0-cp312-cp312-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl",
    sha256="c6f2bd48915cc9b3b95c3c7f6ac363b6f8aaa38172962ba5f7f6885f0dfe57f2",
)
MEMBER = "statsmodels/datasets/co2/co2.csv"
WINDOW_WEEKS, TRAINING_WEEKS = 104, 1700


def load() -> dict[str, npt.NDArray[np.float32]]:
    """Two years of weeks and the one after them, in standard deviations of the training weeks; the test comes after."""
    ppm = read_weeks()
    training = ppm[:TRAINING_WEEKS]
    levels = ((ppm - training.mean()) / training.std()).astype(np.float32)
    x = np.lib.stride_tricks.sliding_window_view(levels[:-1], WINDOW_WEEKS)[..., np.newaxis]
    y, first_test = levels[WINDOW_WEEKS:], TRAINING_WEEKS - WINDOW_WEEKS
    return {"x": x[:first_test], "y": y[:first_test], "x_test": x[first_test:], "y_test": y[first_test:]}


def read_weeks() -> npt.NDArray[np.float64]:
    """Parts per million; weeks without a measurement lie between their neighbours."""
    rows = [line.split(",") for line in WHEEL.read(MEMBER).decode().splitlines()[1:]]
    values = np.array([float(row[1]) if row[1].strip() else np.nan for row in rows])
    weeks, known = np.arange(len(values)), np.isfinite(values)
    return np.interp(weeks, weeks[known], values[known])
