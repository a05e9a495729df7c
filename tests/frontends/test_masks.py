"""Masks in Keras models: where one reaches a layer that would not leave the steps out, the model is refused."""

from dataclasses import replace

import numpy as np
import pytest

from edgelstm.errors import UnsupportedModelError
from edgelstm.frontends.keras import KerasSource, build_float_model
from edgelstm.ir import FloatModel, SourceLayer, TensorReference
from edgelstm.ops import registry

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


def test_a_mask_that_goes_no_further_is_refused() -> None:
    rnn = _rnn("back", "mask")
    backwards = replace(rnn, config={**rnn.config, "go_backwards": True})
    with pytest.raises(UnsupportedModelError) as caught:
        _model(MASK, backwards)
    assert caught.value.problems == ('layer "back/reversed" (Reverse) does not follow the mask of "mask"',)


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
