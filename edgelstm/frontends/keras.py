"""Keras files to the float model, without Keras.

`read_keras` takes a `.keras` or `.h5` file apart, `build_float_model` builds our layers from it; what we
cannot compile is collected over both and raised at once.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from edgelstm.errors import ModelFormatError, UnsupportedModelError
from edgelstm.frontends.keras_archive import KerasArchive, read_archive
from edgelstm.frontends.keras_attention import join_attention
from edgelstm.frontends.keras_config import Shape, is_custom
from edgelstm.frontends.keras_graph import Graph, label, read_graph
from edgelstm.frontends.keras_guess import guessed_inputs, implied_features
from edgelstm.frontends.keras_ids import vocabulary_of
from edgelstm.frontends.keras_inputs import MOST_FEATURES, MOST_TIMESTEPS, several_inputs
from edgelstm.frontends.keras_tensors import KerasTensors
from edgelstm.frontends.keras_weights import StoredWeights, read_weights, why_no_weights
from edgelstm.ir import FloatModel, Layer, LayerBuilder, SourceLayer, Tensor, TensorReference
from edgelstm.ops import registry as ops_registry
from edgelstm.ops.embedding import EmbeddingLayer
from edgelstm.ops.fold_affine import fold_affine
from edgelstm.ops.masking import MaskingLayer
from edgelstm.ops.reverse import ReverseLayer
from edgelstm.ops.time_distributed import TimeDistributed

MOST_PARTS = 4096
"""Layers of ours: one of Keras with many inputs becomes several."""


class LayerRegistry(Protocol):
    """What we can compile: `edgelstm.ops.registry`."""

    @property
    def KERAS_LAYERS(self) -> Mapping[str, LayerBuilder]:  # noqa: N802
        """Keras class name -> layer."""

    @property
    def VANISHING(self) -> frozenset[str]:  # noqa: N802
        """Keras classes that compute nothing at inference."""


@dataclass(frozen=True, eq=False)
class KerasSource:
    """A model as a Keras file describes it.

    Attributes:
        name: the model's name.
        input_name: the input layer's name.
        input_size: features of one time step; 0 where it is unknown, which `problems` then explains.
        timesteps: length of the sequence, None where any length goes.
        layers: in order of execution, without input layers.
        problems: why the model cannot be compiled, as far as the file alone shows, one line each;
            `build_float_model` raises them with its own.
        vocabulary: how many ids there are where the input is ids, else 0.
        output: what the model yields; None for what its last layer does.
        channels: of each feature where the input is an image, else 0.
        further_inputs: the others where there are several; layers then take all by their names, none by "".
        outputs: all that the model yields, where that is more than `output`.
    """

    name: str
    input_name: str
    input_size: int
    timesteps: int | None
    layers: tuple[SourceLayer, ...]
    problems: tuple[str, ...] = ()
    vocabulary: int = 0
    output: TensorReference | None = None
    channels: int = 0
    further_inputs: tuple[Tensor, ...] = ()
    outputs: tuple[TensorReference, ...] = ()

    @property
    def inputs(self) -> Mapping[str, Tensor]:
        """All inputs, by the names by which layers take them."""
        if not self.further_inputs:
            return {"": self.input}
        return {tensor.name: tensor for tensor in (self.input, *self.further_inputs)}

    @property
    def input(self) -> Tensor:
        """The model's first input."""
        return Tensor(
            self.input_name,
            self.input_size,
            is_sequence=True,
            timesteps=self.timesteps,
            vocabulary=self.vocabulary,
            channels=self.channels,
        )


def load_keras(path: Path) -> FloatModel:
    """Read a `.keras` or `.h5` file as the float model.

    Raises:
        ModelFormatError: it is no such file, or is damaged.
        UnsupportedModelError: it has layers or options that we do not compile; lists all of them.
    """
    return build_float_model(read_keras(path), ops_registry)


def read_keras(path: Path) -> KerasSource:
    """Take a file of Keras 2, tf_keras or Keras 3 apart; nothing in it runs.

    Raises:
        ModelFormatError: it is no such file, or is damaged.
    """
    return describe(read_archive(path))


def describe(archive: KerasArchive) -> KerasSource:
    """Describe an opened file; raises ModelFormatError."""
    graph = read_graph(archive.model)
    stored = [read_weights(archive.hdf5, archive.layout, layer.place) for layer in graph.layers]
    described = tuple(
        SourceLayer(
            layer.class_name,
            layer.name,
            layer.config,
            weights.arrays,
            archive.keras_major,
            layer.inputs,
            layer.is_per_step,
        )
        for layer, weights in zip(graph.layers, stored, strict=True)
    )
    if not any(layer.weights for layer in described) and any("units" in layer.config for layer in described):
        raise ModelFormatError(f'no weights were found for the model "{graph.name}"', why_no_weights(archive.hdf5))
    ends = frozenset(end.layer for end in graph.outputs or (graph.output,))
    layers = join_attention(described, ends, ops_registry.VANISHING)
    if graph.inputs:
        return _with_several_inputs(archive, graph, layers, _weight_problems(described, stored))
    input_name = graph.input_name or (f"{layers[0].name}_input" if layers else "input")
    if input_name in [layer.name for layer in layers]:
        raise ModelFormatError(f'the input and a layer have the name "{input_name}"', "rename the layer")
    problems = [*archive.problems, *graph.problems, *_weight_problems(described, stored)]
    input_problems = list(_input_problems(graph, layers))
    shape = graph.input_shape
    return KerasSource(
        name=graph.name,
        input_name=input_name,
        input_size=0 if input_problems else _features(shape, layers),
        timesteps=None if input_problems or shape is None else shape[1],
        layers=layers,
        problems=(*problems, *input_problems),
        vocabulary=vocabulary_of(layers),
        output=graph.output,
        outputs=graph.outputs,
        channels=0 if input_problems or shape is None or len(shape) < 4 else shape[3] or 0,
    )


def _weight_problems(layers: Sequence[SourceLayer], stored: Sequence[StoredWeights]) -> list[str]:
    return [
        f"{label(layer.name, layer.class_name)}: {problem}"
        for layer, weights in zip(layers, stored, strict=True)
        for problem in weights.problems
    ]


def _with_several_inputs(
    archive: KerasArchive, graph: Graph, layers: tuple[SourceLayer, ...], weight_problems: Sequence[str]
) -> KerasSource:
    tensors, input_problems = several_inputs(graph.inputs, layers)
    first, *further = tensors or (Tensor("", 0, is_sequence=True),)
    return KerasSource(
        name=graph.name,
        input_name=first.name,
        input_size=first.size,
        timesteps=first.timesteps,
        layers=layers,
        problems=(*archive.problems, *graph.problems, *weight_problems, *input_problems),
        vocabulary=first.vocabulary,
        output=graph.output,
        channels=first.channels,
        further_inputs=tuple(further),
        outputs=graph.outputs,
    )


def build_float_model(source: KerasSource, registry: LayerRegistry) -> FloatModel:
    """Build our layers.

    Raises:
        UnsupportedModelError: naming everything in the model that we do not compile.
    """
    problems = [*source.problems, *_layer_problems(source, registry)]
    if problems:
        supported = ", ".join(sorted(registry.KERAS_LAYERS))
        raise UnsupportedModelError(
            problems, f"supported layers: {supported}, TimeDistributed of those that see one step, dropout and noise"
        )
    model_input = source.input
    layers, output_names = _built_layers(source, registry)
    if len(layers) > MOST_PARTS:
        raise UnsupportedModelError([f"the model has {len(layers)} layers, more than {MOST_PARTS}"])
    if problems := [*_mask_problems(layers)]:
        raise UnsupportedModelError(
            problems, "a mask leaves steps out of recurrent layers; for others, pad in front and train without a mask"
        )
    if problems := [*_name_problems(source.inputs.values(), layers)]:
        raise UnsupportedModelError(problems, "rename the layer in Keras and save the model again")
    return FloatModel(
        source.name,
        model_input,
        fold_affine(layers, output_names),
        source.timesteps,
        further_inputs=source.further_inputs,
        output_names=output_names,
    )


def _built_layers(source: KerasSource, registry: LayerRegistry) -> tuple[list[Layer], tuple[str, ...]]:
    """Our layers, of those that `_layer_problems` has let pass, and the names of the outputs where there are several.

    Layers on which no output depends are left out.
    """
    tensors = KerasTensors(source.inputs)
    layers: list[Layer] = []
    for layer in source.layers:
        joined = tensors.joined_cells(layer)
        if layer.class_name in registry.VANISHING or joined is not None:
            layers += tensors.last_steps(layer.inputs)
            tensors.passes(layer, joined or tensors.read(layer.inputs[0]))
            continue
        layers += tensors.last_steps(layer.inputs)
        inputs = tuple(piece for reference in layer.inputs for piece in tensors.read(reference) or ())
        builder = _builder(layer, registry.KERAS_LAYERS[layer.class_name])
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


def _mask_problems(layers: Sequence[Layer]) -> Iterator[str]:
    """Layers that a mask reaches, of which Keras' would ignore it, or merge it with steps that all count."""
    masked: dict[str, str] = {}
    maskings: set[str] = set()
    for layer in layers:
        found = {tensor.name: masked.get(tensor.name, "") for tensor in layer.inputs if tensor.is_sequence}
        origins = sorted({origin for origin in found.values() if origin})
        if isinstance(layer, MaskingLayer) or (isinstance(layer, EmbeddingLayer) and layer.mask_zero):
            masked[layer.output.name] = layer.name
            maskings.add(layer.output.name)
        if not origins:
            continue
        if not layer.takes_mask or isinstance(layer, MaskingLayer):
            kind = type(layer).__name__.removesuffix("Layer")
            yield f'layer "{layer.name}" ({kind}) does not follow the mask of "{origins[0]}"'
        elif isinstance(layer, ReverseLayer) and layer.input.name not in maskings:
            yield (
                f'layer "{layer.name}" (Reverse) needs every step of a sequence of which the mask of "{origins[0]}" '
                "leaves some out; a masked sequence can be read backwards only right behind its mask"
            )
        elif len(set(found.values())) > 1:
            yield f'layer "{layer.name}" joins what the mask of "{origins[0]}" leaves out with steps that count'
        elif layer.output.is_sequence:
            masked[layer.output.name] = origins[0]


def _name_problems(inputs: Iterable[Tensor], layers: Sequence[Layer]) -> Iterator[str]:
    """Layers of ours that stand for a part of a user's have names with a "/"; so may another layer of the user's."""
    names = [tensor.name for tensor in inputs]
    for layer in layers:
        names += [layer.output.name]
        names += [f"{layer.name}/{part}{role}" for part in layer.observed_parts for role in ("", "_steps")]
    for name, count in Counter(names).items():
        if count > 1:
            yield f'the name "{name}" stands for {count} layers or parts of layers'


def _features(shape: Shape | None, layers: tuple[SourceLayer, ...]) -> int:
    """Size of one time step as the input states it, else as the first kernel implies it, else 0; 1 for ids."""
    if vocabulary_of(layers):
        return 1
    if shape is not None and len(shape) in (3, 4) and None not in shape[2:]:
        return math.prod(size for size in shape[2:] if size is not None)
    return next((implied_features(layer) for layer in layers if layer.weights), 0)


def _input_problems(graph: Graph, layers: tuple[SourceLayer, ...]) -> Iterator[str]:
    if not layers:
        if not graph.problems:
            yield "the model has no layers"
        return
    shape = graph.input_shape
    meant = ("batch", "time steps") if vocabulary_of(layers) else ("batch", "time steps", "features")
    is_image = shape is not None and len(shape) == 4 and not vocabulary_of(layers)
    if shape is not None and len(shape) != len(meant) and not is_image:
        sizes = ", ".join("?" if size is None else str(size) for size in shape[:6])
        yield f"the input has the shape ({sizes}); expected ({', '.join(meant)})"
        return
    timesteps = None if shape is None else shape[1]
    if is_image and shape is not None and not all(size is not None and size > 0 for size in shape[2:]):
        yield "the input is an image whose features and channels are not both stated"
    elif not 1 <= _features(shape, layers) <= MOST_FEATURES:
        yield f"the number of input features is not stated, or not in 1..{MOST_FEATURES}"
    if timesteps is not None and not 1 <= timesteps <= MOST_TIMESTEPS:
        yield f"the input has {timesteps} time steps; expected 1..{MOST_TIMESTEPS}, or any number"


def _layer_problems(source: KerasSource, registry: LayerRegistry) -> Iterator[str]:
    """Go through the layers. Where the order or a layer before is a problem, a guess avoids follow-ups."""
    tensors = KerasTensors(source.inputs)
    for layer in source.layers:
        found = [tensors.read(reference) for reference in layer.inputs]
        kind, vanishes = registry.KERAS_LAYERS.get(layer.class_name), layer.class_name in registry.VANISHING
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
    names = [piece.name for reference in source.outputs for piece in tensors.read(reference) or ()]
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
        return "holds Python code, which is never run; express it with ordinary layers"
    return "is not supported"
