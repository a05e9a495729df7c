"""Calibration as TensorFlow's converter does it, for who must match a file of its.

Its calibrator runs the samples one after the other without resetting the LSTMs between them, notes a cell state and the
hidden state that gates read when a sample ends, and the hidden state that steps write at every step. Its LSTM clips the
cell at +-10. A relu behind a linear layer becomes that layer's own. What a Concatenate joins gets the scale of the
result, and of an LSTM in front of it only what is written: its gates still read another. (TensorFlow 2.21, compared
in the tests.)
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace

import numpy as np

from edgelstm.errors import UnsupportedModelError
from edgelstm.ir import FloatArray, FloatModel, Layer, Observe, QuantizedTensor, Ranges, Tensor
from edgelstm.numerics.gate_functions import GateFunction
from edgelstm.ops import scales
from edgelstm.ops.activation import ActivationLayer
from edgelstm.ops.concatenate import ConcatenateLayer
from edgelstm.ops.embedding import EmbeddingLayer
from edgelstm.ops.gru import GruLayer
from edgelstm.ops.kernel_layer import KernelLayer
from edgelstm.ops.last_step import LastStepLayer
from edgelstm.ops.lstm import Lstm, LstmLayer
from edgelstm.ops.lstm.rows import LstmRows
from edgelstm.ops.masking import MaskingLayer
from edgelstm.ops.reverse import Reverse, ReverseLayer
from edgelstm.ops.simple_rnn import SimpleRnnLayer
from edgelstm.quantization.calibration import calibrate

CELL_CLIP = 10.0
_WRITTEN, _READ = "written", "read"
"""What ranges of an LSTM's hidden state are called behind its name."""


@dataclass(frozen=True, eq=False)
class ConvertedLstm(LstmLayer):
    """An LSTM as the converter has it.

    Attributes:
        left: hidden and cell state that the last sample left; empty before the first. It changes with every `forward`.
    """

    left: list[FloatArray] = field(default_factory=list)

    def forward(self, inputs: FloatArray, observe: Observe) -> FloatArray:
        """Compute the batch as one long sequence that goes on where the last batch ended."""
        batch, timesteps, size = inputs.shape
        zeros = np.zeros((1, self.units), inputs.dtype)
        states = (self.left[0], self.left[1]) if self.left else (zeros, zeros)
        cells: list[FloatArray] = []
        outputs = self.run(inputs.reshape(1, -1, size), states, lambda _, cell: cells.append(cell))
        self.left[:] = outputs[:, -1], cells[-1]
        steps = outputs.reshape(batch, timesteps, self.units)
        observe(self.cell_range_name, np.stack(cells[timesteps - 1 :: timesteps]))
        observe(f"{self.name}/{_WRITTEN}", steps)
        observe(f"{self.name}/{_READ}", steps[:, -1])
        return steps

    def quantize(self, ranges: Ranges, input_tensor: QuantizedTensor) -> Lstm | LstmRows:
        """See `LstmLayer.quantize`; where the output has another's scale, the hidden state keeps its own."""
        op = super().quantize(ranges, input_tensor)
        if not isinstance(op, Lstm) or ranges[self.output.name] == ranges[f"{self.name}/{_WRITTEN}"]:
            return op
        written, read = (scales.output_range(f"{self.name}/{part}", ranges) for part in (_WRITTEN, _READ))
        return replace(op, written=written, recurrent=read)


@dataclass(frozen=True, eq=False)
class ConvertedReverse(ReverseLayer):
    """A REVERSE_V2 as the converter has it: its output has a scale of its own, though it moves the bytes unchanged."""

    def quantize(self, ranges: Ranges, input_tensor: QuantizedTensor) -> Reverse:
        """Follow the output's own range."""
        op = super().quantize(ranges, input_tensor)
        return replace(op, output=replace(op.output, quantization=scales.output_range(self.output.name, ranges)))


def as_converted(model: FloatModel) -> FloatModel:
    """The model as TensorFlow's converter would see it.

    Raises:
        UnsupportedModelError: a layer that the converter cannot quantize.
    """
    problems = [line for tensor in model.inputs for line in _input_problems(tensor)]
    if problems := problems + [line for layer in model.layers for line in _problems(layer)]:
        raise UnsupportedModelError(
            problems, "leave --calibration tf out", "no file of TensorFlow's converter can be matched"
        )
    return replace(model, layers=tuple(_converted(layer) for layer in _with_relus(model)))


def _input_problems(tensor: Tensor) -> list[str]:
    if tensor.scaling is None:
        return []
    return [
        f'input "{tensor.name}": TensorFlow\'s converter computes its Normalization or Rescaling in int8, behind one '
        "scale for all channels"
    ]


def _problems(layer: Layer) -> list[str]:
    """Why the converter, which then ends with a crash, yields no int8 file of this layer."""
    what = f'layer "{layer.name}": TensorFlow\'s converter quantizes no'
    if isinstance(layer, GruLayer | SimpleRnnLayer):
        return [f"{what} {'GRU' if isinstance(layer, GruLayer) else 'SimpleRNN'}"]
    if isinstance(layer, MaskingLayer) or (isinstance(layer, EmbeddingLayer) and layer.mask_zero):
        return [f"{what} LSTM behind a mask"]
    if isinstance(layer, LstmLayer) and layer.gate is not GateFunction.SIGMOID:
        return [f"{what} LSTM with recurrent_activation={layer.gate.value}"]
    if isinstance(layer, LstmLayer) and layer.initial_state:
        return [f"{what} LSTM that starts from given states"]
    return []


def _converted(layer: Layer) -> Layer:
    if isinstance(layer, LstmLayer):
        values = {one.name: getattr(layer, one.name) for one in fields(layer)}
        return ConvertedLstm(**{**values, "cell_clip": CELL_CLIP})
    if isinstance(layer, ReverseLayer):
        return ConvertedReverse(layer.name, layer.input, layer.output)
    return layer


def _with_relus(model: FloatModel) -> list[Layer]:
    """The layers, each linear one with the relu that alone reads it."""
    found: list[Layer] = []
    for layer in model.layers:
        is_relu = isinstance(layer, ActivationLayer) and layer.function == "relu"
        before = next((one for one in found if one.output.name == layer.input.name), None) if is_relu else None
        readers = [one for one in model.layers if layer.input.name in [tensor.name for tensor in one.inputs]]
        is_alone = len(readers) == 1 and layer.input.name not in model.output_names
        if isinstance(layer, ActivationLayer) and isinstance(before, KernelLayer) and not before.relu and is_alone:
            joined = replace(before, output=layer.output, relu=True, ceiling=layer.ceiling)
            found[found.index(before)] = joined
        else:
            found.append(layer)
    return found


def calibrate_as_converter(
    model: FloatModel, inputs: FloatArray, on_progress: Callable[[int, int], None] = lambda done, total: None
) -> Ranges:
    """The ranges that yield the converter's scales for a model that `as_converted` returned, which is spent then.

    Args:
        model: see above.
        inputs: (N, T, size), in the order in which the converter was given them.
        on_progress: see `calibrate`.
    """
    ranges = dict(calibrate(model, inputs, None, on_progress))
    for layer in model.layers:
        if isinstance(layer, ConcatenateLayer):
            for tensor in layer.inputs:
                ranges |= dict.fromkeys(_same_scale(model.layers, tensor.name), ranges[layer.output.name])
    cells = {layer.cell_range_name for layer in model.layers if isinstance(layer, LstmLayer)}
    return {name: bounds if name in cells else _in_float32(*bounds) for name, bounds in ranges.items()}


def _same_scale(layers: Sequence[Layer], name: str) -> list[str]:
    """A tensor, and what it is a part of."""
    producer = next((layer for layer in layers if layer.output.name == name), None)
    if isinstance(producer, LastStepLayer):
        return [name, *_same_scale(layers, producer.input.name)]
    return [name] if producer is not None else []


def _in_float32(low: float, high: float) -> tuple[float, float]:
    """The range whose int8 scale is what float32 makes of the given one, 0 included."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = (np.float32(high) - np.float32(low)) / np.float32(255.0)
    return low, low + 255.0 * float(scale)
