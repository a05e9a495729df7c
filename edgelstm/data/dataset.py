"""The `Dataset` record, and how arrays of any numeric type become one."""

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from edgelstm.errors import DataError
from edgelstm.ir import MOST_INPUTS, AnyArray, FloatArray

KEYS = ("x", "y", "x_calib", "x_test", "y_test", "labels", "lengths", "lengths_calib", "lengths_test")
"""The names of a data set's arrays, in an .npz file and in what a user's function returns."""

PER_INPUT = ("x", "x_calib", "x_test")
"""Those of which there is one for each input of a model."""

MAX_LABELS = 10_000
MAX_LABEL_CHARACTERS = 64

_OTHER_NAMES = {
    "x_train": "x",
    "y_train": "y",
    "inputs": "x",
    "targets": "y",
    "x_val": "x_test",
    "y_val": "y_test",
    "classes": "labels",
}


@dataclass(frozen=True, eq=False)
class Samples:
    """Sequences with what is known about them.

    Attributes:
        x: (N, T, D) float32; ids are (N, T, 1).
        y: N targets, or None.
        lengths: (N,) valid steps of each sequence, counted from its first step; None where all T are valid.
    """

    x: FloatArray
    y: AnyArray | None
    lengths: AnyArray | None

    def take(self, indices: AnyArray) -> "Samples":
        """Some of the sequences."""
        y, lengths = self.y, self.lengths
        return Samples(
            self.x[indices], None if y is None else y[indices], None if lengths is None else lengths[indices]
        )


@dataclass(frozen=True, eq=False)
class InputArrays:
    """The arrays of one input of a model with several.

    Attributes:
        name: the input's.
        x: of training; see `Dataset`. A vector is (N, D).
        x_calib: of calibration.
        x_test: of the test.
    """

    name: str
    x: FloatArray
    x_calib: FloatArray | None = None
    x_test: FloatArray | None = None


@dataclass(frozen=True, eq=False)
class Dataset:
    """All data of a project. Sequences are (N, T, D) float32: samples, time steps, channels; or ids, (N, T); or images,
    (N, T, F, C): samples, time steps, features, channels.

    Targets are class ids (N,) or (N, T), one-hot rows or values (N, K) or (N, T, K); whole numbers are int64,
    others float32. `from_arrays` converts other types.

    Attributes:
        x: training sequences.
        y: their targets.
        x_calib: sequences for calibration, where they are not `x`.
        x_test: sequences never trained on.
        y_test: their targets.
        labels: names of the classes or outputs, in order.
        lengths: (N,) int64 valid steps of each sequence of `x`, from its first step on; the rest is padding.
        lengths_calib: the same for `x_calib`.
        lengths_test: the same for `x_test`.
        inputs: the arrays of each input of a model with several, by the names "x.accel", "x_test.accel"; `x`, `x_calib`
            and `x_test` are then the first one's.
    """

    x: FloatArray
    y: AnyArray | None = None
    x_calib: FloatArray | None = None
    x_test: FloatArray | None = None
    y_test: AnyArray | None = None
    labels: tuple[str, ...] = ()
    lengths: AnyArray | None = None
    lengths_calib: AnyArray | None = None
    lengths_test: AnyArray | None = None
    inputs: tuple[InputArrays, ...] = ()

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, object]) -> "Dataset":
        """Build a data set from arrays or nested lists under the names of `KEYS`; a None counts as absent.

        Raises:
            DataError: unknown names, a missing `x`, types that are not numbers; all of them at once.
        """
        problems = [f"unknown array {name!a:.60}{_suggestion(name)}" for name in arrays if not is_key(name)]
        given = {name: array for name, array in arrays.items() if is_key(name) and array is not None}
        names = input_names(given)
        if "x" not in given and not names:
            problems.append('the array "x" (training or calibration sequences) is missing')
        problems += _several_problems(given, names)
        converted: dict[str, AnyArray] = {}
        for name in [key for key in given if key != "labels"]:
            try:
                converted[name] = _as_numbers(name, given[name])
            except DataError as error:
                problems.append(error.message)
        labels: tuple[str, ...] = ()
        try:
            labels = _as_labels(given.get("labels"))
        except DataError as error:
            problems.append(error.message)
        raise_all(problems, f"arrays are named {', '.join(KEYS)}; those of several inputs x.<input>, x_test.<input>")
        inputs = tuple(_input_arrays(name, converted) for name in names)
        if inputs:
            first = {"x": inputs[0].x, "x_calib": inputs[0].x_calib, "x_test": inputs[0].x_test}
            converted |= {key: array for key, array in first.items() if array is not None}
        return cls(labels=labels, inputs=inputs, **converted)

    @property
    def training(self) -> Samples:
        """What training sees."""
        return Samples(as_steps(self.x), self.y, self.lengths)

    @property
    def calibration(self) -> Samples:
        """What ranges are observed on: `x_calib` (without targets), or `x`."""
        if self.x_calib is None:
            return self.training
        return Samples(as_steps(self.x_calib), None, self.lengths_calib)

    @property
    def test(self) -> Samples:
        """What accuracy is measured on: `x_test`, or `x` where there is none."""
        if self.x_test is None:
            return self.training
        return Samples(as_steps(self.x_test), self.y_test, self.lengths_test)


def is_key(name: object) -> bool:
    """Whether an array of this name belongs to a data set."""
    if not isinstance(name, str):
        return False
    key, dot, ending = name.partition(".")
    return key in PER_INPUT and bool(ending) if dot else name in KEYS


def input_names(names: Iterable[str]) -> list[str]:
    """The inputs that arrays are named after, in order."""
    return list(dict.fromkeys(name.partition(".")[2] for name in names if "." in name))


def _input_arrays(name: str, converted: dict[str, AnyArray]) -> InputArrays:
    """Take the arrays of an input out of those of all."""
    x, *others = (converted.pop(f"{key}.{name}", None) for key in PER_INPUT)
    assert x is not None
    return InputArrays(name, x, *others)


def _several_problems(given: Mapping[str, object], names: list[str]) -> list[str]:
    problems = [f"the array {f'x.{name}'!a:.60} is missing" for name in names if f"x.{name}" not in given]
    if names and any(key in given for key in PER_INPUT):
        problems.append("there are arrays of several inputs, and arrays that name no input")
    if len(names) > MOST_INPUTS:
        problems.append(f"there are arrays of {len(names)} inputs, more than {MOST_INPUTS}")
    return problems


def raise_all(problems: list[str], hint: str = "") -> None:
    """Raise one DataError that lists `problems`, unless there are none."""
    if problems:
        listed = "\n".join(f"  - {problem}" for problem in problems)
        raise DataError(f"the data cannot be used:\n{listed}", hint)


def as_steps(x: FloatArray) -> FloatArray:
    """Ids (N, T) and images (N, T, F, C) as (N, T, D): the values of each step side by side."""
    if x.ndim == 4:
        return x.reshape(*x.shape[:2], math.prod(x.shape[2:]))
    return x[..., np.newaxis] if x.ndim == 2 else x


def _suggestion(name: object) -> str:
    if not isinstance(name, str):
        return ""
    lower = name.lower()
    close = [_OTHER_NAMES.get(lower, lower)]
    if close[0] not in KEYS:
        close = difflib.get_close_matches(lower[:60], KEYS, n=1)
    return f'; did you mean "{close[0]}"?' if close else ""


def _as_numbers(name: str, given: object) -> AnyArray:
    try:
        values = np.asarray(given)
    except (ValueError, TypeError, OverflowError) as error:
        raise DataError(
            f'"{name}" is not one array of numbers: pad sequences of unequal length and give "lengths"'
        ) from error
    if values.dtype.kind not in "biuf":
        advice = "; give class ids from 0, and their names as labels" if values.dtype.kind in "SUO" else ""
        raise DataError(f'"{name}" holds {values.dtype.name:.60} values, not real numbers{advice}')
    is_whole = values.dtype.kind in "biu"
    if name.startswith("lengths") and not is_whole:
        raise DataError(f'"{name}" holds {values.dtype.name} values, not whole numbers')
    target = np.int64 if is_whole and not name.startswith("x") else np.float32
    # Numbers too large for float32 become inf, which the check against the model reports with its place.
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(values, dtype=target, order="C")


def _as_labels(given: object) -> tuple[str, ...]:
    if given is None:
        return ()
    values = np.asarray(given)
    if values.ndim != 1 or values.dtype.kind not in "SUiu" or len(values) > MAX_LABELS:
        raise DataError(f'"labels" must be a list of at most {MAX_LABELS} names')
    if values.dtype.kind == "S":
        labels = tuple(bytes(label).decode("ascii", "replace") for label in values)
    else:
        labels = tuple(str(label) for label in values)
    unusable = [label for label in labels if not label.isprintable() or not 0 < len(label) <= MAX_LABEL_CHARACTERS]
    if unusable:
        raise DataError(
            f'"labels" must be printable and of 1 to {MAX_LABEL_CHARACTERS} characters, '
            f"but {len(unusable)} are not, first {unusable[0]!a:.60}"
        )
    return labels
