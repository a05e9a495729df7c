"""What a Keras file says of a model: its layers in order, inputs and outputs, and why it cannot be compiled."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgelstm.errors import ModelFormatError
from edgelstm.frontends.keras_archive import KerasArchive, read_archive
from edgelstm.frontends.keras_attention import join_attention
from edgelstm.frontends.keras_compile import named_loss
from edgelstm.frontends.keras_config import Shape
from edgelstm.frontends.keras_entries import label
from edgelstm.frontends.keras_graph import Graph, read_graph
from edgelstm.frontends.keras_guess import implied_features
from edgelstm.frontends.keras_ids import vocabulary_of
from edgelstm.frontends.keras_inputs import MOST_FEATURES, MOST_TIMESTEPS, several_inputs
from edgelstm.frontends.keras_weights import StoredWeights, read_weights, why_no_weights
from edgelstm.ir import SourceLayer, Tensor, TensorReference
from edgelstm.ops import registry as ops_registry


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
        loss: that it was trained with, see `named_loss`.
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
    loss: str = ""

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


def read_keras(path: Path) -> KerasSource:
    """Take a file of Keras 2, tf_keras or Keras 3 apart; nothing in it runs.

    Raises:
        ModelFormatError: it is no such file, or is damaged.
    """
    archive = read_archive(path)
    return replace(describe(archive), loss=named_loss(archive.model))


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
            weights.paths,
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
