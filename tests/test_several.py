"""Models with several inputs and outputs: data, schedule, C, and .tflite files."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from random_held import random_held
from random_models import random_inputs
from random_several import random_several

from edgelstm.cli import call
from edgelstm.codegen.emit import Options, emit
from edgelstm.codegen.planning import make_plan
from edgelstm.data import Dataset, fit_dataset, load_dataset
from edgelstm.data.source import flat_arrays
from edgelstm.errors import DataError, UnsupportedModelError
from edgelstm.frontends.tflite import model_from_tflite
from edgelstm.frontends.tflite_graph import read_graph
from edgelstm.ir import InputLayout, Model, Quantization, QuantizedTensor, Tensor, beside
from edgelstm.numerics.contracts import Contract
from edgelstm.ops.last_step import LastStep
from edgelstm.ops.merge import Add
from edgelstm.ops.repeat_vector import RepeatVector
from edgelstm.ops.reverse import Reverse
from edgelstm.ops.unflatten import Unflatten
from edgelstm.schedule import make_schedule
from edgelstm.simulate import dequantize_array, real_outputs, simulate, simulate_steps
from edgelstm.tflite import write_tflite
from edgelstm.tflite.export import to_tflite_model

OPTIONS = Options("ref", "balanced", "0" * 64)
COUNT, STEPS = 60, 7

INPUTS = (
    Tensor("accel", 3, is_sequence=True),
    Tensor("context", 4, is_sequence=False),
    Tensor("words", 1, is_sequence=True, vocabulary=9),
)


def arrays() -> dict[str, object]:
    rng = np.random.default_rng(0)
    return {
        "x.accel": rng.normal(size=(COUNT, STEPS, 3)),
        "x.context": rng.normal(size=(COUNT, 4)),
        "x.words": rng.integers(0, 9, (COUNT, STEPS)),
    }


def sequence(name: str, size: int = 2) -> QuantizedTensor:
    return QuantizedTensor(name, size, True, Quantization(0.5, 3))


def vector(name: str, size: int = 2) -> QuantizedTensor:
    return QuantizedTensor(name, size, False, Quantization(0.5, 3))


def added(name: str, one: QuantizedTensor, other: QuantizedTensor) -> Add:
    return Add(name, one, replace(one, name=name), other)


@pytest.mark.parametrize("seed", range(40))
def test_the_tflite_yields_the_same_c(seed: int) -> None:
    model = random_several(seed, Contract.LITERT)
    data = write_tflite(to_tflite_model(model))
    again = model_from_tflite(data, "x", Contract.LITERT)
    assert emit(again, OPTIONS).files == emit(model, OPTIONS).files
    assert write_tflite(to_tflite_model(again)) == data


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("contract", [Contract.LITERT, Contract.NATIVE])
def test_the_tflite_of_sequences_of_several_lengths_yields_the_same_c(contract: Contract, seed: int) -> None:
    model = random_held(seed, contract)
    data = write_tflite(to_tflite_model(model))
    again = model_from_tflite(data, "x", Contract.LITERT)
    assert emit(again, OPTIONS).files == emit(model, OPTIONS).files
    assert write_tflite(to_tflite_model(again)) == data


@pytest.mark.parametrize("seed", range(20))
def test_a_window_is_its_steps(seed: int) -> None:
    model = random_several(seed, Contract.LITERT)
    inputs = random_inputs(model, seed, 3)
    answers = [step.output for step in simulate_steps(model, inputs)]
    if not answers[0].size:
        np.testing.assert_array_equal(simulate(model, inputs), answers[-1])
        return
    steps = np.stack(answers, axis=1)
    ends = np.cumsum([tensor.size for tensor in model.outputs])[:-1]
    parts = zip(np.split(steps, ends, axis=2), model.outputs, strict=True)
    expected = beside([part if tensor.is_sequence else part[:, -1] for part, tensor in parts])
    np.testing.assert_array_equal(simulate(model, inputs), expected)


def test_a_layout_splits_what_it_joins() -> None:
    layout = InputLayout.of(INPUTS)
    rng = np.random.default_rng(1)
    parts = {
        "accel": rng.integers(-9, 9, (5, STEPS, 3)),
        "context": rng.integers(-9, 9, (5, 4)),
        "words": rng.integers(0, 9, (5, STEPS, 1)),
    }
    joined = layout.join(parts)
    assert joined.shape == (5, 1 + STEPS, 4)
    assert layout.timesteps(joined) == STEPS
    for name, values in layout.split(joined).items():
        np.testing.assert_array_equal(values, parts[name])
    assert layout.timesteps(layout.first_steps(joined, 2)) == 2


def test_a_long_vector_takes_no_more_room_than_it_fills() -> None:
    layout = InputLayout.of((Tensor("a", 3, is_sequence=True), Tensor("b", 4000, is_sequence=False, timesteps=400)))
    parts = {"a": np.ones((2, 5, 3)), "b": np.arange(8000.0).reshape(2, 4000)}
    joined = layout.join(parts)
    assert joined.shape == (2, 1334 + 5, 3)
    for name, values in layout.split(joined).items():
        np.testing.assert_array_equal(values, parts[name])


def test_data_of_several_inputs_come_from_a_file(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", **arrays(), y=np.zeros(COUNT))  # type: ignore[arg-type]
    dataset = load_dataset("data.npz", base=tmp_path)
    fitted, warnings = fit_dataset(dataset, INPUTS, STEPS)
    assert fitted.x.shape == (COUNT, 1 + STEPS, 4)
    assert warnings == ()
    given = InputLayout.of(INPUTS).split(fitted.x)
    np.testing.assert_array_equal(given["context"], np.asarray(arrays()["x.context"], np.float32))


def test_an_image_may_be_one_of_several_inputs() -> None:
    image = Tensor("image", 6, is_sequence=True, channels=2)
    values = np.random.default_rng(2).normal(size=(COUNT, STEPS, 3, 2)).astype(np.float32)
    dataset = Dataset.from_arrays({"x.image": values, "x.context": arrays()["x.context"]})
    fitted, _ = fit_dataset(dataset, (image, INPUTS[1]), STEPS)
    given = InputLayout.of((image, INPUTS[1])).split(fitted.x)
    np.testing.assert_array_equal(given["image"], values.reshape(COUNT, STEPS, 6))


def test_nested_arrays_of_user_code_have_the_same_names() -> None:
    nested = {"x": {name.removeprefix("x."): values for name, values in arrays().items()}, "y": np.zeros(COUNT)}
    dataset = Dataset.from_arrays(flat_arrays(nested))
    assert [one.name for one in dataset.inputs] == ["accel", "context", "words"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"x.words": None}, "the model has the inputs accel, context, words; the data has accel, context"),
        (
            {"x.context": np.zeros((COUNT, STEPS, 4))},
            '"x.context" has shape (60, 7, 4); expected (samples, 4 channels)',
        ),
        ({"x.words": np.full((COUNT, STEPS), 9)}, '"x.words" has 420 values that are not ids from 0 to 8'),
        ({"x.accel": np.zeros((COUNT, STEPS, 2))}, '"x.accel" has 2 channels; the model expects 3'),
        ({"x.accel": np.zeros((COUNT - 1, STEPS, 3))}, "every input needs as many samples and time steps"),
        ({"x_test.accel": np.zeros((2, STEPS, 3))}, "every input needs as many samples and time steps"),
        ({"lengths": np.full(COUNT, 2)}, '"lengths" cannot be given where an input is a vector'),
    ],
)
def test_data_that_do_not_fit(changes: dict[str, object], reason: str) -> None:
    dataset = Dataset.from_arrays(arrays() | changes)
    with pytest.raises(DataError) as caught:
        fit_dataset(dataset, INPUTS, None)
    assert reason in caught.value.message


HELD = (
    Tensor("accel", 3, is_sequence=True),
    Tensor("hints", 8, is_sequence=False, timesteps=4),
    Tensor("words", 5, is_sequence=False, timesteps=5, vocabulary=9),
)


def test_sequences_of_other_lengths_are_rows_of_their_own() -> None:
    rng = np.random.default_rng(3)
    hints, words = rng.normal(size=(COUNT, 4, 2)).astype(np.float32), rng.integers(0, 9, (COUNT, 5))
    dataset = Dataset.from_arrays({"x.accel": arrays()["x.accel"], "x.hints": hints, "x.words": words})
    fitted, _ = fit_dataset(dataset, HELD, STEPS)
    given = InputLayout.of(HELD).split(fitted.x)
    np.testing.assert_array_equal(given["hints"], hints.reshape(COUNT, 8))
    np.testing.assert_array_equal(given["words"], words)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"x.hints": np.zeros((COUNT, 3, 2))}, '"x.hints" has 3 time steps; the model expects 4'),
        ({"x.hints": np.zeros((COUNT, 4, 3))}, '"x.hints" has 3 channels; the model expects 2'),
        ({"x.words": np.full((COUNT, 5), 9)}, '"x.words" has 300 values that are not ids from 0 to 8'),
        ({"lengths": np.full(COUNT, 2)}, '"lengths" cannot be given where an input is a vector, or a sequence of'),
    ],
)
def test_sequences_of_other_lengths_that_do_not_fit(changes: dict[str, object], reason: str) -> None:
    whole = {"x.hints": np.zeros((COUNT, 4, 2)), "x.words": np.zeros((COUNT, 5), np.int64)}
    dataset = Dataset.from_arrays({"x.accel": arrays()["x.accel"]} | whole | changes)
    with pytest.raises(DataError) as caught:
        fit_dataset(dataset, HELD, None)
    assert reason in caught.value.message


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (
            {"x": np.zeros((3, 2, 1)), "x.a": np.zeros((3, 2, 1))},
            "inputs, and arrays that name no input",
        ),
        ({"x_test.a": np.zeros((3, 2, 1))}, "the array 'x.a' is missing"),
        ({f"x.{index}": np.zeros((1, 1, 1)) for index in range(17)}, "arrays of 17 inputs, more than 16"),
        ({"x.": np.zeros((3, 2, 1))}, "unknown array 'x.'"),
    ],
)
def test_names_that_make_no_data_set(given: dict[str, object], reason: str) -> None:
    with pytest.raises(DataError) as caught:
        Dataset.from_arrays(given)
    assert reason in caught.value.message


def test_one_input_takes_no_named_arrays() -> None:
    with pytest.raises(DataError, match="the data has several inputs"):
        fit_dataset(Dataset.from_arrays(arrays()), INPUTS[:1], None)


def refusal(*outputs: str) -> tuple[str, ...]:
    """Why a model with these outputs is refused."""
    one, other, given = sequence("one"), sequence("other"), vector("given")
    both = added("both", one, other)
    last = LastStep.of("last", both.output)
    twice = added("twice", given, given)
    head = added("head", last.output, twice.output)
    model = Model(
        "m", one, (both, last, twice, head), 4, Contract.LITERT, further_inputs=(other, given), output_names=outputs
    )
    try:
        make_plan(model)
    except UnsupportedModelError as error:
        return error.problems
    return ()


def test_outputs_that_cannot_go_together() -> None:
    assert refusal("head", "last") == ()
    assert refusal("both", "head") == ()
    assert refusal("twice", "head") == ("the output 'twice' depends on no sequence",)


def test_a_given_vector_that_is_repeated_goes_along_with_the_samples() -> None:
    one, given = sequence("one"), vector("given")
    for count, streams in ((4, True), (3, False)):
        again = RepeatVector.of("again", given, count)
        alone = added("twice", again.output, again.output), added("doubled", one, one)
        ends = LastStep.of("end", alone[1].output), LastStep.of("end_again", alone[0].output)
        both = added("both", ends[0].output, ends[1].output)
        model = Model("m", one, (again, *alone, *ends, both), 4, Contract.LITERT, further_inputs=(given,))
        assert make_schedule(model, 4).is_streaming is streams


def test_names_of_inputs_and_outputs_reach_no_symbol_of_another() -> None:
    one, other = sequence("x hidden"), sequence("*/ int x;")
    both = added("input_x", one, other)
    model = Model("m", one, (both, added("output", both.output, one)), 4, Contract.LITERT, further_inputs=(other,))
    text = emit(model, OPTIONS).files["m.h"]
    assert "input_x_hidden" in text
    assert "input_int_x" in text
    assert "*/ int" not in text.replace("*/\n", "")


def test_each_output_has_its_own_scale_where_only_some_are_sequences() -> None:
    model = random_several(22, Contract.LITERT)
    assert [tensor.is_sequence for tensor in model.outputs] == [True, False]
    whole = simulate(model, random_inputs(model, 22, 3))
    end = model.timesteps * model.outputs[0].size
    real = real_outputs(model, whole)
    for tensor, values in ((model.outputs[0], np.s_[:, :end]), (model.outputs[1], np.s_[:, end:])):
        np.testing.assert_array_equal(real[values], dequantize_array(whole[values], tensor.quantization))


def test_sequences_of_two_lengths_are_no_outputs() -> None:
    one, held = sequence("one"), replace(vector("held", 6), timesteps=3)
    steps = Unflatten.of_held(held)
    ends = added("first", one, one), added("second", steps.output, steps.output)
    model = Model(
        "m", one, (steps, *ends), 4, Contract.LITERT, further_inputs=(held,), output_names=("first", "second")
    )
    with pytest.raises(UnsupportedModelError, match="do not all have a new element at each sample"):
        make_plan(model)
    arrays = [np.zeros((2, 4, 2)), np.zeros((2, 3, 2))]
    assert beside(arrays).shape == (2, 14)


def test_an_input_is_not_called_as_the_steps_of_another() -> None:
    held, other = replace(vector("b", 6), timesteps=3), sequence("b/steps")
    records = to_tflite_model(random_held(0, Contract.LITERT))
    with pytest.raises(UnsupportedModelError, match="two inputs are called 'b' and 'b/steps'"):
        read_graph(records, {"b": held, "b/steps": other}, 4)


def test_vectors_of_a_window_do_not_go_with_sequences() -> None:
    one = sequence("one")
    turned = Reverse.of("turned", one)
    both = added("both", one, turned.output)
    last = LastStep.of("last", both.output)
    model = Model("m", one, (turned, both, last), 4, Contract.LITERT, output_names=("both", "last"))
    with pytest.raises(UnsupportedModelError, match="the sequences 'both' do not all have a new element at each"):
        make_plan(model)


@pytest.mark.parametrize("seed", [1, 5, 22])
def test_build_climbs_the_whole_ladder(seed: int, tmp_path: Path) -> None:
    model = random_several(seed, Contract.LITERT)
    (tmp_path / "model.tflite").write_bytes(write_tflite(to_tflite_model(model)))
    assert call(["build", str(tmp_path / "model.tflite"), "--target", "host", "-o", str(tmp_path / "out")]) == 0
