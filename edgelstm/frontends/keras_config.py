"""Reading values out of a Keras config without trusting their types; ModelFormatError for what cannot be."""

from collections.abc import Mapping, Sequence
from typing import Any

from edgelstm.errors import ModelFormatError

LONGEST_NAME = 200

SAVE_AGAIN = 'the file may be damaged; save the model again with model.save("model.keras")'
_KERAS_MODULES = frozenset({"keras", "tf_keras"})

Shape = tuple[int | None, ...]
"""Sizes as Keras states them, batch first; None where any size goes."""


def mapping(value: Any, what: str) -> Mapping[str, Any]:
    """A JSON object."""
    if not isinstance(value, Mapping):
        raise ModelFormatError(f"expected {what} to be an object, found {_kind(value)}", SAVE_AGAIN)
    return value


def sequence(value: Any, what: str) -> Sequence[Any]:
    """A JSON array."""
    if not isinstance(value, list):
        raise ModelFormatError(f"expected {what} to be a list, found {_kind(value)}", SAVE_AGAIN)
    return value


def text(value: Any, what: str) -> str:
    """A name: printable, not empty, at most LONGEST_NAME characters."""
    if not isinstance(value, str):
        raise ModelFormatError(f"expected {what} to be a text, found {_kind(value)}", SAVE_AGAIN)
    if not 1 <= len(value) <= LONGEST_NAME or not value.isprintable():
        raise ModelFormatError(
            f"{what} is {value[:60]!a}; a name has 1 to {LONGEST_NAME} printable characters",
            "rename it in Keras and save the model again",
        )
    return value


def class_name(item: Mapping[str, Any]) -> str:
    """The class of a serialized object; "package>name" where it is not one of Keras' own."""
    name = text(item.get("class_name"), "a class name")
    registered, module = item.get("registered_name"), item.get("module")
    if isinstance(registered, str) and ">" in registered:
        return text(registered, "a registered class name")
    if ">" not in name and isinstance(module, str) and module.partition(".")[0] not in _KERAS_MODULES:
        return text(f"{module}>{name}", "a class name")
    return name


def is_custom(name: str) -> bool:
    """Whether a class name as `class_name` gives it is that of somebody's own code."""
    return ">" in name


def shape(value: Any) -> Shape | None:
    """Sizes of one tensor, or None where the config states them in another way or not at all."""
    if not isinstance(value, list) or not value:
        return None
    if any(size is not None and (isinstance(size, bool) or not isinstance(size, int)) for size in value):
        return None
    return tuple(value)


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "nothing"}
    return names.get(type(value), "a number")
