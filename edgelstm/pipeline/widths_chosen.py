"""`--activations auto`: which layers have to compute on int16 values, so that the model does what it does in float."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from edgelstm.data import Dataset
from edgelstm.data.dataset import Samples
from edgelstm.errors import TargetError
from edgelstm.ir import FloatArray, FloatModel, Model
from edgelstm.numerics.contracts import Contract
from edgelstm.pipeline.affordable import Excess
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
class Choice:
    """What there is to choose from.

    Attributes:
        model: float.
        contract: that was asked for.
        quantize: what makes integers of it.
        excess: the limits that these exceed; None where none is set.
    """

    model: FloatModel
    contract: Contract | None
    quantize: Quantize
    excess: Excess | None = None


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


def choose_widths(choice: Choice, dataset: Dataset, progress: Progress) -> frozenset[str]:
    """The names of the layers to raise: none where int8 keeps within the budget, or where int16 would not help.

    From all that can be raised, those are put back without which the model keeps within the budget, or that hardly
    change its noise, and then, one by one, what the limits leave no room for. Test data decide nothing.

    Raises:
        TargetError: the model exceeds the limits in int8, too.
    """
    trials = _trials(choice, dataset)
    wanted = _wanted(choice, trials, progress)
    excess = () if choice.excess is None else tuple(choice.excess(choice.quantize(wanted)))
    found = _affordable(wanted, excess, choice, trials) if excess else wanted
    if found:
        progress.note(f"activations int16 in {', '.join(sorted(found))}: {_gain(found, trials)}")
    if found < wanted:
        lost = ", ".join(sorted(wanted - found))
        progress.warn(
            f"the limits leave no room for int16 in {lost} ({'; '.join(excess)}), with which it would be: "
            f"{_gain(wanted, trials)}"
        )
    return found


def _wanted(choice: Choice, trials: _Trials, progress: Progress) -> frozenset[str]:
    """What accuracy alone asks for."""
    model = choice.model
    native = [op.name for op in choice.quantize(frozenset()).ops if op.is_native]
    is_possible = choice.contract in (None, Contract.TFLM) and not native
    every = _possible(choice) if is_possible else frozenset()
    if not every:
        lacking = f", which has no {', '.join(native)}" if native else ""
        progress.note(
            f"activations int8: int16 is for --contract tflm, and for layers of TensorFlow Lite Micro{lacking}"
        )
        return frozenset()
    narrow = trials.accuracy(frozenset())
    if keeps(narrow):
        progress.note(f"activations int8, which keep within {100 * BUDGET:g} % of float")
        return frozenset()
    widest = trials.accuracy(every)
    if _noise(widest) * (1.0 + PAYS) > _noise(narrow):
        progress.note("activations int8: int16 would not bring the model closer to float")
        return frozenset()
    chosen = every
    for done, layer in enumerate(model.layers, 1):
        progress.advance("choosing widths", done, len(model.layers))
        fewer = chosen - {layer.name}
        if layer.name in chosen and fewer and _is_enough(trials.accuracy(fewer), widest):
            chosen = fewer
    return chosen


def _possible(choice: Choice) -> frozenset[str]:
    """The layers whose sums on int16 values fit what the C has for them."""
    every = int16_layers(choice.model)
    integers = choice.quantize(every)
    return every - {op.output.name for op in integers.ops if op.needs_tflm and op.problems(integers.contract)}


def _affordable(wanted: frozenset[str], excess: Sequence[str], choice: Choice, trials: _Trials) -> frozenset[str]:
    """As many of these layers as the limits leave room for: given up first, and taken back last, is what pays least.

    `excess` is that of all of them.
    """
    assert choice.excess is not None
    order = sorted(wanted, key=lambda name: (_noise(trials.accuracy(wanted - {name})), name))
    kept, given_up, problems = wanted, list[str](), excess
    while problems:
        if not kept:
            raise _too_much(wanted, excess, problems)
        given_up.append(order[len(given_up)])
        kept = wanted - set(given_up)
        problems = choice.excess(choice.quantize(kept))
    for name in reversed(given_up[:-1]):
        if not choice.excess(choice.quantize(kept | {name})):
            kept |= {name}
    pays = _noise(trials.accuracy(kept)) * (1.0 + PAYS) <= _noise(trials.accuracy(frozenset()))
    return kept if kept == wanted or pays else frozenset()


def _too_much(wanted: frozenset[str], excess: Sequence[str], narrow: Sequence[str]) -> TargetError:
    lines = [f"  - {problem}" for problem in narrow]
    if wanted:
        lines = [
            f"  with int16 in {', '.join(sorted(wanted))}:",
            *(f"  - {problem}" for problem in excess),
            "  with int8:",
            *lines,
        ]
    return TargetError(
        "\n".join(["it costs too much, with int8 activations, too:", *lines]),
        "choose another --optimize (speed for fewer instructions, size for less flash), fewer units, or higher limits",
    )


def _gain(wide: frozenset[str], trials: _Trials) -> str:
    """What int16 brings, in words."""
    found, narrow = trials.accuracy(wide), trials.accuracy(frozenset())
    text = f"SQNR {found.sqnr_db:.1f} dB on training data, int8 {narrow.sqnr_db:.1f} dB"
    if found.metric == "none" or found.quantized_value is None or found.float_value is None:
        return text
    values = (found.quantized_value, narrow.quantized_value, found.float_value)
    ours, other, trained = (f"{value:.4g}" for value in values)
    missed = "" if keeps(found) else f", further than {100 * BUDGET:g} % off"
    return f"{found.metric} {ours} on training data, int8 {other}, float {trained}{missed}"


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


def _trials(choice: Choice, dataset: Dataset) -> _Trials:
    count = len(dataset.x)
    samples = dataset.training.take(np.unique(np.linspace(0, count - 1, min(MOST_SEQUENCES, count)).astype(np.int64)))
    return _Trials(samples, run_samples(choice.model.forward, samples), dataset.labels, choice.quantize)
