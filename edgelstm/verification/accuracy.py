"""The ladder's first rung: what quantization costs, on test data."""

from collections.abc import Callable

import numpy as np

from edgelstm.data import Dataset
from edgelstm.ir import FloatArray, FloatModel, Model
from edgelstm.quantization.calibration import LengthBatch, equal_lengths
from edgelstm.report.metrics import Accuracy, evaluate, saturated_inputs_percent
from edgelstm.simulate import dequantize_array, quantize_array, simulate


def measure_accuracy(
    float_model: FloatModel,
    model: Model,
    dataset: Dataset,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Accuracy:
    """Run float model and simulator on the test sequences and compare them with the targets and each other."""
    test = dataset.test
    batches = list(equal_lengths(len(test.x), test.x.shape[1], test.lengths))
    float_outputs, quantized_outputs = [], []
    done = 0
    for batch in batches:
        inputs = test.x[batch.samples, : batch.timesteps]
        float_outputs.append(float_model.forward(inputs))
        stored = simulate(model, quantize_array(inputs, model.input.quantization))
        quantized_outputs.append(dequantize_array(stored, model.output.quantization))
        done += len(batch.samples)
        on_progress(done, len(test.x))
    quantization = model.input.quantization
    return evaluate(
        test.y,
        _gather(batches, float_outputs, len(test.x), test.x.shape[1]),
        _gather(batches, quantized_outputs, len(test.x), test.x.shape[1]),
        dataset.labels,
        test.lengths,
        saturated_inputs_percent=saturated_inputs_percent(
            test.x, quantization.scale, quantization.zero_point, test.lengths
        ),
    )


def _gather(batches: list[LengthBatch], outputs: list[FloatArray], samples: int, timesteps: int) -> FloatArray:
    """Put batches of outputs back into the samples' order; steps behind a sequence's end stay 0."""
    is_sequence = outputs[0].ndim == 3
    shape = (samples, timesteps) if is_sequence else (samples,)
    result = np.zeros((*shape, outputs[0].shape[-1]))
    for batch, values in zip(batches, outputs, strict=True):
        if is_sequence:
            result[batch.samples, : batch.timesteps] = values
        else:
            result[batch.samples] = values
    return result
