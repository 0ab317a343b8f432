"""Products of powers against plain `pow`, exhaustively at toy size."""

import pytest
from gmpy2 import mpz

from privcredit.crypto.products import product_of_powers
from privcredit.crypto.randomness import bits
from privcredit.errors import UsageError
from support.seeded import SeededRandomness

MODULUS = mpz(1000003 * 999983)


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
