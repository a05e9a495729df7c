"""From the config of a Keras model to its layers in order of execution, or the reasons why there is none.

Reads Sequential and Functional models, and models nested in them, as Keras 2, tf_keras and Keras 3 write
them.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from edgelstm.errors import ModelFormatError
from edgelstm.frontends import keras_config as read
from edgelstm.frontends.keras_entries import (
    MODELS,
    Entry,
    Place,
    entry_problems,
    label,
    read_entries,
    wrapped_layer,
)
from edgelstm.frontends.keras_masks import Described, without_masks
from edgelstm.frontends.keras_operations import as_layer
from edgelstm.frontends.keras_order import Node, execution_order, model_inputs, model_outputs, read_calls
from edgelstm.ir import TensorReference

DEEPEST_NESTING = 8

_MODEL_INPUT = TensorReference("")


@dataclass(frozen=True)
class GraphLayer:
    """A layer of the graph.

    Attributes:
        class_name: Keras' name; "package>name" for a custom class. Of a TimeDistributed, that of the layer in it.
        name: unique in the graph; "model/layer" in a nested model.
        config: the layer's config, of a TimeDistributed that of the layer in it.
        place: where its weights are.
        inputs: what it takes; "" is the model's input.
        is_per_step: whether it is in a TimeDistributed.
    """

    class_name: str
    name: str
    config: Mapping[str, Any]
    place: Place
    inputs: tuple[TensorReference, ...] = (_MODEL_INPUT,)
    is_per_step: bool = False


@dataclass(frozen=True)
class GraphInput:
    """One of several inputs of a model.

    Attributes:
        reference: what layers take.
        shape: with the batch; None where the file does not state it.
    """

    reference: TensorReference
    shape: read.Shape | None


@dataclass(frozen=True)
class Graph:
    """A model's layers, without input layers, in order of execution (of the file, where there are problems).

    Attributes:
        name: the model's name.
        input_name: the name of the input layer, "" where the file has none.
        input_shape: batch, time steps, features; None where the file does not state it.
        layers: models nested in the model are dissolved, names become "model/layer".
        problems: why it is no graph of ordinary float layers from inputs to outputs, one line each.
        output: what the model yields first; "" where the input passes through.
        outputs: all that it yields, where that is more.
        inputs: where there are several, all of them; layers then take none by the name "".
    """

    name: str
    input_name: str
    input_shape: read.Shape | None
    layers: tuple[GraphLayer, ...]
    problems: tuple[str, ...]
    output: TensorReference = _MODEL_INPUT
    outputs: tuple[TensorReference, ...] = ()
    inputs: tuple[GraphInput, ...] = ()


def read_graph(model: Mapping[str, Any]) -> Graph:
    """Read a serialized model, {"class_name": ..., "config": ...}; raises ModelFormatError."""
    class_name = read.class_name(model)
    if class_name not in MODELS:
        reason = f"the model is of the class {class_name}; only Sequential and Functional models can be read"
        return Graph("model", "", None, (), (reason,))
    graph = _read_model(model, scope=(), group="")
    repeated = [name for name, count in Counter(layer.name for layer in graph.layers).items() if count > 1]
    if repeated:
        raise ModelFormatError(f'two layers have the name "{repeated[0]}"', "rename one and save the model again")
    return graph


def _read_model(
    model: Mapping[str, Any], scope: tuple[str, ...], group: str, source: TensorReference = _MODEL_INPUT
) -> Graph:
    """Read a model.

    Args:
        model: as serialized.
        scope: names it and the models around it.
        group: its path in model.weights.h5.
        source: what it takes, in names of the whole model.
    """
    if len(scope) > DEEPEST_NESTING:
        raise ModelFormatError(f"models are nested deeper than {DEEPEST_NESTING} levels", "flatten the model")
    config = model.get("config")
    config = read.mapping({"layers": config} if isinstance(config, list) else config, "the config of a model")
    entries = read_entries(read.sequence(config.get("layers"), "the layers of a model"), scope, group)
    entries = {name: as_layer(entry) for name, entry in entries.items()}
    is_sequential = read.class_name(model) == "Sequential"
    wiring = _chain(entries) if is_sequential else _wiring(config, entries, is_whole=not scope)
    entries, ends, several = {name: entries[name] for name in wiring.takes}, wiring.ends, wiring.several
    problems = list(wiring.problems)
    inputs = [entry for entry in entries.values() if entry.class_name == "InputLayer"]
    shapes = [read.shape(entry.config.get(key)) for entry in inputs[:1] for key in _BATCH_SHAPES]
    shapes += [read.shape(config.get("build_input_shape")), _built_shape(model)]
    layers: list[GraphLayer] = []
    yields: dict[str, TensorReference] = {}
    for entry in entries.values():
        # A layer that takes nothing is an input, or the first of a Sequential model.
        from_layers = tuple(_resolved(one, yields) for one in wiring.takes[entry.name]) or (source,)
        passes = entry.class_name == "InputLayer" and not several
        yields[entry.name] = from_layers[0] if passes else TensorReference(entry.full_name)
        problems += [f"{entry.label}: {reason}" for reason in entry_problems(entry)]
        problems += [f"{entry.label}: {reason}" for reason in _output_problems(wiring.takes[entry.name], entries)]
        if (inner := _inner_model(entry, scope, from_layers[0])) is not None:
            if len(from_layers) != 1:
                problems.append(f"{entry.label}: has {len(from_layers)} inputs; exactly one is supported")
            yields[entry.name] = inner.output
            shapes += [] if layers else [inner.input_shape]
            layers += inner.layers
            problems += inner.problems
        elif entry.class_name != "InputLayer":
            if not layers:
                shapes += [read.shape(entry.config.get(key)) for key in _BATCH_SHAPES] + [_built_shape(entry.raw)]
            layers.append(replace(_graph_layer(entry), inputs=from_layers))
    return Graph(
        name=read.text(config.get("name", "model"), "the name of a model"),
        input_name=inputs[0].full_name if inputs else "",
        input_shape=next((shape for shape in shapes if shape is not None), None),
        layers=tuple(layers),
        problems=tuple(problems),
        output=_resolved(ends[0], yields) if ends else source,
        outputs=tuple(_resolved(end, yields) for end in ends) if len(ends) > 1 else (),
        inputs=several,
    )


@dataclass(frozen=True)
class _Wiring:
    """What each layer of a model takes, in order of execution, and what the model yields.

    Attributes:
        takes: by the layer's name.
        ends: the outputs.
        several: the inputs, where there is more than one.
        problems: why there is no such order, one line each.
    """

    takes: Mapping[str, Sequence[TensorReference]]
    ends: Sequence[TensorReference]
    several: tuple[GraphInput, ...] = ()
    problems: tuple[str, ...] = ()


def _chain(entries: Mapping[str, Entry]) -> _Wiring:
    """A Sequential model: each layer takes what the one before yields."""
    ends = [TensorReference(name) for name in entries]
    takes = {name: [before] if before else [] for name, before in zip(entries, (None, *ends), strict=False)}
    return _Wiring(takes, ends[-1:])


def _wiring(config: Mapping[str, Any], entries: Mapping[str, Entry], *, is_whole: bool) -> _Wiring:
    """A Functional model; only the whole one may have several inputs and outputs."""
    nodes = _nodes(entries)
    order, problems = execution_order(nodes, config, may_have_several=is_whole)
    ends = model_outputs(config)
    problems += [f"the model's output: it {reason}" for reason in _output_problems(ends, entries)]
    takes = {name: [one for call in nodes[name].calls[:1] for one in call.inputs] for name in order}
    several = _several_inputs(model_inputs(config), entries) if is_whole else ()
    return _Wiring(takes, ends, several, tuple(problems))


def _several_inputs(sources: Sequence[TensorReference], entries: Mapping[str, Entry]) -> tuple[GraphInput, ...]:
    """The inputs of a model that has more than one."""
    if len(sources) < 2 or any(source.layer not in entries for source in sources):
        return ()
    return tuple(
        GraphInput(TensorReference(entries[name].full_name), _stated_shape(entries[name])) for name, _ in sources
    )


def _stated_shape(entry: Entry) -> read.Shape | None:
    shapes = (read.shape(entry.config.get(key)) for key in _BATCH_SHAPES)
    return next((shape for shape in shapes if shape is not None), None)


def _inner_model(entry: Entry, scope: tuple[str, ...], source: TensorReference) -> Graph | None:
    """The layers of a model that is a layer, or is in a TimeDistributed; None for any other layer."""
    inside = (*scope, entry.name)
    if entry.class_name in MODELS:
        return _read_model(entry.raw, inside, f"{entry.place.group}/", source)
    wrapped = wrapped_layer(entry)
    if wrapped is None or read.class_name(wrapped) not in MODELS:
        return None
    inner = _read_model(wrapped, inside, f"{entry.place.group}/{_WRAPPED}/", source)
    deeper = [f"{label(layer.name, layer.class_name)}: {_TWICE}" for layer in inner.layers if layer.is_per_step]
    layers = tuple(replace(layer, is_per_step=True) for layer in inner.layers)
    shapes = [read.shape(entry.config.get(key)) for key in _BATCH_SHAPES] + [_built_shape(entry.raw)]
    shape = next((shape for shape in shapes if shape is not None), None)
    return replace(inner, layers=layers, input_shape=shape, problems=(*inner.problems, *deeper))


_WRAPPED = "layer"
"""Where a TimeDistributed has the weights of the layer in it."""

_TWICE = "is in a TimeDistributed in a TimeDistributed: an axis more than a model's time and features"

_BATCH_SHAPES = ("batch_shape", "batch_input_shape")


def _built_shape(item: Mapping[str, Any]) -> read.Shape | None:
    built = item.get("build_config")
    return read.shape(built.get("input_shape")) if isinstance(built, Mapping) else None


def _resolved(reference: TensorReference, yields: Mapping[str, TensorReference]) -> TensorReference:
    """What a layer of one model means, in names of the whole model; a layer "?" where there is no order."""
    known = yields.get(reference.layer, TensorReference("?"))
    return known._replace(output=reference.output) if reference.output else known


def _output_problems(references: Sequence[TensorReference], entries: Mapping[str, Entry]) -> Iterator[str]:
    """Models and inputs have one output; what layers have is theirs to say."""
    for name, output in references:
        if output and name in entries and entries[name].class_name in (*MODELS, "InputLayer"):
            yield f'takes output {output} of "{name}", which has one'


def _nodes(entries: Mapping[str, Entry]) -> Mapping[str, Node]:
    nodes = {name: _node(entry) for name, entry in entries.items()}
    described = {
        name: Described(entry.class_name, entry.config, entry.raw.get("inbound_nodes"))
        for name, entry in entries.items()
    }
    return without_masks(nodes, described)


def _node(entry: Entry) -> Node:
    is_input = entry.class_name == "InputLayer"
    calls = () if is_input else read_calls(entry.raw.get("inbound_nodes", []), is_operation=entry.is_operation)
    return Node(entry.label, is_input, calls)


def _graph_layer(entry: Entry) -> GraphLayer:
    inner = wrapped_layer(entry)
    if inner is None:
        return GraphLayer(entry.class_name, entry.full_name, entry.config, entry.place)
    config = read.mapping(inner.get("config"), "the config of the layer in a TimeDistributed")
    place = replace(entry.place, wrapped=_WRAPPED)
    return GraphLayer(read.class_name(inner), entry.full_name, config, place, is_per_step=True)
