"""TimeDistributed: a layer that sees a step of a sequence at a time, as a single vector."""

from dataclasses import dataclass, replace

from edgelstm.ir import Layer, LayerBuilder, SourceLayer, Tensor

PER_STEP = frozenset(
    {
        "Activation",
        "Add",
        "BatchNormalization",
        "Concatenate",
        "Dense",
        "Flatten",
        "LayerNormalization",
        "LeakyReLU",
        "Multiply",
        "Normalization",
        "ReLU",
        "Rescaling",
        "Softmax",
    }
)
"""Keras classes that make a vector of a vector."""


@dataclass(frozen=True)
class TimeDistributed:
    """Builds the layers that `inner` builds for a vector, on each step of a sequence: all of them work step by step."""

    inner: LayerBuilder

    @property
    def reads_ids(self) -> bool:
        """See `Layer.reads_ids`."""
        return self.inner.reads_ids

    @property
    def reads_states(self) -> bool:
        """See `Layer.reads_states`: what sees one step has none."""
        return False

    def states(self, source: SourceLayer) -> tuple[Tensor, ...]:
        """See `LayerBuilder.states`."""
        return ()

    def sequences(self, source: SourceLayer) -> tuple[Tensor, ...]:
        """See `LayerBuilder.sequences`."""
        return ()

    @property
    def reads_images(self) -> bool:
        """See `Layer.reads_images`: a row of one is features with channels, for the layer within."""
        return self.inner.reads_images

    def problems_in(self, source: SourceLayer, inputs: tuple[Tensor, ...]) -> list[str]:
        """See `LayerBuilder.problems_in`."""
        if source.class_name not in PER_STEP:
            return [
                "needs another axis than a model's time and features, because it is in a TimeDistributed; take it out: "
                f"in one, only {', '.join(sorted(PER_STEP))}, Dropout and noise layers are supported"
            ]
        if not all(tensor.is_sequence for tensor in inputs):
            return ["is in a TimeDistributed, which needs a sequence; set return_sequences=True on the layer before it"]
        return self.inner.problems_in(source, tuple(_step(tensor) for tensor in inputs))

    def build(self, source: SourceLayer, inputs: tuple[Tensor, ...]) -> tuple[Layer, ...]:
        """See `LayerBuilder.build`."""
        known = {tensor.name: tensor for tensor in inputs}
        layers = []
        for layer in self.inner.build(source, tuple(_step(tensor) for tensor in inputs)):
            sequences = tuple(known[tensor.name] for tensor in layer.inputs)
            output = replace(layer.output, is_sequence=True, timesteps=inputs[0].timesteps)
            known[output.name] = output
            layers.append(replace(layer.with_inputs(sequences), output=output))
        return tuple(layers)

    def view(self, source: SourceLayer, inputs: tuple[Tensor, ...]) -> Tensor:
        """See `LayerBuilder.view`."""
        seen = self.inner.view(source, tuple(_step(tensor) for tensor in inputs))
        return replace(seen, is_sequence=True, timesteps=inputs[0].timesteps)


def _step(tensor: Tensor) -> Tensor:
    return replace(tensor, is_sequence=False, timesteps=None)
