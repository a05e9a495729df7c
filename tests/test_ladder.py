"""What each rung may let pass: nothing, one step behind a single inexact kernel, and what is only for information."""

from dataclasses import replace

import numpy as np
import pytest
from random_models import random_model
from reference_models import classifier, tagger

from edgelstm.errors import MismatchError
from edgelstm.ir import Model
from edgelstm.numerics.contracts import Contract
from edgelstm.report.result import Rung
from edgelstm.verification import ladder
from edgelstm.verification.ladder import Expectation, expectation, require_match
from edgelstm.verification.oracles import LITERT, TFLITE_RUNTIME
from edgelstm.verification.trace import Trace


def _without_head(model: Model, ops: int) -> Model:
    return replace(model, ops=model.ops[:ops])


def _off_by(expected: Expectation, array: str, amount: int) -> Trace:
    arrays = [
        replace(one, values=one.values.astype(np.int64) + (amount if one.name == array else 0))
        for one in expected.trace.arrays
    ]
    return Trace(tuple(arrays))


@pytest.mark.parametrize(
    ("ops", "array", "amount", "passes"),
    [
        (5, "lstm_1.cell", 1, False),
        (5, "output", 100, True),  # softmax behind a Dense: for information
        (4, "output", 1, True),  # the Dense itself
        (4, "output", 2, False),
        (3, "output", 1, False),  # no Dense at all
    ],
)
def test_the_inexact_interpreter_may_be_off_by_one_behind_one_dense_only(
    ops: int, array: str, amount: int, passes: bool
) -> None:
    whole = classifier(3, (5, 4), 3, 6, Contract.LITERT)
    assert [op.kind for op in whole.ops] == ["lstm", "lstm", "last_step", "dense", "softmax"]
    expected = expectation(_without_head(whole, ops), None, 4)
    rungs = ladder._oracle_rungs(TFLITE_RUNTIME, expected, _off_by(expected, array, amount))
    assert all(rung.passed for rung in rungs) is passes
    if not passes:
        with pytest.raises(MismatchError, match=array):
            require_match(tuple(rungs))


def test_the_exact_interpreter_may_be_off_by_nothing() -> None:
    expected = expectation(tagger(2, 3, 4, Contract.LITERT), None, 4)
    for array in expected.trace.arrays:
        rungs = ladder._oracle_rungs(LITERT, expected, _off_by(expected, array.name, 1))
        assert not all(rung.passed for rung in rungs)


def test_every_array_is_in_exactly_one_rung() -> None:
    for seed in range(20):
        model = random_model(seed, Contract.LITERT)
        for oracle in (LITERT, TFLITE_RUNTIME):
            names = [name for _, _, names in ladder._tolerances(oracle, model) for name in names]
            states = [f"{op.name}.{array.name}" for op in model.ops for array in op.state]
            assert sorted(names) == sorted([*states, "output"])


def test_an_unlimited_rung_is_the_only_one_that_always_passes() -> None:
    rung = Rung("x", "litert", 1, 10, 3, largest=2)
    assert not rung.passed
    assert not replace(rung, allowed=1).passed
    assert replace(rung, allowed=2).passed
    assert replace(rung, allowed=None).passed


def test_a_window_beyond_the_limit_is_verified_in_part() -> None:
    model = replace(tagger(2, 3, 4, Contract.LITERT), timesteps=ladder.MOST_STEPS + 1)
    assert expectation(model, None, 4).inputs.shape[1] == ladder.MOST_STEPS
