"""--activations auto: int16 where int8 costs too much, and nowhere else."""

import numpy as np
import pytest

from edgelstm.data.dataset import Dataset
from edgelstm.errors import TargetError
from edgelstm.ir import FloatArray, FloatModel, Model, Tensor
from edgelstm.numerics.contracts import Contract
from edgelstm.ops.activation import ActivationLayer
from edgelstm.ops.dense import DenseLayer
from edgelstm.ops.lstm import LstmLayer
from edgelstm.pipeline.affordable import Excess
from edgelstm.pipeline.widths_chosen import Choice, choose_widths, keeps
from edgelstm.quantization import calibrate, int16_layers, quantize
from edgelstm.report.metrics import evaluate
from edgelstm.report.progress import Silent
from edgelstm.verification.accuracy import measure_accuracy

SIZE, UNITS, STEPS = 2, 6, 12


class Notes(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def warn(self, text: str) -> None:
        self.notes.append(text)


def dense(name: str, source: Tensor, units: int, rng: np.random.Generator) -> DenseLayer:
    kernel = rng.normal(0, 1, (source.size, units)).astype(np.float32)
    return DenseLayer(name, source, Tensor(name, units, True), kernel, np.zeros(units, np.float32), relu=False)


def model(seed: int) -> FloatModel:
    """Of which a relu, which has no int16, stands between layers that have."""
    rng = np.random.default_rng(seed)
    source = Tensor("x", SIZE, is_sequence=True)
    lstm = LstmLayer(
        name="lstm",
        input=source,
        output=Tensor("lstm", UNITS, is_sequence=True),
        kernel=rng.normal(0, 0.6, (SIZE, 4 * UNITS)).astype(np.float32),
        recurrent_kernel=rng.normal(0, 0.3, (UNITS, 4 * UNITS)).astype(np.float32),
        bias=rng.normal(0, 0.3, 4 * UNITS).astype(np.float32),
    )
    first = dense("first", lstm.output, 4, rng)
    relu = ActivationLayer.of("relu", first.output, "relu")
    return FloatModel("model", source, (lstm, first, relu, dense("last", relu.output, 1, rng)), STEPS)


def inputs(seed: int) -> FloatArray:
    values: FloatArray = np.random.default_rng(seed).normal(size=(60, STEPS, SIZE)).astype(np.float32)
    return values


def chosen(
    of: FloatModel, dataset: Dataset, contract: Contract | None = None, excess: Excess | None = None
) -> tuple[frozenset[str], str]:
    ranges, progress = calibrate(of, dataset.x), Notes()

    def with_wide(layers: frozenset[str]) -> Model:
        return quantize(of, ranges, STEPS, contract, layers)

    found = choose_widths(Choice(of, contract, with_wide, excess), dataset, progress)
    return found, " ".join(progress.notes)


def test_a_model_that_int8_spoils_is_raised() -> None:
    """Targets that the float model meets to 0.1 % of full scale leave no room for 8 bits."""
    trained, x = model(0), inputs(0)
    truth = trained.forward(x)
    noise = np.random.default_rng(1).normal(0, 0.002 * np.ptp(truth), truth.shape)
    wide, said = chosen(trained, Dataset(x=x, y=(truth + noise).astype(np.float32)))
    assert wide
    assert wide <= int16_layers(trained)
    assert "int16 in" in said


def test_a_model_that_int8_serves_stays() -> None:
    trained, x = model(0), inputs(0)
    truth = trained.forward(x)
    rough = np.random.default_rng(1).normal(0, 0.3 * np.ptp(truth), truth.shape)
    wide, said = chosen(trained, Dataset(x=x, y=(truth + rough).astype(np.float32)))
    assert wide == frozenset()
    assert "int8, which keep" in said


def test_litert_leaves_no_choice() -> None:
    wide, said = chosen(model(0), Dataset(x=inputs(0)), Contract.LITERT)
    assert wide == frozenset()
    assert "int16 is for --contract tflm" in said


def precise(of: FloatModel) -> Dataset:
    """Targets that int8 cannot meet."""
    x = inputs(0)
    truth = of.forward(x)
    noise = np.random.default_rng(1).normal(0, 0.002 * np.ptp(truth), truth.shape)
    return Dataset(x=x, y=(truth + noise).astype(np.float32))


def at_most(layers: int, allowed: frozenset[str]) -> Excess:
    """A limit that leaves room for int16 in so many layers, all of them of `allowed`."""

    def excess(model: Model) -> list[str]:
        wide = {op.output.name for op in model.ops if op.needs_tflm and op.kind != "requantize"}
        return [] if len(wide) <= layers and wide <= allowed else [f"{sorted(wide)}"]

    return excess


def test_limits_that_leave_room_change_nothing() -> None:
    trained = model(0)
    wide, said = chosen(trained, precise(trained))
    same, _ = chosen(trained, precise(trained), excess=lambda _: [])
    assert len(wide) > 1
    assert same == wide
    assert "leave no room" not in said


def test_what_pays_most_keeps_its_room() -> None:
    """Of all layers that one limit leaves room for, the choice is that with the least noise."""
    trained = model(0)
    data = precise(trained)
    wide, _ = chosen(trained, data)
    found, said = chosen(trained, data, excess=at_most(1, wide))
    assert len(found) == 1
    assert "leave no room for int16 in" in said
    ranges = calibrate(trained, data.x)
    noise = {
        name: -measure_accuracy(
            trained, quantize(trained, ranges, STEPS, None, frozenset({name})), ranges, Dataset(x=data.x)
        ).sqnr_db
        for name in wide
    }
    assert found == {min(noise, key=lambda name: noise[name])}


def test_what_was_given_up_in_vain_is_taken_back() -> None:
    """Where the one that costs too much is not the one that pays least."""
    trained = model(0)
    data = precise(trained)
    wide, _ = chosen(trained, data)
    (best,) = chosen(trained, data, excess=at_most(1, wide))[0]
    found, _ = chosen(trained, data, excess=at_most(len(wide), wide - {best}))
    assert best not in found
    assert found in (wide - {best}, frozenset())


def test_what_int16_brings_is_said() -> None:
    trained = model(0)
    _, said = chosen(trained, precise(trained))
    assert "rmse" in said
    assert "on training data, int8" in said


def test_layers_whose_sums_int16_does_not_hold_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    trained = model(0)
    wide, _ = chosen(trained, precise(trained))
    assert "last" in wide
    monkeypatch.setattr("edgelstm.ops.dense16.Dense16.problems", lambda self, contract: [f"{self.name} overflows"])
    found, _ = chosen(trained, precise(trained))
    assert found <= wide - {"first", "last"}


def test_limits_below_int8_are_an_error() -> None:
    trained = model(0)
    with pytest.raises(TargetError, match="with int8 activations, too"):
        chosen(trained, precise(trained), excess=lambda _: ["model on cortex-m4: flash takes 9 bytes, 1 more than 8"])


@pytest.mark.parametrize(("found", "is_kept"), [(0.1009, True), (0.1011, False)])
def test_the_budget_is_one_percent_of_the_error(found: float, is_kept: bool) -> None:
    truth = np.zeros((4, 1)) + 0.5
    assert keeps(evaluate(truth, truth + 0.1, truth + found)) is is_kept


def test_accuracy_is_measured_across_widths() -> None:
    """What brings values from one width to the other has no range."""
    trained, x = model(2), inputs(2)
    ranges = calibrate(trained, x)
    wide = quantize(trained, ranges, STEPS, None, int16_layers(trained))
    assert any(op.kind == "requantize" for op in wide.ops)
    assert measure_accuracy(trained, wide, ranges, Dataset(x=x)).sqnr_db > 20.0
