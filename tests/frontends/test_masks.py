"""Masks in Keras models: where one reaches a layer that would not leave the steps out, the model is refused."""

from dataclasses import replace

import numpy as np
import pytest
from random_masked import masked_inputs, random_masked_ends

from edgelstm.errors import DataError, UnsupportedModelError
from edgelstm.frontends.keras import build_float_model
from edgelstm.frontends.keras_masks import Described, without_masks
from edgelstm.frontends.keras_order import Call, Node
from edgelstm.frontends.keras_source import KerasSource
from edgelstm.ir import (
    FloatArray,
    FloatModel,
    Quantization,
    QuantizedTensor,
    Ranges,
    SourceLayer,
    TensorReference,
)
from edgelstm.numerics.contracts import Contract
from edgelstm.ops import registry
from edgelstm.ops.embedding import Embedding
from edgelstm.ops.masking import Masking
from edgelstm.ops.reverse import Reverse
from edgelstm.quantization import calibrate, quantize
from edgelstm.quantization.masks import mask_behind_reversal
from edgelstm.simulate import simulate, stored_inputs

MASK = SourceLayer("Masking", "mask", {"mask_value": 0.0})


def _rnn(name: str, source: str, features: int = 2) -> SourceLayer:
    weights = (np.full((features, 2), 0.5, np.float32), np.eye(2, dtype=np.float32), np.ones(2, np.float32))
    config = {"units": 2, "return_sequences": True, "activation": "tanh"}
    return SourceLayer("SimpleRNN", name, config, weights, inputs=(TensorReference(source),))


def _model(*layers: SourceLayer) -> FloatModel:
    return build_float_model(KerasSource("m", "samples", 2, 5, layers), registry)


def test_masked_steps_keep_what_was_before() -> None:
    model = _model(MASK, _rnn("rnn", "mask"))
    inputs = np.array([[[0, 0], [1, 0], [0, 0], [1, 2], [0, 0]]], np.float32)
    outputs = model.forward(inputs)[0]
    short = _model(_rnn("rnn", "")).forward(inputs[:, [1, 3]])[0]
    np.testing.assert_allclose(outputs, [np.zeros(2), short[0], short[0], short[1], short[1]], rtol=1e-6)


def test_calibration_sees_the_steps_that_count_alone() -> None:
    seen: dict[str, float] = {}
    source = SourceLayer("Masking", "mask", {"mask_value": -99.0})
    inputs = np.full((2, 5, 2), -99.0, np.float32)
    inputs[0, 1] = inputs[1, 4] = 0.5
    _model(source, _rnn("rnn", "mask")).forward(
        inputs, lambda name, values: seen.update({name: min(seen.get(name, 0.0), float(values.min()))})
    )
    assert seen["samples"] == 0.0
    assert seen["rnn"] >= 0.0


def _ranges(inputs: FloatArray, *layers: SourceLayer) -> Ranges:
    return calibrate(_model(*layers), inputs)


def test_sequences_without_a_step_that_counts_calibrate_beside_others() -> None:
    inputs = np.zeros((600, 5, 2), np.float32)
    alone = _ranges(inputs[:1] + 0.5, MASK, _rnn("rnn", "mask"))
    inputs[-1] = 0.5  # in a batch of its own length of zeros, and behind two such batches
    assert _ranges(inputs, MASK, _rnn("rnn", "mask")) == alone


def test_data_of_which_a_mask_leaves_out_everything_are_refused() -> None:
    with pytest.raises(DataError, match="never reach mask, rnn: a mask leaves out all of their steps"):
        _ranges(np.zeros((300, 5, 2), np.float32), MASK, _rnn("rnn", "mask"))


def test_an_input_that_another_branch_reads_is_seen_as_a_whole() -> None:
    mask = SourceLayer("Masking", "mask", {"mask_value": -99.0})
    inputs = np.full((2, 5, 2), -99.0, np.float32)
    inputs[0, 1] = inputs[1, 4] = 0.5
    ends = [
        SourceLayer("GlobalAveragePooling1D", f"mean_{one}", {}, inputs=(TensorReference(one),))
        for one in ("rnn", "other")
    ]
    both = SourceLayer("Concatenate", "both", {}, inputs=(TensorReference("mean_rnn"), TensorReference("mean_other")))
    ranges = _ranges(inputs, mask, _rnn("rnn", "mask"), _rnn("other", ""), *ends, both)
    assert ranges["samples"] == (-99.0, 0.5)
    assert ranges["mask"] == (0.5, 0.5)
    backwards = replace(_rnn("rnn", "mask"), config={**_rnn("rnn", "mask").config, "go_backwards": True})
    assert _ranges(inputs, mask, backwards)["samples"] == (0.5, 0.5)


def test_a_mask_that_goes_no_further_is_refused() -> None:
    rnn = _rnn("back", "forth")
    backwards = replace(rnn, config={**rnn.config, "go_backwards": True})
    with pytest.raises(UnsupportedModelError) as caught:
        _model(MASK, _rnn("forth", "mask"), backwards)
    assert caught.value.problems == (
        'layer "back/reversed" (Reverse) needs every step of a sequence of which the mask of "mask" leaves some out; a '
        "masked sequence can be read backwards only right behind its mask",
    )
    with pytest.raises(UnsupportedModelError) as caught:
        _model(
            MASK,
            _rnn("forth", "mask"),
            SourceLayer("GlobalMaxPooling1D", "largest", {}, inputs=(TensorReference("forth"),)),
        )
    assert caught.value.problems == (
        'layer "largest" (GlobalMax) takes the largest of all steps in Keras, of those too that the mask of "mask" '
        "leaves out; GlobalAveragePooling1D and return_sequences=False leave them out",
    )
    with pytest.raises(UnsupportedModelError) as caught:
        _model(MASK, SourceLayer("Softmax", "shares", {}, inputs=(TensorReference("mask"),)), _rnn("rnn", "shares"))
    assert caught.value.problems == ('layer "shares" (Softmax) does not follow the mask of "mask"',)


def _bidirectional(source: str) -> SourceLayer:
    halves = {
        key: {"class_name": "SimpleRNN", "config": {**_rnn("", "").config, "go_backwards": key == "backward_layer"}}
        for key in ("layer", "backward_layer")
    }
    forward, backward = _rnn("", "").weights, tuple(-0.5 * one for one in _rnn("", "").weights)
    return SourceLayer("Bidirectional", "both", halves, (*forward, *backward), inputs=(TensorReference(source),))


def _mean(source: str) -> SourceLayer:
    return SourceLayer("GlobalAveragePooling1D", f"mean_{source}", {}, inputs=(TensorReference(source),))


def test_a_masked_bidirectional_yields_no_sequence() -> None:
    """One reason, and none that merely follows from it."""
    with pytest.raises(UnsupportedModelError) as caught:
        _model(MASK, _bidirectional("mask"), _rnn("rnn", "both", 4))
    assert caught.value.problems == (
        'layer "both/forwards_again" is the backward half of a Bidirectional that yields a sequence, of which the mask '
        'of "mask" leaves steps out; only its last step or its mean is supported behind a mask: set '
        "return_sequences=False, or read it by a GlobalAveragePooling1D alone",
    )


def test_the_mean_of_a_masked_bidirectional_is_that_of_its_halves() -> None:
    model = _model(MASK, _bidirectional("mask"), _mean("both"))
    inputs = np.array([[[0, 0], [1, 0], [0, 0], [1, 2], [0, 0]]], np.float32)
    short = _model(_bidirectional(""), _mean("both")).forward(inputs[:, [1, 3]])
    assert np.ptp(short) > 0.1
    np.testing.assert_allclose(model.forward(inputs), short, rtol=1e-6)
    found = quantize(model, calibrate(model, inputs), 5, Contract.NATIVE)
    np.testing.assert_array_equal(
        simulate(found, stored_inputs(found, inputs)), simulate(found, stored_inputs(found, inputs[:, [1, 3]]))
    )


def test_a_bidirectional_without_a_mask_stays_as_it_is() -> None:
    model = _model(_bidirectional(""), _mean("both"))
    assert [layer.name for layer in model.layers][-3:] == ["both/forwards_again", "both", "mean_both"]


def test_a_masked_bidirectional_that_another_layer_reads_too_is_refused() -> None:
    joined = SourceLayer("Concatenate", "ends", {}, inputs=(TensorReference("mean_both"), TensorReference("mean_rnn")))
    with pytest.raises(UnsupportedModelError, match="backward half of a Bidirectional"):
        _model(MASK, _bidirectional("mask"), _mean("both"), _rnn("rnn", "both", 4), _mean("rnn"), joined)


@pytest.mark.parametrize("seed", range(30))
def test_masked_steps_might_as_well_not_be_there(seed: int) -> None:
    model = random_masked_ends(seed)
    inputs = masked_inputs(model, seed, 8)
    masks = [op.value for op in model.ops if isinstance(op, Masking)]
    for sequence in inputs:
        counts = (sequence != (0 if model.input.vocabulary else masks[0])).any(axis=-1)
        if counts.any():
            whole, short = (simulate(model, one[None]) for one in (sequence, sequence[counts]))
            np.testing.assert_array_equal(whole, short)


@pytest.mark.parametrize("words", [4, 400])
def test_a_masked_embedding_read_backwards_keeps_its_rows(words: int) -> None:
    table = np.arange(words, dtype=np.int64).astype(np.int8)[:, None] * np.ones((1, 2), np.int8)
    sequence = QuantizedTensor("words", 2, is_sequence=True, quantization=Quantization(0.1, 3))
    embedding = Embedding("words", QuantizedTensor.of_ids("ids", words), sequence, table, mask_zero=True)
    ops = mask_behind_reversal((embedding, Reverse.of("turned", sequence)))
    if words > 256:  # every value is that of another row
        assert [op.name for op in ops] == ["words", "turned"]
        return
    rows, turned, mask = ops
    assert isinstance(rows, Embedding) and isinstance(mask, Masking) and isinstance(turned, Reverse)
    assert not rows.mask_zero
    assert np.array_equal(rows.table[1:], table[1:])
    assert [(row == mask.value).all() for row in rows.table] == [True, False, False, False]
    assert (turned.input, mask.input, mask.output.name) == (rows.output, turned.output, "turned")


def test_names_that_a_user_has_are_not_taken_again() -> None:
    source = QuantizedTensor("samples", 2, is_sequence=True, quantization=Quantization(0.1, 3))
    mask = Masking.of("mask", source, 5)
    users = Reverse.of("turned/all_steps", source)
    both = mask_behind_reversal((mask, Reverse.of("turned", mask.output), users))
    assert [op.name for op in both] == ["turned/all_steps_", "turned", "turned/all_steps"]


def test_masked_and_other_steps_do_not_meet() -> None:
    both = SourceLayer("Add", "both", {}, inputs=(TensorReference("rnn"), TensorReference("other")))
    with pytest.raises(UnsupportedModelError) as caught:
        _model(MASK, _rnn("rnn", "mask"), _rnn("other", ""), both)
    assert caught.value.problems == ('layer "both" joins what the mask of "mask" leaves out with steps that count',)
    same = SourceLayer("Add", "both", {}, inputs=(TensorReference("rnn"), TensorReference("other")))
    _model(MASK, _rnn("rnn", "mask"), _rnn("other", "mask"), same)


@pytest.mark.parametrize("value", ["zero", True, float("nan"), 1e60])
def test_the_value_of_a_mask_is_a_number(value: object) -> None:
    with pytest.raises(UnsupportedModelError, match="mask_value="):
        _model(SourceLayer("Masking", "mask", {"mask_value": value}), _rnn("rnn", "mask"))


def _node(source: str, *, mask: str = "") -> Node:
    options = {"mask": {"class_name": "__keras_tensor__", "config": {"keras_history": [mask, 0, 0]}}} if mask else {}
    return Node(source, is_input=not source, calls=(Call((TensorReference(source),), options),) if source else ())


def _functional(value: object, between: str, mask: str = "not_equal") -> dict[str, Node]:
    """ids -> words -> between -> rnn, with a mask computed from the ids."""
    nodes = {
        "ids": _node(""),
        "words": _node("ids"),
        "not_equal": _node("ids"),
        "between": _node("words"),
        "rnn": _node("between", mask=mask),
    }
    layers = {
        "ids": Described("InputLayer", {}, []),
        "words": Described("Embedding", {"mask_zero": True}, []),
        "not_equal": Described("NotEqual", {}, [{"args": [{}, value], "kwargs": {}}]),
        "between": Described(between, {}, []),
        "rnn": Described("LSTM", {}, []),
    }
    return without_masks(nodes, layers)


def test_a_mask_that_a_functional_model_lists_is_found_anyway() -> None:
    found = _functional(0, "Dropout")
    assert list(found) == ["ids", "words", "between", "rnn"]
    assert found["rnn"].calls[0].options == {}


@pytest.mark.parametrize(
    ("value", "between"), [(1, "Dropout"), (None, "Dropout"), ("x", "Dropout"), (0, "RepeatVector")]
)
def test_another_mask_than_that_of_the_input_stays(value: object, between: str) -> None:
    found = _functional(value, between)
    assert "not_equal" in found
    assert "mask" in found["rnn"].calls[0].options


@pytest.mark.parametrize("mask", ["nobody", "rnn", "words"])
def test_what_is_no_mask_stays_one(mask: str) -> None:
    assert "mask" in _functional(0, "Dropout", mask)["rnn"].calls[0].options
