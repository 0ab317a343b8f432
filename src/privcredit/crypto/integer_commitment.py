"""Commitments to integers, not residues (protocols/paillier/spec.md, section 6.1).

Fujisaki, Okamoto 1997; Damgard, Fujisaki 2002: C = G^m H^t mod n, in a group whose order nobody knows. Paillier's
plaintexts live in a group of known order n, where 1/2 is a residue like any other; here a fraction has no opening.
"""

from __future__ import annotations

import gmpy2
from gmpy2 import mpz

from privcredit.crypto.fixed_base import FixedBase
from privcredit.crypto.integers import powmod_public, powmod_secret
from privcredit.crypto.paillier_public import InvalidKeyError, PublicKey
from privcredit.crypto.transcript import expand, int_bytes

MESSAGE_BASE_DOMAIN = "privcredit integer commitment G"
BLINDER_BASE_DOMAIN = "privcredit integer commitment H"

BASE_SURPLUS_BYTES = 32
"""Hashing 256 bits more than n has makes the residue uniform within 2^-256."""


MESSAGE_TABLE_BITS = 320
"""A single question's score has at most 20 bits, its response 193 more; wider messages go without a table."""


class CommitmentKey:
    """Two squares G and H modulo n, hashed from n so that nobody knows a relation between them."""

    __slots__ = ("_blinder_table", "_message_table", "_shifts", "blinder_base", "key", "message_base")

    def __init__(self, key: PublicKey, blinder_bits: int, *, window: int, table: bool) -> None:
        """Derive the bases; `table` tabulates both, H for exponents of `blinder_bits` bits."""
        self.key = key
        self.message_base = _square(key.n, MESSAGE_BASE_DOMAIN)
        self.blinder_base = _square(key.n, BLINDER_BASE_DOMAIN)
        self._message_table = FixedBase(self.message_base, key.n, MESSAGE_TABLE_BITS, window) if table else None
        self._blinder_table = FixedBase(self.blinder_base, key.n, blinder_bits, window) if table else None
        self._shifts: dict[int, mpz] = {}

    def conceal(self, message: int, message_bits: int, blinder: int) -> mpz:
        """Return G^message H^blinder mod n for a secret message in [0, 2^message_bits); the same as `commit`.

        A message may be the same in many commitments, so its power takes no table (spec.md 2.3), and it is raised by
        2^message_bits first, so that 0 takes as long as any other. The random blinder is used once.
        """
        lifted = powmod_secret(self.message_base, message + (1 << message_bits), self.key.n)
        hidden = lifted * self._shift(message_bits) % self.key.n
        return hidden * self._power(self._blinder_table, self.blinder_base, blinder) % self.key.n

    def commit(self, message: int, blinder: int) -> mpz:
        """Return G^message H^blinder mod n for exponents >= 0 that are public, or random and used once."""
        hidden = self._power(self._message_table, self.message_base, message)
        return hidden * self._power(self._blinder_table, self.blinder_base, blinder) % self.key.n

    def _shift(self, message_bits: int) -> mpz:
        """Return G^(-2^message_bits) mod n; few widths occur."""
        if message_bits not in self._shifts:
            self._shifts[message_bits] = powmod_public(self.message_base, -(1 << message_bits), self.key.n)
        return self._shifts[message_bits]

    def _power(self, table: FixedBase | None, base: mpz, exponent: int) -> mpz:
        if table is not None and exponent.bit_length() <= table.exponent_bits:
            return table.power(exponent)
        return powmod_secret(base, exponent, self.key.n)


def _square(n: mpz, domain: str) -> mpz:
    length = (n.bit_length() + 7) // 8
    root = mpz.from_bytes(expand(domain, int_bytes(n, length), length=length + BASE_SURPLUS_BYTES), "big") % n
    if gmpy2.gcd(root, n) != 1:  # probability about 2^-1000 for a production modulus
        raise InvalidKeyError("A Paillier modulus has a factor that hashing finds; make another key.")
    return root * root % n
