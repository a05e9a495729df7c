"""The 32-bit exponential, reciprocal and softmax against real numbers."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgelstm.numerics import exponential as functions
from edgelstm.numerics.exponential import exponential, two_over_one_plus
from edgelstm.numerics.fixedpoint import INT32_MAX, Int64Array
from edgelstm.numerics.softmax import softmax, softmax_scaling

Floats = npt.NDArray[np.float64]

EXPONENTIAL_BOUND = 495
"""In units of 2^-31; the polynomial's own error."""

RECIPROCAL_BOUND = 3.5
"""In units of 2^-29."""

SOFTMAX_BOUND = 0.501
"""In units of the result: correctly rounded, but for what lies next to a tie."""


def arguments(integer_bits: int) -> Int64Array:
    """Negative Q(integer_bits) numbers: all over the range, and around every quarter and power of two."""
    rng = np.random.default_rng(integer_bits)
    quarter = 1 << (29 - integer_bits)
    edges = [quarter * k for k in (*range(1, 40), *(2**n for n in range(5, integer_bits + 2)))]
    near = np.array([[-edge - 1, -edge, -edge + 1] for edge in edges]).ravel()
    spread = -np.floor(np.exp2(rng.uniform(0, 31, 20_000))).astype(np.int64)
    values = np.concatenate([near, spread, [0, -1, -(2**31), -(2**31) + 1]])
    inside: Int64Array = values[(values >= -(2**31)) & (values <= 0)]
    return inside


def exponential_error(integer_bits: int) -> float:
    """The largest error in units of 2^-31."""
    values = arguments(integer_bits)
    real = np.exp(values / 2.0 ** (31 - integer_bits))
    return float(np.abs(exponential(values, integer_bits) - real * 2**31).max())


def reciprocal_error() -> float:
    """The largest error in units of 2^-29."""
    values = np.concatenate([np.arange(2000), INT32_MAX - np.arange(2000), np.arange(0, 2**31, 54_321)])
    return float(np.abs(two_over_one_plus(values) - 2**30 / (1 + values / 2**31)).max())


def real_softmax(values: Int64Array, scale: float, beta: float = 1.0) -> Floats:
    """In units of 2^-8, as the stored result is."""
    powers = np.exp((values - values.max(axis=-1, keepdims=True)) * scale * beta)
    shares: Floats = 256 * powers / powers.sum(axis=-1, keepdims=True)
    return shares


@pytest.mark.parametrize("integer_bits", [4, 5])
def test_exponential(integer_bits: int) -> None:
    assert exponential_error(integer_bits) < EXPONENTIAL_BOUND


def test_reciprocal() -> None:
    assert reciprocal_error() < RECIPROCAL_BOUND


@pytest.mark.parametrize("change", [-(2**22), 2**22])
def test_a_planted_constant_is_noticed(monkeypatch: pytest.MonkeyPatch, change: int) -> None:
    for constant in ("_EXP_MINUS_EIGHTH", "_ONE_THIRD"):
        with monkeypatch.context() as planted:
            planted.setattr(functions, constant, getattr(functions, constant) + change)
            assert exponential_error(5) > EXPONENTIAL_BOUND
    for exponent, factor in functions._EXP_FACTORS.items():
        with monkeypatch.context() as planted:
            planted.setitem(functions._EXP_FACTORS, exponent, factor + change)
            assert exponential_error(5) > EXPONENTIAL_BOUND


@pytest.mark.parametrize("constant", ["_NEWTON_48_17", "_NEWTON_32_17"])
def test_newton_forgives_its_start_but_not_everything(monkeypatch: pytest.MonkeyPatch, constant: str) -> None:
    monkeypatch.setattr(functions, constant, getattr(functions, constant) + 2**26)
    assert reciprocal_error() > RECIPROCAL_BOUND


def softmax_error(values: Int64Array, scale: float, beta: float = 1.0) -> float:
    """The largest error in units of the result; a share of 1 is stored as 255/256."""
    found = softmax(values, softmax_scaling(scale, beta)) + 128
    return float(np.abs(found - np.minimum(real_softmax(values, scale, beta), 255)).max())


@pytest.mark.parametrize("classes", [1, 2, 3, 10, 64, 511])
def test_softmax_is_correctly_rounded(classes: int) -> None:
    rng = np.random.default_rng(classes)
    for scale in (2.0**-26, 1e-4, 1 / 256, 0.02, 0.1, 1.0, 30.0):
        values = [rng.integers(-128, 128, (20, classes)), rng.choice([-128, 127], (20, classes))]
        values += [np.full((1, classes), stored) for stored in (-128, 0, 127)]
        assert softmax_error(np.concatenate(values), float(np.float32(scale))) < SOFTMAX_BOUND


def test_beta_scales_the_inputs() -> None:
    values = np.random.default_rng(0).integers(-128, 128, (50, 6))
    assert softmax_error(values, 0.05, beta=0.5) < SOFTMAX_BOUND
    assert np.array_equal(softmax(values, softmax_scaling(0.05, 0.5)), softmax(values, softmax_scaling(0.025, 1.0)))


def test_a_planted_factor_is_noticed_in_the_softmax(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(functions._EXP_FACTORS, -1, functions._EXP_FACTORS[-1] + 2**24)
    assert softmax_error(np.random.default_rng(0).integers(-128, 128, (200, 3)), 0.01) > SOFTMAX_BOUND


@given(st.lists(st.integers(-128, 127), min_size=1, max_size=20), st.integers(-20, 3))
@settings(max_examples=100, deadline=None)
def test_softmax_orders_as_its_input_does(row: list[int], log2_scale: int) -> None:
    """Equal inputs give equal, larger ones never smaller results, and the order of the row does not matter."""
    scaling = softmax_scaling(2.0**log2_scale, 1.0)
    order = np.argsort(row, kind="stable")
    found = softmax(np.array([row], np.int64), scaling)[0]
    assert (np.diff(found[order]) >= 0).all()
    assert np.array_equal(softmax(np.array([row], np.int64)[:, order], scaling)[0], found[order])
    assert found.min() >= -128
    assert found.max() <= 127


@pytest.mark.parametrize("scale", [0.13, 0.5, 0.9, 1.0, 7.0])
def test_differences_beyond_the_range_count_for_nothing(scale: float) -> None:
    """Somewhere from -15.5 to -31 in real units: the share is far below a step, and the number still fits."""
    scaling = softmax_scaling(scale, 1.0)
    least = scaling.minimum_difference
    assert least * scale >= -31
    assert (least - 1) * scale < -15.5
    row = np.maximum(np.array([[0, least, least - 1, -255]]), -255) + 127
    assert softmax(row, scaling).tolist() == [[127, -128, -128, -128]]


def test_a_scale_beyond_the_format_still_works() -> None:
    assert softmax(np.array([[0, 0, -1]]), softmax_scaling(1e6, 1.0)).tolist() == [[0, 0, -128]]
