"""A model of float layers, and how it computes where masks leave steps out."""

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from edgelstm.ir.arrays import BoolArray, FloatArray
from edgelstm.ir.inputs import InputLayout, beside
from edgelstm.ir.layers import Layer, Observe
from edgelstm.ir.tensors import Tensor

Compute = Callable[[tuple[FloatArray, ...], Observe], FloatArray]
"""What `Layer.compute` does."""

_AS_TRAINED: Mapping[str, Compute] = MappingProxyType({})


@dataclass(frozen=True)
class FloatModel:
    """A graph of float layers, each after those whose outputs it reads; inputs and outputs are as in `Model`.

    `timesteps` is None where the model accepts any length.
    """

    name: str
    input: Tensor
    layers: tuple[Layer, ...]
    timesteps: int | None
    further_inputs: tuple[Tensor, ...] = field(default=(), kw_only=True)
    output_names: tuple[str, ...] = field(default=(), kw_only=True)

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """All inputs."""
        return (self.input, *self.further_inputs)

    @property
    def layout(self) -> InputLayout[Tensor]:
        """How arrays of inputs are laid out."""
        return InputLayout.of(self.inputs)

    @property
    def output(self) -> Tensor:
        """The first of the outputs."""
        return self.outputs[0]

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """All outputs."""
        if not self.output_names:
            return (self.layers[-1].output if self.layers else self.input,)
        yielded = {layer.output.name: layer.output for layer in self.layers}
        return tuple(yielded[name] for name in self.output_names)

    def forward(self, inputs: FloatArray, observe: Observe = lambda name, values: None) -> FloatArray:
        """Compute the whole model in float on inputs as `layout` says; reports inputs and every output to `observe`.

        Several outputs stand side by side. At a masked step a sequence is what it was at the step before, 0 at first;
        nothing of it is reported.
        """
        values = self.tensors(inputs, observe)
        return beside([values[tensor.name] for tensor in self.outputs])

    def tensors(
        self,
        inputs: FloatArray,
        observe: Observe = lambda name, values: None,
        instead: Mapping[str, Compute] = _AS_TRAINED,
    ) -> dict[str, FloatArray]:
        """`forward`, keeping inputs as layers read them, and the output of every layer, by name.

        `instead` computes in place of layers, by the name of what they yield, or changes inputs, by theirs.
        """
        given = self.layout.split(inputs)
        values: dict[str, FloatArray] = {tensor.name: tensor.scaled(given[tensor.name]) for tensor in self.inputs}
        values |= {name: instead[name]((scaled,), observe) for name, scaled in values.items() if name in instead}
        masks: dict[str, BoolArray] = {}
        for name, scaled in values.items():
            self._observe_input(name, scaled, observe)
        yielded = {*values, *(layer.output.name for layer in self.layers)}
        parts = {tensor.name for layer in self.layers for tensor in layer.inputs} - yielded
        for layer in self.layers:
            sources = tuple(values[tensor.name] for tensor in layer.inputs)
            mask = next((masks[tensor.name] for tensor in layer.inputs if tensor.name in masks), None)
            own = layer.mask(sources)
            if own is not None:
                mask = own if mask is None else mask & own
            compute = instead.get(layer.output.name, layer.compute)
            results = (
                _results(layer, compute, sources, parts, observe)
                if mask is None
                else _masked(layer, compute, sources, mask, parts, observe)
            )
            if mask is not None and layer.output.is_sequence:
                masks |= dict.fromkeys(results, mask)
            values |= results
        return values

    def _observe_input(self, name: str, values: FloatArray, observe: Observe) -> None:
        """Report an input, without the steps that all who read it leave out."""
        readers = [layer for layer in self.layers if name in [tensor.name for tensor in layer.inputs]]
        counted = [
            mask for layer in readers if layer.input.name == name and (mask := layer.mask((values,))) is not None
        ]
        is_masked = bool(readers) and len(counted) == len(readers)
        seen = values[np.any(counted, axis=0)] if is_masked else values
        if seen.size:
            observe(name, seen)

    @property
    def parameters(self) -> int:
        """How many trained numbers the model holds."""
        return sum(layer.parameters for layer in self.layers)


def _results(
    layer: Layer, compute: Compute, inputs: tuple[FloatArray, ...], parts: Set[str], observe: Observe
) -> dict[str, FloatArray]:
    """The output by its name, and as sequences those of `parts` that the layer reports, a step at a time."""
    steps: dict[str, list[FloatArray]] = {}

    def keep(name: str, values: FloatArray) -> None:
        observe(name, values)
        if name in parts:
            steps.setdefault(name, []).append(values)

    result = compute(inputs, keep)
    observe(layer.output.name, result)
    return {layer.output.name: result} | {name: np.stack(found, axis=1) for name, found in steps.items()}


def _masked(
    layer: Layer,
    compute: Compute,
    inputs: tuple[FloatArray, ...],
    mask: BoolArray,
    parts: Set[str],
    observe: Observe,
) -> dict[str, FloatArray]:
    """`_results` of a layer on the steps that count, for sequences with equally many of them at a time."""
    batch, timesteps = mask.shape
    steps = (timesteps,) if layer.output.is_sequence else ()
    reported = {f"{layer.name}/{part}" for part in layer.observed_parts} & parts
    empty = np.zeros((batch, *steps, layer.output.size), inputs[0].dtype)
    results = {name: empty.copy() for name in (layer.output.name, *sorted(reported))}
    counts = mask.sum(axis=1)
    # The step before the first that counts is number -1, which is the 0 appended behind the others.
    latest = np.cumsum(mask, axis=1) - 1
    for count in np.unique(counts[counts > 0]):
        rows = np.flatnonzero(counts == count)
        packed = tuple(
            values[rows][mask[rows]].reshape(len(rows), count, -1) if tensor.is_sequence else values[rows]
            for values, tensor in zip(inputs, layer.inputs, strict=True)
        )
        for name, found in _results(layer, compute, packed, parts, observe).items():
            if layer.output.is_sequence:
                padded = np.concatenate([found, np.zeros_like(found[:, :1])], axis=1)
                results[name][rows] = np.take_along_axis(padded, latest[rows][..., None], axis=1)
            else:
                results[name][rows] = found
    return results
