"""The model in memory: what flows between layers, and what every layer implements.

Time is part of the graph: each tensor is a sequence (one vector of `size` values per time step) or a single
vector. A `FloatModel` holds `Layer`s with float weights, a `Model` the same graph as integer `Op`s. Nothing here
reads or writes files.
"""

from edgelstm.ir.arrays import AnyArray, BoolArray, FloatArray, IntArray
from edgelstm.ir.float_model import Compute, FloatModel
from edgelstm.ir.inputs import MOST_INPUTS, InputLayout, beside
from edgelstm.ir.layers import (
    KerasLayer,
    Layer,
    LayerBuilder,
    Observe,
    Ranges,
    SourceLayer,
    TensorReference,
    UnaryLayer,
)
from edgelstm.ir.loads import Load, by_state
from edgelstm.ir.model import Model
from edgelstm.ir.ops import Constant, Matrix, Op, Pace, Reduction, UnaryOp
from edgelstm.ir.records import TfliteModel, TfliteOperator, TfliteTensor
from edgelstm.ir.state_array import StateArray
from edgelstm.ir.tensors import IDS, MOST_IDS, Quantization, QuantizedTensor, Scaling, Tensor

__all__ = [
    "IDS",
    "MOST_IDS",
    "MOST_INPUTS",
    "AnyArray",
    "BoolArray",
    "Compute",
    "Constant",
    "FloatArray",
    "FloatModel",
    "InputLayout",
    "IntArray",
    "KerasLayer",
    "Layer",
    "LayerBuilder",
    "Load",
    "Matrix",
    "Model",
    "Observe",
    "Op",
    "Pace",
    "Quantization",
    "QuantizedTensor",
    "Ranges",
    "Reduction",
    "Scaling",
    "SourceLayer",
    "StateArray",
    "Tensor",
    "TensorReference",
    "TfliteModel",
    "TfliteOperator",
    "TfliteTensor",
    "UnaryLayer",
    "UnaryOp",
    "beside",
    "by_state",
]
