"""Which modular power is how fast here: GMP's two and OpenSSL's, at the sizes of a threshold opening.

Usage: python benchmarks/gmp.py. One power has an exponent of 2 |n| + 3 bits modulo n^2; medians of nine.
"""

import time
from collections.abc import Callable
from statistics import median

import gmpy2
from gmpy2 import mpz

from privcredit.crypto.openssl_powers import openssl_power
from privcredit.crypto.randomness import SystemRandomness, bits

ROUNDS = 9


def timed(call: Callable[[], object]) -> float:
    """Milliseconds."""
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1000


def main() -> None:
    randomness = SystemRandomness()
    openssl = openssl_power()
    print(f"gmpy2 {gmpy2.version()} with {gmpy2.mp_version()}; OpenSSL {'in use' if openssl else 'not found'}")
    for size in (2048, 3072):
        modulus = mpz(bits(randomness, 2 * size) | 1 | 1 << (2 * size - 1))
        base, exponent = mpz(bits(randomness, 2 * size - 1)), mpz(bits(randomness, 2 * size + 3))
        kinds: dict[str, Callable[[], object]] = {
            "gmp powmod": lambda b=base, e=exponent, m=modulus: gmpy2.powmod(b, e, m),
            "gmp powmod_sec": lambda b=base, e=exponent, m=modulus: gmpy2.powmod_sec(b, e, m),
        }
        if openssl is not None:
            kinds["openssl consttime"] = lambda b=base, e=exponent, m=modulus: openssl(b, e, m)
        for name, call in kinds.items():
            print(f"|n| {size}  {name:18} {median(timed(call) for _ in range(ROUNDS)):6.1f} ms")


if __name__ == "__main__":
    main()
