"""Paillier decryption by a single key holder (protocols/paillier/spec.md, section 4).

For tests, the zoo and the dealer. In production nobody holds this key: see `threshold`.
"""

from __future__ import annotations

from collections.abc import Callable

import gmpy2
from gmpy2 import mpz

from privcredit.crypto.integers import powmod_secret
from privcredit.crypto.paillier_public import MINIMUM_BITS, Ciphertext, InvalidKeyError, PublicKey
from privcredit.crypto.primes import safe_prime
from privcredit.crypto.randomness import Randomness
from privcredit.errors import UsageError


class PrivateKey:
    """The factors of n. Secret; has no encoder, and its repr names the public key only."""

    __slots__ = ("_halves", "_p", "_q", "_q_inverse", "key")

    def __init__(self, p: int, q: int, *, minimum_bits: int = MINIMUM_BITS) -> None:
        """Take two different primes. Raises InvalidKeyError unless n decrypts uniquely: gcd(n, (p-1)(q-1)) = 1."""
        self._p, self._q = mpz(p), mpz(q)
        if self._p == self._q or not (gmpy2.is_prime(self._p) and gmpy2.is_prime(self._q)):
            raise InvalidKeyError("A Paillier private key needs two different primes; make another key.")
        if gmpy2.gcd(self._p * self._q, (self._p - 1) * (self._q - 1)) != 1:
            raise InvalidKeyError("A Paillier private key has one prime dividing the other less one; make another key.")
        self.key = PublicKey.from_modulus(int(self._p * self._q), minimum_bits=minimum_bits)
        self._halves = (_Half(self._p, self.key.n), _Half(self._q, self.key.n))
        self._q_inverse = gmpy2.invert(self._q, self._p)

    @classmethod
    def generate(
        cls,
        bits: int,
        randomness: Randomness,
        *,
        progress: Callable[[int], None] | None = None,
        minimum_bits: int = MINIMUM_BITS,
    ) -> PrivateKey:
        """Return a key with |n| = `bits` (even) from two safe primes; takes seconds, so `progress` hears each test."""
        if bits < minimum_bits or bits % 2:
            raise UsageError(f"A Paillier key of {bits} bits is not made; ask for an even number from {minimum_bits}.")
        p = safe_prime(bits // 2, randomness, progress)
        q = safe_prime(bits // 2, randomness, progress)
        return cls(p, q, minimum_bits=minimum_bits)

    def __repr__(self) -> str:
        return f"<PrivateKey of {self.key!r}, redacted>"

    @property
    def primes(self) -> tuple[int, int]:
        """The secret factors of n, for the dealer and for export to phe."""
        return int(self._p), int(self._q)

    def decrypt(self, ciphertext: Ciphertext) -> int:
        """Return the plaintext in [0, n). Two half-size secret powers (CRT). Raises UsageError for another key's."""
        if ciphertext.key != self.key:
            raise UsageError("A ciphertext is under another key; decrypt it with the key that it was made for.")
        residue_p, residue_q = (half.decrypt(ciphertext.value) for half in self._halves)
        return int(residue_q + (residue_p - residue_q) * self._q_inverse % self._p * self._q)

    def decrypt_signed(self, ciphertext: Ciphertext) -> int:
        """Return the plaintext in (-n/2, n/2): what exceeds n/2 stands for a negative number."""
        plaintext = self.decrypt(ciphertext)
        return plaintext - int(self.key.n) if plaintext > self.key.n // 2 else plaintext


class _Half:
    """Decryption modulo one prime: L(c^(p-1) mod p^2) / L((1+n)^(p-1) mod p^2) mod p, L(x) = (x - 1) / p."""

    __slots__ = ("_inverse", "_prime", "_square")

    def __init__(self, prime: mpz, n: mpz) -> None:
        self._prime = prime
        self._square = prime * prime
        self._inverse = gmpy2.invert(self._logarithm(1 + n), prime)

    def decrypt(self, value: mpz) -> mpz:
        return self._logarithm(value) * self._inverse % self._prime

    def _logarithm(self, value: mpz) -> mpz:
        power = powmod_secret(value % self._square, self._prime - 1, self._square)
        return (power - 1) // self._prime
