"""Rows on int16 values whose sums do not fit 32 bits: TFLite Micro, C on this computer and cores."""

import numpy as np
import pytest
from random_ladder import run_alone
from random_models import random_inputs

from edgelstm.ir import Model, Quantization, QuantizedTensor
from edgelstm.numerics.contracts import Contract
from edgelstm.ops.dense16 import Dense16
from edgelstm.verification.ladder import Expectation
from edgelstm.verification.oracles import TFLM
from edgelstm.verification.trace import compare, official_trace, simulator_trace


@pytest.mark.parametrize("target", ["host", "cortex-m4", "cortex-m55"])
def test_sums_that_leave_32_bits_have_64(target: str) -> None:
    size = 700
    source = QuantizedTensor("input", size, True, Quantization(2.0**-15, 0, "int16"))
    output = QuantizedTensor("dense", 5, True, Quantization(2.0, 0, "int16"))
    kernel = np.full((5, size), 127, np.int8)
    kernel[1] = -127
    kernel[2, ::2] = -127
    bias = np.array([2**30, -(2**30), 5, 0, 1], np.int64)
    op = Dense16("dense", source, output, kernel, (2.0**-6,) * 5, bias, relu=False)
    model = Model("large", source, (op,), 3, Contract.TFLM)
    inputs = random_inputs(model, 0, 4)
    inputs[3, 0], inputs[3, 1] = -(2**15), 2**15 - 1
    comparison = compare(official_trace(model, inputs), TFLM.trace(model, inputs))
    assert comparison.mismatches == 0, comparison.first
    rung = run_alone(Expectation(model, inputs, simulator_trace(model, inputs)), target, 2)
    assert rung.mismatches == 0, rung.first
