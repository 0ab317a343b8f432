"""Powers of a base for public exponents, most of the work done ahead (Lim, Lee, CRYPTO 1994), and products of powers.

Two tools of verification. `Comb` turns one exponentiation into a preparation of the same cost and a remainder of about
a fifth. `product_of_powers` raises many bases to short exponents at once (Pippenger's buckets).
Times and memory accesses depend on the exponents: public ones only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gmpy2 import mpz

from privcredit.crypto.integers import powmod_public
from privcredit.errors import UsageError

MAX_TEETH = 12
"""A table has 2^teeth residues; 2^12 of 768 bytes are 3 MB, and more no longer pays."""

MAX_BUCKET_BITS = 14
"""Buckets of 2^14 residues serve batches of a million; more would only take memory."""


class Comb:
    """The powers of one base: `tables` tables of 2^teeth residues.

    The exponent is cut into teeth * tables segments of `span` bits; one power costs span squarings and span * tables
    multiplications. Preparing costs one exponentiation of full length and tables * 2^teeth multiplications.
    """

    __slots__ = ("_modulus", "_span", "_tables", "_teeth", "exponent_bits")

    def __init__(self, base: int, modulus: int, exponent_bits: int, teeth: int = 8, tables: int = 2) -> None:
        """Prepare `base` for exponents of at most `exponent_bits` bits; raises UsageError for an impossible shape."""
        if not 1 <= teeth <= MAX_TEETH or tables < 1 or exponent_bits < 1:
            raise UsageError(f"A comb takes 1 to {MAX_TEETH} teeth, at least one table and one bit of exponent.")
        self.exponent_bits = exponent_bits
        self._modulus = mpz(modulus)
        self._teeth = teeth
        self._span = -(-exponent_bits // (teeth * tables))
        bases = list(_shifted(mpz(base), self._modulus, self._span, teeth * tables))
        self._tables = [_subset_products(bases[table::tables], self._modulus) for table in range(tables)]

    def power(self, exponent: int) -> mpz:
        """Return base^exponent mod modulus for 0 <= exponent < 2^exponent_bits; raises UsageError outside."""
        if exponent < 0 or exponent.bit_length() > self.exponent_bits:
            raise UsageError(f"An exponent is outside this comb; it takes 0 to {self.exponent_bits} bits.")
        modulus, result = self._modulus, mpz(1)
        for column in self._columns(exponent):
            result = result * result % modulus
            for table, index in zip(self._tables, column, strict=True):
                if index:
                    result = result * table[index] % modulus
        return result % modulus

    def _columns(self, exponent: int) -> Iterator[tuple[int, ...]]:
        """Yield for each bit position of a segment, highest first, the index into every table."""
        tables = len(self._tables)
        length = self._span * self._teeth * tables
        digits = format(int(exponent), f"0{length}b")
        segments = [digits[start : start + self._span] for start in range(0, length, self._span)][::-1]
        by_table = [list(zip(*segments[table::tables][::-1], strict=True)) for table in range(tables)]
        return zip(*([int("".join(bits), 2) for bits in columns] for columns in by_table), strict=True)


def _shifted(base: mpz, modulus: mpz, span: int, count: int) -> Iterator[mpz]:
    """Yield base^(2^(span i)) for i below `count`."""
    step = mpz(1) << span
    for _ in range(count - 1):
        yield base
        base = powmod_public(base, step, modulus)
    yield base


def _subset_products(bases: Sequence[mpz], modulus: mpz) -> list[mpz]:
    """Return the product of the bases selected by the bits of each index; bit i selects bases[i]."""
    products = [mpz(1)]
    for base in bases:
        products += [product * base % modulus for product in products]
    return products


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
