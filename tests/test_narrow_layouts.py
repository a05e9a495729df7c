"""Layouts of weights of 4 bits hold the rows they were given, and are taken up to their bounds."""

from collections.abc import Callable, Mapping

import numpy as np
import pytest

from edgelstm.codegen.layouts import LAYOUTS, NARROW_LAYOUTS, Layout, Words, pad
from edgelstm.codegen.weights import pack
from edgelstm.ir import Matrix
from edgelstm.numerics.fixedpoint import Int64Array

ALL = {layout.name: layout for layouts in NARROW_LAYOUTS.values() for layout in layouts}
CHAIN, PAIRS = NARROW_LAYOUTS["armv7em"]
SHIFT = 12


def decode_nibbles(words: Words) -> tuple[Int64Array, Int64Array]:
    stored = np.ascontiguousarray(words[4:].astype("<u4")).view(np.uint8).reshape(-1, 4).T.astype(np.int64)
    rows = np.stack([stored & 15, stored >> 4], axis=-1).reshape(4, -1) - 8
    return rows, words[:4].astype(np.int32).astype(np.int64)


def decode_columns(words: Words) -> tuple[Int64Array, Int64Array]:
    rows, _ = decode_nibbles(np.concatenate([words[:1], words]))
    p, q, s = (int(word) for word in words[:3])
    a = (p - 256 * q + 2**23) % 2**24 - 2**23
    b = (p - 65536 * s - a + 2**31) % 2**32 - 2**31 >> 8
    c = (q - b + 2**31) % 2**32 - 2**31 >> 8
    return rows, np.array([a, b, c, (s - c + 2**31) % 2**32 - 2**31 >> 8])


def decode_words(words: Words) -> Int64Array:
    """A D' C B A' D C' B', from the lowest 4 bits on, the stroke for the second column; columns 0 and 2, then 1 and 3.

    A letter's place is that of its weight: D of the first column stands in the upper half.
    """
    places = ((0, 12, 8, 20), (16, 28, 24, 4))
    rows = np.zeros((4, 2 * len(words)), np.int64)
    for at, word in enumerate(words.tolist()):
        for half, shifts in enumerate(places):
            column = 4 * (at // 2) + (0, 2, 1, 3)[2 * (at % 2) + half]
            rows[:, column] = [(word >> shift & 15) - 8 for shift in shifts]
    return rows


def decode_chain(words: Words) -> tuple[Int64Array, Int64Array]:
    p, q, s = (int(word) for word in words[:3])
    a = (p - 256 * q + 4096 * s + 2**19) % 2**20 - 2**19
    c = (p - a + 2**31) % 2**32 - 2**31 >> 8
    b = (q - c + 2**31) % 2**32 - 2**31 >> 4
    d = (s - b + 2**31) % 2**32 - 2**31 >> 8
    return decode_words(words[3:]), np.array([a, b, c, d])


def decode_pairs(words: Words) -> tuple[Int64Array, Int64Array]:
    return decode_words(words[4:]), words[:4].astype(np.int32).astype(np.int64)


DECODERS: Mapping[str, Callable[[Words], tuple[Int64Array, Int64Array]]] = {
    "nibbles": decode_nibbles,
    "nibble_columns": decode_columns,
    "nibble_chain": decode_chain,
    "nibble_pairs": decode_pairs,
}


def test_every_instruction_set_has_some_and_the_last_takes_all() -> None:
    assert set(NARROW_LAYOUTS) == set(LAYOUTS)
    assert all(layouts[-1].sum_limit == 2**31 for layouts in NARROW_LAYOUTS.values())


@pytest.mark.parametrize("layout", ALL.values(), ids=lambda layout: layout.name)
def test_the_rows_come_back(layout: Layout) -> None:
    rng = np.random.default_rng(1)
    limit = min(layout.sum_limit, 2**31)
    for columns in (1, 2, 4, 7, 8, 13, 64):
        stored = pad(rng.integers(-7, 8, (4, columns)).astype(np.int8))
        bias = rng.integers(1 - limit, limit, 4)
        rows, starts = DECODERS[layout.name](layout.group(stored, bias))
        assert np.array_equal(rows, stored)
        assert starts.tolist() == bias.tolist()


@pytest.mark.parametrize("layout", ALL.values(), ids=lambda layout: layout.name)
def test_a_weight_takes_half_a_byte(layout: Layout) -> None:
    rows = np.zeros((4, 64), np.int8)
    starts = len(layout.group(rows[:, :0], np.zeros(4, np.int64)))
    assert 4 * (len(layout.group(rows, np.zeros(4, np.int64))) - starts) == rows.size // 2


def matrix(weight: int, columns: int, bias: int, factor: int = 200) -> Matrix:
    weights = np.full((4, columns), weight, np.int8)
    return Matrix(weights, np.full(4, bias), bits=4, row_factors=(factor,) * 4, factor_shift=SHIFT)


def test_portable_sums_of_24_bits_take_a_multiplication_less() -> None:
    for bias, name in ((2**23 - 1, "nibble_columns"), (2**23, "nibbles")):
        chosen = pack([matrix(0, 4, bias)], NARROW_LAYOUTS["armv6m"], fused=True)
        assert (chosen.layout.name, chosen.is_fused) == (name, False)


@pytest.mark.parametrize("weight", [-7, 7])
def test_sums_decide_about_the_layout(weight: int) -> None:
    columns = 64
    room = 2**19 - 1 - columns * 7 * 128
    bias = room if weight < 0 else -room
    for change, layout in ((0, CHAIN), (1, PAIRS)):
        chosen = pack([matrix(weight, columns, bias + change * int(np.sign(bias)))], (CHAIN, PAIRS), fused=True)
        assert chosen.layout is layout
        assert chosen.is_fused == (layout is CHAIN)
        assert chosen.row_scales == (200,) * 4
        assert chosen.row_shifts == (SHIFT,)


def test_scaled_sums_that_activations_do_not_take_are_not_fused() -> None:
    large = Matrix(np.full((4, 64), 7, np.int8), np.zeros(4, np.int64), bits=4, row_factors=(255,) * 4)
    chosen = pack([large], (CHAIN, PAIRS), fused=True)
    assert (chosen.layout, chosen.is_fused) == (CHAIN, False)


def test_longer_rows_than_the_chain_holds() -> None:
    columns = CHAIN.most_columns
    # A sum and what the bias of 8 adds to it, 8 * 128 a column, must fit 24 signed bits.
    assert CHAIN.sum_limit + 1024 * columns < 2**23
    assert pack([matrix(0, columns, 5)], (CHAIN, PAIRS), fused=True).layout is CHAIN
    assert pack([matrix(0, columns + 4, 5)], (CHAIN, PAIRS), fused=True).layout is PAIRS
