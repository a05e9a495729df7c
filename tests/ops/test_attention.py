"""Attention: what it refuses of Keras, how a Dot, a Softmax and a Dot are found, and its arithmetic."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgelstm.errors import UnsupportedModelError
from edgelstm.frontends.keras_attention import join_attention
from edgelstm.frontends.keras_guess import guessed_inputs
from edgelstm.ir import (
    FloatArray,
    FloatModel,
    Layer,
    Model,
    Quantization,
    QuantizedTensor,
    SourceLayer,
    Tensor,
    TensorReference,
)
from edgelstm.numerics.contracts import Contract
from edgelstm.numerics.fixedpoint import requantize
from edgelstm.ops import registry, scales
from edgelstm.ops.attention import Attention
from edgelstm.ops.attention_layer import AttentionLayer
from edgelstm.ops.last_step import LastStep
from edgelstm.quantization import calibrate, quantize
from edgelstm.simulate import dequantize_array, quantize_array, simulate
from edgelstm.verification.oracles import LITERT, TFLM
from edgelstm.verification.trace import compare, official_trace

SEQUENCE = Tensor("sequence", 3, is_sequence=True, timesteps=7)
OTHER = Tensor("other", 3, is_sequence=True, timesteps=5)
WIDE = Tensor("wide", 4, is_sequence=True, timesteps=7)
LONG = Tensor("long", 3, is_sequence=True, timesteps=512)
ANY = Tensor("any", 3, is_sequence=True)
VECTOR = Tensor("vector", 3, is_sequence=False)

VANISHING = registry.VANISHING


def references(*names: str) -> tuple[TensorReference, ...]:
    return tuple(map(TensorReference, names))


def attention(config: Mapping[str, Any], *weights: float) -> SourceLayer:
    given = tuple(np.array(weight, np.float32) for weight in weights)
    return SourceLayer("Attention", "mine", config, given, inputs=references("a", "b"))


def spelled(scores: Any, values: Any, *, axis: Any = -1, weights_first: bool = True) -> SourceLayer:
    """What the frontend makes of a Dot, a Softmax and a Dot with these axes."""
    config = {
        "scores": {"axes": scores},
        "axis": axis,
        "values": {"axes": values},
        "weights_first": weights_first,
    }
    return SourceLayer("Dot", "mine", config, inputs=references("a", "b", "c"))


def problems(source: SourceLayer, *inputs: Tensor) -> list[str]:
    return registry.KERAS_LAYERS[source.class_name].problems_in(source, inputs)


def built(source: SourceLayer, *inputs: Tensor) -> AttentionLayer:
    assert problems(source, *inputs) == []
    (layer,) = registry.KERAS_LAYERS[source.class_name].build(source, inputs)
    assert isinstance(layer, AttentionLayer)
    return layer


@pytest.mark.parametrize(
    ("source", "inputs", "expected"),
    [
        (attention({"score_mode": "concat"}), (SEQUENCE, SEQUENCE), "score_mode='concat' is not supported, only"),
        (attention({"causal": True}), (SEQUENCE, SEQUENCE), "causal=True is not supported, only causal=False"),
        (attention({}), (SEQUENCE,), "has 1 inputs; query and value, or query, value and key are supported"),
        (attention({}), (VECTOR, SEQUENCE), "its query is a single vector; Dot, Softmax and Dot take one"),
        (attention({}), (SEQUENCE, VECTOR), "its keys and values must be sequences; set return_sequences=True"),
        (attention({}), (SEQUENCE, WIDE), "its queries have 3 values and its keys 4"),
        (attention({}), (SEQUENCE, SEQUENCE, OTHER), "has 5 keys and 7 values"),
        (attention({}), (SEQUENCE, ANY), "needs an input of fixed length"),
        (attention({}), (LONG, LONG), "looks at 512 time steps; at most 511 are supported"),
        (attention({"use_scale": True}), (SEQUENCE, SEQUENCE), "has 0 weight arrays where its options imply 1"),
        (attention({"use_scale": True}, -0.5), (SEQUENCE, SEQUENCE), "its scale is -0.5; only a positive one"),
        (attention({"use_scale": True}, np.nan), (SEQUENCE, SEQUENCE), "its scale is nan; only a positive one"),
        (attention({"use_scale": False}, 0.5), (SEQUENCE, SEQUENCE), "has 1 weight arrays where its options imply 0"),
        (spelled([1, 1], [1, 1]), (SEQUENCE, SEQUENCE, SEQUENCE), "axes=[1, 1] of a sequence and a sequence"),
        (spelled([1, 1], [1, 1]), (VECTOR, VECTOR, SEQUENCE), "axes=[1, 1] of a vector and a vector"),
        (spelled("x" * 50, 1), (VECTOR, SEQUENCE, SEQUENCE), "axes=xxxxxxxxxxxxxxxxxxxx of a vector and a sequence"),
        (spelled([1, 2], [1, 2]), (VECTOR, SEQUENCE, SEQUENCE), "axes=(1, 2) of weights and values, only (1, 1)"),
        (spelled([1, 2], None), (VECTOR, SEQUENCE, SEQUENCE), "axes=None of weights and values, only (1, 1)"),
        (spelled([1, 2], 1, axis=0), (VECTOR, SEQUENCE, SEQUENCE), "the softmax is along axis 0, not the last"),
        (spelled([2, 2], [2, 1], axis=1), (SEQUENCE, OTHER, OTHER), "the softmax is along axis 1, not the last"),
        (spelled([2, 2], [1, 2], weights_first=False), (SEQUENCE, OTHER, OTHER), "takes the values before the weights"),
        (spelled([1, 2], 1), (VECTOR, SEQUENCE, OTHER), "has 7 keys and 5 values"),
    ],
)
def test_refused(source: SourceLayer, inputs: tuple[Tensor, ...], expected: str) -> None:
    found = problems(source, *inputs)
    assert any(problem.startswith(expected) for problem in found), found


def test_a_normalized_dot_is_refused() -> None:
    source = spelled([1, 2], 1)
    config = {**source.config, "scores": {"axes": [1, 2], "normalize": True}}
    (problem,) = problems(replace(source, config=config), VECTOR, SEQUENCE, SEQUENCE)
    assert problem == "normalize=True of the Dot of scores is not supported"


@pytest.mark.parametrize(
    ("source", "inputs", "query", "key"),
    [
        (spelled([1, 2], [1, 1]), (VECTOR, SEQUENCE, WIDE), VECTOR, SEQUENCE),
        (spelled([2, 1], 1, weights_first=False), (SEQUENCE, VECTOR, WIDE), VECTOR, SEQUENCE),
        (spelled(-1, (-1, -2), axis=1), (VECTOR, SEQUENCE, WIDE), VECTOR, SEQUENCE),
        (spelled(2, [2, 1], axis=2), (OTHER, SEQUENCE, WIDE), OTHER, SEQUENCE),
        (spelled([-1, 2], [-1, 1], axis=[-1]), (OTHER, SEQUENCE, WIDE), OTHER, SEQUENCE),
    ],
)
def test_spelled_out_attention_is_read(
    source: SourceLayer, inputs: tuple[Tensor, ...], query: Tensor, key: Tensor
) -> None:
    layer = built(source, *inputs)
    assert layer.inputs == (query, WIDE, key)
    assert (layer.output.size, layer.output.is_sequence) == (4, query.is_sequence)


@pytest.mark.parametrize("source", [attention({}), spelled([1, 2], 1), spelled([2, 2], [2, 1])])
def test_unknown_inputs_are_guessed_so_that_nothing_is_said(source: SourceLayer) -> None:
    guessed = guessed_inputs(source, registry.KERAS_LAYERS[source.class_name], len(source.inputs))
    assert problems(source, *guessed) == []


def layer(class_name: str, name: str, *inputs: str, **config: Any) -> SourceLayer:
    return SourceLayer(class_name, name, config, inputs=references(*inputs))


SPELLED = (
    layer("Dot", "scores", "query", "sequence", axes=[1, 2]),
    layer("Softmax", "softmax", "scores", axis=-1),
    layer("Dropout", "drop", "softmax"),
    layer("Dot", "context", "drop", "sequence", axes=[1, 1]),
    layer("Dense", "dense", "context", units=2),
)


def join(*layers: SourceLayer, output: str = "dense") -> list[SourceLayer]:
    return list(join_attention(layers, frozenset([output]), VANISHING))


def test_dots_around_a_softmax_are_joined() -> None:
    one, dense = join(*SPELLED)
    assert (one.name, one.class_name, one.inputs) == ("context", "Dot", references("query", "sequence", "sequence"))
    assert one.config == {
        "scores": {"axes": [1, 2]},
        "axis": -1,
        "values": {"axes": [1, 1]},
        "weights_first": True,
    }
    assert dense == SPELLED[-1]


def test_an_activation_is_a_softmax_and_values_may_come_first() -> None:
    softmax = layer("Activation", "softmax", "scores", activation="softmax")
    last = layer("Dot", "context", "sequence", "drop", axes=1)
    one, _ = join(SPELLED[0], softmax, SPELLED[2], last, SPELLED[4])
    assert (one.inputs, one.config["weights_first"]) == (references("query", "sequence", "sequence"), False)


@pytest.mark.parametrize(
    ("layers", "output", "found"),
    [
        ((*SPELLED[:1], layer("Dense", "dense", "scores")), "dense", 'what reads it is "dense" (Dense)'),
        ((*SPELLED, layer("Dense", "more", "scores")), "dense", 'what reads it is "softmax" (Softmax), "more" (Dense)'),
        ((*SPELLED, layer("Dense", "more", "softmax")), "dense", 'what reads it is "softmax" (Softmax)'),
        (SPELLED[:3], "drop", 'what reads it is "softmax" (Softmax)'),
        (SPELLED[:1], "scores", "what reads it is the output"),
        ((SPELLED[0], SPELLED[1], layer("Dot", "context", "softmax", "softmax")), "context", '"softmax" (Softmax)'),
        ((*SPELLED[:2], layer("Softmax", "again", "softmax"), layer("Dot", "d", "again", "a")), "d", '"softmax"'),
    ],
)  # fmt: skip
def test_a_dot_alone_is_left_and_explained(layers: tuple[SourceLayer, ...], output: str, found: str) -> None:
    kept = join(*layers, output=output)
    assert [one.name for one in kept] == [one.name for one in layers]
    dot = kept[0]
    assert found in dot.config["found"]
    (problem,) = problems(dot, VECTOR, SEQUENCE)
    assert problem.startswith("is not part of an attention: it reads the input and the input, and what reads it is")


def test_a_file_cannot_pretend_to_be_joined() -> None:
    lone = SourceLayer("Dot", "lone", spelled([1, 2], 1).config, inputs=references("a", "b", "c"))
    (kept,) = join(lone, output="lone")
    assert set(kept.config) == {"found"}


def float_model(query: Tensor, scale: float = 1.0) -> FloatModel:
    """Attention of a sequence, or of its mean, on itself."""
    source = Tensor("input", 3, is_sequence=True, timesteps=7)
    layers: list[Layer] = []
    if not query.is_sequence:
        mean = registry.KERAS_LAYERS["GlobalAveragePooling1D"]
        layers += mean.build(SourceLayer("GlobalAveragePooling1D", "mean", {}), (source,))
    asking = layers[-1].output if layers else source
    layers.append(AttentionLayer.of("attention", (asking, source, source), scale))
    return FloatModel("it", source, tuple(layers), 7)


def samples(spread: float = 1.0) -> FloatArray:
    return np.random.default_rng(5).normal(0, spread, (200, 7, 3)).astype(np.float32)


@pytest.mark.parametrize("scale", [0.4, 1.0, 2.5])
@pytest.mark.parametrize("query", [SEQUENCE, VECTOR], ids=["sequence", "vector"])
def test_eight_bits_stay_near_float(query: Tensor, scale: float) -> None:
    floats, x = float_model(query, scale), samples()
    model = quantize(floats, calibrate(floats, x), 7, Contract.LITERT)
    wanted = floats.forward(x)
    found = dequantize_array(simulate(model, quantize_array(x, model.input.quantization)), model.output.quantization)
    noise = float(np.sqrt(np.mean((found - wanted) ** 2)) / np.std(wanted))
    assert noise < 0.05


def test_scores_without_weight_cost_no_precision() -> None:
    """Products reach -400, but those that matter lie within 10 of the largest."""
    floats, x = float_model(SEQUENCE), samples(4.0)
    ranges = calibrate(floats, x)
    scores = x @ x.swapaxes(1, 2)
    low, high = ranges["attention/scores"]
    assert high == pytest.approx(scores.max())
    assert scores.min() < -100 < low
    model = quantize(floats, ranges, 7, Contract.LITERT)
    clamped = np.maximum(scores, scores.max(axis=-1, keepdims=True) - (np.log(7) + np.log(2**11)))
    for values in (scores, clamped):
        powers = np.exp(values - values.max(axis=-1, keepdims=True))
        weights = powers / powers.sum(axis=-1, keepdims=True)
        np.testing.assert_allclose(weights @ x, floats.forward(x), atol=4.0 * 4.0 / 2**11)
    op = model.ops[0]
    assert isinstance(op, Attention)
    assert op.problems(Contract.LITERT) == []


def test_zeros_quantize_to_what_the_runtimes_take() -> None:
    floats, x = float_model(SEQUENCE), np.zeros((3, 7, 3), np.float32)
    model = quantize(floats, calibrate(floats, x), 7, Contract.LITERT)
    assert model.ops[0].problems(Contract.LITERT) == []
    zeros = quantize_array(x, model.input.quantization)
    assert not dequantize_array(simulate(model, zeros), model.output.quantization).any()


FACTORS = np.array([127] * 19 + [1], np.int64)
"""A query of which a key makes any sum up to 19 * 127 * 127."""


def key_for(total: int) -> list[int]:
    """A key whose product with FACTORS is that."""
    whole, rest = divmod(total + 63, 127)
    key: list[int] = []
    for _ in FACTORS[:-1]:
        key.append(max(-127, min(127, whole)))
        whole -= key[-1]
    return [*key, rest - 63]


def sums_that_tell() -> tuple[Attention, list[int]]:
    """An attention, and products of its queries and keys at which both ways to compute the factor round apart."""
    rng, reach = np.random.default_rng(0), 19 * 127 * 127
    for _ in range(100):
        scale = scales.float32(float(rng.uniform(0.01, 0.1)))
        source = QuantizedTensor("input", 20, True, Quantization(scale, 0))
        query = QuantizedTensor("query", 20, False, Quantization(scale, 0))
        scored = Quantization(scales.float32(scale * scale * reach / 128), 0)
        result = QuantizedTensor("it", 20, False, Quantization(scale, 0))
        op = Attention("it", query, result, source, source, 4, scored, scales.float32(0.2 / scored.scale))
        totals = np.arange(3 * reach // 4, reach)
        one, other = (requantize(totals, op.facts(each).scores) for each in (Contract.LITERT, Contract.TFLM))
        found = totals[(one != other) & (one > 100)]  # near that of the query itself, or the weights would be 0
        if found.size:
            return op, [int(found[0])] * 3
    raise AssertionError("both ways round every sum alike")


def test_each_runtime_rounds_the_product_of_scales_its_own_way() -> None:
    """LiteRT multiplies scales in float32, TensorFlow Lite Micro in float64."""
    op, totals = sums_that_tell()
    keys = np.array([*map(key_for, totals), FACTORS], np.int64)
    assert (keys @ FACTORS).tolist()[:3] == totals
    inputs, found = keys.astype(np.int8)[None], []
    for oracle in (LITERT, TFLM):
        if not oracle.is_available:
            pytest.skip(f"{oracle.name} is not installed")
        last = LastStep.of("query", op.value)
        model = Model("it", op.value, (last, replace(op, input=last.output)), 4, oracle.contract)
        assert compare(official_trace(model, inputs), oracle.trace(model, inputs)).mismatches == 0
        found.append(simulate(model, inputs))
    assert not np.array_equal(found[0], found[1])


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"steps": 512}, "softmax over 512 values; at most 511"),
        ({"beta": 1e-9}, "times beta 1e-09 is not above 2^-26"),
        ({"scores": Quantization(2.0**-21, 0)}, "do not fit 32 bits"),
    ],
)
def test_what_overflows_is_a_problem(changes: dict[str, Any], expected: str) -> None:
    source = QuantizedTensor("input", 40, True, Quantization(0.05, 0))
    result = QuantizedTensor("it", 40, True, Quantization(0.05, 0))
    op = Attention("it", source, result, source, source, 4, Quantization(0.5, 0))
    assert op.problems(Contract.LITERT) == []
    (problem, *_) = replace(op, **changes).problems(Contract.LITERT)
    assert expected in problem


def test_sums_of_many_features_do_not_fit() -> None:
    source = QuantizedTensor("input", 2**15 + 500, True, Quantization(0.05, 127))
    op = Attention("it", source, replace(source, name="it"), source, source, 4, Quantization(100.0, 0))
    with pytest.raises(UnsupportedModelError, match="do not fit 32 bits"):
        raise UnsupportedModelError(op.problems(Contract.LITERT))
