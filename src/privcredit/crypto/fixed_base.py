"""Powers of one fixed base through a table: one multiplication for each window of the exponent, no squaring.

Brickell, Gordon, McCurley, Wilson 1992, with all digits of a window tabulated. The table is read at positions that are
digits of the exponent: a stated exception to constant-time access, for exponents that are used once. The amount of work
is the same for every exponent: a digit 0 multiplies by 1 + modulus, as long as any other entry, and not by 1.
"""

from gmpy2 import mpz

from privcredit.errors import UsageError

MAX_WINDOW = 12
"""A window of 12 already takes 0.2 GB at 2048 bits; more is a typing error."""


class FixedBase:
    """The powers base^(d 2^(w i)) mod modulus for every digit d and every window i.

    Memory: ceil(exponent_bits / window) 2^window residues. Building it takes as many multiplications.
    """

    __slots__ = ("_mask", "_modulus", "_rows", "_window", "exponent_bits")

    def __init__(self, base: int, modulus: int, exponent_bits: int, window: int = 8) -> None:
        """Tabulate `base` for exponents of at most `exponent_bits` bits, `window` bits a digit.

        Raises UsageError for a window outside 1 to 12 or an exponent of no bits.
        """
        if not 1 <= window <= MAX_WINDOW or exponent_bits < 1:
            raise UsageError(
                f"A power table takes a window of 1 to {MAX_WINDOW} bits and an exponent of at least one bit."
            )
        self.exponent_bits = exponent_bits
        self._window = window
        self._mask = (1 << window) - 1
        self._modulus = mpz(modulus)
        self._rows = _rows(mpz(base), self._modulus, -(-exponent_bits // window), window)

    def power(self, exponent: int) -> mpz:
        """Return base^exponent mod modulus for 0 <= exponent < 2^exponent_bits; raises UsageError outside."""
        if exponent < 0 or exponent.bit_length() > self.exponent_bits:
            raise UsageError(f"An exponent is outside this power table; it takes 0 to {self.exponent_bits} bits.")
        remaining, modulus, mask, window = int(exponent), self._modulus, self._mask, self._window
        result = mpz(1)
        for row in self._rows:
            result = result * row[remaining & mask] % modulus
            remaining >>= window
        return result

    @property
    def memory_bytes(self) -> int:
        """What the residues take in memory, without Python's list slots."""
        return sum(entry.__sizeof__() for row in self._rows for entry in row)


def _rows(base: mpz, modulus: mpz, count: int, window: int) -> list[list[mpz]]:
    rows = []
    for _ in range(count):
        row = [1 + modulus]
        for _ in range((1 << window) - 1):
            row.append(row[-1] * base % modulus)
        rows.append(row)
        base = row[-1] * base % modulus
    return rows
