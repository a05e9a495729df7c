"""Attention spelled out in a Keras model: Dot, Softmax and Dot become one layer, so do Softmax over time and Dot."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from edgelstm.ir import SourceLayer
from edgelstm.ops.sources import activation

_FLATTEN = "Flatten"


def join_attention(
    layers: Sequence[SourceLayer], outputs: frozenset[str], vanishing: frozenset[str]
) -> tuple[SourceLayer, ...]:
    """Join each Dot, Softmax and Dot behind it where nothing else reads what is between them, then Softmax and Dot.

    The last Dot stays, with what was joined in its config (see `DotLayer` and `AnyDotLayer`); one that is in no
    attention says there what was found.

    Args:
        layers: in order of execution.
        outputs: the layers that yield the model's outputs.
        vanishing: classes that compute nothing, which may stand between.
    """
    named = {layer.name: layer for layer in layers}
    readers: dict[str, list[SourceLayer]] = {}
    for layer in layers:
        for name, _ in layer.inputs:
            readers.setdefault(name, []).append(layer)
    joined: dict[str, SourceLayer] = {}
    gone: set[str] = set()
    for layer in layers:
        between = (
            [] if layer.class_name != "Dot" or layer.name in joined else _between(layer, readers, outputs, vanishing)
        )
        last = readers[between[-1].name][0] if between else layer
        if between and last.name not in joined and last.class_name == "Dot" and len(last.inputs) == 2:
            joined[last.name] = _join(layer, between, last)
            gone |= {layer.name, *(one.name for one in between)}
    for layer in layers:
        if layer.class_name == "Dot" and layer.name not in gone | {*joined} and len(layer.inputs) == 2:
            weights = _weights(layer, named, readers, outputs, vanishing)
            if weights:
                joined[layer.name] = _pooling(layer, weights, readers, outputs)
                gone |= {one.name for one in weights}
    kept = [joined.get(layer.name, layer) for layer in layers if layer.name not in gone]
    return tuple(layer if layer.name in joined else _explained(layer, readers, named) for layer in kept)


def _between(
    dot: SourceLayer, readers: Mapping[str, Sequence[SourceLayer]], outputs: frozenset[str], vanishing: frozenset[str]
) -> list[SourceLayer]:
    """One Softmax and what vanishes, from a Dot to the layer that reads the last of them; [] where there is none."""
    found: list[SourceLayer] = []
    current = dot
    while current.name not in outputs and len(readers.get(current.name, ())) == 1:
        current = readers[current.name][0]
        if not _is_softmax(current) and current.class_name not in vanishing:
            break
        found.append(current)
    ends = not found or found[-1].name in outputs or len(readers.get(found[-1].name, ())) != 1
    return [] if ends or sum(map(_is_softmax, found)) != 1 else found


def _is_softmax(layer: SourceLayer) -> bool:
    if len(layer.inputs) != 1 or layer.is_per_step:
        return False
    return layer.class_name == "Softmax" or (layer.class_name == "Activation" and activation(layer) == "softmax")


def _join(dot: SourceLayer, between: Sequence[SourceLayer], last: SourceLayer) -> SourceLayer:
    softmax = next(layer for layer in between if _is_softmax(layer))
    weights_first = last.inputs[0].layer == between[-1].name
    config = {
        "scores": dict(dot.config),
        "axis": softmax.config.get("axis", -1) if softmax.class_name == "Softmax" else -1,
        "values": dict(last.config),
        "weights_first": weights_first,
    }
    values = last.inputs[1] if weights_first else last.inputs[0]
    return replace(last, config=config, inputs=(*dot.inputs, values))


def _weights(
    dot: SourceLayer,
    named: Mapping[str, SourceLayer],
    readers: Mapping[str, Sequence[SourceLayer]],
    outputs: frozenset[str],
    vanishing: frozenset[str],
) -> list[SourceLayer]:
    """One Softmax, what vanishes and what flattens, back from one input of a Dot; [] where neither leads to that, or to
    the scores of another Dot.
    """
    for name, _ in dot.inputs:
        found: list[SourceLayer] = []
        current = named.get(name)
        while current is not None and current.name not in outputs and len(readers[current.name]) == 1:
            passes = _is_softmax(current) or current.class_name in (*vanishing, _FLATTEN)
            if not passes or len(current.inputs) != 1 or current in found:
                break
            found.append(current)
            current = named.get(current.inputs[0].layer)
        if sum(map(_is_softmax, found)) == 1 and (current is None or current.class_name != "Dot"):
            return found
    return []


def _pooling(
    dot: SourceLayer,
    weights: Sequence[SourceLayer],
    readers: Mapping[str, Sequence[SourceLayer]],
    outputs: frozenset[str],
) -> SourceLayer:
    """The Dot on scores and values, see `AnyDotLayer`."""
    at = next(index for index, layer in enumerate(weights) if _is_softmax(layer))
    flat = [layer.class_name == _FLATTEN for layer in weights]
    behind = readers.get(dot.name, ())
    config = {
        "axis": weights[at].config.get("axis", -1) if weights[at].class_name == "Softmax" else -1,
        "is_flat": any(flat[at:]),
        "are_weights_flat": any(flat),
        "values": dict(dot.config),
        "weights_first": dot.inputs[0].layer == weights[0].name,
        "is_flattened": dot.name not in outputs and {one.class_name for one in behind} == {_FLATTEN},
    }
    values = dot.inputs[1 if config["weights_first"] else 0]
    return replace(dot, config=config, inputs=(weights[-1].inputs[0], values))


def _explained(
    layer: SourceLayer, readers: Mapping[str, Sequence[SourceLayer]], named: Mapping[str, SourceLayer]
) -> SourceLayer:
    """A Dot that is in no attention, with the layers around it."""
    if layer.class_name != "Dot":
        return layer
    behind = [f'"{one.name}" ({one.class_name})' for one in readers.get(layer.name, ())]
    before = [f'"{name}" ({named[name].class_name})' if name in named else "the input" for name, _ in layer.inputs]
    found = f"it reads {' and '.join(before[:3])}, and what reads it is {', '.join(behind[:3]) or 'the output'}"
    return replace(layer, config={"found": found})
