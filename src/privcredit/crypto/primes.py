"""Safe primes p = 2 p' + 1 by one joint sieve over p' and 2 p' + 1 (Wiener 2003)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import gmpy2
import numpy as np
from gmpy2 import mpz
from numpy.typing import NDArray

from privcredit.crypto.integers import powmod_public
from privcredit.crypto.randomness import MAX_DRAWS, Randomness, bits
from privcredit.errors import UsageError

WIDE_SIEVE_BITS = 1024
"""From this length on a primality test costs so much that a wide sieve pays (measured at 1024 and 1536 bits)."""

WIDE_SIEVE = (1 << 22, 1 << 18)
NARROW_SIEVE = (1 << 16, 1 << 14)
"""Bound on the factors struck out of p' and 2 p' + 1, and candidates in a window. About one wide window holds a hit."""

STEP = 6
"""p' = 5 mod 6 always: p' is odd, and p' = 1 mod 3 would make 2 p' + 1 divisible by 3."""

SMALLEST_SIEVED_BITS = 64
"""Below, candidates could be the sieve's own primes; they are few enough to draw at random."""

SMALLEST_SAFE_PRIME = 7
"""5 = 2 2 + 1 is one too, but it is of no use here: its p' is even."""

SMALLEST_BITS = 6
"""59 is the smallest safe prime with its two top bits set and a safe prime beside it of equal length."""

PRIMALITY_ROUNDS = 64
"""Baillie-PSW and 40 Miller-Rabin rounds: error below 2^-80 even against chosen numbers."""

Progress = Callable[[int], None]
Array = NDArray[np.int64]


def safe_prime(prime_bits: int, randomness: Randomness, progress: Progress | None = None) -> int:
    """Return a random safe prime of exactly `prime_bits` bits with its two top bits set.

    Two of them multiply to a modulus of exactly twice the length. progress: called with the number of primality tests
    so far. Deterministic under a seeded source. Secret result; the search is not constant-time, as everywhere.
    Raises UsageError below 6 bits, or if the random generator never hits.
    """
    if prime_bits < SMALLEST_BITS:
        raise UsageError(f"A safe prime of {prime_bits} bits is not made; ask for at least {SMALLEST_BITS}.")
    for tests, half in enumerate(_candidates(prime_bits, randomness), start=1):
        if progress is not None:
            progress(tests)
        if _both_prime(half):
            return int(2 * half + 1)
    raise UsageError("The random generator led to no safe prime; check its entropy source.")


def is_safe_prime(number: int) -> bool:
    """Say whether `number` = 2 p' + 1 with both prime (error below 2^-80)."""
    return number >= SMALLEST_SAFE_PRIME and number % 2 == 1 and _both_prime(mpz(number) // 2)


def _both_prime(half: mpz) -> bool:
    # Fermat goes first: nearly all candidates fall there, and it lets other threads run, which is_prime does not.
    return bool(
        _fermat(half)
        and _fermat(2 * half + 1)
        and gmpy2.is_prime(half, PRIMALITY_ROUNDS)
        and gmpy2.is_prime(2 * half + 1, PRIMALITY_ROUNDS)
    )


def _fermat(number: mpz) -> bool:
    return bool(powmod_public(2, number - 1, number) == 1)


def _candidates(prime_bits: int, randomness: Randomness) -> Iterator[mpz]:
    """Yield candidates for p', of prime_bits - 1 bits with the two top bits set."""
    top = mpz(3) << (prime_bits - 3)
    if prime_bits < SMALLEST_SIEVED_BITS:
        yield from (top + bits(randomness, prime_bits - 3) | 1 for _ in range(MAX_DRAWS * MAX_DRAWS))
        return
    bound, steps = WIDE_SIEVE if prime_bits >= WIDE_SIEVE_BITS else NARROW_SIEVE
    for _ in range(MAX_DRAWS):
        start = top + bits(randomness, prime_bits - 3)
        start += (5 - start) % STEP
        yield from (half for half in _sieved(start, bound, steps) if half.bit_length() == prime_bits - 1)


def _sieved(start: mpz, bound: int, steps: int) -> Iterator[mpz]:
    """Yield start + 6 i for i below `steps` where neither it nor twice it plus one has a factor below `bound`."""
    primes, inverses = _small_primes(bound)
    residues = np.array([int(start % prime) for prime in primes.tolist()], dtype=np.int64)
    alive = np.ones(steps, dtype=bool)
    _strike(alive, primes, -residues * inverses % primes)  # p' = 0
    _strike(alive, primes, ((primes - 1) // 2 - residues) * inverses % primes)  # 2 p' + 1 = 0
    yield from (start + STEP * int(step) for step in np.flatnonzero(alive))


def _strike(alive: NDArray[np.bool_], primes: Array, first: Array) -> None:
    dense = primes < alive.size // 16
    for prime, offset in zip(primes[dense].tolist(), first[dense].tolist(), strict=True):
        alive[offset::prime] = False
    sparse, position = primes[~dense], first[~dense]
    while position.size:
        hit = position < alive.size
        sparse, position = sparse[hit], position[hit]
        alive[position] = False
        position = position + sparse


@cache
def _small_primes(bound: int) -> tuple[Array, Array]:
    """Return the primes from 5 below `bound`, and 1/6 modulo each: (p + 1)/6 or (5 p + 1)/6, whichever is whole."""
    flags = np.ones(bound, dtype=bool)
    for number in range(2, gmpy2.isqrt(bound) + 1):
        if flags[number]:
            flags[number * number :: number] = False
    flags[:5] = False
    primes = np.flatnonzero(flags)
    return primes, np.where(primes % STEP == STEP - 1, primes + 1, 5 * primes + 1) // STEP
