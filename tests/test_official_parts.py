"""What an official interpreter says of the layers beside our own."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from random_graphs import _concatenate, _merge
from random_layer_normalization import random_normalized_model
from random_masked import random_masked_ends, random_masked_model
from random_models import random_inputs
from random_native import random_native_model

from edgelstm.errors import MismatchError
from edgelstm.ir import IntArray, Model
from edgelstm.simulate import Window, simulate_window
from edgelstm.verification import official_parts
from edgelstm.verification.ladder import expectation, oracle_rungs, require_match
from edgelstm.verification.official_parts import compare_parts
from edgelstm.verification.oracles import LITERT


def _parts(model: Model) -> list[tuple[str, ...]]:
    return [tuple(op.name for op in ops) for ops in official_parts.official_parts(model, model.timesteps)]


@pytest.mark.parametrize(
    "build", [random_native_model, random_normalized_model, random_masked_model, random_masked_ends]
)
def test_official_parts_are_what_an_official_interpreter_computes(
    build: Callable[[int], Model], require_tool: Callable[[str], None]
) -> None:
    require_tool("ai_edge_litert")
    seen = 0
    for seed in range(5):
        model = build(seed)
        found = [*compare_parts(LITERT, model, random_inputs(model, seed, 2))]
        assert [tuple(op.name for op in ops) for ops, _ in found] == _parts(model)
        seen += sum(comparison.values for _, comparison in found)
        assert [comparison.first for _, comparison in found if comparison.mismatches] == []
    assert seen > 0


def test_a_native_layer_divides_a_model() -> None:
    model = random_normalized_model(0)
    kinds = {op.name: op.kind for op in model.ops}
    assert [tuple(kinds[name] for name in part) for part in _parts(model)] == [
        ("lstm",),
        ("lstm",),
        ("last_step", "dense", "softmax"),
    ]


def test_what_joins_two_parts_is_of_neither() -> None:
    model = random_normalized_model(0)
    first, second = [op.output for op in model.ops if op.kind == "lstm"]
    rng = np.random.default_rng(0)
    both = [_concatenate(rng, "across", [first, second]), _merge(rng, "inside", [first, first])]
    found = _parts(replace(model, ops=(*model.ops, *both)))
    assert ("lstm0", "inside") in found
    assert not any("across" in names for names in found)


def test_what_a_mask_lets_run_at_some_steps_is_left_out() -> None:
    model = random_masked_model(0)
    assert not any(op.is_native for op in model.ops if op.name in ("head", "head_softmax"))
    assert _parts(model) == [("head", "head_softmax")]


def test_a_fault_in_an_official_part_is_caught(
    require_tool: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    require_tool("ai_edge_litert")
    model = random_normalized_model(0)
    expected = expectation(model, None, 4)
    rungs = oracle_rungs(expected, b"", lambda name: None)
    assert [rung.against for rung in rungs] == [
        "LiteRT BUILTIN_REF, of lstm0 alone",
        "LiteRT BUILTIN_REF, of lstm1 alone",
        "LiteRT BUILTIN_REF, of head, head_softmax alone",
    ]
    require_match(tuple(rungs))

    def wrong(whole: Model, inputs: IntArray) -> Window:
        window = simulate_window(whole, inputs)
        return Window({**window.values, "head": window.values["head"] ^ 1}, window.state)

    monkeypatch.setattr(official_parts, "simulate_window", wrong)
    with pytest.raises(MismatchError, match=r"of head, head_softmax alone: .* first: head\[0\] at step 0"):
        require_match(tuple(oracle_rungs(expected, b"", lambda name: None)))
