"""The order of execution of a Functional model, or the reasons why we find none.

Keras 2 writes a call as [[name, node, output, {options}], ...], Keras 3 as {"args": [...], "kwargs": {...}}
with each tensor as {"class_name": "__keras_tensor__", "config": {"keras_history": [name, node, output]}}.
"""

import heapq
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgelstm.errors import ModelFormatError
from edgelstm.frontends.keras_config import SAVE_AGAIN, mapping, sequence, text
from edgelstm.ir import TensorReference

_INITIAL_STATE = "initial_state"


@dataclass(frozen=True)
class Call:
    """One use of a layer: the tensors it is given, an initial state's last, and the other keyword arguments."""

    inputs: tuple[TensorReference, ...]
    options: Mapping[str, Any]


@dataclass(frozen=True)
class Node:
    """A layer in the graph. `label` is what messages call it; an input layer has no calls."""

    label: str
    is_input: bool
    calls: tuple[Call, ...]


def read_calls(inbound_nodes: Any, *, is_operation: bool = False) -> tuple[Call, ...]:
    """Read a layer's "inbound_nodes"; a function of Keras may be called with what is no tensor, which is not kept."""
    nodes = sequence(inbound_nodes, "the inbound nodes of a layer")
    return tuple(_read_call(node, is_operation=is_operation) for node in nodes)


def model_outputs(config: Mapping[str, Any]) -> list[TensorReference]:
    """What a Functional model yields."""
    return _ends(config, "output_layers")


def model_inputs(config: Mapping[str, Any]) -> list[TensorReference]:
    """The input layers of a Functional model."""
    return _ends(config, "input_layers")


def execution_order(
    nodes: Mapping[str, Node], config: Mapping[str, Any], *, may_have_several: bool
) -> tuple[list[str], list[str]]:
    """Find an order in which every layer of a Functional model comes after those whose outputs it takes.

    Args:
        nodes: the layers by name, in the order of the file.
        config: the model's config, for its input_layers and output_layers.
        may_have_several: of both; a model that is a layer has one of each.

    Returns:
        The names, that of the only output last, and the reasons why there is no such order, one each. With reasons, the
        names are in the order of the file.
    """
    sources, targets = model_inputs(config), model_outputs(config)
    called = [reference for node in nodes.values() for call in node.calls for reference in call.inputs]
    for name, _ in (*called, *sources, *targets):
        if name not in nodes:
            raise ModelFormatError(f"the model refers to a layer {name!r} that is not in it", SAVE_AGAIN)
    inputs = {name for name, node in nodes.items() if node.is_input}
    if sorted(inputs) != sorted(source.layer for source in sources):
        raise ModelFormatError("the model's input_layers are not the input layers that it has", SAVE_AGAIN)
    problems = [
        f"the model has {len(ends)} {word}s, {_listed(ends)}; exactly one is supported"
        for word, ends in (("input", sources), ("output", targets))
        if not ends or (len(ends) > 1 and not may_have_several)
    ]
    for node in nodes.values():
        problems += [f"{node.label}: {reason}" for reason in _node_problems(node)]
    if problems:
        return list(nodes), problems
    order = _sorted(nodes)
    leading = {name for target in targets for name in _leading_to(nodes, target.layer)}
    if len(order) != len(nodes) or leading != set(nodes):
        return list(nodes), ["the layers do not all lead from the model's input to its output"]
    if len(targets) == 1:
        order.remove(targets[0].layer)
        order.append(targets[0].layer)
    return order, []


def _sorted(nodes: Mapping[str, Node]) -> list[str]:
    """Layers after those they take from, else in the order of the file; without those that run in a circle."""
    waiting = {name: {source for call in node.calls for source, _ in call.inputs} for name, node in nodes.items()}
    position = {name: index for index, name in enumerate(nodes)}
    names, users = list(nodes), _users(nodes)
    ready = [position[name] for name, missing in waiting.items() if not missing]
    order: list[str] = []
    while ready:
        name = names[heapq.heappop(ready)]
        order.append(name)
        for user in users.get(name, ()):
            waiting[user].discard(name)
            if not waiting[user]:
                heapq.heappush(ready, position[user])
    return order


def _leading_to(nodes: Mapping[str, Node], target: str) -> set[str]:
    """A layer and all that it depends on."""
    found, open_ends = {target}, [target]
    while open_ends:
        for call in nodes[open_ends.pop()].calls:
            new = {name for name, _ in call.inputs} - found
            found |= new
            open_ends += sorted(new)
    return found


def _read_call(node: Any, *, is_operation: bool) -> Call:
    if isinstance(node, Mapping) and "args" in node:
        options = mapping(node.get("kwargs", {}), "the keyword arguments of a layer")
        arguments = node["args"]
        if is_operation and isinstance(arguments, list):
            arguments = [value for value in arguments if any(tensors_in(value))]
        return _call(*_by_position(arguments, options))
    merged: dict[str, Any] = {}
    for options in _legacy_options(node):
        merged.update(options)
    return _call(node, merged)


def _by_position(arguments: Any, options: Mapping[str, Any]) -> tuple[Any, Mapping[str, Any]]:
    """Positional arguments up to the first behind the inputs that is more, or less, than tensors.

    That and those behind it are options, named by their number; so are inputs with something else among them.
    """
    if not isinstance(arguments, list):
        return arguments, options
    end = next((index for index, value in enumerate(arguments) if index and not _is_tensors(value)), len(arguments))
    others = [index for index, value in enumerate(arguments) if index >= end or not _is_tensors(value)]
    numbered = {f"argument {index + 1}": arguments[index] for index in others if not _says_nothing(arguments[index])}
    return arguments[:end], {**options, **numbered}


def _is_tensors(value: Any) -> bool:
    if _is_tensor(value) or _is_reference(value):
        return True
    values = list(value.values()) if isinstance(value, Mapping) else value
    return isinstance(values, list) and bool(values) and all(map(_is_tensors, values))


def _says_nothing(value: Any) -> bool:
    """Whether an argument leaves a layer as it is called without: none of those that we know defaults to more."""
    return all(map(_says_nothing, value)) if isinstance(value, list) else value is None or value in (False, 0)


def _call(arguments: Any, options: Mapping[str, Any]) -> Call:
    others = {key: value for key, value in options.items() if key != _INITIAL_STATE}
    return Call((*tensors_in(arguments), *tensors_in(options.get(_INITIAL_STATE))), others)


def tensors_in(value: Any) -> Iterator[TensorReference]:
    """All tensors in an argument; the depth is bounded by that of the JSON."""
    if isinstance(value, Mapping):
        if _is_tensor(value):
            tensor = mapping(value.get("config"), "a tensor")
            value = sequence(tensor.get("keras_history"), "the history of a tensor")
            if not _is_reference(value):
                raise ModelFormatError("expected the history of a tensor to be [layer, node, output]", SAVE_AGAIN)
        else:
            value = list(value.values())
    if isinstance(value, list):
        if _is_reference(value):
            yield TensorReference(text(value[0], "the name of a layer"), value[2])
        else:
            for item in value:
                yield from tensors_in(item)


def _is_tensor(value: Any) -> bool:
    return isinstance(value, Mapping) and value.get("class_name") == "__keras_tensor__"


def _is_reference(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) >= 3
        and isinstance(value[0], str)
        and type(value[1]) is int
        and type(value[2]) is int
    )


def _legacy_options(node: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(node, list):
        if _is_reference(node):
            yield from (item for item in node[3:] if isinstance(item, Mapping))
        else:
            for item in node:
                yield from _legacy_options(item)


def _ends(config: Mapping[str, Any], key: str) -> list[TensorReference]:
    if key not in config:
        raise ModelFormatError(f"the config of a Functional model has no {key}", SAVE_AGAIN)
    return list(tensors_in(config[key]))


def _node_problems(node: Node) -> Iterator[str]:
    if node.is_input:
        return
    if len(node.calls) != 1:
        yield f"is used {len(node.calls)} times; a layer must be used once"
    for call in node.calls:
        if not call.inputs:
            yield "has no inputs"
        for key, value in call.options.items():
            if not _says_nothing(value):
                yield _option_problem(text(key, "an argument"), value)


def _option_problem(key: str, value: Any) -> str:
    if (tensors := list(tensors_in(value))) and key == "mask":
        return f"takes the mask of {_listed(tensors)}, which no layer hands on to there that could be compiled"
    if tensors:
        return f"takes {key} from {_listed(tensors)}; call it without"
    return f"is called with {key}={ascii(value)[:40]}, which acts at inference too; call it without"


def _users(nodes: Mapping[str, Node]) -> Mapping[str, list[str]]:
    users: dict[str, list[str]] = defaultdict(list)
    for user, node in nodes.items():
        for name in dict.fromkeys(name for call in node.calls for name, _ in call.inputs):
            users[name].append(user)
    return users


def _listed(references: Sequence[TensorReference]) -> str:
    names = [f'"{name}"' for name, _ in references[:5]]
    return ", ".join(names) + (", ..." if len(references) > 5 else "") if names else "none"
