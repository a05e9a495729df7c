"""States that recurrent layers hand on: what is refused, how they reach another scale, and that files keep them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from random_models import random_inputs
from random_states import random_states_model
from reference_models import classifier, translator

from edgelstm.codegen.emit import Options, emit
from edgelstm.errors import EdgelstmError, ModelFormatError, UnsupportedModelError
from edgelstm.frontends.keras import build_float_model
from edgelstm.frontends.keras_source import KerasSource
from edgelstm.frontends.tflite import model_from_tflite
from edgelstm.ir import (
    FloatModel,
    Load,
    Model,
    Quantization,
    QuantizedTensor,
    SourceLayer,
    StateArray,
    TensorReference,
    TfliteModel,
    TfliteOperator,
    by_state,
)
from edgelstm.numerics.contracts import Contract
from edgelstm.ops import registry
from edgelstm.ops.affine import AffineLayer
from edgelstm.ops.gru import Gru
from edgelstm.ops.lstm import Lstm, LstmLayer
from edgelstm.ops.recurrent_op import RecurrentOp
from edgelstm.quantization import calibrate, quantize
from edgelstm.report.metrics import sqnr_db
from edgelstm.schedule import Begin, Line, Loop, make_schedule
from edgelstm.simulate import dequantize_array, real_outputs, simulate, simulate_window, stored_inputs
from edgelstm.step_graph import to_step_graph
from edgelstm.tflite import read_tflite, write_tflite
from edgelstm.tflite.check import check_records, check_tflite
from edgelstm.tflite.export import to_tflite_model

OPTIONS = Options("ref", "size", "0" * 64)
GATES = {"LSTM": 4, "GRU": 3, "SimpleRNN": 1}


def recurrent(kind: str, name: str, features: int, *inputs: str, units: int = 3, **options: Any) -> SourceLayer:
    """A recurrent layer with `return_state`; "lstm:1" is output 1 of the layer "lstm"."""
    columns = GATES[kind] * units
    shapes = [(features, columns), (units, columns), (2, columns) if kind == "GRU" else (columns,)]
    weights = tuple(np.sin(np.arange(np.prod(shape)) * 0.7).reshape(shape).astype(np.float32) for shape in shapes)
    config = {"units": units, "activation": "tanh", "return_sequences": True, "return_state": True, **options}
    return SourceLayer(kind, name, config, weights, inputs=references(*inputs))


def plain(kind: str, name: str, *inputs: str, **config: Any) -> SourceLayer:
    return SourceLayer(kind, name, config, inputs=references(*inputs))


def references(*inputs: str) -> tuple[TensorReference, ...]:
    pairs = (text.partition(":") for text in inputs)
    return tuple(TensorReference(name, int(number or 0)) for name, _, number in pairs)


def built(*layers: SourceLayer, output: str = "") -> FloatModel:
    end = references(output)[0] if output else None
    return build_float_model(KerasSource("m", "samples", 2, 5, layers, output=end), registry)


def dense(name: str, features: int, *inputs: str) -> SourceLayer:
    weights = (np.ones((features, 2), np.float32), np.ones(2, np.float32))
    return SourceLayer("Dense", name, {"units": 2}, weights, inputs=references(*inputs))


def quantized(model: FloatModel) -> tuple[Model, float]:
    """A model in integers, and its signal to noise ratio in dB; what is the same for every sequence is no signal."""
    inputs = np.random.default_rng(7).normal(size=(200, 5, 2)).astype(np.float32)
    integers = quantize(model, calibrate(model, inputs), 5, Contract.LITERT)
    wanted = model.forward(inputs)
    found = real_outputs(integers, simulate(integers, stored_inputs(integers, inputs)))
    return integers, sqnr_db(wanted - wanted.mean(axis=0), found - wanted.mean(axis=0))


@pytest.mark.parametrize("kind", GATES)
@pytest.mark.parametrize("decodes", ["", "other"])
def test_a_decoder_of_samples_waits_for_the_states_of_its_encoder(kind: str, decodes: str) -> None:
    states = ["a:1", "a:2"] if kind == "LSTM" else ["a:1"]
    other = dense("other", 2, "")
    model = built(recurrent(kind, "a", 2, ""), other, recurrent(kind, "b", 2, decodes, *states))
    integers, ratio_db = quantized(model)
    assert not make_schedule(integers, 5).is_streaming
    assert ratio_db > 22


def test_a_gru_starts_from_nothing_beyond_1() -> None:
    model = built(recurrent("SimpleRNN", "a", 2, "", activation="relu"), recurrent("GRU", "b", 2, "", "a:1"))
    with pytest.raises(
        UnsupportedModelError, match=r'layer "b" \(GRU\): starts from "a/last_step", whose values reach'
    ):
        quantized(model)


def test_a_mask_does_not_reach_a_layer_that_starts_from_states() -> None:
    mask = plain("Masking", "mask", "", mask_value=0.0)
    with pytest.raises(UnsupportedModelError, match="3 drops the mask then"):
        built(ENCODER, mask, recurrent("LSTM", "b", 2, "mask", "a:1", "a:2"))


ENCODER = recurrent("LSTM", "a", 2, "")
CELL = "reads a cell state; only the initial state of a recurrent layer may: use the hidden state"


@pytest.mark.parametrize(
    ("layers", "problem"),
    [
        ((ENCODER, dense("b", 3, "a:2")), f'layer "b" (Dense): {CELL}'),
        ((ENCODER, plain("Add", "b", "a:1", "a:2")), f'layer "b" (Add): {CELL}'),
        ((ENCODER, plain("RepeatVector", "b", "a:2", n=3)), f'layer "b" (RepeatVector): {CELL}'),
        ((ENCODER, recurrent("GRU", "b", 3, "a:2")), f'layer "b" (GRU): {CELL}'),
        (
            (
                ENCODER,
                plain("Concatenate", "b", *["a:2"] * 40),
                plain("Concatenate", "c", "b", "b"),
                recurrent("LSTM", "d", 2, "", "a:1", "c"),
            ),
            f'layer "c" (Concatenate): {CELL}',
        ),
        (
            (ENCODER, dense("b", 3, "a:3")),
            'layer "b" (Dense): takes output 3 of "a"; beside output 0 only the states of recurrent layers are read',
        ),
        (
            (dense("b", 2, ""), plain("Softmax", "c", "b:1")),
            'layer "c" (Softmax): takes output 1 of "b"; beside output 0 only the states of recurrent layers are read',
        ),
        (
            (ENCODER, recurrent("LSTM", "b", 3, "a", "a:1")),
            'layer "b" (LSTM): its initial state has the sizes [3], and not 2 times 3',
        ),
        (
            (ENCODER, recurrent("GRU", "b", 3, "a", "a:1", "a:2")),
            'layer "b" (GRU): its initial state has the sizes [3, 3], and not 1 times 3',
        ),
        (
            (ENCODER, recurrent("GRU", "b", 3, "a", "a:1", units=4)),
            'layer "b" (GRU): its initial state has the sizes [3], and not 1 times 4',
        ),
        (
            (ENCODER, recurrent("GRU", "b", 3, "a", "a")),
            'layer "b" (GRU): its initial state has a sequence in it; give vectors, as return_state=True yields them',
        ),
    ],
)
def test_refused(layers: tuple[SourceLayer, ...], problem: str) -> None:
    with pytest.raises(UnsupportedModelError) as caught:
        built(*layers)
    assert caught.value.problems == (problem,)


def test_a_cell_state_is_no_output() -> None:
    with pytest.raises(UnsupportedModelError, match="the model's output is a cell state; only hidden states can be"):
        built(ENCODER, output="a:2")
    assert [layer.name for layer in built(ENCODER, output="a:1").layers] == ["a", "a/last_step"]


def test_states_that_nobody_reads_change_nothing() -> None:
    model = built(ENCODER, dense("b", 3, "a"))
    assert [layer.name for layer in model.layers] == ["a", "b"]
    found = quantize(model, calibrate(model, np.ones((2, 5, 2), np.float32)), 5, Contract.LITERT)
    assert found.contract is Contract.LITERT


def test_only_what_leads_to_the_output_is_built() -> None:
    half = {"class_name": "GRU", "config": {**recurrent("GRU", "", 2).config}}
    weights = recurrent("GRU", "", 2).weights
    both = SourceLayer("Bidirectional", "both", {"layer": half}, weights * 2, inputs=references(""))
    model = built(both, recurrent("GRU", "c", 2, "", "both:2"))
    names = [layer.name for layer in model.layers]
    assert names == ["both/backward/reversed", "both/backward", "both/backward/last_step", "c"]


def test_a_normalized_state_is_not_folded_into_the_kernel_of_the_sequence() -> None:
    ones = np.ones(3, np.float32)
    normal = SourceLayer("BatchNormalization", "n", {}, (ones, ones, ones, ones), inputs=references("a:1"))
    model = built(recurrent("GRU", "a", 2, ""), normal, recurrent("GRU", "b", 2, "", "n"))
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds == ["GruLayer", "LastStepLayer", "DenseLayer", "GruLayer"]
    assert not any(isinstance(layer, AffineLayer) for layer in model.layers)


def test_scales_hold_what_a_layer_starts_from() -> None:
    """A Dense may yield larger values than any hidden or cell state of the layer itself has."""
    large = SourceLayer("Rescaling", "large", {"scale": 40.0, "offset": 0.0}, inputs=references("a:1"))
    model = built(ENCODER, large, recurrent("LSTM", "b", 2, "", "large", "large"))
    samples = np.random.default_rng(0).normal(size=(20, 5, 2)).astype(np.float32)
    ranges = calibrate(model, samples)
    decoder = quantize(model, ranges, 5, Contract.LITERT).ops[-1]
    low, high = ranges["large"]
    for array in decoder.state:
        limits = dequantize_array(
            np.array([-32768, 32767] if array.dtype == "int16" else [-128, 127]), array.quantization
        )
        step = array.quantization.scale
        assert limits[0] <= low + step
        assert limits[1] >= high - step


@pytest.mark.parametrize(
    ("sizes", "units", "states", "expected"),
    [
        ([3, 3], 3, 2, ((0,), (1,))),
        ([2, 1, 3], 3, 2, ((0, 1), (2,))),
        ([3], 3, 2, None),
        ([3, 3, 3], 3, 2, None),
        ([2, 2, 2], 3, 2, None),
        ([3, 2], 3, 2, None),
        ([], 3, 1, None),
    ],
)
def test_vectors_are_shared_out_by_size(sizes: list[int], units: int, states: int, expected: object) -> None:
    assert by_state(sizes, units, states) == expected


@pytest.mark.parametrize("seed", range(30))
def test_a_load_is_the_nearest_value_in_the_other_scale(seed: int) -> None:
    rng = np.random.default_rng(seed)
    kinds = [(str(kind), np.iinfo(str(kind))) for kind in rng.choice(["int8", "int16"], 2)]
    (dtype, limits), (other, other_limits) = kinds
    scale = float(np.float32(np.exp(rng.uniform(-8, 2))))
    wanted = float(np.float32(scale * np.exp(rng.uniform(-4, 4))))
    source = QuantizedTensor(
        "v", 9, False, Quantization(scale, int(rng.integers(-9, 9)) if dtype == "int8" else 0, dtype)
    )
    array = StateArray(
        "s", other, 9, 0, Quantization(wanted, int(rng.integers(-9, 9)) if other == "int8" else 0, other)
    )
    load = Load(array, 0, source)
    values = rng.integers(limits.min, limits.max + 1, (4, 9)).astype(dtype)
    exact = (
        values.astype(np.float64) - source.quantization.zero_point
    ) * scale / wanted + array.quantization.zero_point
    assert load.is_exact
    assert np.abs(load.apply(values) - np.clip(exact, other_limits.min, other_limits.max)).max() <= 1.0
    same = Load(replace(array, dtype=dtype, quantization=source.quantization), 0, source)
    assert same.multiplier is None
    assert same.apply(values) is values


def test_scales_too_far_apart_are_refused() -> None:
    model = translator(2, 3, 4, 3, Contract.LITERT)
    decoder = model.ops[-2]
    assert isinstance(decoder, Lstm)
    far = [replace(one, quantization=replace(one.quantization, scale=2.0**20)) for one in decoder.initial_state]
    (problem, *_) = replace(decoder, initial_state=tuple(far)).problems(Contract.NATIVE)
    assert problem == "layer 'decoder': the scales of the states that it starts from lie too far from its own"
    (problem, *_) = replace(decoder, initial_state=tuple(far[:1])).problems(Contract.NATIVE)
    assert problem == "layer 'decoder': the vectors that it starts from do not fill its states"


def test_states_are_filled_in_a_slice_before_the_loop() -> None:
    model = translator(2, 3, 4, 3, Contract.LITERT)
    schedule = make_schedule(model, model.timesteps)
    assert [type(part) for part in schedule.rest] == [Line, Begin, Loop]
    assert schedule.slices == 5
    assert not schedule.is_streaming


def test_a_gru_starts_both_forms_of_its_state() -> None:
    model = next(
        model
        for model in map(random_states_model, range(50))
        if any(isinstance(op, Gru) and op.initial_state for op in model.ops)
    )
    gru = next(op for op in model.ops if isinstance(op, Gru) and op.initial_state)
    assert {load.array.name for load in gru.loads} == {"hidden", "hidden_q15"}
    vectors = {load.source.name: np.ones((1, load.source.size), load.source.quantization.dtype) for load in gru.loads}
    started = gru.begin(vectors, tuple(np.zeros((1, array.size), array.dtype) for array in gru.state))
    hidden, carried = (
        dequantize_array(values, array.quantization) for values, array in zip(started, gru.state, strict=True)
    )
    assert np.abs(np.clip(carried, hidden.min(), hidden.max()) - hidden).max() <= gru.output.quantization.scale


@pytest.mark.parametrize("seed", range(25))
def test_a_file_keeps_the_model(seed: int) -> None:
    model = leading_to_the_output(with_one_input(random_states_model(seed)))
    data = write_tflite(to_tflite_model(model))
    check_tflite(data)
    again = model_from_tflite(data, "other", Contract.LITERT)
    inputs = random_inputs(model, seed, 2)
    assert np.array_equal(simulate(model, inputs), simulate(again, inputs))
    assert write_tflite(to_tflite_model(again)) == data
    assert emit(again, OPTIONS).files == emit(model, OPTIONS).files


def with_one_input(model: Model) -> Model:
    """From zeros where it is given vectors."""
    given = {tensor.name for tensor in model.further_inputs}
    ops = [
        replace(op, initial_state=()) if isinstance(op, RecurrentOp) and op.inputs[-1].name in given else op
        for op in model.ops
    ]
    return replace(model, ops=tuple(ops), further_inputs=())


def leading_to_the_output(model: Model) -> Model:
    """Without what nothing reads: no file may have that."""
    kept: list[Any] = []
    for op in reversed(model.ops):
        names = {op.output.name, *(tensor.name for tensor in op.exposed.values())}
        if not kept or names & {tensor.name for one in kept for tensor in one.inputs}:
            kept.append(op)
    return replace(model, ops=tuple(kept[::-1]))


Change = Callable[[TfliteOperator], TfliteOperator]


def on_input(index: int, **fields: Any) -> Change:
    def change(operator: TfliteOperator) -> TfliteOperator:
        inputs = list(operator.inputs)
        tensor = inputs[index]
        assert tensor is not None
        inputs[index] = replace(tensor, **fields)
        return replace(operator, inputs=tuple(inputs))

    return change


def on_second_output(**fields: Any) -> Change:
    return lambda operator: replace(operator, outputs=(operator.outputs[0], replace(operator.outputs[1], **fields)))


@pytest.mark.parametrize(
    ("index", "change", "problem"),
    [
        (-2, on_input(24, dtype="int32"), "a vector to start from is no int8 or int16 tensor"),
        (-2, on_input(24, is_variable=True), "a vector to start from is no int8 or int16 tensor"),
        (-2, on_input(24, shape=(1, 4)), "the vectors to start from have the sizes [4, 3], and not 2 times 3"),
        (-2, on_input(24, shape=(2, 3)), "a vector to start from has the shape (2, 3)"),
        (-2, on_input(25, zero_points=(1,)), "a cell state to start from has a zero point other than 0"),
        (-2, on_input(24, scales=(0.1, 0.2), zero_points=(0, 0)), "a vector to start from has 2 scales, not one"),
        (-2, lambda one: replace(one, inputs=one.inputs[:-1]), "have the sizes [3], and not 2 times 3"),
        (0, on_second_output(name="elsewhere"), "its outputs behind 'encoder' are not its cell states"),
        (0, on_second_output(scales=(2.0**-9,)), "second output"),
        (0, on_second_output(dtype="int8"), "second output is int8, not int16"),
        (0, on_second_output(shape=(1, 4, 4)), "second output has the shape (1, 4, 4), not (1, 4, 3)"),
        (0, lambda one: replace(one, outputs=one.outputs[:1]), "option gate is 'sigmoid'"),
    ],
)
def test_what_a_file_may_not_hold(index: int, change: Change, problem: str) -> None:
    records = read_tflite(write_tflite(to_tflite_model(translator(2, 3, 4, 3, Contract.LITERT))))
    operators = list(records.operators)
    recurrents = [k for k, one in enumerate(operators) if one.builtin == "CUSTOM:edgelstm.lstm"]
    position = recurrents[0 if index == 0 else 1]
    operators[position] = change(operators[position])
    with pytest.raises(ModelFormatError) as caught:
        check_records(replace(records, operators=tuple(operators)))
    assert problem in str(caught.value)


def retargeted(records: TfliteModel, old: str, new: str, builtin: str) -> TfliteModel:
    """The operators of a kind read another tensor."""
    tensors = {tensor.name: tensor for one in records.operators for tensor in (*one.outputs, *one.inputs) if tensor}
    operators = [
        replace(one, inputs=tuple(tensors[new] if tensor and tensor.name == old else tensor for tensor in one.inputs))
        if one.builtin == builtin
        else one
        for one in records.operators
    ]
    return replace(records, operators=tuple(operators))


@pytest.mark.parametrize(
    ("old", "new", "builtin"),
    [
        ("encoder/last_step", "encoder/cell/last_step", "RESHAPE"),
        ("decoder", "encoder/cell_steps", "RESHAPE"),
        ("encoder/last_step", "encoder", "CUSTOM:edgelstm.lstm"),
        ("repeat", "encoder/cell_steps", "CUSTOM:edgelstm.lstm"),
    ],
)
def test_nothing_else_reads_a_cell_state_of_a_file(old: str, new: str, builtin: str) -> None:
    records = read_tflite(write_tflite(to_tflite_model(translator(2, 3, 4, 3, Contract.LITERT))))
    with pytest.raises(EdgelstmError):
        model_from_tflite(write_tflite(retargeted(records, old, new, builtin)), "m", Contract.LITERT)


def test_a_state_is_what_the_layer_left(seed: int = 3) -> None:
    """The decoder of a model whose own steps change nothing visible: its first state is the encoder's last."""
    model = translator(2, 3, 4, 3, Contract.LITERT)
    window = simulate_window(model, random_inputs(model, seed, 2))
    encoder, decoder = model.ops[0], model.ops[-2]
    vectors = {load.source.name: window.values[load.source.name] for load in decoder.loads}
    fresh = tuple(np.zeros((2, array.size), array.dtype) for array in decoder.state)
    started = decoder.begin(vectors, fresh)
    for array, mine, theirs in zip(decoder.state, started, window.state[encoder.name], strict=True):
        real = dequantize_array(theirs, encoder.state[decoder.state.index(array)].quantization)
        assert np.abs(dequantize_array(mine, array.quantization) - real).max() <= array.quantization.scale


def test_a_graph_of_one_step_has_no_states_to_start_from() -> None:
    model = random_states_model(0)
    with pytest.raises(UnsupportedModelError, match="starts from the states of others"):
        to_step_graph(model)


def test_without_states_an_lstm_is_the_builtin() -> None:
    lstm = classifier(3, (5,), 3, 6, Contract.LITERT).ops[0]
    assert isinstance(lstm, Lstm)
    assert not lstm.is_native
    assert replace(lstm, shows_cell=True).is_native
    with pytest.raises(UnsupportedModelError, match="nothing can read its state 'hidden'"):
        lstm.exposing("hidden")
    assert LstmLayer.state_parts == ("", "cell")
