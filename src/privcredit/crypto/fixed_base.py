"""Powers of one fixed base through tables: a handful of squarings, one multiplication for each digit of the exponent.

Lim, Lee, CRYPTO 1994. The exponent's bits stand in rows of `span` bits; `window` rows are one table, which holds the
product of every choice among them, and a digit is one column of its rows. Without squarings (span 1, Brickell, Gordon,
McCurley, Wilson 1992) the same speed takes many times the memory and as many times longer to prepare.

The tables are read at positions that are digits of the exponent: a stated exception to constant-time access, for
exponents that are used once. The amount of work is the same for every exponent: a digit 0 multiplies by 1 + modulus, as
long as any other entry, and not by 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from gmpy2 import mpz

from privcredit.crypto.integers import powmod_public
from privcredit.errors import UsageError

MAX_WINDOW = 12
"""Tables of 2^12 residues of 1536 bytes are 6 MB each; more is a typing error."""

DEFAULT_WINDOW = 10
DEFAULT_SPAN = 16
"""Measured for 1729 bits modulo 6144 (benchmarks/bench_paillier.py): 191 multiplications from 11 tables, 9 MB in all.
Window 8 without squarings takes 217 from 45 MB."""


class FixedBase:
    """The products of base^(2^(span i)) over every choice among each `window` consecutive i.

    Memory: ceil(exponent_bits / (window span)) tables of 2^window residues. Building them takes as many multiplications
    and exponent_bits squarings; one power takes `span` multiplications a table and span - 1 squarings.
    """

    __slots__ = ("_modulus", "_rows", "_span", "_weights", "exponent_bits")

    def __init__(
        self, base: int, modulus: int, exponent_bits: int, window: int = DEFAULT_WINDOW, span: int = DEFAULT_SPAN
    ) -> None:
        """Tabulate `base` for exponents of at most `exponent_bits` bits.

        Raises UsageError for a window outside 1 to 12, an exponent of no bits or a span below 1.
        """
        if not 1 <= window <= MAX_WINDOW or exponent_bits < 1 or span < 1:
            raise UsageError(
                f"A power table takes a window of 1 to {MAX_WINDOW} bits, a span and an exponent of at least one bit."
            )
        self.exponent_bits = exponent_bits
        self._modulus = mpz(modulus)
        self._span = span
        self._weights = (1 << np.arange(window)).astype(np.int32)
        count = -(-exponent_bits // (window * span))
        bases = _shifted(mpz(base) % self._modulus, self._modulus, span, count * window)
        self._rows = [_products(bases[at : at + window], self._modulus) for at in range(0, len(bases), window)]

    def power(self, exponent: int) -> mpz:
        """Return base^exponent mod modulus for 0 <= exponent < 2^exponent_bits; raises UsageError outside."""
        if exponent < 0 or exponent.bit_length() > self.exponent_bits:
            raise UsageError(f"An exponent is outside this power table; it takes 0 to {self.exponent_bits} bits.")
        modulus, rows, result = self._modulus, self._rows, mpz(1)
        for column in self._columns(exponent):
            result = result * result % modulus
            for row, digit in zip(rows, column, strict=True):
                result = result * row[digit] % modulus
        return result

    def _columns(self, exponent: int) -> list[list[int]]:
        """Return the digits that index the tables, highest column first."""
        count, window = len(self._rows), self._weights.size
        width = count * window * self._span
        data = np.frombuffer(int(exponent).to_bytes(-(-width // 8), "little"), dtype=np.uint8)
        bits = np.unpackbits(data, count=width, bitorder="little").reshape(count, window, self._span)
        columns: list[list[int]] = np.einsum("w,cws->sc", self._weights, bits)[::-1].tolist()
        return columns

    @property
    def memory_bytes(self) -> int:
        """What the residues take in memory, without Python's list slots."""
        return sum(entry.__sizeof__() for row in self._rows for entry in row)


def _shifted(base: mpz, modulus: mpz, span: int, count: int) -> list[mpz]:
    """Return base^(2^(span i)) for i below `count`."""
    bases = [base]
    while len(bases) < count:
        bases.append(powmod_public(bases[-1], 1 << span, modulus))
    return bases


def _products(bases: Sequence[mpz], modulus: mpz) -> list[mpz]:
    """Return the product of the bases selected by the bits of each index; bit i selects bases[i]."""
    products = [1 + modulus]
    for base in bases:
        products += [product * base % modulus for product in products]
    return products
