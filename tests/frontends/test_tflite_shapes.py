"""A .tflite whose shapes mean something else than our chain of layers is refused, never misread."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from reference_models import classifier, tagger

from edgelstm.errors import UnsupportedModelError
from edgelstm.frontends.tflite import model_from_tflite
from edgelstm.ir import Model, Quantization, QuantizedTensor, TfliteModel, TfliteOperator, TfliteTensor
from edgelstm.numerics.contracts import Contract
from edgelstm.ops.last_step import LastStep
from edgelstm.ops.repeat_vector import RepeatVector
from edgelstm.tflite import write_tflite
from edgelstm.tflite.export import to_tflite_model


def _two_lstms_with_a_vector_between() -> TfliteModel:
    """LSTM over 6 steps, its last step as a window of one step, a second LSTM."""
    stacked = classifier(3, (5, 4), 3, 6, Contract.LITERT)
    first, second, last_step = stacked.ops[:3]
    shortened = replace(last_step, input=first.output, output=replace(last_step.output, size=first.output.size))
    head = (*first.to_tflite(1, 6), *shortened.to_tflite(1, 6))
    vector = head[-1].outputs[0]
    window = replace(vector, name="window", shape=(1, 1, first.output.size))
    shape = TfliteTensor("shape", (3,), "int32", data=np.array(window.shape, np.int32))
    reshape = TfliteOperator("RESHAPE", (vector, shape), (window,), {"new_shape": list(window.shape)})
    (recurrent,) = second.to_tflite(1, 1)
    recurrent = replace(recurrent, inputs=(window, *recurrent.inputs[1:]))
    source = stacked.input.to_tflite(1, 6)
    return TfliteModel((*head, reshape, recurrent), (source,), recurrent.outputs)


def _batch_of_two() -> TfliteModel:
    return to_tflite_model(tagger(2, 3, 4, Contract.LITERT), batch=2)


def _no_steps() -> TfliteModel:
    records = to_tflite_model(tagger(2, 3, 4, Contract.LITERT))
    source = replace(records.inputs[0], shape=(1, 0, 2))
    first = replace(records.operators[0], inputs=(source, *records.operators[0].inputs[1:]))
    return replace(records, operators=(first, *records.operators[1:]), inputs=(source,))


def _endless_window() -> TfliteModel:
    return to_tflite_model(tagger(2, 3, 4, Contract.LITERT), timesteps=10_000_000)


@pytest.mark.parametrize("make", [_two_lstms_with_a_vector_between, _batch_of_two, _no_steps, _endless_window])
def test_shapes_that_are_no_chain_over_one_sequence_are_refused(make: Callable[[], TfliteModel]) -> None:
    data = write_tflite(make())
    with pytest.raises(UnsupportedModelError, match=r"reads a single vector|a batch of 2|the input is int8"):
        model_from_tflite(data, "foreign", Contract.LITERT)


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_absurd_scales_are_refused(scale: float) -> None:
    records = to_tflite_model(tagger(2, 3, 4, Contract.LITERT))
    source = replace(records.inputs[0], scales=(float(np.float32(scale)),))
    first = replace(records.operators[0], inputs=(source, *records.operators[0].inputs[1:]))
    foreign = replace(records, operators=(first, *records.operators[1:]), inputs=(source,))
    data = write_tflite(foreign)
    with pytest.raises(UnsupportedModelError, match="has a scale outside"):
        model_from_tflite(data, "foreign", Contract.LITERT)


def test_a_vector_is_repeated_so_often_that_an_index_still_counts() -> None:
    source = QuantizedTensor("input", 2, is_sequence=True, quantization=Quantization(0.5, 0))
    end = LastStep.of("end", source)

    def file(count: int) -> bytes:
        again = RepeatVector.of("again", end.output, count)
        return write_tflite(to_tflite_model(Model("again", source, (end, again), 3, Contract.LITERT)))

    assert model_from_tflite(file(1 << 16), "foreign", Contract.LITERT).ops[-1].repeats == 1 << 16
    with pytest.raises(UnsupportedModelError, match="BROADCAST_TO 'again': only a vector along at most 65536 steps"):
        model_from_tflite(file((1 << 16) + 1), "foreign", Contract.LITERT)
