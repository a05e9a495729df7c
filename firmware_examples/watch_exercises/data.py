"""Shoulder exercises felt by a smart watch: 140 recordings of 10 people, from a wheel of the package `seglearn`."""

import io
import pickle
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgelstm.data import Wheel

WHEEL = Wheel(
    "seglearn-1.2.5-py3-none-any.whl",
    sha256="ec6b952c85c9627050102854b372d85951563d3b990df677d7c55547e87413dd",
)
MEMBER = "seglearn/data/watch_dataset.npy"

WINDOW_SAMPLES = 100
"""2 s at 50 Hz; each window begins half a window after the one before it."""

TEST_PEOPLE = (8, 9, 10)

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Recordings:
    """Twenty repetitions of one exercise each.

    Attributes:
        motions: (samples, 6) each: acceleration x, y, z in g, then rates of turn x, y, z in rad/s.
        exercises: (140,) numbers into `names`.
        people: (140,) from 1 to 10.
        names: of the exercises.
    """

    motions: tuple[Floats, ...]
    exercises: Integers
    people: Integers
    names: tuple[str, ...]


def load() -> dict[str, object]:
    """Return normalised windows (N, 100, 6) and exercises (N,): seven people to train on, three others to test."""
    recordings = read_recordings()
    is_test = np.isin(recordings.people, TEST_PEOPLE)
    mean, deviation = normalisation(recordings)
    x, y = windows(recordings, np.flatnonzero(~is_test))
    x_test, y_test = windows(recordings, np.flatnonzero(is_test))
    return {
        "x": (x - mean) / deviation,
        "y": y,
        "x_test": (x_test - mean) / deviation,
        "y_test": y_test,
        "labels": recordings.names,
    }


def normalisation(recordings: Recordings) -> tuple[Floats, Floats]:
    """Return mean and standard deviation of each channel over the people to train on."""
    training = [
        motion
        for motion, person in zip(recordings.motions, recordings.people, strict=True)
        if person not in TEST_PEOPLE
    ]
    samples = np.concatenate(training).astype(np.float64)
    return samples.mean(axis=0).astype(np.float32), samples.std(axis=0).astype(np.float32)


def windows(recordings: Recordings, chosen: Integers) -> tuple[Floats, Integers]:
    """Return all windows (N, 100, 6) of the chosen recordings, and the exercise (N,) of each."""
    cut = [_overlapping(recordings.motions[i]) for i in chosen]
    return np.concatenate(cut), np.repeat(recordings.exercises[chosen], [len(part) for part in cut])


def read_recordings() -> Recordings:
    """Read all 140 recordings."""
    file = io.BytesIO(WHEEL.read(MEMBER))
    np.lib.format.read_magic(file)
    np.lib.format.read_array_header_1_0(file)
    content = _ArraysAlone(file).load().item()
    return Recordings(
        motions=tuple(np.asarray(motion, np.float32) for motion in content["X"]),
        exercises=np.asarray(content["y"], np.int64),
        people=np.asarray(content["subject"], np.int64),
        names=tuple(content["y_labels"]),
    )


def _overlapping(motion: Floats) -> Floats:
    every = np.lib.stride_tricks.sliding_window_view(motion, WINDOW_SAMPLES, axis=0)
    return every[:: WINDOW_SAMPLES // 2].transpose(0, 2, 1)


class _ArraysAlone(pickle.Unpickler):
    """Builds arrays, lists and numbers. A pickle may name any function to be called; this one knows four."""

    def find_class(self, module: str, name: str) -> object:
        known = {
            # Its module is called differently in numpy 2.
            ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): np.dtype,
            ("_codecs", "encode"): str.encode,
        }
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"{module}.{name} is no part of an array")
        return known[module, name]
