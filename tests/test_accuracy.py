"""What is measured of models with several outputs, of models without a float form, and of values with an offset."""

import numpy as np
import pytest

from edgelstm.data.dataset import Dataset
from edgelstm.errors import DataError
from edgelstm.ir import FloatArray, FloatModel, Tensor
from edgelstm.numerics.contracts import Contract
from edgelstm.ops.dense import DenseLayer
from edgelstm.ops.last_step import LastStepLayer
from edgelstm.ops.lstm import LstmLayer
from edgelstm.ops.softmax import SoftmaxLayer
from edgelstm.pipeline.accuracy_warnings import warn_of_accuracy
from edgelstm.quantization import calibrate, quantize
from edgelstm.report.metrics import Accuracy
from edgelstm.report.progress import Silent
from edgelstm.report.result import accuracy_from_mapping, accuracy_mapping
from edgelstm.verification.accuracy import measure_accuracy, measure_quantized

STEPS, SIZE, UNITS, CLASSES = 6, 2, 4, 3
X: FloatArray = np.random.default_rng(0).normal(size=(80, STEPS, SIZE)).astype(np.float32)


def head(name: str, source: Tensor, units: int, offset: float = 0.0) -> DenseLayer:
    rng = np.random.default_rng(len(name))
    kernel = rng.normal(0, 2, (source.size, units)).astype(np.float32)
    return DenseLayer(name, source, Tensor(name, units, False), kernel, np.full(units, offset, np.float32), relu=False)


def model(offset: float = 0.0) -> FloatModel:
    """Of two outputs: classes, and a value."""
    rng = np.random.default_rng(1)
    source = Tensor("x", SIZE, is_sequence=True)
    lstm = LstmLayer(
        name="lstm",
        input=source,
        output=Tensor("lstm", UNITS, is_sequence=True),
        kernel=rng.normal(0, 0.6, (SIZE, 4 * UNITS)).astype(np.float32),
        recurrent_kernel=rng.normal(0, 0.4, (UNITS, 4 * UNITS)).astype(np.float32),
        bias=rng.normal(0, 0.3, 4 * UNITS).astype(np.float32),
    )
    last = LastStepLayer("last", lstm.output, Tensor("last", UNITS, is_sequence=False))
    scores = head("scores", last.output, CLASSES)
    kind = SoftmaxLayer.after("kind", scores.output)
    level = head("level", last.output, 1, offset)
    return FloatModel("two", source, (lstm, last, scores, kind, level), STEPS, output_names=("kind", "level"))


def truth(of: FloatModel) -> FloatArray:
    """What the float model says, with one class wrong and the value off by 0.25."""
    found = of.forward(X)
    kinds = np.eye(CLASSES)[found[:, :CLASSES].argmax(axis=1)]
    kinds[0] = np.roll(kinds[0], 1)
    return np.concatenate([kinds, found[:, CLASSES:] + 0.25], axis=1).astype(np.float32)


def accuracy_of(of: FloatModel, dataset: Dataset) -> Accuracy:
    ranges = calibrate(of, X)
    return measure_accuracy(of, quantize(of, ranges, STEPS, Contract.LITERT), ranges, dataset)


def test_each_output_has_a_metric_of_its_own() -> None:
    accuracy = accuracy_of(model(), Dataset(x=X, y=truth(model())))
    kind, level = accuracy.outputs_apart["kind"], accuracy.outputs_apart["level"]
    assert (accuracy.metric, kind.metric, level.metric) == ("none", "accuracy", "rmse")
    assert kind.float_value == pytest.approx(1 - 1 / len(X))
    assert level.float_value == pytest.approx(0.25, rel=1e-3)
    assert kind.confusion is not None
    assert np.sum(kind.confusion) == len(X)
    assert accuracy.sqnr_db == min(kind.sqnr_db, level.sqnr_db)
    assert accuracy_from_mapping(accuracy_mapping(accuracy)) == accuracy


def test_targets_of_several_outputs_must_be_side_by_side() -> None:
    with pytest.raises(DataError, match="the model has 2 outputs"):
        accuracy_of(model(), Dataset(x=X, y=np.zeros(len(X))))


def test_a_quantized_model_has_an_accuracy_without_its_float_form() -> None:
    dataset = Dataset(x=X, y=truth(model()))
    known = accuracy_of(model(), dataset)
    alone = measure_quantized(quantize(model(), calibrate(model(), X), STEPS, Contract.LITERT), dataset)
    for name, one in alone.outputs_apart.items():
        assert one.float_value is None
        assert one.quantized_value == known.outputs_apart[name].quantized_value


class Warned(Silent):
    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        self.warnings.append(text)


def test_an_offset_that_hides_the_values_is_warned_of() -> None:
    for offset, warned in ((0.0, False), (1013.0, True)):
        progress = Warned()
        accuracy = accuracy_of(model(offset), Dataset(x=X))
        warn_of_accuracy(accuracy, len(X), 1.0, progress)
        assert any("hardly tell the values of level apart" in text for text in progress.warnings) == warned


@pytest.mark.parametrize(("found", "is_warned"), [(0.109, False), (0.111, True)])
def test_a_regression_that_integers_spoil_is_warned_of(found: float, is_warned: bool) -> None:
    """By more than a tenth of float's error; what to do about it is in the warning."""
    progress = Warned()
    warn_of_accuracy(Accuracy("rmse", 0.1, found, 0.9, 30.0, len(X)), len(X), 1.0, progress)
    warn_of_accuracy(Accuracy("accuracy", 0.1, found, 0.9, 30.0, len(X)), len(X), 1.0, progress)
    assert any("inspect --error" in text and "11 % of rmse" in text for text in progress.warnings) == is_warned
    assert len(progress.warnings) == int(is_warned)
