"""Combs and products of powers against plain `pow`, exhaustively at toy size."""

import pytest
from gmpy2 import mpz

from privcredit.crypto.comb import Comb, product_of_powers
from privcredit.crypto.randomness import bits
from privcredit.errors import UsageError
from support.seeded import SeededRandomness

MODULUS = mpz(1000003 * 999983)


@pytest.mark.parametrize("teeth", range(1, 6))
@pytest.mark.parametrize("tables", range(1, 4))
@pytest.mark.parametrize("width", [1, 2, 7, 9])
def test_comb_every_exponent(teeth: int, tables: int, width: int) -> None:
    comb = Comb(7, MODULUS, width, teeth, tables)
    assert [comb.power(e) for e in range(1 << width)] == [pow(7, e, MODULUS) for e in range(1 << width)]


@pytest.mark.parametrize("shape", [(8, 2), (10, 4), (12, 1)])
def test_comb_long_exponents(shape: tuple[int, int]) -> None:
    randomness = SeededRandomness("comb")
    comb = Comb(12345, MODULUS, 700, *shape)
    for exponent in [0, 1, (1 << 700) - 1, 1 << 699, *(bits(randomness, 700) for _ in range(20))]:
        assert comb.power(exponent) == pow(12345, exponent, MODULUS)


def test_w5_comb_refuses_longer_exponents() -> None:
    comb = Comb(7, MODULUS, 16)
    for exponent in (-1, 1 << 16, 1 << 1_000_000):
        with pytest.raises(UsageError):
            comb.power(exponent)


@pytest.mark.parametrize("shape", [(0, 1), (13, 1), (4, 0)])
def test_comb_shape(shape: tuple[int, int]) -> None:
    with pytest.raises(UsageError):
        Comb(7, MODULUS, 16, *shape)
    with pytest.raises(UsageError):
        Comb(7, MODULUS, 0)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 10, 200])
@pytest.mark.parametrize("width", [1, 8, 128])
def test_product_of_powers(count: int, width: int) -> None:
    randomness = SeededRandomness(f"product {count} {width}")
    bases = [mpz(bits(randomness, 39)) for _ in range(count)]
    exponents = [bits(randomness, width) for _ in range(count)]
    expected = mpz(1)
    for base, exponent in zip(bases, exponents, strict=True):
        expected = expected * pow(base, exponent, MODULUS) % MODULUS
    assert product_of_powers(bases, exponents, MODULUS, width) == expected


def test_product_of_powers_every_pair() -> None:
    for first in range(16):
        for second in range(16):
            assert product_of_powers([mpz(3), mpz(5)], [first, second], MODULUS, 4) == 3**first * 5**second % MODULUS


def test_product_of_powers_refuses() -> None:
    with pytest.raises(UsageError):
        product_of_powers([mpz(3)], [1, 2], MODULUS, 4)
    for exponent in (-1, 16):
        with pytest.raises(UsageError):
            product_of_powers([mpz(3)], [exponent], MODULUS, 4)
