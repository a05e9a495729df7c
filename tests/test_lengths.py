"""Sequences of unequal length: what lies behind a sequence's end must not matter anywhere."""

import numpy as np
from reference_models import classifier, tagger

from edgelstm.data import Dataset
from edgelstm.data.dataset import Samples
from edgelstm.numerics.contracts import Contract
from edgelstm.quantization.calibration import equal_lengths
from edgelstm.simulate import dequantize_array, quantize_array, simulate
from edgelstm.verification.accuracy import run_simulator

LENGTHS = np.array([3, 8, 1, 8, 5])


def _padded(padding: float) -> np.ndarray:
    x = np.random.default_rng(1).normal(size=(5, 8, 3)).astype(np.float32)
    for row, length in zip(x, LENGTHS, strict=True):
        row[length:] = padding
    return x


def test_batches_cover_every_sample_once_with_its_length() -> None:
    batches = list(equal_lengths(5, 8, LENGTHS, batch=1))
    assert sorted(int(index) for batch in batches for index in batch.samples) == [0, 1, 2, 3, 4]
    for batch in batches:
        assert all(LENGTHS[index] == batch.timesteps for index in batch.samples)


def test_padding_does_not_reach_the_answer() -> None:
    model = classifier(3, (6,), 4, 8, Contract.LITERT)
    answers = [run_simulator(model, Samples(_padded(value), None, LENGTHS)) for value in (0.0, 1.9, -1.9)]
    np.testing.assert_array_equal(answers[0], answers[1])
    np.testing.assert_array_equal(answers[0], answers[2])
    first = quantize_array(_padded(0.0)[:1, :3], model.input.quantization)
    alone = dequantize_array(simulate(model, first), model.output.quantization)
    np.testing.assert_array_equal(answers[0][0], alone[0])


def test_a_model_that_answers_every_step_answers_to_the_end_of_each_sequence() -> None:
    model = tagger(3, 5, 8, Contract.LITERT)
    answers = run_simulator(model, Samples(_padded(0.7), None, LENGTHS))
    assert answers.shape == (5, 8, 2)
    for answer, length in zip(answers, LENGTHS, strict=True):
        assert not answer[length:].any()
        assert answer[:length].any()


def test_without_lengths_all_steps_count() -> None:
    model = classifier(3, (6,), 4, 8, Contract.LITERT)
    dataset = Dataset(_padded(1.9))
    whole = dequantize_array(
        simulate(model, quantize_array(dataset.x, model.input.quantization)), model.output.quantization
    )
    np.testing.assert_array_equal(run_simulator(model, dataset.test), whole)
