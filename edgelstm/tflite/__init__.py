"""The .tflite container: records to bytes, bytes to records, and a check of what the runtimes let pass."""

from edgelstm.tflite.check import check_tflite
from edgelstm.tflite.reader import read_subgraphs, read_tflite
from edgelstm.tflite.writer import write_tflite

__all__ = ["check_tflite", "read_subgraphs", "read_tflite", "write_tflite"]
