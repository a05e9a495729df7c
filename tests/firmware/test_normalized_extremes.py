"""LayerNormalization of vectors without variance, at both ends and of every size: simulator = host C = the ELF."""

from collections.abc import Callable

import numpy as np
import pytest
from random_ladder import run_alone
from random_layer_normalization import extreme_vectors, random_normalization

from edgelstm.ir import Model, Quantization, QuantizedTensor
from edgelstm.numerics.contracts import Contract
from edgelstm.numerics.layer_normalization import LARGEST_SIZE
from edgelstm.verification.ladder import Expectation
from edgelstm.verification.trace import simulator_trace


@pytest.mark.parametrize("size", [1, 2, 5, 1024, LARGEST_SIZE])
def test_extreme_vectors(size: int, require_tool: Callable[[str], None]) -> None:
    require_tool("arm-none-eabi-gcc")
    rng = np.random.default_rng(size)
    source = QuantizedTensor("input", size, True, Quantization(2.0**-7, -5))
    vectors = extreme_vectors(rng, size)
    model = Model("extremes", source, (random_normalization(rng, "normal", source),), len(vectors), Contract.NATIVE)
    expected = Expectation(model, vectors[None], simulator_trace(model, vectors[None]))
    for target in ("host", "cortex-m4") if size < LARGEST_SIZE else ("host",):
        rung = run_alone(expected, target, seed=2)
        assert (rung.mismatches, rung.values) == (0, vectors.size)
