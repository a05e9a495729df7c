"""LSTM: the trained layer, the integer ops of the official contracts and of our own, and their TFLite operators."""

from edgelstm.ops.lstm.arithmetic import Gate
from edgelstm.ops.lstm.base import LstmOp
from edgelstm.ops.lstm.layer import LstmLayer
from edgelstm.ops.lstm.op import Lstm
from edgelstm.ops.lstm.op16 import Lstm16
from edgelstm.ops.lstm.rows import LstmRows

__all__ = ["Gate", "Lstm", "Lstm16", "LstmLayer", "LstmOp", "LstmRows"]
