"""Every key that edgelstm.toml may hold, and what its value must be.

A check returns the value as the settings hold it, or raises ValueError saying what it expected.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from edgelstm.identifiers import MAX_NAME_CHARACTERS, as_model_name, is_model_name
from edgelstm.numerics.contracts import CHOICES, Contract
from edgelstm.project.quantities import bytes_of
from edgelstm.project.settings import (
    ACTIVATION_CHOICES,
    CALIBRATION_CHOICES,
    CLIP_CHOICES,
    LARGEST_DRIFT,
    LARGEST_LSB,
    LARGEST_MARGIN,
    LEAST_DRIFT,
    LEAST_DRIFT_STEPS,
    LEAST_MARGIN,
    MOST_CELL_BITS,
    MOST_DRIFT_STEPS,
    ROUNDING_CHOICES,
    SMALLEST_LSB,
    WEIGHTS_CHOICES,
)
from edgelstm.user_code import is_user_code

Check = Callable[[object], Any]

_MAX_TEXT_CHARACTERS = 400
_DATA_SUFFIXES = (".npz", ".npy")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def _whole(lowest: int, highest: int) -> Check:
    def check(value: object) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= highest:
            return value
        raise ValueError(f"a whole number from {lowest} to {highest}")

    return check


def _real(lowest: float, highest: float) -> Check:
    def check(value: object) -> float:
        if isinstance(value, int | float) and not isinstance(value, bool) and lowest <= value <= highest:
            return float(value)
        raise ValueError(f"a number from {lowest:g} to {highest:g}")

    return check


def _choice(*names: str) -> Check:
    def check(value: object) -> str:
        if isinstance(value, str) and value in names:
            return value
        raise ValueError(f"one of {', '.join(names)}")

    return check


def _list_of(check_one: Check, shortest: int, longest: int) -> Check:
    def check(value: object) -> tuple[Any, ...]:
        if not isinstance(value, list) or not shortest <= len(value) <= longest:
            raise ValueError(f"a list of {shortest} to {longest} values")
        try:
            return tuple(check_one(one) for one in value)
        except ValueError as error:
            raise ValueError(f"a list, each {error}") from error

    return check


def _bytes(value: object) -> int:
    number = bytes_of(value) if isinstance(value, str) else value
    if isinstance(number, int) and not isinstance(number, bool) and 1 <= number <= 1 << 30:
        return number
    raise ValueError('a number of bytes, like 2048 or "2K"')


def _yes_or_no(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError("true or false")


def _text(value: object) -> str:
    if isinstance(value, str) and value.isprintable() and 0 < len(value) <= _MAX_TEXT_CHARACTERS:
        return value
    raise ValueError(f"a printable text of 1 to {_MAX_TEXT_CHARACTERS} characters")


def _word(value: object) -> str:
    if isinstance(value, str) and len(value) <= MAX_NAME_CHARACTERS and _WORD.fullmatch(value):
        return value
    raise ValueError(f"a name of 1 to {MAX_NAME_CHARACTERS} letters, digits and - _ .")


def _model_name(value: object) -> str:
    if isinstance(value, str) and is_model_name(value):
        return value
    advice = f', such as "{as_model_name(value)}"' if isinstance(value, str) else ""
    raise ValueError(
        f"a lower-case C identifier of at most {MAX_NAME_CHARACTERS} characters that C does not use{advice}"
    )


def _user_code(value: object) -> str:
    if is_user_code(text := _text(value)):
        return text
    raise ValueError('"file.py:function"')


def _data_source(value: object) -> str:
    if is_user_code(text := _text(value)) or text.endswith(_DATA_SUFFIXES):
        return text
    raise ValueError('a .npz or .npy file, or "file.py:function"')


def _file_inside(*suffixes: str) -> Check:
    """A path that a project got from elsewhere cannot point at something of the user's."""

    def check(value: object) -> str:
        text = _text(value)
        posix, windows = PurePosixPath(text), PureWindowsPath(text)
        leaves = posix.is_absolute() or windows.anchor != "" or ".." in windows.parts
        if leaves or posix.suffix not in suffixes:
            raise ValueError(f"a path inside the project's folder that ends in {', '.join(suffixes)}")
        return text

    return check


def _contract(value: object) -> Contract:
    return Contract(_choice(*(contract.value for contract in CHOICES))(value))


KEYS: Mapping[str, Mapping[str, Check]] = {
    "project": {"name": _model_name},
    "data": {"source": _data_source},
    "model": {
        "file": _file_inside(".keras", ".h5", ".hdf5", ".tflite"),
        "build": _user_code,
        "lstm": _list_of(_whole(1, 1024), 1, 8),
        "dense": _list_of(_whole(1, 4096), 0, 8),
        "activation": _choice("relu", "tanh", "sigmoid", "linear"),
        "dropout": _real(0.0, 0.9),
        "epochs": _whole(1, 100_000),
        "batch_size": _whole(1, 65_536),
        "learning_rate": _real(1e-9, 10.0),
        "seed": _whole(0, 2**32 - 1),
        "qat_epochs": _whole(0, 10_000),
        "qat_learning_rate": _real(1e-9, 10.0),
    },
    "quantize": {
        "calibration_samples": _whole(1, 10_000_000),
        "margin": _real(LEAST_MARGIN, LARGEST_MARGIN),
        "clip": _choice(*CLIP_CHOICES),
        "cell_bits": _whole(0, MOST_CELL_BITS),
        "weights": _choice(*WEIGHTS_CHOICES),
        "rounding": _choice(*ROUNDING_CHOICES),
        "calibration": _choice(*CALIBRATION_CHOICES),
    },
    "build": {
        "targets": _list_of(_word, 1, 32),
        "optimize": _choice("size", "balanced", "speed"),
        "constant_time": _yes_or_no,
        "no_asm": _yes_or_no,
        "wide_weights": _yes_or_no,
        "raw_lsb": _list_of(_real(SMALLEST_LSB, LARGEST_LSB), 1, 4096),
        "contract": _contract,
        "activations": _choice(*ACTIVATION_CHOICES),
        "max_flash": _bytes,
        "max_ram": _bytes,
        "max_instructions": _whole(1, 10**12),
        # No path: a project got from elsewhere must not name a program to run.
        "compiler": _choice("gcc", "clang", "zig"),
        "runner": _word,
        "main": _file_inside(".c"),
    },
    "verify": {
        "sequences": _whole(1, 1_000_000),
        "max_drift": _real(LEAST_DRIFT, LARGEST_DRIFT),
        "drift_steps": _whole(LEAST_DRIFT_STEPS, MOST_DRIFT_STEPS),
    },
    "flash": {"runner": _word, "address": _text},
}
"""Sections, their keys, and the check of each."""

LIMITS = ("max_flash", "max_ram", "max_instructions")
"""Keys of [build] that say nothing but where `activations` is "auto"."""

EXCLUDED_BY_BUILD = ("lstm", "dense", "activation", "dropout")
"""Keys of [model] that say nothing where `build` makes the model."""
