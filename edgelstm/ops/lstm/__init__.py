"""LSTM: the trained layer, the integer op in both contracts, and its TFLite operator."""

from edgelstm.ops.lstm.arithmetic import Gate
from edgelstm.ops.lstm.layer import LstmLayer
from edgelstm.ops.lstm.op import Lstm
from edgelstm.ops.lstm.op16 import Lstm16

__all__ = ["Gate", "Lstm", "Lstm16", "LstmLayer"]
