"""`x[:, -1]`: the last step of a sequence, taken by an index."""

from collections.abc import Mapping
from typing import Any, ClassVar

from edgelstm.ir import KerasLayer, Layer, SourceLayer, Tensor
from edgelstm.ops.last_step import LastStepLayer

TAKEN = "GetItem"
"""Keras' class for an index or slices in brackets, which stand in the config as "key"."""

_LONGEST = 60


class TakenStepLayer(LastStepLayer, KerasLayer):
    """The last step, whether or not a mask leaves it out: Keras' index knows no mask.

    Behind a recurrent layer it is the same as the last step that counts, because masked steps repeat it.
    """

    takes_mask: ClassVar[bool] = False

    @classmethod
    def keras_problems(cls, source: SourceLayer, input_tensor: Tensor) -> list[str]:
        """Anything but the last step of a sequence."""
        key = source.config.get("key")
        taken = key if isinstance(key, list) else [key]
        if not input_tensor.is_sequence:
            return [f"takes {_text(taken)} of a single vector; only the last step of a sequence can be taken"]
        if _takes_last(taken, input_tensor.timesteps):
            return []
        return [
            f"takes {_text(taken)}; only the last step of a sequence, [:, -1, :], can be taken, which is what "
            "return_sequences=False on the layer before it yields"
        ]

    @classmethod
    def from_keras(cls, source: SourceLayer, input_tensor: Tensor) -> tuple[Layer, ...]:
        """Build the layer."""
        return (cls(source.name, input_tensor, Tensor(source.name, input_tensor.size, is_sequence=False)),)


def _takes_last(taken: list[Any], timesteps: int | None) -> bool:
    """Whether it is [:, -1], [:, -1, :] or [..., -1, :], or the same with the number of the last step."""
    first, step, *rest = (*taken, None, None)[: max(2, len(taken))]
    if type(step) is not int or step not in (-1, (timesteps or 0) - 1):
        return False
    if _is_rest(first):
        return len(rest) == 1 and _is_all(rest[0])
    return _is_all(first) and (not rest or (len(rest) == 1 and (_is_all(rest[0]) or _is_rest(rest[0]))))


def _slice(item: Any) -> Mapping[str, Any] | None:
    """Start, stop and step; Keras 3 writes an object around them."""
    if not isinstance(item, Mapping):
        return None
    inner = item.get("config") if item.get("class_name") == "__slice__" else item
    return inner if isinstance(inner, Mapping) and "stop" in inner else None


def _is_all(item: Any) -> bool:
    found = _slice(item)
    if found is None or found.get("stop") is not None:
        return False
    return found.get("start") in (None, 0) and found.get("step") in (None, 1)


def _is_rest(item: Any) -> bool:
    return isinstance(item, Mapping) and item.get("class_name") == "__ellipsis__"


def _text(taken: list[Any]) -> str:
    """The key as it is written in Python."""
    return f"[{', '.join(map(_item_text, taken))}]"[:_LONGEST]


def _item_text(item: Any) -> str:
    found = _slice(item)
    if found is None:
        return "..." if _is_rest(item) else ascii(item)[:20]
    parts = ["" if found.get(key) is None else ascii(found[key])[:20] for key in ("start", "stop", "step")]
    return ":".join(parts if parts[2] else parts[:2])
