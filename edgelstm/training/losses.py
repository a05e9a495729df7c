"""The loss that targets call for."""

from types import ModuleType
from typing import Any

from edgelstm.report.metrics import Task

REGRESSION = {
    "mae": "MeanAbsoluteError",
    "mean_absolute_error": "MeanAbsoluteError",
    "huber": "Huber",
    "mse": "MeanSquaredError",
    "mean_squared_error": "MeanSquaredError",
    "log_cosh": "LogCosh",
}
"""Losses for values that a Keras file may name, and their classes."""


def loss_for(keras: ModuleType, task: Task, *, is_sparse: bool, from_logits: bool, named: str = "") -> Any:
    """A Keras loss.

    Args:
        keras: the module.
        task: what the model does, see `infer_task`.
        is_sparse: whether classes are given by their numbers, not by one-hot rows.
        from_logits: whether the outputs are sums that no softmax or sigmoid has seen.
        named: for values, what a Keras file says, as a name or a class of Keras; squared errors where it is none of
            `REGRESSION`.
    """
    if task == "regression":
        known = {**REGRESSION, **{name: name for name in REGRESSION.values()}}
        return getattr(keras.losses, known.get(named, "MeanSquaredError"))()
    if task == "binary":
        return keras.losses.BinaryCrossentropy(from_logits=from_logits)
    if is_sparse:
        return keras.losses.SparseCategoricalCrossentropy(from_logits=from_logits)
    return keras.losses.CategoricalCrossentropy(from_logits=from_logits)
