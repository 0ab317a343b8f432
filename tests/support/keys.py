"""Threshold keys for tests: toy ones by size, and fixed ones of production length.

Their primes are public: never use them for anything else.
"""

import base64
import json
from functools import cache
from pathlib import Path

import gmpy2

from privcredit.crypto.ceremony import Dealing, deal_from_primes
from privcredit.crypto.modulus_proof import ModulusProof
from privcredit.crypto.paillier import PrivateKey, PublicKey
from privcredit.crypto.primes import safe_prime
from privcredit.crypto.threshold import KeyShare, ThresholdKey
from support.seeded import SeededRandomness

FIXTURES = Path(__file__).parent.parent / "fixtures"

TOY_MINIMUM_BITS = 8

SMALL_TOYS = {11: (23, 59), 12: (47, 59), 14: (83, 107), 16: (179, 263)}
"""Below 17 bits: pairs of safe primes with neither twice the other plus one."""


@cache
def toy_primes(bits: int) -> tuple[int, int]:
    """Two safe primes whose product has `bits` bits; the same on every run."""
    if bits in SMALL_TOYS:
        return SMALL_TOYS[bits]
    randomness = SeededRandomness(f"toy primes {bits}")
    p = safe_prime(bits // 2, randomness)
    q = p
    while q == p or q == 2 * p + 1 or p == 2 * q + 1:
        q = safe_prime(bits // 2, randomness)
    return p, q


@cache
def toy_dealing(bits: int) -> Dealing:
    """A 2-of-3 dealing over a toy modulus of `bits` bits (11, 12, 14, 16, or an even number from 18)."""
    p, q = toy_primes(bits)
    return deal_from_primes(p, q, SeededRandomness(f"toy dealing {bits}"), minimum_bits=TOY_MINIMUM_BITS)


def toy_private_key(bits: int) -> PrivateKey:
    """The undivided key of `toy_dealing(bits)`: the oracle that no party has."""
    return PrivateKey(*toy_primes(bits), minimum_bits=TOY_MINIMUM_BITS)


def dealing_2048() -> Dealing:
    """The fixed 2048-bit test dealing; instant."""
    return _fixed(2048)


def dealing_3072() -> Dealing:
    """The fixed 3072-bit test dealing; instant."""
    return _fixed(3072)


def fixed_primes(bits: int) -> tuple[int, int]:
    """The primes of `dealing_2048` or `dealing_3072`."""
    plain = _read(bits)
    return int(plain["p"], 16), int(plain["q"], 16)


def fixed_private_key(bits: int) -> PrivateKey:
    """The undivided key of `dealing_2048` or `dealing_3072`."""
    return PrivateKey(*fixed_primes(bits))


def make_fixture(bits: int) -> None:
    """Write tests/fixtures/paillier_<bits>.json anew; run by hand, once: `python -m support.keys`."""
    p, q = (safe_prime(bits // 2, SeededRandomness(f"fixture {bits} {name}")) for name in "pq")
    dealing = deal_from_primes(p, q, SeededRandomness(f"fixture {bits}"))
    plain = {
        "comment": "TEST KEY with public primes. Never use it for anything but tests.",
        "p": f"{p:x}",
        "q": f"{q:x}",
        "shares": [f"{share.secret:x}" for share in dealing.shares],
        **dealing.threshold_key.to_dict(),
        "modulus_proof": base64.b64encode(dealing.modulus_proof.to_bytes(p * q)).decode(),
    }
    (FIXTURES / f"paillier_{bits}.json").write_text(json.dumps(plain, indent=1) + "\n")


@cache
def _read(bits: int) -> dict:
    return json.loads((FIXTURES / f"paillier_{bits}.json").read_text())


@cache
def _fixed(bits: int) -> Dealing:
    plain = _read(bits)
    key = PublicKey.from_modulus(int(plain["n"], 16))
    threshold_key = ThresholdKey(key, tuple(gmpy2.mpz(value, 16) for value in plain["verification"]))
    secrets = enumerate(plain["shares"], start=1)
    shares = tuple(KeyShare(index, key.fingerprint, int(secret, 16)) for index, secret in secrets)
    proof = ModulusProof.from_bytes(base64.b64decode(plain["modulus_proof"]), int(key.n), "fixture")
    return Dealing(threshold_key, shares, proof)


if __name__ == "__main__":
    for size in (2048, 3072):
        make_fixture(size)
