"""Masks in a Functional model of Keras 3, which lists what computes them among its layers.

A Masking or an Embedding with mask_zero is followed by NotEqual (and Any), whose result later layers take as `mask`;
where layers join sequences, operations join their masks. It is the mask that our layers find themselves, so all of them
go; any other use of such operations stays, and is refused.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import cached_property
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
"""Classes whose output has the mask of their first input, if it is a sequence still; states have none."""

_JOINING = frozenset({"Add", "Multiply"})
"""Classes whose output has the steps of any input: their masks are joined by LogicalOr, one by one."""

_STARTING = frozenset({"Bidirectional", "GRU", "LSTM", "SimpleRNN"})
"""Of these, the classes whose further inputs are states."""

_COMPUTING = frozenset(
    {
        "Any",
        "Concatenate",
        "ConvertToTensor",
        "ExpandDims",
        "LogicalAnd",
        "LogicalOr",
        "NotEqual",
        "OnesLike",
        "ZerosLike",
    }
)
"""Operations on masks."""

_DEEPEST = 64
"""Joins within joins, whose parts are gone through one by one."""


@dataclass(frozen=True)
class Described:
    """What a file says of a layer."""

    class_name: str
    config: Mapping[str, Any]
    inbound_nodes: Any


def without_masks(nodes: Mapping[str, Node], layers: Mapping[str, Described]) -> dict[str, Node]:
    """The nodes without what computes and takes the masks that are found anyway.

    A call that takes another names the layers whose mask it is, for the message that refuses it.
    """
    graph = _Graph(nodes, layers)
    computing = {name for name, origins in graph.origins.items() if origins}
    kept: dict[str, Node] = {}
    for name, node in nodes.items():
        found = [_named(*_unmasked(name, call, graph), graph) for call in node.calls]
        kept[name] = replace(node, calls=tuple(call for call, _ in found))
        computing.update(*(operations for _, operations in found))
    needed = _needed(kept, computing)
    return {name: node for name, node in kept.items() if name not in computing or name in needed}


def _needed(nodes: Mapping[str, Node], computing: Set[str]) -> set[str]:
    """What other layers take, as data or as a mask that stays, and what that is computed from."""
    needed: set[str] = set()
    waiting = [name for name in nodes if name not in computing]
    while waiting:
        for call in nodes[waiting.pop()].calls:
            named = {source for source, _ in (*call.inputs, *tensors_in(list(call.options.values())))}
            waiting += sorted((named & computing) - needed)
            needed |= named
    return needed


@dataclass(frozen=True)
class _Graph:
    """The nodes of a model and what the file says of them; `known` are answers of `computing`."""

    nodes: Mapping[str, Node]
    layers: Mapping[str, Described]
    known: dict[tuple[str, str], frozenset[str]] = field(default_factory=dict)

    @cached_property
    def origins(self) -> Mapping[str, frozenset[str]]:
        """Of each node, the Masking or Embedding layers whose mask it computes."""
        return {name: self._origins(name) for name in self.nodes}

    def is_a(self, name: str, *classes: str) -> bool:
        """Whether there is such a layer, of one of these classes."""
        return name in self.nodes and self.layers[name].class_name in classes

    def sources(self, name: str) -> list[str]:
        """The layers of which one takes its inputs; none where it is not so simple."""
        calls = self.nodes[name].calls if name in self.nodes else ()
        if len(calls) != 1 or any(output for _, output in calls[0].inputs):
            return []
        return [source for source, _ in calls[0].inputs]

    def only_source(self, name: str) -> str:
        """The layer of which one takes its only input, "" where it is not so simple."""
        sources = self.sources(name)
        return sources[0] if len(sources) == 1 else ""

    def _origins(self, name: str) -> frozenset[str]:
        """NotEqual of a Masking is half of its mask."""
        source = self.only_source(name)
        if self.is_any(name):
            found = self._origins(source) if self.is_a(source, "NotEqual") else ()
            return frozenset(one for one in found if self.is_a(one, "Masking"))
        value = _second_argument(self.layers[name].inbound_nodes)
        if not self.is_a(name, "NotEqual") or not source or value is None:
            return frozenset()
        users = (user for user in self.nodes if self.only_source(user) == source)
        return frozenset(user for user in users if value == _mask_value(self.layers[user]))

    def is_any(self, name: str) -> bool:
        """Whether it says of each step whether anything in it is true."""
        config = self.layers[name].config if self.is_a(name, "Any") else {"keepdims": True}
        return config.get("axis") == -1 and not config.get("keepdims")

    def computing(self, mask: str, at: str, depth: int = 0) -> frozenset[str]:
        """The operations that compute `mask`, if it is that which the sequence `at` has; else none."""
        at = self._with_mask_of_its_own(at)
        if (mask, at) not in self.known:
            is_searched = mask in self.nodes and depth <= _DEEPEST
            self.known[mask, at] = self._search(mask, at, depth) if is_searched else frozenset()
        return self.known[mask, at]

    def _search(self, mask: str, at: str, depth: int) -> frozenset[str]:
        inputs = self.sources(at)
        if self.is_a(at, *_JOINING) and len(inputs) > 1:
            return self._in_join(mask, inputs, depth)
        if self.is_a(at, "Concatenate") and self.is_any(mask) and len(inputs) > 1:
            return self._in_concatenation(mask, inputs, depth)
        is_whole = all(self.is_a(one, "Masking") == self.is_any(mask) for one in self.origins[mask])
        return frozenset({mask}) if is_whole and at in self.origins[mask] else frozenset()

    def _with_mask_of_its_own(self, at: str) -> str:
        """Back over layers whose output has the mask of their input."""
        seen = set[str]()
        while at not in seen and self.is_a(at, *_PASSING) and (sources := self.sources(at)):
            seen.add(at)
            if len(sources) > 1 and not self.is_a(at, *_STARTING):
                break
            at = sources[0]
        return at

    def behind_mask(self, names: Sequence[str]) -> frozenset[str]:
        """The operations from which masks of these names are computed."""
        found: set[str] = set()
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            if name not in found and self.is_a(name, *_COMPUTING):
                found.add(name)
                waiting += self.sources(name)
        return frozenset(found)

    def _in_join(self, mask: str, inputs: Sequence[str], depth: int) -> frozenset[str]:
        """LogicalOr of the mask so far and that of the next input."""
        found = set[str]()
        for source in reversed(inputs[1:]):
            parts = self.sources(mask) if self.is_a(mask, "LogicalOr") else []
            inside = self.computing(parts[1], source, depth + 1) if len(parts) == 2 else frozenset()
            if not inside:
                return frozenset()
            found |= {mask, *inside}
            mask = parts[0]
        inside = self.computing(mask, inputs[0], depth + 1)
        return inside | found if inside else inside

    def _in_concatenation(self, mask: str, inputs: Sequence[str], depth: int) -> frozenset[str]:
        """Any of a concatenation of masks, each as wide as its input; ones stand for a sequence without one."""
        joined = self.only_source(mask)
        parts = self.sources(joined) if self.is_a(joined, "Concatenate") else []
        found = {mask, joined}
        if len(parts) != len(inputs):
            return frozenset()
        for part, source in zip(parts, inputs, strict=True):
            if self.is_a(part, "OnesLike") and self.only_source(part) == source:
                found.add(part)
                continue
            pair = self.sources(part) if self.is_a(part, "LogicalOr") else []
            wide, zeros = pair if len(pair) == 2 else ("", "")
            inside = self.computing(self.only_source(wide), source, depth + 1)
            if not inside or not self.is_a(wide, "ExpandDims") or not self.is_a(zeros, "ZerosLike"):
                return frozenset()
            found |= {part, wide, zeros, *inside}
        return frozenset(found)


def _mask_value(layer: Described) -> Any:
    """What a layer masks, None for nothing."""
    if layer.class_name == "Embedding" and layer.config.get("mask_zero"):
        return 0
    return layer.config.get("mask_value", 0.0) if layer.class_name == "Masking" else None


def _unmasked(name: str, call: Call, graph: _Graph) -> tuple[Call, frozenset[str]]:
    """The call without a mask that comes with its input, and the operations that compute it."""
    references = list(tensors_in(call.options.get("mask")))
    if len(references) != 1 or not graph.is_a(name, *_TAKING) or len(call.inputs) != 1:
        return call, frozenset()
    operations = graph.computing(references[0].layer, call.inputs[0].layer)
    if not operations:
        return call, operations
    return replace(call, options={key: value for key, value in call.options.items() if key != "mask"}), operations


def _named(call: Call, operations: frozenset[str], graph: _Graph) -> tuple[Call, frozenset[str]]:
    """A mask that stays in the call as the layers whose mask it is, and what computes it; the same where none is."""
    stays = [source for source, _ in tensors_in(call.options.get("mask"))]
    found = graph.behind_mask(stays)
    origins = sorted({origin for name in found for origin in graph.origins[name]})
    if not origins:
        return call, operations
    return replace(call, options={**call.options, "mask": [[name, 0, 0] for name in origins]}), operations | found


def _second_argument(inbound_nodes: Any) -> Any:
    """The number with which a NotEqual compares, None where there is none."""
    first = inbound_nodes[0] if isinstance(inbound_nodes, list) and inbound_nodes else None
    arguments = first.get("args") if isinstance(first, Mapping) else None
    if not isinstance(arguments, list) or len(arguments) != 2:
        return None
    value = arguments[1]
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
