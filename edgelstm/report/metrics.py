"""How well a quantized model does what the float model does, and what it was trained for.

Outputs are real numbers of shape (N, C), or (N, T, C) where the model yields one output a step.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from edgelstm.errors import DataError
from edgelstm.report.saturation import Saturation

Array = npt.NDArray[Any]

Task = Literal["classification", "binary", "regression"]

FULL_SCALE_TOLERANCE = 0.01
"""Two values of a regression agree when they differ by at most this share of the float outputs' span."""

MAX_CONFUSION_CLASSES = 256


@dataclass(frozen=True)
class Accuracy:
    """A float model and its quantized form, on the same sequences.

    Attributes:
        metric: "accuracy" (0 to 1, more is better), "rmse" (in the target's unit, less is better), or "none"
            where there are no targets.
        float_value: the float model's metric; None if `metric` is "none".
        quantized_value: the quantized model's.
        agreement: share (0 to 1) of outputs where both models decide alike: the same largest output for class
            probabilities, the same side of the threshold for one probability; for values, a difference of at
            most 1 % of full scale, which is the span of the float outputs.
        sqnr_db: signal to quantization noise ratio, 10 log10(sum float^2 / sum (float - quantized)^2); inf if
            both are equal.
        outputs: how many output vectors were compared.
        saturated_inputs_percent: for each channel of the inputs, the share of values outside what their integers hold;
            empty if not measured.
        saturations: all that test data clip, the most clipped first.
        confusion: of the quantized model; row = true class, column = decided class. None unless classes are
            told apart, or with more than 256 classes.
        outputs_apart: of a model with several outputs, each by name; it then has no metric of its own, and its
            agreement and SQNR are the worst of theirs.
        spans: of values that are no decision, how many steps of its integers each channel of the float outputs spans.
        labels: the names of the classes, or of the outputs, in order; may be empty.
        float_mae: mean absolute error of the float model, for a regression.
        quantized_mae: the quantized model's.
    """

    metric: Literal["accuracy", "rmse", "none"]
    float_value: float | None
    quantized_value: float | None
    agreement: float
    sqnr_db: float
    outputs: int
    saturated_inputs_percent: tuple[float, ...] = ()
    confusion: tuple[tuple[int, ...], ...] | None = None
    labels: tuple[str, ...] = ()
    float_mae: float | None = None
    quantized_mae: float | None = None
    saturations: tuple[Saturation, ...] = ()
    outputs_apart: Mapping[str, "Accuracy"] = field(default_factory=dict)
    spans: tuple[float, ...] = ()


def join_outputs(apart: Mapping[str, Accuracy]) -> Accuracy:
    """What is said of a model with several outputs, given each."""
    return Accuracy(
        metric="none",
        float_value=None,
        quantized_value=None,
        agreement=min(one.agreement for one in apart.values()),
        sqnr_db=min(one.sqnr_db for one in apart.values()),
        outputs=max(one.outputs for one in apart.values()),
        outputs_apart=apart,
    )


def evaluate(
    y: Array | None,
    float_output: Array,
    quantized_output: Array,
    labels: tuple[str, ...] = (),
    lengths: Array | None = None,
    *,
    scale: float | None = None,
) -> Accuracy:
    """Compare a quantized model's outputs with the float model's and with the truth.

    Args:
        y: targets, as `infer_task` describes them; None if unknown.
        float_output: (N, C) or (N, T, C) outputs of the float model.
        quantized_output: the same of the quantized model, as real numbers.
        labels: names of the classes or outputs.
        lengths: (N,) valid steps of each sequence; later outputs are left out. Ignored for (N, C) outputs.
        scale: of the quantized output; None leaves `spans` empty.

    Raises:
        DataError: shapes do not fit, class ids out of range, or the float model yields NaN or infinity.
    """
    if float_output.shape != quantized_output.shape or float_output.ndim not in {2, 3} or not float_output.size:
        raise DataError(f"cannot compare outputs of shape {float_output.shape} and {quantized_output.shape}")
    if not np.isfinite(float_output).all():
        raise DataError("the float model yields NaN or infinite outputs", "check how it was trained")
    outer_shape = float_output.shape[:-1]
    reference = _join_steps(float_output, outer_shape, lengths).astype(np.float64)
    quantized = _join_steps(quantized_output, outer_shape, lengths).astype(np.float64)
    truth = None if y is None else _join_steps(fit_targets(float_output.shape, y), outer_shape, lengths)
    if truth is None:
        task: Task = "classification" if _are_class_probabilities(reference) else "regression"
    else:
        task = infer_task(reference.shape, truth)
    compared = Accuracy(
        metric="none",
        float_value=None,
        quantized_value=None,
        agreement=_agreement(task, reference, quantized),
        sqnr_db=sqnr_db(reference, quantized),
        outputs=len(reference),
        labels=labels,
        spans=_spans(reference, scale) if task == "regression" and scale else (),
    )
    return compared if truth is None else _score(task, compared, truth, reference, quantized)


def infer_task(output_shape: tuple[int, ...], y: Array) -> Task:
    """Tell from a model's output and its targets what it does.

    Args:
        output_shape: (N, C) or (N, T, C), all known.
        y: class ids (N,), (N, 1), (N, T) or (N, T, 1); or of the outputs' shape, where one-hot rows mean
            classes, other rows of 0 and 1 independent decisions, and anything else values. For C = 1, targets
            that are all 0 or 1 mean a decision.

    Returns:
        "classification" (one of C classes), "binary" (C decisions of yes or no) or "regression" (C values).

    Raises:
        DataError: `y` has neither shape, or is neither class ids nor C values a row.
    """
    targets = fit_targets(output_shape, y)
    if targets.ndim < len(output_shape):
        if not np.array_equal(targets, np.floor(targets)):
            raise DataError(
                f"the model has {output_shape[-1]} outputs, but its targets are single values, not class ids"
            )
        return "classification"
    if not np.isin(targets, (0, 1)).all():
        return "regression"
    is_one_hot = output_shape[-1] > 1 and bool((targets.sum(axis=-1) == 1).all())
    return "classification" if is_one_hot else "binary"


def fit_targets(output_shape: tuple[int, ...], y: Array) -> Array:
    """Bring targets into the shape that a loss or a comparison needs.

    Args:
        output_shape: (N, C) or (N, T, C), all known.
        y: as `infer_task` describes them.

    Returns:
        `y` in the outputs' shape, or, for class ids, in that shape without its last axis.

    Raises:
        DataError: `y` fits neither.
    """
    outer, size = output_shape[:-1], output_shape[-1]
    if y.shape == output_shape:
        return y
    if y.shape in {outer, (*outer, 1)}:
        return y.reshape(output_shape if size == 1 else outer)
    raise DataError(
        f"targets of shape {y.shape} do not fit outputs of shape {output_shape}",
        f"give class ids {outer} or values {output_shape}",
    )


def sqnr_db(reference: Array, quantized: Array) -> float:
    """Signal to quantization noise ratio in dB; inf if there is no noise, -inf if there is noise alone."""
    noise = float(np.sum(np.square(reference - quantized, dtype=np.float64)))
    signal = float(np.sum(np.square(reference, dtype=np.float64)))
    if noise == 0.0:
        return math.inf
    return 10.0 * math.log10(signal / noise) if signal else -math.inf


def rmse(truth: Array, output: Array) -> float:
    """Root of the mean squared error."""
    return float(np.sqrt(np.mean(np.square(truth - output, dtype=np.float64))))


def mae(truth: Array, output: Array) -> float:
    """Mean absolute error."""
    return float(np.mean(np.abs(truth - output), dtype=np.float64))


def check_class_ids(class_ids: Array, classes: int) -> None:
    """Raise DataError unless all class ids lie in 0..classes-1."""
    if class_ids.min() < 0 or class_ids.max() >= classes:
        raise DataError(
            f"class ids from {class_ids.min()} to {class_ids.max()}, but the model has {classes} outputs",
            f"class ids count from 0 to {classes - 1}",
        )


def confusion_matrix(truth: Array, decided: Array, classes: int) -> npt.NDArray[np.int64]:
    """Count (classes, classes) pairs of class ids: row = true class, column = decided class."""
    pairs = truth.astype(np.int64) * classes + decided.astype(np.int64)
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes).astype(np.int64)


def _join_steps(values: Array, outer_shape: tuple[int, ...], lengths: Array | None) -> Array:
    """Join (N, T, ...) to (M, ...), leaving out steps past each length; (N, ...) passes unchanged."""
    if len(outer_shape) == 1:
        return values
    if lengths is None:
        return values.reshape(-1, *values.shape[2:])
    return values[np.arange(outer_shape[1]) < lengths[:, np.newaxis]]


def _spans(reference: Array, scale: float) -> tuple[float, ...]:
    return tuple(float(span) / scale for span in np.ptp(reference, axis=0))


def _threshold(reference: Array) -> float:
    """0.5 between two probabilities, 0 between logits."""
    return 0.5 if reference.min() >= 0.0 and reference.max() <= 1.0 else 0.0


def _are_class_probabilities(outputs: Array) -> bool:
    return outputs.shape[1] > 1 and bool(outputs.min() >= 0.0 and np.allclose(outputs.sum(axis=1), 1.0, atol=0.01))


def _agreement(task: Task, reference: Array, quantized: Array) -> float:
    if task == "classification":
        return float(np.mean(reference.argmax(axis=1) == quantized.argmax(axis=1)))
    if task == "binary":
        level = _threshold(reference)
        return float(np.mean((reference > level) == (quantized > level)))
    tolerance = FULL_SCALE_TOLERANCE * float(np.ptp(reference))
    return float(np.mean(np.abs(reference - quantized) <= tolerance))


def _score(task: Task, compared: Accuracy, truth: Array, reference: Array, quantized: Array) -> Accuracy:
    if task == "classification":
        return _score_classes(compared, truth, reference, quantized)
    if task == "binary":
        level = _threshold(reference)
        return replace(
            compared,
            metric="accuracy",
            float_value=float(np.mean((reference > level) == (truth > 0))),
            quantized_value=float(np.mean((quantized > level) == (truth > 0))),
        )
    return replace(
        compared,
        metric="rmse",
        float_value=rmse(truth, reference),
        quantized_value=rmse(truth, quantized),
        float_mae=mae(truth, reference),
        quantized_mae=mae(truth, quantized),
    )


def _score_classes(compared: Accuracy, truth: Array, reference: Array, quantized: Array) -> Accuracy:
    classes = reference.shape[1]
    true_ids = truth if truth.ndim == 1 else truth.argmax(axis=1)
    check_class_ids(true_ids, classes)
    decided = quantized.argmax(axis=1)
    confusion = None
    if classes <= MAX_CONFUSION_CLASSES:
        confusion = tuple(tuple(row) for row in confusion_matrix(true_ids, decided, classes).tolist())
    return replace(
        compared,
        metric="accuracy",
        float_value=float(np.mean(reference.argmax(axis=1) == true_ids)),
        quantized_value=float(np.mean(decided == true_ids)),
        confusion=confusion,
    )
