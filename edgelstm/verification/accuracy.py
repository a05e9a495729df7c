"""The ladder's first rung: what quantization costs, on test data."""

from collections.abc import Callable

import numpy as np

from edgelstm.data import Dataset
from edgelstm.data.dataset import Samples
from edgelstm.errors import DataError
from edgelstm.ir import AnyArray, FloatArray, FloatModel, Model, Ranges
from edgelstm.quantization.calibration import equal_lengths
from edgelstm.report.metrics import Accuracy, evaluate, saturated_inputs_percent
from edgelstm.simulate import real_outputs, simulate, stored_inputs
from edgelstm.verification.saturation import measure_saturation

OnProgress = Callable[[int, int], None]


def measure_accuracy(
    float_model: FloatModel,
    model: Model,
    ranges: Ranges,
    dataset: Dataset,
    on_progress: OnProgress = lambda done, total: None,
) -> Accuracy:
    """Run float model and simulator on the test sequences and compare them with the targets and each other.

    `ranges` are those that the model was quantized with.
    """
    test = dataset.test
    reference = run_samples(float_model.forward, test)
    if len(model.outputs) > 1 and test.y is not None and test.y.shape != reference.shape:
        raise DataError(
            f"the model has {len(model.outputs)} outputs, and y has the shape {test.y.shape}",
            f"give y as the values of all outputs side by side, {reference.shape}, or leave it out",
        )
    return evaluate(
        test.y,
        reference,
        run_simulator(model, test, on_progress),
        dataset.labels,
        test.lengths,
        saturated_inputs_percent=_saturated(model, test),
        saturations=measure_saturation(float_model, model, test, ranges),
    )


def _saturated(model: Model, test: Samples) -> tuple[float, ...]:
    """See `Accuracy`: of every channel of every input that is no id."""
    arrays = model.layout.split(test.x)
    found: list[float] = []
    for tensor in model.inputs:
        if not tensor.vocabulary:
            lengths = test.lengths if tensor.is_sequence else None
            values, quantization = tensor.scaled(arrays[tensor.name]), tensor.quantization
            limits = np.iinfo(quantization.dtype)
            found += saturated_inputs_percent(
                values,
                quantization.scale,
                quantization.zero_point,
                lengths,
                lowest=int(limits.min),
                highest=int(limits.max),
            )
    return tuple(found)


def run_simulator(model: Model, samples: Samples, on_progress: OnProgress = lambda done, total: None) -> FloatArray:
    """What the firmware answers, as real numbers: see `run_samples`."""

    def integers(inputs: FloatArray) -> FloatArray:
        stored = simulate(model, stored_inputs(model, inputs))
        return real_outputs(model, stored)

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
    count = len(samples.x)
    found: list[tuple[AnyArray, FloatArray]] = []
    done = 0
    for batch in equal_lengths(count, samples.x.shape[1], samples.lengths):
        found.append((batch.samples, model(samples.x[batch.samples, : batch.timesteps])))
        done += len(batch.samples)
        on_progress(done, count)
    longest = max((values for _, values in found), key=lambda values: values.shape[1:])
    result: FloatArray = np.zeros((count, *longest.shape[1:]))
    for indices, values in found:
        part = result[:, : values.shape[1]]
        part[indices] = values
    return result
