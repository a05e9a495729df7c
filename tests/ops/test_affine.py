"""Layers that scale and shift: what they refuse, and where folding takes them."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from test_keras_problems import SEQUENCE, VECTOR, built, problems, source

from edgelstm.errors import ModelFormatError, UnsupportedModelError
from edgelstm.frontends.keras_guess import guessed_inputs
from edgelstm.ir import FloatModel, Layer, SourceLayer, Tensor
from edgelstm.ops import registry
from edgelstm.ops.affine import AffineLayer
from edgelstm.ops.dense import DenseLayer
from edgelstm.ops.fold_affine import MOST_DIAGONAL, fold_affine
from edgelstm.ops.last_step import LastStepLayer

BATCH_SHAPES = ((3,),) * 4
MOMENT_SHAPES: tuple[tuple[int, ...], ...] = ((3,), (3,), ())


def given_variance(variance: float) -> SourceLayer:
    weights = (*(np.ones(3, np.float32),) * 3, np.full(3, variance, np.float32))
    return SourceLayer("BatchNormalization", "mine", {}, weights)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (source("BatchNormalization", {"axis": 1}, BATCH_SHAPES), "axis=1 is not supported, only axis=-1"),
        (source("BatchNormalization", {"axis": [0, 2]}, BATCH_SHAPES), "axis=[0, 2] is not supported, only axis=-1"),
        (
            source("BatchNormalization", {"renorm": True}, BATCH_SHAPES),
            "renorm=True is not supported, only renorm=False",
        ),
        (
            source("BatchNormalization", {"scale": False}, BATCH_SHAPES),
            "has 4 weight arrays where its options imply 3",
        ),
        (given_variance(-0.5), "a variance is not positive; the file may be damaged"),
        (source("Normalization", {"axis": 1}, MOMENT_SHAPES), "axis=1 is not supported, only axis=-1"),
        (source("Normalization", {}, MOMENT_SHAPES[:2]), "has 2 weight arrays where its options imply 3"),
        (source("Normalization", {"mean": [1.0, 2.0], "variance": 1.0}), "mean has 2 numbers for 3 features"),
        (source("Normalization", {"mean": 0, "variance": -1}), "a variance is negative; the file may be damaged"),
        (source("Rescaling", {"scale": 2, "offset": [1, 2]}), "offset has 2 numbers for 3 features"),
        (source("ReLU", {"threshold": 0.5}), "threshold=0.5 is not supported, only threshold=0.0"),
        (source("ReLU", {"max_value": 0}), "max_value=0 is not supported, only positive numbers"),
        (source("ReLU", {"negative_slope": -0.5}), "a slope of -0.5 is not supported, only 0 to 1024"),
        (source("LeakyReLU", {"alpha": 2e3}), "a slope of 2000 is not supported, only 0 to 1024"),
    ],
)
def test_refused(given: SourceLayer, expected: str) -> None:
    assert problems(given) == [expected]


def test_all_at_once() -> None:
    given = source("BatchNormalization", {"axis": 0, "renorm": True}, ((2,),) * 4)
    assert len(problems(given)) == 6
    assert len(problems(source("ReLU", {"threshold": 1, "max_value": -1, "negative_slope": -1}))) == 3


@pytest.mark.parametrize(
    ("class_name", "key"),
    [("BatchNormalization", "epsilon"), ("Rescaling", "scale"), ("Rescaling", "offset"), ("Normalization", "mean"),
     ("ReLU", "max_value"), ("ReLU", "threshold"), ("LeakyReLU", "negative_slope"), ("LeakyReLU", "alpha")],
)  # fmt: skip
@pytest.mark.parametrize(
    "value",
    ["1", True, {}, {"config": 1}, {"config": {"value": "x"}}, [], [[1, 2], [3, 4]], [1, [2]], [None], 10**400, 1e39,
     float("nan"), float("-inf"), [1.0, float("inf")], b"1"],
    ids=repr,
)  # fmt: skip
def test_what_is_no_number_is_damage(class_name: str, key: str, value: Any) -> None:
    shapes = BATCH_SHAPES if class_name == "BatchNormalization" else ()
    with pytest.raises(ModelFormatError, match=f"{key} is"):
        problems(source(class_name, {key: value}, shapes))


@pytest.mark.parametrize(
    ("class_name", "config", "shapes"),
    [
        ("BatchNormalization", {"axis": -1}, BATCH_SHAPES),
        ("BatchNormalization", {"axis": [2]}, BATCH_SHAPES),
        ("BatchNormalization", {"momentum": 0.5, "trainable": False, "synchronized": False}, BATCH_SHAPES),
        ("Normalization", {"axis": [-1]}, MOMENT_SHAPES),
        ("Normalization", {"axis": None}, ((), (), ())),
        ("Normalization", {"mean": [[[1, 2, 3]]], "variance": [2.0]}, ()),
        ("Rescaling", {"scale": {"class_name": "__numpy__", "config": {"value": [1, 2, 3]}}, "offset": 1}, ()),
    ],
)
def test_taken(class_name: str, config: dict[str, Any], shapes: tuple[tuple[int, ...], ...]) -> None:
    (layer,) = built(source(class_name, config, shapes))
    assert isinstance(layer, AffineLayer)
    assert (layer.factor.shape, layer.offset.shape, layer.parameters) == ((3,), (3,), 6)
    assert layer.output == Tensor("mine", 3, is_sequence=True)


def test_an_unadapted_variance_of_0_is_divided_by_as_keras_does() -> None:
    (layer,) = built(source("Normalization", {"mean": 1, "variance": 0}))
    assert isinstance(layer, AffineLayer)
    assert layer.factor.tolist() == pytest.approx([1e7] * 3)


def test_the_guess_behind_a_layer_that_is_refused() -> None:
    """Nothing is said about sizes and axes that are merely unknown."""
    for given in (
        source("BatchNormalization", {"axis": [1]}, BATCH_SHAPES),
        source("BatchNormalization", {"axis": [2]}, BATCH_SHAPES),
        source("Normalization", {"mean": [1, 2, 3], "variance": 1}),
        source("Rescaling", {"offset": [1, 2, 3]}),
    ):
        kind = registry.KERAS_LAYERS[given.class_name]
        assert kind.problems_in(given, guessed_inputs(given, kind)) == []


def random_layers(rng: np.random.Generator, kinds: str) -> tuple[Layer, ...]:
    """A chain by letters: affine, linear Dense, Dense with relu, activation, LSTM, GRU, SimpleRNN, last step."""
    tensor, chain = SEQUENCE, list[Layer]()
    for index, kind in enumerate(kinds):
        name, size = f"{kind}{index}", tensor.size
        units = int(rng.integers(1, 5))
        shapes: dict[str, tuple[tuple[int, ...], ...]] = {
            "a": ((size,),) * 4, "d": ((size, units), (units,)), "r": ((size, units), (units,)), "s": (),
            "l": ((size, 4 * units), (units, 4 * units), (4 * units,)),
            "g": ((size, 3 * units), (units, 3 * units), (2, 3 * units)),
            "n": ((size, units), (units, units), (units,)),
        }  # fmt: skip
        if kind == "t":
            chain.append(LastStepLayer.after(tensor))
        else:
            class_name = {"a": "BatchNormalization", "d": "Dense", "r": "Dense", "s": "Activation", "l": "LSTM",
                          "g": "GRU", "n": "SimpleRNN"}[kind]  # fmt: skip
            function = {"d": "linear", "r": "relu", "s": "sigmoid"}.get(kind, "tanh")
            config = {"units": units, "activation": function, "return_sequences": True}
            config |= {"recurrent_activation": "sigmoid"}
            weights = [rng.normal(size=shape).astype(np.float32) for shape in shapes[kind]]
            if kind == "a":
                weights[3] = np.abs(weights[3]) + 0.1
            given = SourceLayer(class_name, name, config, tuple(weights))
            assert problems(given, tensor) == []
            chain += registry.KERAS_LAYERS[class_name].build(given, (tensor,))
        tensor = chain[-1].output
    return tuple(chain)


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ("al", "l"), ("ag", "g"), ("an", "n"), ("ad", "d"), ("ar", "r"), ("aal", "l"), ("da", "d"), ("daa", "d"),
        ("dal", "dl"), ("ral", "rl"), ("ras", "rds"), ("lta", "ltd"), ("ltad", "ltd"), ("latad", "ltd"), ("a", "d"),
        ("aa", "d"), ("lat", "ldt"), ("dta", "dt"), ("atd", "td"), ("asal", "dsl"), ("lasa", "ldsd"), ("ls", "ls"),
        ("rsat", "rsdt"), ("agad", "gd"), ("", ""),
    ],
)  # fmt: skip
def test_folding_keeps_the_function(kinds: str, expected: str) -> None:
    names = {"DenseLayer": "d", "ActivationLayer": "s", "LstmLayer": "l", "GruLayer": "g", "SimpleRnnLayer": "n",
             "LastStepLayer": "t"}  # fmt: skip
    rng = np.random.default_rng(len(kinds))
    for _ in range(5):
        layers = random_layers(rng, kinds)
        folded = fold_affine(layers)
        found = "".join("r" if getattr(layer, "relu", False) else names[type(layer).__name__] for layer in folded)
        assert found == expected
        inputs = rng.normal(size=(4, 6, 3))
        before, after = (FloatModel("m", SEQUENCE, chain, None).forward(inputs) for chain in (layers, folded))
        assert after.shape == before.shape
        assert np.abs((after - before) / np.maximum(1, np.abs(before))).max(initial=0) < 1e-5
        assert len({layer.name for layer in folded}) == len(folded)


def layer_of(kind: str, name: str, *inputs: Tensor) -> Layer:
    """One layer with random weights: BatchNormalization, Dense or Add."""
    rng, size = np.random.default_rng(len(name)), inputs[0].size
    shapes = {"BatchNormalization": ((size,),) * 4, "Dense": ((size, size), (size,))}.get(kind, ())
    weights = tuple(np.abs(rng.normal(size=shape)).astype(np.float32) for shape in shapes)
    given = SourceLayer(kind, name, {"units": size, "activation": "linear"}, weights)
    assert registry.KERAS_LAYERS[kind].problems_in(given, inputs) == []
    (layer,) = registry.KERAS_LAYERS[kind].build(given, inputs)
    return layer


def branching(case: str) -> list[Layer]:
    """An affine layer `norm` whose neighbours have other readers or other inputs."""
    first = layer_of("Dense", "first", SEQUENCE)
    norm = layer_of("BatchNormalization", "norm", first.output)
    if case == "the layer before is read by another":
        return [first, norm, layer_of("Add", "sum", norm.output, first.output)]
    if case == "two layers behind":
        before = layer_of("Add", "sum", first.output, SEQUENCE)
        norm = layer_of("BatchNormalization", "norm", before.output)
        ends = [layer_of("Dense", name, norm.output) for name in ("left", "right")]
        return [first, before, norm, *ends, layer_of("Add", "end", ends[0].output, ends[1].output)]
    if case == "one of two behind cannot":
        before = layer_of("Add", "sum", first.output, SEQUENCE)
        norm = layer_of("BatchNormalization", "norm", before.output)
        left = layer_of("Dense", "left", norm.output)
        return [first, before, norm, left, layer_of("Add", "end", left.output, norm.output)]
    return [first, norm, layer_of("Add", "sum", norm.output, SEQUENCE)]


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("the layer before is read by another", ["first", "norm", "sum"]),
        ("two layers behind", ["first", "sum", "left", "right", "end"]),
        ("one of two behind cannot", ["first", "sum", "norm", "left", "end"]),
        ("into the layer before, and a merge behind", ["first", "sum"]),
    ],
)
def test_folding_minds_every_reader(case: str, expected: list[str]) -> None:
    layers = branching(case)
    folded = fold_affine(layers)
    assert [layer.name for layer in folded] == expected
    inputs = np.random.default_rng(3).normal(size=(4, 6, 3))
    before, after = (FloatModel("m", SEQUENCE, tuple(graph), None).forward(inputs) for graph in (layers, folded))
    np.testing.assert_allclose(after, before, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("sign", [1.0, 0.0, -1.0])
@pytest.mark.parametrize("kind", ["MaxPooling1D", "GlobalMaxPooling1D"])
def test_the_largest_of_several_steps_minds_signs(kind: str, sign: float) -> None:
    """Only a factor that is not negative keeps the order of values."""
    scale = {"scale": [2.0, 0.5, 3.0 * sign], "offset": [1.0, -2.0, 0.5]}
    (norm,) = built(source("Rescaling", scale))
    (pool,) = built(replace(source(kind, {"pool_size": 2, "strides": 2}), name="pool"), norm.output)
    (dense,) = built(replace(source("Dense", {"units": 4}, ((3, 4), (4,))), name="dense"), pool.output)
    folded = fold_affine([norm, pool, dense])
    assert [layer.name for layer in folded] == (["mine", "pool", "dense"] if sign < 0 else ["pool", "dense"])
    inputs = np.random.default_rng(3).normal(size=(4, 6, 3))
    before, after = (
        FloatModel("m", SEQUENCE, tuple(graph), None).forward(inputs) for graph in ((norm, pool, dense), folded)
    )
    np.testing.assert_allclose(after, before, rtol=1e-5, atol=1e-5)


def test_dense_layers_of_their_own_have_a_bound() -> None:
    """A file of a few bytes could else ask for gigabytes."""
    for size, count in ((2049, 1), (2**16, 1), (1024, 5)):
        wide = Tensor("input", size, is_sequence=False)
        layers: list[Layer] = []
        for index in range(count):
            for given in (source("Rescaling", {"scale": 2}), source("ReLU", {})):
                named = replace(given, name=f"{given.class_name}{index}")
                before = layers[-1].output if layers else wide
                layers += registry.KERAS_LAYERS[given.class_name].build(named, (before,))
        assert size**2 * count > MOST_DIAGONAL
        with pytest.raises(UnsupportedModelError, match=f"scales {size} features"):
            fold_affine(layers)
    (dense,) = fold_affine(registry.KERAS_LAYERS["Rescaling"].build(source("Rescaling", {"scale": 2}), (VECTOR,)))
    assert isinstance(dense, DenseLayer)
    assert np.array_equal(dense.kernel, 2 * np.eye(3))


def test_weights_beyond_float32_reach_calibration() -> None:
    huge = source("Rescaling", {"scale": 1e38, "offset": 1e38})
    tensor, layers = SEQUENCE, list[Layer]()
    for given in (huge, huge, source("Dense", {"units": 4}, ((3, 4), (4,)))):
        layers += built(replace(given, name=f"layer{len(layers)}"), tensor)
        tensor = layers[-1].output
    (dense,) = fold_affine(layers)
    assert not np.isfinite(dense.compute((np.ones((1, 3), np.float32),), lambda name, values: None)).all()


@pytest.mark.parametrize(
    ("class_name", "config", "expected"),
    [
        ("ReLU", {}, [0, 0, 2, 9]),
        ("ReLU", {"max_value": 6}, [0, 0, 2, 6]),
        ("ReLU", {"max_value": 6.0, "negative_slope": 0.25}, [-1, -0.25, 2, 6]),
        ("LeakyReLU", {"negative_slope": 0.5}, [-2, -0.5, 2, 9]),
        ("LeakyReLU", {"alpha": 0.5}, [-2, -0.5, 2, 9]),
        ("LeakyReLU", {}, [-1.2, -0.3, 2, 9]),
        ("Activation", {"activation": "relu6"}, [0, 0, 2, 6]),
        ("Activation", {"activation": "leaky_relu"}, [-0.8, -0.2, 2, 9]),
    ],
)
def test_relus(class_name: str, config: dict[str, Any], expected: list[float]) -> None:
    (layer,) = built(source(class_name, config))
    found = layer.compute((np.array([-4, -1, 2, 9], np.float32),), lambda name, values: None)
    assert found.dtype == np.float32
    assert found.tolist() == pytest.approx(expected)
