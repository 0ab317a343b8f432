"""Products of powers of many bases with short exponents (Pippenger's buckets): how batches of proofs are verified.

Times and memory accesses depend on the exponents: public ones only.
"""

from __future__ import annotations

from collections.abc import Sequence

from gmpy2 import mpz

from privcredit.crypto.integers import powmod_public
from privcredit.errors import UsageError

MAX_BUCKET_BITS = 14
"""Buckets of 2^14 residues serve batches of a million; more would only take memory."""


def product_of_powers(bases: Sequence[mpz], exponents: Sequence[int], modulus: mpz, exponent_bits: int) -> mpz:
    """Return the product of bases[j]^exponents[j] mod modulus, 0 <= exponents[j] < 2^exponent_bits; 1 for no bases.

    The window is taken from the high end; within one, bases with the same digit are multiplied into one bucket.
    Raises UsageError for unequal lengths or an exponent out of range.
    """
    if len(bases) != len(exponents):
        raise UsageError("A product of powers needs as many exponents as bases.")
    if any(exponent < 0 or exponent.bit_length() > exponent_bits for exponent in exponents):
        raise UsageError(f"A product of powers takes exponents of 0 to {exponent_bits} bits.")
    width = _bucket_bits(len(bases), exponent_bits)
    mask, result = (1 << width) - 1, mpz(1)
    for shift in reversed(range(0, exponent_bits, width)):
        result = powmod_public(result, 1 << width, modulus)
        digits = [exponent >> shift & mask for exponent in exponents]
        result = result * _bucket_product(bases, digits, width, modulus) % modulus
    return result % modulus


def _bucket_bits(count: int, exponent_bits: int) -> int:
    """Return the window that needs the fewest multiplications."""
    return min(
        range(1, MAX_BUCKET_BITS + 1),
        key=lambda width: -(-exponent_bits // width) * (count + width + (2 << width)),
    )


def _bucket_product(bases: Sequence[mpz], digits: Sequence[int], width: int, modulus: mpz) -> mpz:
    """Return the product of bases[j]^digits[j] for digits below 2^width; running products count bucket b b times."""
    buckets = [mpz(1)] * (1 << width)
    for base, digit in zip(bases, digits, strict=True):
        buckets[digit] = buckets[digit] * base % modulus
    running = total = mpz(1)
    for bucket in reversed(buckets[1:]):
        running = running * bucket % modulus
        total = total * running % modulus
    return total
