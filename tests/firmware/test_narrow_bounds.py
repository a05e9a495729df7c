"""Weights of 4 bits on real cores, with sums at the bound of the fast layout and past it, and rows of every length."""

import numpy as np
import pytest
from cores import CORES
from random_ladder import run_alone

from edgelstm.ir import Model, Op, Quantization, QuantizedTensor
from edgelstm.numerics.contracts import Contract
from edgelstm.ops import scales
from edgelstm.ops.lstm import LstmRows
from edgelstm.ops.narrow_projection import NarrowProjection
from edgelstm.verification.ladder import Expectation
from edgelstm.verification.trace import simulator_trace

LIMIT = 2**19
INPUTS, STEPS = 204, 6
SHAPES = {5: "at", 33: "past", 68: "at", 3: "at", 17: "past", 13: "large"}
"""Units of each layer, which the one behind reads, and where its sums lie."""


def projection(rng: np.random.Generator, units: int, value: Quantization, columns: int, kind: str) -> NarrowProjection:
    """Rows of +-7 or random ones; two rows in three reach the bound for some int8 values, one from each side."""
    weights = rng.integers(-7, 8, (4 * units, columns)).astype(np.int8)
    weights[rng.random(4 * units) < 0.3] = rng.choice([-7, 7])
    bias = rng.integers(-500, 500, 4 * units).astype(np.int64)
    folded = bias - value.zero_point * weights.astype(np.int64).sum(axis=1)
    low, high = scales.accumulator_range(weights, folded)
    bias[0::3] += (LIMIT - 1 - high)[0::3]
    bias[1::3] -= (LIMIT - 1 + low)[1::3]
    if kind == "past":
        bias[0] += 1
    # "large": scaled sums that leave 16 bits by far, which activations do not take unless they are saturated.
    factors, shift = rng.integers(1, 256, 4 * units) | 1, 2 if kind == "large" else 11
    step = 2.0**-shift * scales.GATE_SCALE / value.scale
    per_row = tuple(scales.float32(float(factor * step)) for factor in factors)
    return NarrowProjection(weights, per_row, bias.astype(np.int32), value, scales.GATE_SCALE)


def bounds_model() -> Model:
    rng = np.random.default_rng(4)
    tensor = QuantizedTensor("input", INPUTS, True, Quantization(2.0**-7, -128))
    source, ops = tensor, list[Op]()
    for index, (units, kind) in enumerate(SHAPES.items()):
        hidden = Quantization(2.0**-7, 3)
        kernel = projection(rng, units, tensor.quantization, tensor.size, kind)
        recurrent = projection(rng, units, hidden, units, kind)
        output = QuantizedTensor(f"layer{index}", units, True, hidden)
        cell = Quantization(2.0**-12, 0, "int16")
        ops.append(LstmRows(output.name, tensor, output, kernel, recurrent, cell=cell))
        tensor = output
    return Model("narrow_bounds", source, tuple(ops), STEPS, Contract.NATIVE)


def expectation() -> Expectation:
    model, rng = bounds_model(), np.random.default_rng(5)
    inputs = rng.integers(-128, 128, (4, STEPS, INPUTS)).astype(np.int8)
    inputs[1] = rng.choice([-128, 127], inputs[1].shape)
    inputs[2], inputs[3] = -128, 127
    return Expectation(model, inputs, simulator_trace(model, inputs))


@pytest.mark.parametrize("target", ("host", *CORES))
def test_sums_at_the_bound_and_past_it(target: str) -> None:
    expected = expectation()
    for seed in range(3) if target in {"host", "cortex-m4"} else [2]:
        rung = run_alone(expected, target, seed)
        assert rung.values > 0
        assert rung.mismatches == 0, f"seed {seed}: {rung.first}"
