"""The key ceremony with a dealer, and an authority's checks before it installs a share (threshold-paillier/spec.md, 5).

The dealer runs on an offline machine: makes n = p q from safe primes, shares d, proves the modulus, and forgets.
Forgetting has a limit: Python and GMP integers cannot be overwritten, so p, q, d and copies of them stay in memory
until the dealer's process ends and the pages are reused. Run the dealer in a process of its own that exits, on a
machine without swap. It writes no file; sealing and storing the shares is the caller's part. A dealer could have kept
everything: trust in it is stated, not proved.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count

import gmpy2
from gmpy2 import mpz

from privcredit.crypto import randomness as draw
from privcredit.crypto.integers import powmod_secret
from privcredit.crypto.modulus_proof import ModulusProof, Progress, prove_modulus, verify_modulus
from privcredit.crypto.paillier import MINIMUM_BITS, PublicKey
from privcredit.crypto.primes import is_safe_prime, safe_prime
from privcredit.crypto.randomness import Randomness
from privcredit.crypto.share_proof import check_share
from privcredit.crypto.threshold import (
    DELTA,
    INDICES,
    KeyShare,
    ThresholdKey,
    check_verification_values,
    verification_base,
)
from privcredit.errors import InvalidProofError, UsageError

CONTEXT = b"privcredit dealer ceremony"
"""Bound into the modulus proof: a proof made for another purpose is not accepted here."""

CLOSE_PRIMES_BITS = 100
"""|p - q| must exceed 2^(|n|/2 - 100), or Fermat's method factors n (FIPS 186-5, A.1.3)."""

MAX_DRAWS = 128
"""A line is level, or meets zero at an index, with probability below 2^-2000; toy sizes need a few draws."""

DEALER = "dealer"
CHECK_DEALING = "check dealing"

MakePrime = Callable[[int, Randomness, Callable[[int], None] | None], int]
"""Makes one safe prime: its length in bits, randomness, a callback that hears the number of tests so far."""


@dataclass(frozen=True, slots=True)
class Dealing:
    """What a ceremony hands out: the public key and the proof to everyone, each share to one authority only."""

    threshold_key: ThresholdKey
    shares: tuple[KeyShare, ...]
    modulus_proof: ModulusProof


def deal(
    bits: int,
    randomness: Randomness,
    progress: Progress | None = None,
    *,
    make_prime: MakePrime = safe_prime,
    workers: int = 2,
    minimum_bits: int = MINIMUM_BITS,
) -> Dealing:
    """Return a new key of `bits` bits (even), shared 2 of 3; run by the dealer, offline. Takes seconds at 3072 bits.

    progress: hears "find safe primes" (tests done, total unknown: 0), "share key" and "prove modulus"; it may be called
    from worker threads. make_prime: how to find a prime; one that hands the search to another process uses both cores
    fully. workers: threads that search; 1 makes the result a function of a seeded `randomness`.
    Raises UsageError for a length below `minimum_bits` (below 2048 in tests only) or unusable primes.
    """
    if bits < minimum_bits or bits % 2:
        raise UsageError(f"A threshold key of {bits} bits is not made; ask for an even number from {minimum_bits}.")
    p, q = _two_primes(bits // 2, randomness, progress, make_prime, workers)
    if (p * q).bit_length() != bits:
        raise UsageError(f"The primes do not make a modulus of {bits} bits; their two top bits must be set.")
    return deal_from_primes(p, q, randomness, progress, minimum_bits=minimum_bits)


def deal_from_primes(
    p: int, q: int, randomness: Randomness, progress: Progress | None = None, *, minimum_bits: int = MINIMUM_BITS
) -> Dealing:
    """Return the key with modulus p q, shared 2 of 3, and the proof of its modulus; keeps nothing of p, q and d.

    Raises UsageError unless p and q are safe primes above 7, different, not close, and neither is twice the other
    plus one (gcd(n, phi(n)) would not be 1).
    """
    _check_primes(mpz(p), mpz(q))
    report = progress or _silent
    key = PublicKey.from_modulus(p * q, minimum_bits=minimum_bits)
    secrets = _line(mpz(p // 2) * (q // 2), key.n, randomness)
    base, verification = verification_base(key), []
    for done, secret in enumerate(secrets, start=1):
        verification.append(powmod_secret(base, DELTA * secret, key.n_squared))
        report("share key", done, len(secrets))
    shares = tuple(KeyShare(index, key.fingerprint, secret) for index, secret in zip(INDICES, secrets, strict=True))
    return Dealing(ThresholdKey(key, tuple(verification)), shares, prove_modulus(p, q, CONTEXT, progress))


def check_dealing(
    threshold_key: ThresholdKey,
    modulus_proof: ModulusProof,
    share: KeyShare,
    index: int,
    minimum_bits: int = MINIMUM_BITS,
    progress: Progress | None = None,
) -> None:
    """Return if authority `index` may install `share` and sign `threshold_key`, else raise (threats.md A6).

    Checks, cheapest first: the share is meant for this authority and key; all shares lie on one line through the
    decryption key; this share matches v_i; the modulus proof. Raises UsageError for another key's share,
    InvalidProofError with culprit "dealer" for the rest. Not checked, for no public value shows it: that p and q are
    safe primes, and that the dealer forgot them.
    """
    if share.index != index:
        raise InvalidProofError(DEALER, CHECK_DEALING, f"the key share is for authority {share.index}, not {index}")
    check_verification_values(threshold_key.key, threshold_key.verification)
    check_share(threshold_key, share)
    n = int(threshold_key.key.n)
    verify_modulus(n, modulus_proof, CONTEXT, DEALER, minimum_bits=minimum_bits, progress=progress)


def _two_primes(
    bits: int, randomness: Randomness, progress: Progress | None, make_prime: MakePrime, workers: int
) -> tuple[int, int]:
    report, tests = progress or _silent, count(1)

    def hear(_: int) -> None:
        report("find safe primes", next(tests), 0)

    with ThreadPoolExecutor(workers) as pool:
        searches = [pool.submit(make_prime, bits, randomness, hear) for _ in range(2)]
        p, q = (search.result() for search in searches)
    return p, q


def _check_primes(p: mpz, q: mpz) -> None:
    half = (p * q).bit_length() // 2
    if not (is_safe_prime(int(p)) and is_safe_prime(int(q)) and gmpy2.gcd(p // 2 * (q // 2), DELTA) == 1):
        raise UsageError("A threshold key needs two safe primes above 7; make other primes.")
    if p == q or abs(p - q) < mpz(2) ** max(half - CLOSE_PRIMES_BITS, 0):
        raise UsageError("The two primes are equal or too close to each other; check the randomness and make new ones.")
    if p == 2 * q + 1 or q == 2 * p + 1:
        raise UsageError("One prime is twice the other plus one, so the key would not decrypt; make other primes.")


def _line(order: mpz, n: mpz, randomness: Randomness) -> list[mpz]:
    """Return s_i = d + a i mod n p'q' for d = 0 mod p'q', d = 1 mod n and a random slope a != 0 (order = p'q')."""
    modulus = n * order
    secret = order * gmpy2.invert(order, n)
    for _ in range(MAX_DRAWS):
        slope = draw.below(randomness, int(modulus))
        shares = [(secret + slope * index) % modulus for index in INDICES]
        if slope and all(shares):
            return shares
    raise UsageError("The random generator gave no usable slope in 128 draws; check its entropy source.")


def _silent(step: str, done: int, total: int) -> None:
    """Progress that nobody hears."""
