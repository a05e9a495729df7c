"""1 / sqrt(w): every mantissa, and words of every length."""

import math

import numpy as np
import pytest

from edgelstm.numerics.reciprocal_root import even_mantissa, inverse_root, reciprocal_root

LARGEST_ERROR = 2.0**-23.9
"""As docs/numerics.md says, relative."""


@pytest.mark.parametrize("first", range(2**22, 2**24, 3 * 2**20))
def test_every_mantissa_is_within_the_bound(first: int) -> None:
    mantissas = np.arange(first, first + 3 * 2**20)
    found = reciprocal_root(mantissas)
    errors = found * 2.0**-29 * np.sqrt(mantissas * 2.0**-24) - 1.0
    assert float(np.abs(errors).max()) < LARGEST_ERROR
    assert (found.min(), found.max()) >= (2**29 - 64, 0)
    assert found.max() < 2**30


def test_mantissa_and_zeros_make_the_word() -> None:
    rng = np.random.default_rng(1)
    random = [int(2.0**exponent) for exponent in rng.uniform(0, 63, 2000)]
    words = [*range(1, 300), *(1 << k for k in range(63)), *((1 << k) - 1 for k in range(1, 64)), *random]
    mantissas, half_zeros = even_mantissa(np.array(words))
    for word, mantissa, half in zip(words, mantissas.tolist(), half_zeros.tolist(), strict=True):
        zeros = 64 - word.bit_length()
        assert half == zeros // 2
        assert mantissa == (word << 2 * half) >> 40
        assert 2**22 <= mantissa < 2**24


def test_the_root_of_a_word() -> None:
    words = np.array([1, 2, 3, 4, 65536, 10**9, 2**40 + 1, 2**62, 2**63 - 1])
    root = inverse_root(words)
    for word, mantissa, half in zip(words.tolist(), root.mantissa.tolist(), root.half_zeros.tolist(), strict=True):
        assert math.ldexp(mantissa, half - 61) == pytest.approx(1 / math.sqrt(word), rel=2.0**-22.3)
