"""Masks in a Functional model of Keras 3, which lists what computes them among its layers.

A Masking or an Embedding with mask_zero is followed by NotEqual (and Any), whose result later layers take as `mask`. It
is the mask that our layers find themselves, so both go; any other use of such operations stays, and is refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from edgelstm.frontends.keras_order import Call, Node, tensors_in

_TAKING = frozenset(
    {
        "BatchNormalization",
        "Bidirectional",
        "GRU",
        "GlobalAveragePooling1D",
        "LSTM",
        "SimpleRNN",
        "TimeDistributed",
    }
)
"""Classes that are called with a mask, and do with it what ours do."""

_PASSING = frozenset(
    {
        *(_TAKING - {"GlobalAveragePooling1D"}),
        "Activation",
        "Dense",
        "Dropout",
        "GaussianDropout",
        "GaussianNoise",
        "LayerNormalization",
        "LeakyReLU",
        "ReLU",
        "SpatialDropout1D",
    }
)
"""Classes of one input whose output has the mask of that, if it is a sequence still."""


@dataclass(frozen=True)
class Described:
    """What a file says of a layer."""

    class_name: str
    config: Mapping[str, Any]
    inbound_nodes: Any


def without_masks(nodes: Mapping[str, Node], layers: Mapping[str, Described]) -> dict[str, Node]:
    """The nodes without what computes and takes the masks that are found anyway."""
    origins = {name: found for name in nodes if (found := _origins(name, nodes, layers))}
    kept = {
        name: replace(node, calls=tuple(_unmasked(name, call, origins, nodes, layers) for call in node.calls))
        for name, node in nodes.items()
    }
    needed = _needed(kept, origins)
    return {name: node for name, node in kept.items() if name not in origins or name in needed}


def _needed(nodes: Mapping[str, Node], origins: Mapping[str, frozenset[str]]) -> set[str]:
    """What other layers take, as data or as a mask that stays, and what that is computed from."""
    needed: set[str] = set()
    waiting = [name for name in nodes if name not in origins]
    while waiting:
        for call in nodes[waiting.pop()].calls:
            named = {source for source, _ in (*call.inputs, *tensors_in(list(call.options.values())))}
            waiting += sorted((named & set(origins)) - needed)
            needed |= named
    return needed


def _origins(name: str, nodes: Mapping[str, Node], layers: Mapping[str, Described]) -> frozenset[str]:
    """The Masking or Embedding layers whose mask an operation computes; NotEqual of a Masking is half of it."""
    layer = layers[name]
    if layer.class_name == "Any" and layer.config.get("axis") == -1 and not layer.config.get("keepdims"):
        source = _only_source(nodes.get(name))
        found = _origins(source, nodes, layers) if source in nodes and layers[source].class_name == "NotEqual" else ()
        return frozenset(one for one in found if layers[one].class_name == "Masking")
    source = _only_source(nodes.get(name))
    value = _second_argument(layer.inbound_nodes)
    if layer.class_name != "NotEqual" or not source or value is None:
        return frozenset()
    return frozenset(
        user for user, node in nodes.items() if _only_source(node) == source and value == _mask_value(layers[user])
    )


def _mask_value(layer: Described) -> Any:
    """What a layer masks, None for nothing."""
    if layer.class_name == "Embedding" and layer.config.get("mask_zero"):
        return 0
    return layer.config.get("mask_value", 0.0) if layer.class_name == "Masking" else None


def _unmasked(
    name: str,
    call: Call,
    origins: Mapping[str, frozenset[str]],
    nodes: Mapping[str, Node],
    layers: Mapping[str, Described],
) -> Call:
    """The call without a mask that comes with its input."""
    references = list(tensors_in(call.options.get("mask")))
    if len(references) != 1 or layers[name].class_name not in _TAKING or len(call.inputs) != 1:
        return call
    computed = references[0][0]
    found = origins.get(computed, frozenset())
    is_whole = computed in layers and all(
        (layers[one].class_name == "Masking") == (layers[computed].class_name == "Any") for one in found
    )
    at, seen = call.inputs[0][0], set[str]()
    while at not in found and at in nodes and at not in seen and layers[at].class_name in _PASSING:
        seen.add(at)
        at = _only_source(nodes[at])
    if not is_whole or at not in found:
        return call
    return replace(call, options={key: value for key, value in call.options.items() if key != "mask"})


def _only_source(node: Node | None) -> str:
    """The layer of which a node takes the one input, "" where it is not so simple."""
    if node is None or len(node.calls) != 1 or len(node.calls[0].inputs) != 1:
        return ""
    name, output = node.calls[0].inputs[0]
    return "" if output else name


def _second_argument(inbound_nodes: Any) -> Any:
    """The number with which a NotEqual compares, None where there is none."""
    first = inbound_nodes[0] if isinstance(inbound_nodes, list) and inbound_nodes else None
    arguments = first.get("args") if isinstance(first, Mapping) else None
    if not isinstance(arguments, list) or len(arguments) != 2:
        return None
    value = arguments[1]
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
