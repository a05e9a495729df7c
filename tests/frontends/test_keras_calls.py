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


def read(*arguments: Any, is_operation: bool = False) -> Call:
    (call,) = read_calls([{"args": [*arguments], "kwargs": {}}], is_operation=is_operation)
    return call


def test_what_is_no_tensor_is_kept_as_an_option() -> None:
    two = (TensorReference("x"), TensorReference("y"))
    assert read(tensor("x"), True) == Call(two[:1], {"argument 2": True})
    assert read([tensor("x"), tensor("y")], [None, tensor("m")]) == Call(two, {"argument 2": [None, tensor("m")]})
    assert read([tensor("x"), tensor("y")], [None, None], None, False) == Call(two, {})
    assert read([tensor("x"), 0.5]) == Call(two[:1], {"argument 1": [tensor("x"), 0.5]})
    assert read({"a": tensor("x"), "b": tensor("y")}) == Call(two, {})


def test_a_function_of_keras_takes_what_is_no_tensor() -> None:
    assert read(2.0, tensor("x"), is_operation=True) == Call((TensorReference("x"),), {})
    joined = [tensor("x"), {"class_name": "__numpy__", "config": {"value": [1.0]}}]
    assert read(joined, is_operation=True) == Call((TensorReference("x"),), {"argument 1": joined})


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
