"""Which ops can be trained in their integer arithmetic: the one place to add a line for another."""

from collections.abc import Mapping
from typing import Any

from edgelstm.ir import Op
from edgelstm.ops.activation import Activation
from edgelstm.ops.concatenate import Concatenate
from edgelstm.ops.conv1d import Conv1D
from edgelstm.ops.conv2d import Conv2D
from edgelstm.ops.dense import Dense
from edgelstm.ops.depthwise import DepthwiseConv1D
from edgelstm.ops.embedding import Embedding
from edgelstm.ops.flatten import Flatten
from edgelstm.ops.global_pooling import GlobalAverage, GlobalMax
from edgelstm.ops.gru import Gru
from edgelstm.ops.last_step import LastStep
from edgelstm.ops.lstm import Lstm
from edgelstm.ops.merge import Add, Multiply
from edgelstm.ops.pooling import AveragePool, MaxPool
from edgelstm.ops.repeat_vector import RepeatVector
from edgelstm.ops.reverse import Reverse
from edgelstm.ops.simple_rnn import SimpleRnn
from edgelstm.ops.unflatten import Unflatten
from edgelstm.training.qat.elementwise import (
    FakeActivation,
    FakeAdd,
    FakeConcatenate,
    FakeEmbedding,
    FakeMultiply,
)
from edgelstm.training.qat.fake_op import FakeOp
from edgelstm.training.qat.recurrent import FakeGru, FakeLstm, FakeSimpleRnn
from edgelstm.training.qat.rows import FakeConv1D, FakeConv2D, FakeDense, FakeDepthwiseConv1D
from edgelstm.training.qat.shapes import FakeFlatten, FakeLastStep, FakeRepeatVector, FakeReverse, FakeUnflatten
from edgelstm.training.qat.windows import FakeAveragePool, FakeGlobalAverage, FakeGlobalMax, FakeMaxPool

FAKE_OPS: Mapping[type[Op], type[FakeOp[Any]]] = {
    Activation: FakeActivation,
    Add: FakeAdd,
    AveragePool: FakeAveragePool,
    Concatenate: FakeConcatenate,
    Conv1D: FakeConv1D,
    Conv2D: FakeConv2D,
    Dense: FakeDense,
    DepthwiseConv1D: FakeDepthwiseConv1D,
    Embedding: FakeEmbedding,
    Flatten: FakeFlatten,
    GlobalAverage: FakeGlobalAverage,
    GlobalMax: FakeGlobalMax,
    Gru: FakeGru,
    LastStep: FakeLastStep,
    Lstm: FakeLstm,
    MaxPool: FakeMaxPool,
    Multiply: FakeMultiply,
    RepeatVector: FakeRepeatVector,
    Reverse: FakeReverse,
    SimpleRnn: FakeSimpleRnn,
    Unflatten: FakeUnflatten,
}
