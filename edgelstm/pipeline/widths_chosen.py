"""`--activations auto`: which layers have to compute on int16 values, so that the model does what it does in float."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edgelstm.data import Dataset
from edgelstm.data.dataset import Samples
from edgelstm.ir import FloatArray, FloatModel, Model
from edgelstm.numerics.contracts import Contract
from edgelstm.quantization import int16_layers
from edgelstm.report.metrics import Accuracy
from edgelstm.report.progress import Progress
from edgelstm.verification.accuracy import compare, run_samples, run_simulator

BUDGET = 0.01
"""The share of the float model's metric that integers may cost."""

ENOUGH_DB = 40.0
"""What stands for the budget where there are no targets, or the float model makes no error."""

PAYS = 0.05
"""A layer pays where without it there would be so much more noise."""

MOST_SEQUENCES = 128

Quantize = Callable[[frozenset[str]], Model]
"""The model with these layers on int16 values."""


@dataclass(frozen=True, eq=False)
class _Trials:
    """Training sequences, what the float model says of them, and how to try a choice."""

    samples: Samples
    reference: FloatArray
    labels: tuple[str, ...]
    quantize: Quantize

    def accuracy(self, wide: frozenset[str]) -> Accuracy:
        """Of a choice."""
        model = self.quantize(wide)
        return compare(model, self.samples, self.labels, self.reference, run_simulator(model, self.samples))


def choose_widths(
    model: FloatModel, dataset: Dataset, contract: Contract | None, quantize: Quantize, progress: Progress
) -> frozenset[str]:
    """The names of the layers to raise: none where int8 keeps within the budget, or where int16 would not help.

    From all that can be raised, those are put back without which the model keeps within the budget, or that hardly
    change its noise. Test data decide nothing.
    """
    every = int16_layers(model)
    is_possible = contract in (None, Contract.TFLM) and not any(op.is_native for op in quantize(frozenset()).ops)
    if not every or not is_possible:
        progress.note("activations int8: int16 is for --contract tflm, and for layers that TensorFlow Lite Micro has")
        return frozenset()
    bench = _bench(model, dataset, quantize)
    narrow = bench.accuracy(frozenset())
    if keeps(narrow):
        progress.note(f"activations int8, which keep within {100 * BUDGET:g} % of float")
        return frozenset()
    widest = bench.accuracy(every)
    if _noise(widest) * (1.0 + PAYS) > _noise(narrow):
        progress.note("activations int8: int16 would not bring the model closer to float")
        return frozenset()
    chosen = every
    for done, layer in enumerate(model.layers, 1):
        progress.advance("choosing widths", done, len(model.layers))
        fewer = chosen - {layer.name}
        if layer.name in chosen and fewer and _is_enough(bench.accuracy(fewer), widest):
            chosen = fewer
    progress.note(f"activations int16 in {', '.join(sorted(chosen))}")
    return chosen


def keeps(accuracy: Accuracy) -> bool:
    """Whether every output keeps within the budget."""
    if accuracy.outputs_apart:
        return all(keeps(one) for one in accuracy.outputs_apart.values())
    trained, found = accuracy.float_value, accuracy.quantized_value
    if accuracy.metric == "accuracy" and trained is not None and found is not None:
        return found >= trained * (1.0 - BUDGET)
    if accuracy.metric == "rmse" and trained and found is not None:
        return found <= trained * (1.0 + BUDGET)
    return accuracy.sqnr_db >= ENOUGH_DB


def _is_enough(accuracy: Accuracy, widest: Accuracy) -> bool:
    """Whether a choice does what all layers together do, or need not."""
    return keeps(accuracy) or (not keeps(widest) and _noise(accuracy) <= _noise(widest) * (1.0 + PAYS))


def _noise(accuracy: Accuracy) -> float:
    return float(10.0 ** (-accuracy.sqnr_db / 10.0))


def _bench(model: FloatModel, dataset: Dataset, quantize: Quantize) -> _Trials:
    count = len(dataset.x)
    samples = dataset.training.take(np.unique(np.linspace(0, count - 1, min(MOST_SEQUENCES, count)).astype(np.int64)))
    return _Trials(samples, run_samples(model.forward, samples), dataset.labels, quantize)
