"""A masked tensor that a reset clears keeps its bytes in the arena, though its loop begins behind the window."""

import numpy as np
from random_ladder import run_alone
from random_models import _lstm

from edgelstm.codegen.planning import make_plan
from edgelstm.ir import Model, QuantizedTensor
from edgelstm.ir import Quantization as Scale
from edgelstm.numerics.contracts import Contract
from edgelstm.ops.dense import Dense
from edgelstm.ops.last_step import LastStep
from edgelstm.ops.masking import Masking
from edgelstm.ops.repeat_vector import RepeatVector
from edgelstm.simulate import simulate
from edgelstm.verification.ladder import Expectation
from edgelstm.verification.trace import simulator_trace


def _dense(name: str, source: QuantizedTensor, units: int) -> Dense:
    rng = np.random.default_rng(units)
    output = QuantizedTensor(name, units, source.is_sequence, Scale(2.0**-5, 3))
    kernel, bias = rng.integers(-60, 61, (units, source.size)), rng.integers(-99, 99, units)
    return Dense(name, source, output, kernel.astype(np.int8), (2.0**-8,), bias.astype(np.int32), relu=False)


def test_a_masked_tensor_of_a_later_loop_keeps_its_bytes() -> None:
    source = QuantizedTensor("samples", 3, is_sequence=True, quantization=Scale(2.0**-5, 3))
    wide = _dense("wide", source, 40)
    lstm = _lstm(np.random.default_rng(2), "lstm", wide.output, 1)
    last = LastStep.of("last", lstm.output)
    again = RepeatVector.of("again", last.output, 5)
    inputs = np.random.default_rng(3).integers(-128, 128, (6, 7, 3)).astype(np.int8)
    ends = simulate(Model("first", source, (wide, lstm, last), 7, Contract.LITERT), inputs)
    # What the LSTM says of the first sequence is left out at every step, what it says of others at none.
    mask = Masking.of("mask", again.output, int(ends[0, 0]))
    behind = _dense("behind", mask.output, 6)
    model = Model(
        "chain", source, (wide, lstm, last, again, mask, behind, LastStep.of("end", behind.output)), 7, Contract.NATIVE
    )
    (cleared,) = make_plan(model).cleared
    assert cleared.place.array == "self->arena"
    outputs = simulate(model, inputs)
    assert (outputs[0] == 3).all()
    assert (outputs != 3).any()
    rung = run_alone(Expectation(model, inputs, simulator_trace(model, inputs)), "host", 1)
    assert rung.values > 0
    assert rung.mismatches == 0, rung.first
