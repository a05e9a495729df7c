"""A quantized model with its file, and data as it takes them."""

import hashlib
from dataclasses import dataclass

from edgelstm.data import Dataset, fit_dataset
from edgelstm.ir import FloatModel, Model
from edgelstm.pipeline.step_file import StepFile
from edgelstm.report.metrics import Accuracy
from edgelstm.report.progress import Progress


@dataclass(frozen=True, eq=False)
class Quantized:
    """A quantized model, its file, and how well it does.

    Attributes:
        accuracy: None without data, and of a .tflite without targets.
        step: the graph of one step; None where it was not asked for.
        was_read: whether the file was quantized already.
    """

    model: Model
    tflite: bytes
    accuracy: Accuracy | None
    step: StepFile | None = None
    was_read: bool = False

    @property
    def sha256(self) -> str:
        """Hash of the file."""
        return hashlib.sha256(self.tflite).hexdigest()


def fitted(dataset: Dataset, model: Model) -> Dataset:
    """The data as a model takes them, of any length; raises DataError where it cannot."""
    return fit_dataset(dataset, model.inputs, None)[0]


def checked(dataset: Dataset, model: Model | FloatModel, progress: Progress) -> Dataset:
    """The data as a model takes them, of its window; raises DataError where it cannot."""
    found, warnings = fit_dataset(dataset, model.inputs, model.timesteps)
    for warning in warnings:
        progress.warn(warning)
    return found
