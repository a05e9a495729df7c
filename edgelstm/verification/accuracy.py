"""The ladder's first rung: what quantization costs, on test data."""

from collections.abc import Callable

import numpy as np

from edgelstm.data import Dataset
from edgelstm.data.dataset import Samples
from edgelstm.ir import AnyArray, FloatArray, FloatModel, Model
from edgelstm.quantization.calibration import equal_lengths
from edgelstm.report.metrics import Accuracy, evaluate, saturated_inputs_percent
from edgelstm.simulate import dequantize_array, quantize_array, simulate

OnProgress = Callable[[int, int], None]


def measure_accuracy(
    float_model: FloatModel, model: Model, dataset: Dataset, on_progress: OnProgress = lambda done, total: None
) -> Accuracy:
    """Run float model and simulator on the test sequences and compare them with the targets and each other."""
    test = dataset.test
    quantization = model.input.quantization
    return evaluate(
        test.y,
        run_samples(float_model.forward, test),
        run_simulator(model, test, on_progress),
        dataset.labels,
        test.lengths,
        saturated_inputs_percent=()
        if model.input.vocabulary
        else saturated_inputs_percent(test.x, quantization.scale, quantization.zero_point, test.lengths),
    )


def run_simulator(model: Model, samples: Samples, on_progress: OnProgress = lambda done, total: None) -> FloatArray:
    """What the firmware answers, as real numbers: see `run_samples`."""

    def integers(inputs: FloatArray) -> FloatArray:
        stored = simulate(model, quantize_array(inputs, model.input.quantization))
        return dequantize_array(stored, model.output.quantization)

    return run_samples(integers, samples, on_progress)


def run_samples(
    model: Callable[[FloatArray], FloatArray],
    samples: Samples,
    on_progress: OnProgress = lambda done, total: None,
) -> FloatArray:
    """Run a model on sequences, each as far as its length says.

    Returns:
        (N, C), or (N, T, C) where the model answers with a sequence; steps behind a sequence's end are 0.
    """
    count, timesteps, _ = samples.x.shape
    found: list[tuple[AnyArray, FloatArray]] = []
    done = 0
    for batch in equal_lengths(count, timesteps, samples.lengths):
        found.append((batch.samples, model(samples.x[batch.samples, : batch.timesteps])))
        done += len(batch.samples)
        on_progress(done, count)
    longest = max((values for _, values in found), key=lambda values: values.shape[1:])
    result: FloatArray = np.zeros((count, *longest.shape[1:]))
    for indices, values in found:
        part = result[:, : values.shape[1]]
        part[indices] = values
    return result
