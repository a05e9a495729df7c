"""The layers of one model of a Keras file, as its config lists them."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgelstm.errors import ModelFormatError
from edgelstm.frontends import keras_config as read
from edgelstm.frontends.keras_code import code_in, precision_problems

MOST_LAYERS = 1000
MODELS = frozenset({"Sequential", "Functional", "Model"})
_ID_TYPES = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64")

_OPERATIONS = "keras.src.ops."
"""The modules of what is called as a function, such as those by which Keras 3 computes masks."""


@dataclass(frozen=True)
class Place:
    """Where a layer's weights are.

    Attributes:
        group: the path in model.weights.h5, "layers/sequential/layers/lstm_1"; "" for what has no weights.
        name: the layer's own name, or that of the wrapper around it.
        outermost: the layer of the whole model that it is, or is nested in.
        wrapped: the path from the wrapper's group to the layer's, "layer" or "".
    """

    group: str
    name: str
    outermost: str
    wrapped: str = ""


@dataclass(frozen=True)
class Entry:
    """An element of "layers" in a model's config. `name` is unique in that model, `full_name` in all."""

    class_name: str
    name: str
    full_name: str
    config: Mapping[str, Any]
    raw: Mapping[str, Any]
    place: Place

    @property
    def label(self) -> str:
        """What messages call it."""
        return label(self.full_name, self.class_name)


def label(name: str, class_name: str) -> str:
    """What messages call a layer."""
    return f'layer "{name}" ({class_name})'


def read_entries(items: Sequence[Any], scope: tuple[str, ...], group: str) -> dict[str, Entry]:
    """Read a model's layers by name.

    Keras names a weight group after the layer's class, and counts the layers of a class in the file's order.
    Operations, which have no weights, stand among them and are not counted.
    """
    if len(items) > MOST_LAYERS:
        raise ModelFormatError(f"a model has {len(items)} layers, more than {MOST_LAYERS}", read.SAVE_AGAIN)
    entries: dict[str, Entry] = {}
    counts: Counter[str] = Counter()
    for item in items:
        raw = read.mapping(item, "a layer")
        class_name = read.class_name(raw)
        config = read.mapping(raw.get("config"), f"the config of a layer ({class_name})")
        name = read.text(raw.get("name", config.get("name")), f"the name of a layer ({class_name})")
        if name in entries:
            raise ModelFormatError(f'two layers have the name "{name}"', "rename one and save the model again")
        snake = _snake_case(class_name)
        is_operation = str(raw.get("module")).startswith(_OPERATIONS)
        count = counts[snake]
        counts[snake] += not is_operation
        entries[name] = Entry(
            class_name=class_name,
            name=name,
            full_name="/".join((*scope, name)),
            config=config,
            raw=raw,
            place=Place(
                group="" if is_operation else f"{group}layers/{snake}" + (f"_{count}" if count else ""),
                name=name,
                outermost=scope[0] if scope else name,
            ),
        )
    return entries


def _snake_case(class_name: str) -> str:
    name = class_name.rpartition(">")[2]
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def wrapped_layer(entry: Entry) -> Mapping[str, Any] | None:
    """What is in a TimeDistributed; None for other layers."""
    if entry.class_name != "TimeDistributed":
        return None
    return read.mapping(entry.config.get("layer"), "the layer in a TimeDistributed")


def entry_problems(entry: Entry) -> Iterator[str]:
    """What makes a layer unfit whatever its class."""
    if entry.class_name in MODELS:
        return
    if entry.class_name != "InputLayer" or entry.config.get("dtype") not in _ID_TYPES:
        yield from precision_problems(entry.config)
    if entry.class_name == "InputLayer":
        for kind in ("sparse", "ragged", "optional"):
            if entry.config.get(kind):
                yield f"{kind} inputs are not supported"
    if (inner := wrapped_layer(entry)) is not None:
        if read.class_name(inner) in MODELS:
            return
        yield from precision_problems(read.mapping(inner.get("config"), "the config of a wrapped layer"))
    if entry.class_name == "Bidirectional":
        for half in ("layer", "backward_layer"):
            inner = entry.config.get(half)
            config = inner.get("config") if isinstance(inner, Mapping) else None
            yield from precision_problems(config if isinstance(config, Mapping) else {})
    if entry.class_name != "Lambda" and not read.is_custom(entry.class_name):
        for option, code in code_in(entry.config):
            yield f"{option} is the Python code {code}, which is not in the file and never run"
