"""Calls in a Keras file: arguments with gaps, input layers that are none, and lengths that do not meet."""

from typing import Any

import pytest

from edgelstm.errors import ModelFormatError
from edgelstm.frontends.keras_order import Call, Node, execution_order, read_calls
from edgelstm.ir import Tensor, TensorReference
from edgelstm.ops.merge import merge_problems


def tensor(name: str) -> dict[str, Any]:
    return {"class_name": "__keras_tensor__", "config": {"keras_history": [name, 0, 0]}}


def test_what_follows_a_gap_is_no_state() -> None:
    (call,) = read_calls([{"args": [tensor("x"), None, tensor("m")], "kwargs": {}}])
    assert call.inputs == (TensorReference("x"),)
    assert call.options["argument 3"] == tensor("m")
    (call,) = read_calls([{"args": [tensor("x"), [tensor("h")]], "kwargs": {}}])
    assert call.inputs == (TensorReference("x"), TensorReference("h"))


@pytest.mark.parametrize("named", [["x"], ["x", "x"], ["x", "rnn"]])
def test_input_layers_are_those_of_the_model(named: list[str]) -> None:
    calls = (Call((TensorReference("x"), TensorReference("y")), {}),)
    nodes = {"x": Node("x", True, ()), "y": Node("y", True, ()), "rnn": Node("rnn", False, calls)}
    config = {"input_layers": [[name, 0, 0] for name in named], "output_layers": [["rnn", 0, 0]]}
    with pytest.raises(ModelFormatError, match="not the input layers"):
        execution_order(nodes, config, may_have_several=True)
    config["input_layers"] = [["x", 0, 0], ["y", 0, 0]]
    assert execution_order(nodes, config, may_have_several=True) == (["x", "y", "rnn"], [])
    assert "has 2 inputs" in execution_order(nodes, config, may_have_several=False)[1][0]


def test_sequences_of_known_different_lengths_do_not_merge() -> None:
    four, six, any_length = (Tensor(str(steps), 2, True, timesteps=steps) for steps in (4, 6, None))
    assert merge_problems([four, six], same_size=True) == ["merges sequences of 4 and 6 time steps"]
    assert merge_problems([four, any_length], same_size=True) == []
