"""Arguments for the primitives of an instruction set header, and what numpy makes of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgelstm.codegen.layouts import LAYOUTS, ROW_GROUP, WIDE_LAYOUTS, Layout
from edgelstm.codegen.weights import PackedWeights, pack
from edgelstm.ir import IntArray, Matrix
from edgelstm.numerics.fixedpoint import Int64Array, Multiplier, requantize, saturate8, saturate16

WIDTHS = (1, 4, 6, 8, 11, 12, 16, 20, 24, 28, 31, 32, 36, 44, 60, 64, 65, 80, 128, 140)
"""Numbers of columns: every way in which a column block is put together, some not whole."""

LARGEST_PRODUCT = 127 * 128
SUM_LIMIT = LAYOUTS["armv7em"][0].sum_limit

WIDE = " wide"
"""Ending of an instruction set's name where its wide layouts are meant."""


def layouts_of(isa: str) -> tuple[Layout, ...]:
    return WIDE_LAYOUTS[isa.removesuffix(WIDE)] if isa.endswith(WIDE) else LAYOUTS[isa]


@dataclass(frozen=True, eq=False)
class KernelCase:
    """A matrix times values.

    Attributes:
        name: for people.
        values: int8 (columns,).
        matrix: what is packed.
        packed: for the instruction set.
    """

    name: str
    values: IntArray
    matrix: Matrix
    packed: PackedWeights

    @property
    def sums(self) -> Int64Array:
        products: Int64Array = self.matrix.weights.astype(np.int64) @ self.values.astype(np.int64)
        return products + self.matrix.bias

    def scaled(self) -> Int64Array:
        """The grouped rows' sums, each times the multiplier of its place among the 4."""
        sums = self.sums[: self.packed.grouped_rows].reshape(-1, ROW_GROUP)
        columns = [requantize(sums[:, gate], m) for gate, m in enumerate(self.matrix.multipliers)]
        return np.stack(columns, axis=1).ravel()


def bounds_of(isa: str) -> Mapping[int, tuple[Layout, Layout]]:
    """The largest sums that layouts hold, and the fastest layouts for one less and for these."""
    layouts = layouts_of(isa)
    limits = sorted({layout.sum_limit for layout in layouts})[:-1]
    return {limit: (_fastest(layouts, limit - 1), _fastest(layouts, limit)) for limit in limits}


def _fastest(layouts: Sequence[Layout], largest: int) -> Layout:
    return next(layout for layout in layouts if largest < layout.sum_limit)


def kernel_cases(isa: str, widths: Sequence[int] = WIDTHS) -> Iterator[KernelCase]:
    """Random and extreme matrices of each width; then the largest sums that the fast layouts hold, and one more."""
    bounds = bounds_of(isa)
    for limit in {*bounds, SUM_LIMIT}:
        for seed, columns in enumerate(widths):
            if 2 * LARGEST_PRODUCT * columns < limit:
                yield _random_case(isa, seed, columns, limit)
                yield _extreme_case(isa, seed, columns, limit)
    for limit in bounds:
        columns = (limit - 1) // LARGEST_PRODUCT
        for name, largest in (("at the bound", limit - 1), ("past the bound", limit)):
            for sign in (-1, 1):
                yield _bound_case(isa, f"{name}, sign {sign}", columns, sign, largest)


def _random_case(isa: str, seed: int, columns: int, limit: int) -> KernelCase:
    """Sums below the limit, of all magnitudes and both signs, by the biases; powers of two as multipliers make ties."""
    rng = np.random.default_rng([1, seed])
    rows = 24 + seed % 5
    weights = rng.integers(-127, 128, (rows, columns))
    values = rng.integers(-128, 128, columns)
    room = limit - 1 - 2 * LARGEST_PRODUCT * columns
    sums = np.rint(room * 2.0 ** -rng.uniform(0, 23, rows)).astype(np.int64) * rng.choice([-1, 1], rows)
    sums[:4] = (0, -1, 2, -6)
    shifts = (0, *rng.integers(-12, 0, 2), -24) if seed % 2 else rng.integers(-8, 0, 4)
    multipliers = tuple(_multiplier(rng, int(shift)) for shift in shifts)
    return _case(isa, f"random, {columns} columns", weights, values, sums - weights @ values, multipliers)


def _extreme_case(isa: str, seed: int, columns: int, limit: int) -> KernelCase:
    """Whole rows of +-127, mixed rows, and values of -128 and 127; shifts as far left as the sums allow."""
    rng = np.random.default_rng([2, seed])
    weights = rng.choice([-127, 127], (9, columns))
    weights[0], weights[1], weights[2], weights[3], weights[4] = 127, -127, -127, 127, 0
    values = np.full(columns, -128) if seed % 2 else rng.choice([-128, 127], columns)
    room = (limit - 1) // (LARGEST_PRODUCT * columns + 1)
    left = max(room.bit_length() - 1, 0)
    multipliers = tuple(_multiplier(rng, shift) for shift in (left, left // 2, 0, -1))
    return _case(isa, f"extreme, {columns} columns", weights, values, np.arange(9) % 2, multipliers)


def _bound_case(isa: str, name: str, columns: int, sign: int, largest: int) -> KernelCase:
    weights = np.tile(np.array([[127], [-127], [127], [-127]]) * -sign, (1, columns))
    weights[2] = 0
    bias = np.array([1, -1, 0, -1]) * sign * (largest - columns * LARGEST_PRODUCT)
    multipliers = tuple(Multiplier(mantissa, -10) for mantissa in (2**31 - 128, 2**31 - 128, 2**30, 2**30))
    return _case(isa, name, weights, np.full(columns, -128), bias, multipliers)


def _multiplier(rng: np.random.Generator, shift: int) -> Multiplier:
    mantissas = (2**23, 2**24 - 1, 2**23 + 1, *rng.integers(2**23, 2**24, 3))
    return Multiplier(int(rng.choice(mantissas)) * 128, shift)


def _case(
    isa: str,
    name: str,
    weights: Int64Array,
    values: Int64Array,
    bias: Int64Array,
    multipliers: tuple[Multiplier, ...],
) -> KernelCase:
    matrix = Matrix(weights.astype(np.int8), bias.astype(np.int64), multipliers)
    return KernelCase(name, values.astype(np.int8), matrix, pack([matrix], layouts_of(isa), fused=True))


def gate_sums(case: KernelCase, bits: int) -> tuple[Int64Array, Int64Array]:
    """What el_gates leaves in z, of so many bits, and what el_gates_add of the same matrix makes of that."""
    scaled = case.scaled()
    first = saturate16(scaled) if bits == 16 else scaled
    return first, first + scaled


def saturation_rows() -> Int64Array:
    """Rows (value, saturate8, saturate16)."""
    rng = np.random.default_rng(3)
    near = np.concatenate(
        [limit + np.arange(-3, 4) for limit in (-(2**31) + 3, -32768, -128, 0, 127, 32767, 2**31 - 4)]
    )
    values = np.concatenate([near, rng.integers(-(2**31), 2**31, 200), rng.integers(-70000, 70000, 400)])
    return np.column_stack([values, saturate8(values), saturate16(values)])


def requantize8_cases() -> Iterator[tuple[Multiplier, int, Int64Array]]:
    """Multiplier, zero point and rows (value, result): all shifts, ties, ends of the ranges."""
    rng = np.random.default_rng(4)
    for shift in range(0, -32, -1):
        for mantissa in (2**30, 2**31 - 128, int(rng.integers(2**30, 2**31))):
            multiplier, zero_point = Multiplier(mantissa, shift), int(rng.choice([-128, -1, 0, 7, 127]))
            values = np.floor(2.0 ** rng.uniform(0, 30, 12)).astype(np.int64)
            ties = (2 * rng.integers(-128, 128, 6) + 1) << min(-shift, 22)
            values = np.concatenate([values, -values, ties, [0, 1, -1, 2**30 - 1, 1 - 2**30]])
            results = saturate8(requantize(values, multiplier) + zero_point)
            yield multiplier, zero_point, np.column_stack([values, results])


def product_rows() -> Int64Array:
    """Rows (a, b, shift, a * b / 2^shift half away from zero)."""
    rng = np.random.default_rng(5)
    a = np.concatenate([rng.integers(0, 32768, 800), [0, 1, 32767, 32767, 16384, 16384]])
    b = np.concatenate([rng.integers(-32768, 32768, 800), [-5, -1, 32767, -32768, -3, 3]])
    shift = rng.integers(1, 31, len(a))
    shift[-6:] = 15
    product = np.abs(a * b)
    rounded = np.sign(b) * ((product + (1 << (shift - 1))) >> shift)
    return np.column_stack([a, b, shift, rounded])
