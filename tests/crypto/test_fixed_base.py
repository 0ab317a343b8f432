"""Power tables against pow."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from privcredit.crypto.fixed_base import FixedBase
from privcredit.errors import UsageError


@pytest.mark.parametrize("window", [1, 2, 3, 5, 8, 12])
@pytest.mark.parametrize("span", [1, 2, 3, 4, 9, 16])
def test_every_exponent_of_a_small_table(window: int, span: int) -> None:
    table = FixedBase(7, 1019, 9, window, span)
    assert [table.power(exponent) for exponent in range(512)] == [pow(7, exponent, 1019) for exponent in range(512)]


SHAPES = st.tuples(st.integers(1, 6), st.integers(1, 20))


@settings(max_examples=30, deadline=None)
@given(base=st.integers(2), modulus=st.integers(3), exponent=st.integers(0, 2**70 - 1), shape=SHAPES)
def test_large_numbers(base: int, modulus: int, exponent: int, shape: tuple[int, int]) -> None:
    assert FixedBase(base, modulus, 70, *shape).power(exponent) == pow(base, exponent, modulus)


@pytest.mark.parametrize(
    "exponent", [-1, 1 << 9, 1 << 1_000_000], ids=["negative", "one bit too long", "a million bits"]
)
def test_w5_exponent_outside_the_table_is_refused(exponent: int) -> None:
    with pytest.raises(UsageError, match="outside this power table"):
        FixedBase(7, 1019, 9).power(exponent)


@pytest.mark.parametrize(("bits", "window", "span"), [(0, 8, 1), (9, 0, 1), (9, 13, 1), (9, 8, 0)])
def test_impossible_table_is_refused(bits: int, window: int, span: int) -> None:
    with pytest.raises(UsageError, match="power table"):
        FixedBase(7, 1019, bits, window, span)


def test_memory_is_stated() -> None:
    small, large = (FixedBase(7, (1 << 512) - 569, 64, window, 1).memory_bytes for window in (4, 8))
    assert 16 * 16 * 64 < small < large
    assert 8 * 256 * 64 < large < 8 * 256 * 128
    assert FixedBase(7, (1 << 512) - 569, 64, 8, 4).memory_bytes < large // 3


def test_h4_every_exponent_takes_the_same_multiplications() -> None:
    table = FixedBase(7, (1 << 512) - 569, 64, 4, 4)  # 16 rows of 4 bits, 4 tables
    for exponent in (0, 1, 1 << 63, (1 << 64) - 1):
        assert [len(column) for column in table._columns(exponent)] == [4] * 4
