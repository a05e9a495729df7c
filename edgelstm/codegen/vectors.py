"""Which ops have a form on vectors."""

from edgelstm.codegen.vector16 import VectorDense16, VectorLstm16, vector_dense16, vector_lstm16
from edgelstm.codegen.vector_dense import VectorDense, vector_dense
from edgelstm.codegen.vector_depthwise import VectorDepthwise, vector_depthwise
from edgelstm.codegen.vector_lstm import VectorLstm, vector_lstm
from edgelstm.codegen.vector_native import VectorNative, vector_native
from edgelstm.codegen.vector_values import VectorValues, vector_values
from edgelstm.ir import Op
from edgelstm.numerics.contracts import Contract
from edgelstm.ops.weight_bits import NARROW

Vectors = VectorLstm | VectorLstm16 | VectorDense | VectorDense16 | VectorNative | VectorDepthwise | VectorValues


def vector_form(op: Op, contract: Contract) -> Vectors | None:
    """What the op's template for vectors needs; None where it has none, by contract or because weights have 4 bits.

    Its `replaced` are the op's constants that its weight stream holds, too.
    """
    if any(matrix.bits == NARROW for matrix in op.matrices(contract)):
        return None
    wide = (vector_lstm16, vector_dense16)
    forms = wide if op.needs_tflm else (vector_lstm, vector_dense, vector_native, vector_depthwise)
    found = (form for form in (make(op, contract) for make in forms) if form is not None)
    return next(found, vector_values(op))
