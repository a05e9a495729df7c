"""Where data comes from: an .npz file, an .npy file, or a function of the user's."""

from collections.abc import Mapping
from pathlib import Path

from edgelstm.data.arrays import read_npy, read_npz
from edgelstm.data.dataset import KEYS, PER_INPUT, Dataset, is_key
from edgelstm.errors import DataError
from edgelstm.user_code import call_user_code, is_user_code


def load_dataset(spec: str, *, base: Path) -> Dataset:
    """Read a data set.

    Args:
        spec: "data.npz" with arrays named as in `KEYS`, "data.npy" with `x` alone, or "data.py:load", a
            function without arguments that returns (x, y) or a mapping with those names.
        base: the folder that a relative `spec` starts from.

    Raises:
        DataError: the file cannot be read, or an array is not usable.
        ProjectError: the user's function is missing or failed.
    """
    if is_user_code(spec):
        return Dataset.from_arrays(_as_mapping(call_user_code(spec, base), spec))
    path = base / spec
    if path.suffix not in {".npz", ".npy"}:
        raise DataError(f"cannot read data from {spec!a:.200}", 'give a .npz or .npy file, or "file.py:function"')
    if not path.is_file():
        raise DataError(
            f"there is no data file {path}", "check the name; it is relative to the project, or to where you are"
        )
    if path.suffix == ".npy":
        return Dataset.from_arrays({"x": read_npy(path)})
    return Dataset.from_arrays(read_npz(path, is_key))


def _as_mapping(returned: object, spec: str) -> Mapping[str, object]:
    if isinstance(returned, Mapping):
        return flat_arrays(returned)
    if isinstance(returned, tuple) and len(returned) == 2:
        return flat_arrays({"x": returned[0], "y": returned[1]})
    raise DataError(
        f"{spec} returned {type(returned).__name__}",
        f"return (x, y), or a dict with some of the keys {', '.join(KEYS)}",
    )


def flat_arrays(arrays: Mapping[str, object]) -> dict[str, object]:
    """{"x": {"accel": array}} as {"x.accel": array}."""
    flat: dict[str, object] = {}
    for key, value in arrays.items():
        if key in PER_INPUT and isinstance(value, Mapping):
            flat |= {f"{key}.{name}": array for name, array in value.items()}
        else:
            flat[key] = value
    return flat
