"""Data made up for a float model that comes without any, so that it can be quantized and what it costs be counted.

A step's cost hardly depends on the scales: inputs of mean 0 and variance 1 that remember, and any ids, stand in.
"""

from dataclasses import replace

import numpy as np

from edgelstm.data import Dataset
from edgelstm.ir import Compute, FloatArray, FloatModel, Layer, Model, Observe, Ranges, Tensor
from edgelstm.ops.gru import GruLayer
from edgelstm.ops.lstm import LstmLayer
from edgelstm.ops.simple_rnn import SimpleRnnLayer
from edgelstm.pipeline.calibrated import calibrated
from edgelstm.pipeline.request import BuildRequest
from edgelstm.pipeline.stand_in import RECURRENT_GAIN, signals
from edgelstm.report.progress import Silent

TIMESTEPS = 32
"""The window of a model that takes any, which goes no further than LONGEST even where a longer one is asked for."""

LONGEST = 512

TRAINED_CELL = 16.0
"""What cell states reach after training: half of the examples' LSTMs are beyond 12. Those of fresh weights stay below
2, where other code serves."""

TRAINED_INPUT = 0.48
"""The standard deviation of a recurrent layer's input part after training, the median of the examples' layers. That of
fresh weights is a third of it, or with an Embedding a fiftieth, where no gate leaves its table."""

_SEQUENCES = 32
_MOST_VALUES = 1 << 22
_SEED = 20240608


def assumed_data(model: FloatModel, timesteps: int | None) -> Dataset:
    """Sequences laid out as the model takes them, of its window, else of `timesteps` or a little less."""
    rng = np.random.default_rng(_SEED)
    window = model.timesteps or min(timesteps or TIMESTEPS, LONGEST)
    values = window * sum(tensor.size for tensor in model.inputs)
    sequences = int(np.clip(_MOST_VALUES // values, 1, _SEQUENCES))
    arrays = {tensor.name: _values(rng, tensor, sequences, window) for tensor in model.inputs}
    return Dataset(model.layout.join(arrays))


def trained_weights(model: FloatModel, dataset: Dataset) -> FloatModel:
    """A model of fresh weights with its recurrent layers' kernels scaled as training does on such data."""
    scaled: dict[str, Layer] = {}

    def instead(layer: GruLayer | LstmLayer | SimpleRnnLayer) -> Compute:
        def compute(inputs: tuple[FloatArray, ...], observe: Observe) -> FloatArray:
            if layer.name not in scaled:  # where masks make parts of a batch, the first of them decides
                scaled[layer.name] = _as_trained(layer, inputs[0])
            return scaled[layer.name].compute(inputs, observe)

        return compute

    recurrent = [layer for layer in model.layers if isinstance(layer, GruLayer | LstmLayer | SimpleRnnLayer)]
    in_their_place = {layer.output.name: instead(layer) for layer in recurrent}
    model.tensors(dataset.calibration.x[:_SEQUENCES], instead=in_their_place)
    return replace(model, layers=tuple(scaled.get(layer.name, layer) for layer in model.layers))


def trained_ranges(model: FloatModel, ranges: Ranges) -> Ranges:
    """The ranges of fresh weights, with cell states as after training."""
    cells = [layer.cell_range_name for layer in model.layers if isinstance(layer, LstmLayer)]
    return {**ranges, **{name: (min(ranges[name][0], -TRAINED_CELL), ranges[name][1]) for name in cells}}


def _as_trained(layer: GruLayer | LstmLayer | SimpleRnnLayer, inputs: FloatArray) -> Layer:
    deviation = float((inputs @ layer.kernel).std())
    gain = np.float32(TRAINED_INPUT / deviation if deviation else 1.0)
    # Without gates it would swing from end to end.
    recurrent_gain = np.float32(1.0 if isinstance(layer, SimpleRnnLayer) else RECURRENT_GAIN)
    return replace(layer, kernel=gain * layer.kernel, recurrent_kernel=recurrent_gain * layer.recurrent_kernel)


def on_assumed_data(model: FloatModel, data: Dataset, request: BuildRequest) -> Model:
    """The model in integers; raises UnsupportedModelError where it cannot be built."""
    return calibrated(model, data, replace(request, calibration_samples=None), Silent()).model


def _values(rng: np.random.Generator, tensor: Tensor, sequences: int, timesteps: int) -> FloatArray:
    """(sequences, time, size) of a sequence, (sequences, size) of a vector."""
    shape = (sequences, timesteps, tensor.size) if tensor.is_sequence else (sequences, tensor.size)
    if tensor.vocabulary:
        return rng.integers(0, tensor.vocabulary, shape).astype(np.float32)
    values = signals(rng, *shape) if tensor.is_sequence else rng.normal(size=shape).astype(np.float32)
    return values if tensor.scaling is None else tensor.scaling.undo(values)
