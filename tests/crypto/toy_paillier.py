"""Small Paillier keys for tests, made once. Never for production: production entry points refuse them."""

from functools import cache

from privcredit.crypto.paillier import Encryptor, PrivateKey
from support.seeded import SeededRandomness

TOY_PRIMES = (23, 59)
"""Two safe primes, neither twice the other plus one: n = 1357, small enough for every plaintext."""

WINDOW = 4


@cache
def toy_key() -> PrivateKey:
    return PrivateKey(*TOY_PRIMES, minimum_bits=8)


@cache
def small_key(bits: int = 512, seed: int = 1) -> PrivateKey:
    return PrivateKey.generate(bits, SeededRandomness(f"small key {seed}"), minimum_bits=64)


def encryptor(private: PrivateKey, seed: str = "encryptor") -> Encryptor:
    return Encryptor(private.key, SeededRandomness(seed), window=WINDOW)
