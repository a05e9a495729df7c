"""Training, calibration and test data: reading it from files, wheels or user code, checking it against a model."""

from edgelstm.data.check import check_dataset
from edgelstm.data.dataset import Dataset, Samples
from edgelstm.data.several import fit_dataset
from edgelstm.data.source import load_dataset
from edgelstm.data.wheel import Wheel

__all__ = ["Dataset", "Samples", "Wheel", "check_dataset", "fit_dataset", "load_dataset"]
