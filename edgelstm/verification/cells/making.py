"""Which layers have gates."""

from edgelstm.ir import Layer, Op
from edgelstm.ops.gru import Gru, GruLayer
from edgelstm.ops.lstm import Lstm, Lstm16, LstmLayer
from edgelstm.ops.simple_rnn import SimpleRnn, SimpleRnnLayer
from edgelstm.verification.cells.gru import MixedGru
from edgelstm.verification.cells.lstm import MixedLstm
from edgelstm.verification.cells.parts import MixedCell
from edgelstm.verification.cells.simple_rnn import MixedSimpleRnn


def mixed_cell(layer: Layer, op: Op) -> MixedCell | None:
    """The layer with nothing rounded, given its integer op; None for a layer without gates."""
    if isinstance(layer, LstmLayer) and isinstance(op, Lstm | Lstm16):
        return MixedLstm.of(layer, op)
    if isinstance(layer, GruLayer) and type(op) is Gru:
        return MixedGru.of(layer, op)
    if isinstance(layer, SimpleRnnLayer) and type(op) is SimpleRnn:
        return MixedSimpleRnn.of(layer, op)
    return None
