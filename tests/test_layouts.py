"""Each weight layout holds the rows it was given: decoders that know only the documented format recover them."""

from collections.abc import Callable, Mapping

import numpy as np
import pytest

from edgelstm.codegen.layouts import LAYOUTS, WIDE_LAYOUTS, Layout, Words, pad
from edgelstm.codegen.weights import pack
from edgelstm.ir import Matrix
from edgelstm.numerics.fixedpoint import Int64Array, Multiplier

Decoded = tuple[Int64Array, Int64Array]
"""Rows (4, columns) and the 4 biases."""

ALL = {layout.name: layout for layouts in (*LAYOUTS.values(), *WIDE_LAYOUTS.values()) for layout in layouts}
FAST = [layout for layouts in (*LAYOUTS.values(), *WIDE_LAYOUTS.values()) for layout in layouts[:-1]]
ROWS = LAYOUTS["ref"][-1]


def signed(values: Int64Array, bits: int) -> Int64Array:
    result: Int64Array = ((values + (1 << (bits - 1))) & ((1 << bits) - 1)) - (1 << (bits - 1))
    return result


def decode_rows(words: Words) -> Decoded:
    stored = np.ascontiguousarray(words[4:].astype("<u4")).view(np.int8).reshape(-1, 4, 4)
    return stored.transpose(1, 0, 2).reshape(4, -1).astype(np.int64), signed(words[:4].astype(np.int64), 32)


def decode_hybrid(words: Words) -> Decoded:
    stream = words.astype(np.int64)
    blocks = stream[4:].reshape(-1, 2, 2)  # block, pair of rows, word
    rows = np.zeros((4, len(blocks) * 4), np.int64)
    for column, (word, half) in enumerate(((0, 0), (1, 0), (0, 1), (1, 1))):
        halves = signed(blocks[:, :, word] >> (16 * half), 16)
        low = signed(halves, 8)
        rows[0::2, column::4], rows[1::2, column::4] = low.T, ((halves - low) >> 8).T
    bias = np.zeros(4, np.int64)
    for row, (pair, start) in zip((0, 2), stream[:4].reshape(2, 2), strict=True):
        quads = rows[row].reshape(-1, 4)
        bias[row] = signed(start + (quads[:, 0] * quads[:, 1] + quads[:, 2] * quads[:, 3]).sum(), 32)
        bias[row + 1] = signed(pair - bias[row], 32) >> 8
    return rows, bias


def decode_chain4(words: Words) -> Decoded:
    """Links A + 256 B, B + 256 C, C + 256 D of columns 0 and 2, then 1 and 3."""
    blocks = words[3:].astype(np.int64).reshape(-1, 2, 3)
    rows = np.zeros((4, len(blocks) * 4), np.int64)
    for column, (word, half) in enumerate(((0, 0), (1, 0), (0, 1), (1, 1))):
        links = signed(blocks[:, word, :] >> (16 * half), 16)
        rows[:3, column::4] = signed(links, 8).T
        rows[3, column::4] = (links[:, 2] - signed(links[:, 2], 8)) >> 8
    p, q, s = words[:3].astype(np.int64)
    a = signed(p - (q << 8) + (s << 16), 24)
    b = signed(p - a, 32) >> 8
    c = signed(q - b, 32) >> 8
    return rows, np.array([a, b, c, signed(s - c, 32) >> 8])


def decode_columns(words: Words) -> Decoded:
    """Two rows biased by 128, two as they are: subtracting one row after the other leaves the next in the low byte."""
    rest = words[3:].astype(np.int64)
    rows = []
    for offset in (128, 128, 0, 0):
        rows.append(signed(rest, 8) if offset == 0 else (rest & 255) - offset)
        rest = (rest - rows[-1] - offset) >> 8
    p, q, s = words[:3].astype(np.int64)
    a = signed(p - (q << 8), 24)
    b = signed(p - (s << 16) - a, 32) >> 8
    c = signed(q - b, 32) >> 8
    return np.array(rows), np.array([a, b, c, signed(s - c, 32) >> 8])


def decode_biased_columns(words: Words) -> Decoded:
    stored = np.ascontiguousarray(words[3:].astype("<u4")).view(np.uint8).reshape(-1, 4).T
    p, r, s = words[:3].astype(np.int64)
    low = p - (s << 16)
    b16 = r - (low << 8)
    a = signed(low - (b16 << 8), 24)
    b = signed(low - a, 32) >> 8
    high = (r - b - (a << 8)) >> 16
    c = signed(s - ((high - (s << 8)) << 8), 24)
    return stored.astype(np.int64) - 128, np.array([a, b, c, signed(s - c, 32) >> 8])


def decode_quads(words: Words) -> Decoded:
    stored = np.ascontiguousarray(words[4:].astype("<u4")).view(np.uint8).reshape(-1, 4).T.astype(np.int64)
    return stored - 128, signed(words[:4].astype(np.int64), 32) + 128 * stored.sum(axis=1)


def decode_unsigned_columns(words: Words) -> Decoded:
    """All rows biased by 128, behind start values that are not."""
    stored = np.ascontiguousarray(words[3:].astype("<u4")).view(np.uint8).reshape(-1, 4).T
    p, q, s = words[:3].astype(np.int64)
    a = signed(p - (q << 8), 24)
    b = signed(p - (s << 16) - a, 32) >> 8
    c = signed(q - b, 32) >> 8
    return stored.astype(np.int64) - 128, np.array([a, b, c, signed(s - c, 32) >> 8])


DECODERS: Mapping[str, Callable[[Words], Decoded]] = {
    "rows": decode_rows,
    "hybrid": decode_hybrid,
    "chain4": decode_chain4,
    "columns": decode_columns,
    "biased_columns": decode_biased_columns,
    "quads": decode_quads,
    "near_columns": decode_unsigned_columns,
    "far_columns": decode_unsigned_columns,
}


def matrix(weight: int, columns: int, bias: int) -> Matrix:
    return Matrix(np.full((4, columns), weight, np.int8), np.full(4, bias, np.int64), (Multiplier(2**30, -3),) * 4)


@pytest.mark.parametrize("layout", ALL.values(), ids=lambda layout: layout.name)
def test_the_rows_come_back(layout: Layout) -> None:
    rng = np.random.default_rng(1)
    decode = DECODERS[layout.name]
    limit = min(layout.sum_limit, 2**31)
    for columns in (1, 4, 6, 8, 13, 64):
        for rows in (rng.integers(-127, 128, (4, columns)), rng.choice([-127, 127], (4, columns))):
            stored = pad(rows.astype(np.int8))
            bias = rng.integers(1 - limit, limit, 4)
            found_rows, found_bias = decode(layout.group(stored, bias))
            assert np.array_equal(found_rows, stored)
            assert found_bias.tolist() == bias.tolist()


@pytest.mark.parametrize("layout", FAST, ids=lambda layout: layout.name)
def test_a_matrix_at_the_bound_is_taken_and_one_past_it_is_not(layout: Layout) -> None:
    columns = (layout.sum_limit - 1) // (127 * 128)
    room = layout.sum_limit - 1 - columns * 127 * 128
    choices = (layout, ROWS)
    for weight, bias in ((127, -room), (-127, room)):
        assert pack([matrix(weight, columns, bias)], choices, fused=True).layout is layout
        past = bias + (1 if bias > 0 else -1)
        assert pack([matrix(weight, columns, past)], choices, fused=True).layout is ROWS
        assert pack([matrix(0, 4, layout.sum_limit)], choices, fused=True).layout is ROWS


@pytest.mark.parametrize("layout", FAST, ids=lambda layout: layout.name)
def test_a_weight_that_does_not_fit_is_refused(layout: Layout) -> None:
    chosen = pack([matrix(-128, 8, 0)], (layout, ROWS), fused=True).layout
    assert chosen is (layout if layout.lowest_weight == -128 else ROWS)
    if chosen is layout:
        stored = np.array([[-128, -1, 0, 127]] * 4, np.int8)
        assert np.array_equal(DECODERS[layout.name](layout.group(stored, np.zeros(4, np.int64)))[0], stored)


def test_fused_gates_need_room_for_the_left_shift() -> None:
    for layout in FAST:
        left = (layout.sum_limit // (127 * 128)).bit_length() - 1
        assert left in (5, 9)
        for shift, fits in ((-24, True), (0, True), (left, True), (left + 1, False), (-25, False)):
            one = Matrix(np.full((4, 1), 127, np.int8), np.zeros(4, np.int64), (Multiplier(2**30, shift),) * 4)
            assert bool(pack([one], (layout, ROWS), fused=True).gate_scales) is fits
        odd = Matrix(np.full((4, 1), 1, np.int8), np.zeros(4, np.int64), (Multiplier(2**30 + 64, 0),) * 4)
        assert pack([odd], (layout, ROWS), fused=True).gate_scales == ()
