"""Proof that a modulus is a Paillier-Blum modulus (protocols/threshold-paillier/spec.md, section 5.2).

Canetti, Gennaro, Goldfeder, Makriyannis, Peled 2021 (eprint 2021/060, figure 16), non-interactive, with w derived
instead of chosen: n = p q with p = q = 3 mod 4 and gcd(n, (p-1)(q-1)) = 1. It does not prove that p and q are safe
primes, nor that they are large; the checks of `check_modulus` add that n has no factor below 2^16.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import count, islice

import gmpy2
from gmpy2 import mpz

from privcredit.crypto.integers import powmod_public, powmod_secret
from privcredit.crypto.paillier import MINIMUM_BITS
from privcredit.crypto.paillier_public import MAXIMUM_BITS
from privcredit.crypto.transcript import expand, int_bytes
from privcredit.errors import InvalidProofError, UsageError

ROUNDS = 128
"""A modulus of another shape passes one round with probability at most 1/2."""

SMALL_FACTOR_BITS = 16
"""No factor below 2^16; toy moduli in tests are searched up to the square root of their smaller prime."""

BASE_DOMAIN = "privcredit modulus proof base"
ROUND_DOMAIN = "privcredit modulus proof round"

SURPLUS_BYTES = 32
"""Hashing 256 bits more than n has makes a residue uniform within 2^-256."""

MAX_ATTEMPTS = 256
"""Half of all residues qualify; 256 failures mean that n is a square, which `check_modulus` refuses anyway."""

VERIFY = "verify modulus proof"

Progress = Callable[[str, int, int], None]
"""Called with a step's name, how much of it is done, and the total (0: unknown)."""


@dataclass(frozen=True, slots=True)
class Round:
    """x^4 = (-1)^negate w^twist y mod n and z^n = y mod n, for the y of this round."""

    negate: int
    twist: int
    x: mpz
    z: mpz


@dataclass(frozen=True, slots=True)
class ModulusProof:
    """128 rounds; 98 kB at 3072 bits. Public."""

    rounds: tuple[Round, ...]

    def to_bytes(self, n: int) -> bytes:
        """Return the rounds one after the other: one byte negate + 2 twist, then x and z at the length of n."""
        size = _size(n)
        return b"".join(
            bytes([item.negate | item.twist << 1]) + int_bytes(item.x, size) + int_bytes(item.z, size)
            for item in self.rounds
        )

    @classmethod
    def from_bytes(cls, data: bytes, n: int, culprit: str) -> ModulusProof:
        """Return the received proof; raises InvalidProofError naming `culprit` for another length or bad flags."""
        size = _size(n)
        width = 1 + 2 * size
        if len(data) != ROUNDS * width:
            raise InvalidProofError(culprit, VERIFY, f"a modulus proof has not exactly {ROUNDS} rounds")
        return cls(tuple(_round(data[start : start + width], size, culprit) for start in range(0, len(data), width)))


def prove_modulus(p: int, q: int, context: bytes, progress: Progress | None = None) -> ModulusProof:
    """Return the proof for n = p q; run by whoever holds the factors. Deterministic: no randomness to get wrong.

    Four constant-time exponentiations modulo p or q a round. Raises UsageError unless p = q = 3 mod 4 and p != q.
    """
    if p == q or p % 4 != 3 or q % 4 != 3:  # noqa: PLR2004 - the class of Blum primes
        raise UsageError("A modulus proof needs two different primes that are 3 mod 4; make other primes.")
    roots = _Roots(mpz(p), mpz(q))
    n = roots.n
    w = derived_base(n, context)
    rounds = []
    for done, y in enumerate(derived_rounds(n, w, context), start=1):
        rounds.append(roots.answer(y, w))
        if progress is not None:
            progress("prove modulus", done, ROUNDS)
    return ModulusProof(tuple(rounds))


def verify_modulus(
    n: int,
    proof: ModulusProof,
    context: bytes,
    culprit: str,
    *,
    minimum_bits: int = MINIMUM_BITS,
    progress: Progress | None = None,
) -> None:
    """Return if n passes `check_modulus` and all 128 rounds, else raise InvalidProofError naming `culprit`.

    About two seconds at 3072 bits. minimum_bits: below 2048 in tests only.
    """
    check_modulus(n, culprit, minimum_bits=minimum_bits)
    modulus = mpz(n)
    if len(proof.rounds) != ROUNDS:
        raise InvalidProofError(culprit, VERIFY, f"a modulus proof has not exactly {ROUNDS} rounds")
    w = derived_base(modulus, context)
    for done, (y, item) in enumerate(zip(derived_rounds(modulus, w, context), proof.rounds, strict=True), start=1):
        _check_round(modulus, w, y, item, culprit)
        if progress is not None:
            progress("verify modulus", done, ROUNDS)


def check_modulus(n: int, culprit: str, *, minimum_bits: int = MINIMUM_BITS) -> None:
    """Raise InvalidProofError unless n is odd, long enough, composite, no perfect power, without factors below 2^16."""
    modulus = mpz(n)
    bits = modulus.bit_length()
    problem = None
    if modulus < 0 or not minimum_bits <= bits <= MAXIMUM_BITS:
        problem = f"the modulus has {bits} bits, not {minimum_bits} to {MAXIMUM_BITS}"
    elif gmpy2.gcd(modulus, _primorial(min(SMALL_FACTOR_BITS, bits // 4))) != 1:
        problem = "the modulus has a small prime factor"
    elif gmpy2.is_prime(modulus):
        problem = "the modulus is prime"
    elif gmpy2.is_power(modulus):
        problem = "the modulus is a perfect power"
    if problem:
        raise InvalidProofError(culprit, VERIFY, problem)


def derived_base(n: mpz, context: bytes) -> mpz:
    """Return w, the first hash of n and context that is a unit with Jacobi symbol -1."""
    hashed = (_residue(BASE_DOMAIN, n, context, attempt) for attempt in range(MAX_ATTEMPTS))
    found = next((w for w in hashed if gmpy2.jacobi(w, n) == -1), None)
    if found is None:
        raise UsageError("A modulus has no element of Jacobi symbol -1; it is a square.")
    return found


def derived_rounds(n: mpz, w: mpz, context: bytes) -> Iterator[mpz]:
    """Yield y_1 to y_128, the first hashes of n, w and context that are units."""
    hashed = (_residue(ROUND_DOMAIN, n, context, attempt, w) for attempt in count())
    return islice((y for y in hashed if gmpy2.gcd(y, n) == 1), ROUNDS)


class _Roots:
    """Square and n-th roots modulo n by its factors. Secret; lives during the proof only."""

    __slots__ = ("_p", "_q", "_q_inverse", "n")

    def __init__(self, p: mpz, q: mpz) -> None:
        self._p, self._q, self.n = p, q, p * q
        self._q_inverse = gmpy2.invert(q, p)

    def answer(self, y: mpz, w: mpz) -> Round:
        twist = int(gmpy2.jacobi(y, self.n) == -1)
        twisted = y * w % self.n if twist else y
        negate = int(gmpy2.jacobi(twisted, self._p) == -1)
        square = -twisted % self.n if negate else twisted
        return Round(negate, twist, self._fourth_root(square), self._nth_root(y))

    def _fourth_root(self, square: mpz) -> mpz:
        """The square root of a square modulo p = 3 mod 4 that is itself a square is its power (p + 1)/4; twice that."""
        return self._joined(*(powmod_secret(square % r, ((r + 1) // 4) ** 2 % (r - 1), r) for r in (self._p, self._q)))

    def _nth_root(self, y: mpz) -> mpz:
        return self._joined(*(powmod_secret(y % r, gmpy2.invert(self.n, r - 1), r) for r in (self._p, self._q)))

    def _joined(self, modulo_p: mpz, modulo_q: mpz) -> mpz:
        return modulo_q + (modulo_p - modulo_q) * self._q_inverse % self._p * self._q


def _check_round(n: mpz, w: mpz, y: mpz, item: Round, culprit: str) -> None:
    if not (item.negate in {0, 1} and item.twist in {0, 1} and 0 < item.x < n and 0 < item.z < n):
        raise InvalidProofError(culprit, VERIFY, "a round of the modulus proof is out of range")
    expected = y * w % n if item.twist else y
    if powmod_public(item.x, 4, n) != (-expected % n if item.negate else expected):
        raise InvalidProofError(culprit, VERIFY, "the modulus is not proved to be a Blum modulus")
    if powmod_public(item.z, n, n) != y:
        raise InvalidProofError(culprit, VERIFY, "the modulus is not proved coprime to its number of units")


def _round(data: bytes, size: int, culprit: str) -> Round:
    if data[0] > 3:  # noqa: PLR2004 - two flag bits
        raise InvalidProofError(culprit, VERIFY, "a round of the modulus proof has unknown flags")
    return Round(
        data[0] & 1, data[0] >> 1, mpz.from_bytes(data[1 : 1 + size], "big"), mpz.from_bytes(data[1 + size :], "big")
    )


def _residue(domain: str, n: mpz, context: bytes, attempt: int, w: mpz | None = None) -> mpz:
    size = _size(n)
    fields = [int_bytes(n, size), context, attempt.to_bytes(4, "big")]
    if w is not None:
        fields.append(int_bytes(w, size))
    return mpz.from_bytes(expand(domain, *fields, length=size + SURPLUS_BYTES), "big") % n


def _size(n: int) -> int:
    return (int(n).bit_length() + 7) // 8


@cache
def _primorial(bits: int) -> mpz:
    return gmpy2.primorial(1 << bits)
