"""Metrics, on cases small enough to reckon by hand."""

import math

import numpy as np
import pytest

from edgelstm.errors import DataError
from edgelstm.report.metrics import (
    confusion_matrix,
    evaluate,
    fit_targets,
    infer_task,
    join_outputs,
    sqnr_db,
)

FLOAT_SOFTMAX = np.array([[0.8, 0.1, 0.1], [0.2, 0.5, 0.3], [0.3, 0.3, 0.4], [0.1, 0.6, 0.3]])
QUANTIZED_SOFTMAX = np.array([[0.75, 0.125, 0.125], [0.25, 0.375, 0.375], [0.375, 0.25, 0.375], [0.0, 0.5, 0.5]])
CLASS_IDS = np.array([0, 1, 2, 2])


@pytest.mark.parametrize(
    ("output_shape", "y", "task"),
    [
        ((3, 3), [0, 1, 2], "classification"),
        ((3, 3), [[0], [1], [2]], "classification"),
        ((3, 3), [0.0, 1.0, 2.0], "classification"),
        ((3, 3), [[0, 1, 0], [1, 0, 0], [0, 0, 1]], "classification"),
        ((3, 3), [[0.0, 1, 0], [1, 0, 0], [0, 0, 1]], "classification"),
        ((3, 3), [[0, 1, 1], [1, 0, 0], [0, 0, 0]], "binary"),
        ((3, 3), [[0, 1, 5], [1, 0, 0], [0, 0, 0]], "regression"),
        ((3, 1), [0, 1, 1], "binary"),
        ((3, 1), [[0.0], [1.0], [1.0]], "binary"),
        ((3, 1), [0.0, 0.5, 1.0], "regression"),
        ((3, 1), [3, 4, 5], "regression"),
        ((3, 2, 4), [[0, 3], [1, 1], [2, 2]], "classification"),
        ((3, 2, 1), [[0, 1], [1, 1], [0, 0]], "binary"),
        ((1, 2, 2), [[[0.5, 1], [1, 1]]], "regression"),
    ],
)
def test_task_follows_from_output_and_targets(output_shape, y, task):
    assert infer_task(output_shape, np.array(y)) == task


@pytest.mark.parametrize(
    ("output_shape", "y"),
    [((3, 3), [0.5, 1.0, 2.0]), ((3, 3), [[0, 1]] * 3), ((3, 2, 4), [0, 1, 2]), ((3, 1), [0, 1])],
)
def test_targets_that_do_not_fit(output_shape, y):
    with pytest.raises(DataError):
        infer_task(output_shape, np.array(y))


def test_targets_take_the_shape_of_the_outputs():
    assert fit_targets((3, 1), np.zeros(3)).shape == (3, 1)
    assert fit_targets((3, 4), np.zeros((3, 1))).shape == (3,)
    assert fit_targets((3, 2, 4), np.zeros((3, 2, 1))).shape == (3, 2)
    assert fit_targets((3, 2, 1), np.zeros((3, 2))).shape == (3, 2, 1)


def test_classification():
    accuracy = evaluate(CLASS_IDS, FLOAT_SOFTMAX, QUANTIZED_SOFTMAX, ("a", "b", "c"))
    assert accuracy.metric == "accuracy"
    assert accuracy.float_value == 0.75
    assert accuracy.quantized_value == 0.5
    assert accuracy.agreement == 0.75
    assert accuracy.confusion == ((1, 0, 0), (0, 1, 0), (1, 1, 0))
    assert accuracy.outputs == 4
    assert accuracy.labels == ("a", "b", "c")
    assert accuracy.float_mae is None
    noise = ((FLOAT_SOFTMAX - QUANTIZED_SOFTMAX) ** 2).sum()
    assert accuracy.sqnr_db == pytest.approx(10 * math.log10((FLOAT_SOFTMAX**2).sum() / noise))


def test_one_hot_targets_are_class_ids():
    ids = evaluate(CLASS_IDS, FLOAT_SOFTMAX, QUANTIZED_SOFTMAX)
    assert evaluate(np.eye(3, dtype=np.float32)[CLASS_IDS], FLOAT_SOFTMAX, QUANTIZED_SOFTMAX) == ids
    assert evaluate(np.eye(3, dtype=int)[CLASS_IDS], FLOAT_SOFTMAX, QUANTIZED_SOFTMAX) == ids


def test_class_ids_out_of_range():
    for wrong in (3, -1):
        with pytest.raises(DataError, match="the model has 3 outputs"):
            evaluate(np.array([0, 1, 2, wrong]), FLOAT_SOFTMAX, QUANTIZED_SOFTMAX)


def test_many_classes_have_no_confusion_matrix():
    outputs = np.eye(300)
    accuracy = evaluate(np.arange(300), outputs, outputs)
    assert accuracy.confusion is None
    assert accuracy.quantized_value == 1.0


def test_one_probability_decides_at_one_half():
    probabilities = np.array([[0.49], [0.51], [0.9], [0.1]])
    quantized = np.array([[0.51], [0.51], [0.9], [0.1]])
    accuracy = evaluate(np.array([0, 1, 0, 0]), probabilities, quantized)
    assert (accuracy.metric, accuracy.float_value, accuracy.quantized_value) == ("accuracy", 0.75, 0.5)
    assert accuracy.agreement == 0.75
    assert accuracy.confusion is None


def test_one_logit_decides_at_zero():
    logits = np.array([[-2.0], [0.3], [2.0], [-0.1]])
    accuracy = evaluate(np.array([0, 1, 1, 0]), logits, -logits)
    assert (accuracy.float_value, accuracy.quantized_value, accuracy.agreement) == (1.0, 0.0, 0.0)


def test_regression():
    truth = np.array([0.0, 1.0, 2.0, 10.0])
    outputs = np.array([[0.0], [1.0], [2.0], [8.0]])
    quantized = outputs + np.array([[0.0], [0.079], [-0.081], [2.0]])
    accuracy = evaluate(truth, outputs, quantized)
    assert accuracy.metric == "rmse"
    assert accuracy.float_value == pytest.approx(1.0)
    assert accuracy.quantized_value == pytest.approx(math.sqrt((0.079**2 + 0.081**2) / 4))
    assert accuracy.float_mae == pytest.approx(0.5)
    assert accuracy.quantized_mae == pytest.approx(0.16 / 4)
    assert accuracy.agreement == 0.5, "within 1 % of the float outputs' span of 8: the first two"


def test_without_targets():
    classes = evaluate(None, FLOAT_SOFTMAX, QUANTIZED_SOFTMAX)
    assert (classes.metric, classes.float_value, classes.quantized_value) == ("none", None, None)
    assert classes.agreement == 0.75
    values = evaluate(None, FLOAT_SOFTMAX * 3, FLOAT_SOFTMAX * 3 + 0.1)
    assert values.agreement == 0.0


def test_steps_past_the_length_do_not_count():
    outputs = np.array([[[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]], [[0.1, 0.9], [0.2, 0.8], [0.6, 0.4]]])
    quantized = outputs.copy()
    quantized[:, 2] = 0.5
    quantized[1, 1] = 0.0
    lengths = np.array([1, 2])
    whole = evaluate(np.array([[0, 0, 1], [1, 1, 0]]), outputs, quantized)
    valid = evaluate(np.array([[0, -1, -1], [1, 1, -1]]), outputs, quantized, lengths=lengths)
    assert (whole.outputs, valid.outputs) == (6, 3)
    assert whole.quantized_value == pytest.approx(4 / 6)
    assert valid.quantized_value == pytest.approx(2 / 3)
    assert valid.float_value == 1.0
    assert valid.confusion == ((1, 0), (1, 1))
    one_hot = evaluate(np.eye(2)[[[0, 0, 1], [1, 1, 0]]], outputs, quantized, lengths=lengths)
    assert one_hot == valid


def test_lengths_do_not_matter_to_vectors():
    with_lengths = evaluate(CLASS_IDS, FLOAT_SOFTMAX, QUANTIZED_SOFTMAX, lengths=np.array([1, 2, 3, 4]))
    assert with_lengths == evaluate(CLASS_IDS, FLOAT_SOFTMAX, QUANTIZED_SOFTMAX)


@pytest.mark.parametrize(
    ("outputs", "quantized"),
    [
        (np.zeros((2, 3)), np.zeros((2, 4))),
        (np.zeros(3), np.zeros(3)),
        (np.zeros((0, 3)), np.zeros((0, 3))),
        (np.full((2, 3), np.nan), np.zeros((2, 3))),
        (np.full((2, 3), np.inf), np.zeros((2, 3))),
    ],
)
def test_outputs_that_cannot_be_compared(outputs, quantized):
    with pytest.raises(DataError):
        evaluate(None, outputs, quantized)


def test_sqnr_of_edge_cases():
    assert sqnr_db(np.array([10.0]), np.array([9.0])) == pytest.approx(20.0)
    assert sqnr_db(np.array([1.0]), np.array([1.0])) == math.inf
    assert sqnr_db(np.zeros(2), np.zeros(2)) == math.inf
    assert sqnr_db(np.zeros(2), np.ones(2)) == -math.inf


def test_confusion_matrix_counts_true_rows_and_decided_columns():
    matrix = confusion_matrix(np.array([0, 0, 2]), np.array([1, 1, 0]), 3)
    assert matrix.tolist() == [[0, 2, 0], [0, 0, 0], [1, 0, 0]]


def test_spans_are_those_of_values_alone():
    values = np.array([[1013.0, 2.0], [1014.0, 2.0]])
    assert evaluate(None, values, values, scale=4.0).spans == (0.25, 0.0)
    assert evaluate(None, values, values).spans == ()
    assert evaluate(CLASS_IDS, FLOAT_SOFTMAX, QUANTIZED_SOFTMAX, scale=1 / 256).spans == ()


def test_outputs_apart_are_judged_by_the_worst():
    good = evaluate(CLASS_IDS, FLOAT_SOFTMAX, FLOAT_SOFTMAX)
    bad = evaluate(np.zeros((4, 1)), np.ones((4, 1)), np.full((4, 1), 0.9))
    both = join_outputs({"kind": good, "level": bad})
    assert (both.metric, both.float_value, both.quantized_value) == ("none", None, None)
    assert (both.agreement, both.sqnr_db) == (bad.agreement, bad.sqnr_db)
