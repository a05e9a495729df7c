"""Runs of a float model on some test sequences, with integers in the place of any of its layers."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from edgelstm.data.dataset import Samples
from edgelstm.ir import AnyArray, Compute, FloatArray, FloatModel, Layer, Model, Observe, Op, Tensor, beside
from edgelstm.ops.embedding import Embedding, EmbeddingLayer
from edgelstm.ops.masking import Masking
from edgelstm.quantization.calibration import LengthBatch, equal_lengths
from edgelstm.simulate import dequantize_array, quantize_array
from edgelstm.verification.op_runs import run_op

MOST_SEQUENCES, MOST_VALUES = 64, 1 << 21
"""What is looked at: sequences, and steps times the width of the widest tensor."""

Tensors = Mapping[str, FloatArray]


@dataclass(frozen=True, eq=False)
class Bench:
    """Float layers, the ops that stand for them, and sequences to run both on.

    Attributes:
        float_model: as trained.
        model: the same, quantized.
        samples: the test sequences that are looked at.
        indices: which of all test sequences they are.
    """

    float_model: FloatModel
    model: Model
    samples: Samples
    indices: AnyArray

    @classmethod
    def of(cls, float_model: FloatModel, model: Model, test: Samples) -> "Bench":
        """Take sequences from all over the test data, no more than fit the bounds, but one."""
        widest = max(tensor.size for tensor in _tensors(float_model))
        most = max(1, min(MOST_SEQUENCES, len(test.x), MOST_VALUES // (widest * test.x.shape[1])))
        indices = np.unique(np.linspace(0, len(test.x) - 1, most).astype(np.int64))
        return cls(float_model, model, test.take(indices), indices)

    @property
    def batches(self) -> Iterator[LengthBatch]:
        """The sequences by their lengths."""
        return equal_lengths(len(self.samples.x), self.samples.x.shape[1], self.samples.lengths)

    def run(self, instead: Mapping[str, Compute], observe: Observe = lambda name, values: None) -> list[Tensors]:
        """All tensors of each batch, given what computes in the place of layers; see `FloatModel.tensors`."""
        return [
            self.float_model.tensors(self.samples.x[batch.samples, : batch.timesteps], observe, instead)
            for batch in self.batches
        ]

    def outputs(self, tensors: Tensors) -> FloatArray:
        """(batch, ...) what the model answers."""
        return beside([tensors[tensor.name] for tensor in self.float_model.outputs]).astype(np.float64)

    def op_of(self, layer: Layer) -> Op | None:
        """The op that computes for a layer; None where values are only moved.

        An Embedding that masks and is read backwards has become two ops, one that looks up and one that masks.
        """
        producers = {op.output.name: op for op in self.model.ops}
        op = producers.get(layer.output.name)
        if isinstance(layer, EmbeddingLayer) and not isinstance(op, Embedding):
            op = producers.get(f"{layer.output.name}/rows")
        return None if op is None or op.is_alias or isinstance(op, Masking) else op

    def in_integers(self, layer: Layer, op: Op) -> Compute:
        """The op in the place of the layer: float inputs are rounded to its scales, and its outputs are real."""

        def compute(inputs: tuple[FloatArray, ...], observe: Observe) -> FloatArray:
            stored = {
                tensor.name: quantize_array(values, tensor.quantization)
                for tensor, values in zip(op.inputs, inputs, strict=True)
            }
            shown = {
                f"{layer.name}/{name}": ([array.name for array in op.state].index(name), tensor)
                for name, tensor in op.exposed.items()
            }

            def show(tick: int, state: tuple[AnyArray, ...]) -> None:
                for name, (index, tensor) in shown.items():
                    observe(name, dequantize_array(state[index], tensor.quantization))

            return dequantize_array(run_op(op, self.model.contract, stored, show), op.output.quantization)

        return compute

    def on_rounded(self, layer: Layer, op: Op) -> Compute:
        """The float layer on the inputs that its op would see."""

        def compute(inputs: tuple[FloatArray, ...], observe: Observe) -> FloatArray:
            rounded = tuple(
                dequantize_array(quantize_array(values, tensor.quantization), tensor.quantization).astype(np.float32)
                for tensor, values in zip(op.inputs, inputs, strict=True)
            )
            return layer.compute(rounded, observe)

        return compute

    def rounded_input(self, name: str, channel: int | None = None) -> Compute:
        """An input, or a channel of it, as it is stored. Steps that a mask leaves out stay what the mask knows."""
        tensor = next(one for one in self.model.inputs if one.name == name)
        readers = [layer for layer in self.float_model.layers if layer.input.name == name]

        def compute(inputs: tuple[FloatArray, ...], observe: Observe) -> FloatArray:
            (values,) = inputs
            rounded = dequantize_array(quantize_array(values, tensor.quantization), tensor.quantization)
            if channel is not None:
                others = np.arange(tensor.size) != channel
                rounded[..., others] = values[..., others]
            for layer in readers:
                if (counts := layer.mask((values,))) is not None:
                    rounded[~counts] = values[~counts]
            return rounded.astype(np.float32)

        return compute

    def all_integers(self) -> dict[str, Compute]:
        """Everything as the firmware computes it."""
        of_inputs = {tensor.name: self.rounded_input(tensor.name) for tensor in self.model.inputs}
        ops = ((layer, self.op_of(layer)) for layer in self.float_model.layers)
        return of_inputs | {layer.output.name: self.in_integers(layer, op) for layer, op in ops if op is not None}


def _tensors(model: FloatModel) -> list[Tensor]:
    return [*model.inputs, *(layer.output for layer in model.layers)]


Pick = Callable[[Tensors], FloatArray]


def energy(first: list[Tensors], second: list[Tensors], pick: Pick) -> float:
    """The summed squares of how two runs differ in what `pick` takes of each batch."""
    return sum(
        float(np.sum(np.square(pick(one).astype(np.float64) - pick(other))))
        for one, other in zip(first, second, strict=True)
    )
