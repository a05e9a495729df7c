"""Keras files to the float model, without Keras.

`read_keras` takes a `.keras` or `.h5` file apart, `build_float_model` builds our layers from it; what we
cannot compile is collected over both and raised at once.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from edgelstm.errors import UnsupportedModelError
from edgelstm.frontends.keras_config import is_custom
from edgelstm.frontends.keras_entries import label
from edgelstm.frontends.keras_guess import guessed_inputs
from edgelstm.frontends.keras_mask_problems import mask_problems
from edgelstm.frontends.keras_source import KerasSource, read_keras
from edgelstm.frontends.keras_tensors import KerasTensors
from edgelstm.frontends.masked_means import means_of_halves
from edgelstm.ir import FloatModel, Layer, LayerBuilder, SourceLayer, Tensor
from edgelstm.ops import registry as ops_registry
from edgelstm.ops.fold_affine import fold_affine
from edgelstm.ops.scaled_inputs import scaled_inputs
from edgelstm.ops.time_distributed import TimeDistributed

MOST_PARTS = 4096
"""Layers of ours: one of Keras with many inputs becomes several."""

_OTHERWISE = "change the model in Keras, train and save it again"


class LayerRegistry(Protocol):
    """What we can compile: `edgelstm.ops.registry`."""

    @property
    def KERAS_LAYERS(self) -> Mapping[str, LayerBuilder]:  # noqa: N802
        """Keras class name -> layer."""

    @property
    def OPERATIONS(self) -> Mapping[str, LayerBuilder]:  # noqa: N802
        """What the reader calls an operator on tensors -> layer."""

    @property
    def VANISHING(self) -> frozenset[str]:  # noqa: N802
        """Keras classes that compute nothing at inference."""


def load_keras(path: Path) -> FloatModel:
    """Read a `.keras` or `.h5` file as the float model.

    Raises:
        ModelFormatError: it is no such file, or is damaged.
        UnsupportedModelError: it has layers or options that we do not compile; lists all of them.
    """
    return build_float_model(read_keras(path), ops_registry)


def build_float_model(source: KerasSource, registry: LayerRegistry) -> FloatModel:
    """Build our layers.

    Raises:
        UnsupportedModelError: naming everything in the model that we do not compile.
    """
    unknown = [layer for layer in source.layers if not _is_known(layer.class_name, registry)]
    if problems := [*_order_problems(source, unknown)]:
        raise UnsupportedModelError(problems, "Keras' default, channels_last, is supported: train the model with it")
    if problems := [*source.problems, *_layer_problems(source, registry)]:
        supported = ", ".join(sorted(registry.KERAS_LAYERS))
        hint = f"supported layers: {supported}, TimeDistributed of those that see one step, dropout and noise"
        raise UnsupportedModelError(problems, hint if unknown or not source.layers else _OTHERWISE)
    model_input = source.input
    built, output_names = _built_layers(source, registry)
    layers = means_of_halves(built, output_names)
    if len(layers) > MOST_PARTS:
        raise UnsupportedModelError([f"the model has {len(layers)} layers, more than {MOST_PARTS}"])
    if problems := [*mask_problems(layers, source.layers)]:
        raise UnsupportedModelError(
            problems, "a mask leaves steps out of recurrent layers; for others, pad in front and train without a mask"
        )
    if problems := [*_name_problems(source.inputs.values(), layers)]:
        raise UnsupportedModelError(problems, "rename the layer in Keras and save the model again")
    (model_input, *further), rest = scaled_inputs((model_input, *source.further_inputs), layers, output_names)
    return FloatModel(
        source.name,
        model_input,
        fold_affine(rest, output_names),
        source.timesteps,
        further_inputs=tuple(further),
        output_names=output_names,
    )


def _is_known(class_name: str, registry: LayerRegistry) -> bool:
    return class_name in _builders(registry) or class_name in registry.VANISHING


def _builders(registry: LayerRegistry) -> Mapping[str, LayerBuilder]:
    return {**registry.KERAS_LAYERS, **registry.OPERATIONS}


def _order_problems(source: KerasSource, unknown: Sequence[SourceLayer]) -> Iterator[str]:
    """Layers that want channels first, whose shapes make everything else look wrong, with what is unknown anyway."""
    first = [layer for layer in source.layers if layer.config.get("data_format") == "channels_first"]
    for layer in first:
        yield f"{label(layer.name, layer.class_name)}: data_format='channels_first' is not supported"
    for layer in unknown if first else ():
        yield f"{label(layer.name, layer.class_name)}: {_why_unknown(layer.class_name)}"


def _built_layers(source: KerasSource, registry: LayerRegistry) -> tuple[list[Layer], tuple[str, ...]]:
    """Our layers, of those that `_layer_problems` has let pass, and the names of the outputs where there are several.

    Layers on which no output depends are left out.
    """
    tensors, builders = KerasTensors(source.inputs), _builders(registry)
    layers: list[Layer] = [*tensors.held]
    for layer in source.layers:
        joined = tensors.joined_cells(layer)
        if layer.class_name in registry.VANISHING or joined is not None:
            layers += tensors.last_steps(layer.inputs)
            tensors.passes(layer, joined or tensors.read(layer.inputs[0]))
            continue
        layers += tensors.last_steps(layer.inputs)
        inputs = tuple(piece for reference in layer.inputs for piece in tensors.read(reference) or ())
        builder = _builder(layer, builders[layer.class_name])
        built = _with_timesteps(builder.build(layer, inputs))
        tensors.yields(layer, builder, built, builder.view(layer, inputs))
        layers += built
    if source.output is not None:
        layers += tensors.last_steps(source.outputs or [source.output])
    found = (tensors.read(reference) for reference in source.outputs)
    output_names = tuple(piece.name for pieces in found for piece in pieces or ())
    return _leading_to(output_names, layers), output_names


def _leading_to(output_names: Sequence[str], layers: Sequence[Layer]) -> list[Layer]:
    """Without layers that nobody reads: of one with states perhaps nothing else is used. No names mean the last one."""
    read = set(output_names)
    kept: list[Layer] = []
    for layer in reversed(layers):
        yielded = {layer.output.name, *(f"{layer.name}/{part}" for part in layer.observed_parts)}
        if (not kept and not output_names) or yielded & read:
            kept.append(layer)
            read |= {tensor.name for tensor in layer.inputs}
    return kept[::-1]


def _name_problems(inputs: Iterable[Tensor], layers: Sequence[Layer]) -> Iterator[str]:
    """Layers of ours that stand for a part of a user's have names with a "/"; so may another layer of the user's."""
    names = [tensor.name for tensor in inputs]
    for layer in layers:
        names += [layer.output.name]
        names += [f"{layer.name}/{part}{role}" for part in layer.observed_parts for role in ("", "_steps")]
    for name, count in Counter(names).items():
        if count > 1:
            yield f'the name "{name}" stands for {count} layers or parts of layers'


def _layer_problems(source: KerasSource, registry: LayerRegistry) -> Iterator[str]:
    """Go through the layers. Where the order or a layer before is a problem, a guess avoids follow-ups."""
    tensors, builders = KerasTensors(source.inputs), _builders(registry)
    for layer in source.layers:
        found = [tensors.read(reference) for reference in layer.inputs]
        kind, vanishes = builders.get(layer.class_name), layer.class_name in registry.VANISHING
        known = None if kind is None else _builder(layer, kind)
        if problems := [*tensors.problems(layer, known, vanishes=vanishes)]:
            yield from (f"{label(layer.name, layer.class_name)}: {problem}" for problem in problems)
            found = [None]
        joined = tensors.joined_cells(layer)
        tensors.passes(layer, joined or found[0])
        if vanishes:
            if len(layer.inputs) != 1:
                problem = f"has {len(layer.inputs)} inputs; exactly one is supported"
                yield f"{label(layer.name, layer.class_name)}: {problem}"
            continue
        if joined is not None:
            continue
        is_guess = None in found or bool(source.problems)
        inputs = tuple(piece for pieces in found for piece in pieces or ())
        if is_guess:
            # Of states nothing is guessed: a layer may do without.
            count = 1 if known is not None and known.reads_states else len(layer.inputs)
            inputs = guessed_inputs(layer, known, count)
        problems = _reading_problems(layer, known, inputs)
        yield from (f"{label(layer.name, layer.class_name)}: {problem}" for problem in problems)
        if known is None or problems or (is_guess and not layer.weights):
            tensors.passes(layer, None)
        else:
            built = _with_timesteps(known.build(layer, inputs))
            tensors.yields(layer, known, built, known.view(layer, inputs))
    if source.output is not None:
        for reference in source.outputs or [source.output]:
            yield from tensors.output_problems(reference)
    yield from _several_outputs_problems(source, tensors)


def _several_outputs_problems(source: KerasSource, tensors: KerasTensors) -> Iterator[str]:
    """Several outputs are results of layers, each another one's."""
    pieces = [piece for reference in source.outputs for piece in tensors.read(reference) or ()]
    names = [piece.name for piece in pieces]
    inputs = {tensor.name for tensor in source.inputs.values()}
    for name, count in Counter(names).items():
        if name in inputs:
            yield f'the output "{name}" is an input of the model'
        elif count > 1:
            yield f'the output "{name}" is one {count} times'


def _builder(layer: SourceLayer, known: LayerBuilder) -> LayerBuilder:
    return TimeDistributed(known) if layer.is_per_step else known


def _reading_problems(layer: SourceLayer, known: LayerBuilder | None, inputs: tuple[Tensor, ...]) -> list[str]:
    if known is None:
        return [_why_unknown(layer.class_name)]
    if not known.reads_ids and any(tensor.vocabulary for tensor in inputs):
        return ["reads the ids of the input; only an Embedding does"]
    if not known.reads_images and any(tensor.channels for tensor in inputs):
        found = known.problems_in(layer, inputs) if layer.is_per_step else []
        return found or ["reads an image; put a TimeDistributed(Flatten()) or a Reshape((-1, features)) in front"]
    return known.problems_in(layer, inputs)


def _with_timesteps(built: tuple[Layer, ...]) -> tuple[Layer, ...]:
    """A sequence is as long as that before it, where its layer says nothing else."""
    known: dict[str, int | None] = {}
    layers = []
    for layer in built:
        output = layer.output
        if output.is_sequence and output.timesteps is None:
            source = layer.input
            output = replace(output, timesteps=known.get(source.name, source.timesteps))
        known[output.name] = output.timesteps
        inputs = tuple(replace(one, timesteps=known.get(one.name, one.timesteps)) for one in layer.inputs)
        layers.append(replace(layer.with_inputs(inputs), output=output))
    return tuple(layers)


def _why_unknown(class_name: str) -> str:
    if is_custom(class_name):
        return "is a custom class; its code is not in the file and would not be run"
    if class_name == "Lambda":
        return (
            "holds Python code, which is never run; express it with ordinary layers, as x[:, -1, :] with "
            "return_sequences=False on the layer before it"
        )
    return "is not supported"
