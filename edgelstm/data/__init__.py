"""Training, calibration and test data: reading it from files or user code, checking it against a model."""

from edgelstm.data.check import check_dataset
from edgelstm.data.dataset import Dataset, Samples
from edgelstm.data.source import load_dataset

__all__ = ["Dataset", "Samples", "check_dataset", "load_dataset"]
