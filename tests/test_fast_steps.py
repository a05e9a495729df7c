"""The fast steps of a recurrent op are its steps."""

import numpy as np
import pytest
from random_models import Bounds, random_model
from random_native import random_native_model

from edgelstm.ir import Model
from edgelstm.numerics.contracts import Contract
from edgelstm.ops.recurrent_op import RecurrentOp
from edgelstm.verification.fast_steps import steps_of


def models(seed: int) -> list[Model]:
    bounds = Bounds(units=24, inputs=12)
    return [
        *(random_model(seed, contract, bounds) for contract in (Contract.LITERT, Contract.TFLM)),
        random_native_model(seed),
    ]


@pytest.mark.parametrize("seed", range(25))
def test_fast_steps_are_the_steps_of_the_op(seed: int) -> None:
    """On ordinary, saturating and extreme numbers, from every state that integers can be in."""
    for model in models(seed):
        rng = np.random.default_rng(seed)
        for op in model.ops:
            if not isinstance(op, RecurrentOp):
                continue
            values = rng.integers(-128, 128, (3, 9, op.input.size)).astype(np.int8)
            limits = [np.iinfo(array.dtype) for array in op.state]
            state = tuple(
                rng.integers(one.min, one.max, (3, array.size), endpoint=True).astype(array.dtype)
                for one, array in zip(limits, op.state, strict=True)
            )
            fast, found = steps_of(op, model.contract, values), state
            for t in range(values.shape[1]):
                wanted, state = op.step(model.contract, (values[:, t],), state)
                result, found = fast(t, found)
                np.testing.assert_array_equal(result, wanted)
                assert result.dtype == wanted.dtype
                for one, other in zip(found, state, strict=True):
                    np.testing.assert_array_equal(one, other)
                    assert one.dtype == other.dtype
