"""Attention in an int8 .tflite: ours comes back as it was, and what only looks like it is refused."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from random_attention import random_attention, random_attention_model
from random_models import random_inputs

from edgelstm.errors import ModelError
from edgelstm.frontends.tflite import model_from_tflite
from edgelstm.ir import Model, Quantization, QuantizedTensor, TfliteModel, TfliteOperator
from edgelstm.numerics.contracts import Contract
from edgelstm.ops.attention import Attention
from edgelstm.simulate import simulate
from edgelstm.tflite import write_tflite
from edgelstm.tflite.export import to_tflite_model

SOURCE = QuantizedTensor("input", 3, True, Quantization(2.0**-4, 4))
Change = Callable[[TfliteOperator], TfliteOperator]


def read(records: TfliteModel) -> Model:
    return model_from_tflite(write_tflite(records), "it", Contract.LITERT)


@pytest.mark.parametrize("seed", range(30))
def test_what_we_write_comes_back(seed: int) -> None:
    first = random_attention_model(seed, Contract.LITERT)
    data = write_tflite(to_tflite_model(first))
    again = model_from_tflite(data, "it", Contract.LITERT)
    assert write_tflite(to_tflite_model(again)) == data
    assert [op.name for op in again.ops] == [op.name for op in first.ops]
    inputs = random_inputs(first, seed, 2)
    assert np.array_equal(simulate(first, inputs), simulate(again, inputs))


def records() -> TfliteModel:
    """BATCH_MATMUL, SOFTMAX, BATCH_MATMUL."""
    op = replace(random_attention(np.random.default_rng(1), "it", SOURCE, SOURCE, SOURCE, 6), factor=None)
    return to_tflite_model(Model("it", SOURCE, (op,), 6, Contract.LITERT))


def changed(index: int, change: Change) -> TfliteModel:
    operators = list(records().operators)
    operators[index] = change(operators[index])
    return replace(records(), operators=tuple(operators))


PRODUCT = records().operators[0]


def with_options(**options: Any) -> Change:
    return lambda operator: replace(operator, options={**operator.options, **options})


def test_the_plain_records_are_read() -> None:
    (op,) = read(records()).ops
    assert isinstance(op, Attention)
    assert (op.steps, op.value.name, op.key.name) == (6, "input", "input")


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        (changed(0, with_options(adj_x=True)), "option adj_x is True"),
        (changed(2, with_options(asymmetric_quantize_inputs=True)), "option asymmetric_quantize_inputs is True"),
        (changed(0, with_options(adj_y=False)), "which is not that of"),
        (changed(2, lambda one: replace(one, inputs=one.inputs[:1])), "has 1 inputs and 1 outputs, not 2 and 1"),
        (changed(2, lambda one: replace(one, inputs=(one.inputs[0], None))), "are not three tensors of three axes"),
        (changed(1, with_options(beta=-1.0)), "option beta is -1.0"),
        (replace(records(), operators=(PRODUCT,), outputs=PRODUCT.outputs), "is not part of"),
    ],
)  # fmt: skip
def test_broken_files_are_refused(broken: TfliteModel, expected: str) -> None:
    with pytest.raises(ModelError) as caught:
        read(broken)
    assert expected in f"{caught.value.message} {getattr(caught.value, 'problems', '')}"


def test_scores_that_something_else_reads_stay_apart() -> None:
    plain = records()
    scores = plain.operators[0].outputs[0]
    extra = TfliteOperator("SOFTMAX", (scores,), (replace(plain.operators[1].outputs[0], name="more"),), {"beta": 1.0})
    with pytest.raises(ModelError, match="BATCH_MATMUL 'it/scores' is not part of an attention"):
        read(replace(plain, operators=(*plain.operators[:1], extra, *plain.operators[1:])))


def test_a_product_of_weights_alone_is_no_attention() -> None:
    """The second product takes the weights for values, too."""
    plain = changed(2, lambda one: replace(one, inputs=(one.inputs[0], one.inputs[0])))
    squares = replace(plain.outputs[0], shape=(1, 6, 6))
    operators = (*plain.operators[:2], replace(plain.operators[2], outputs=(squares,)))
    with pytest.raises(ModelError, match="is not part of an attention"):
        read(replace(plain, operators=operators, outputs=(squares,)))
