"""Modular powers, told apart by whether the exponent is secret.

`powmod_secret` takes a path whose time and memory access are silent about the exponent (threats.md A9): OpenSSL's
`BN_mod_exp_mont_consttime` where it is at hand, else GMP's `mpz_powm_sec`. `powmod_public` is GMP's sliding window,
but for long exponents OpenSSL's. All let other threads run meanwhile. GMP's switch for
that belongs to the thread's gmpy2 context and is set back afterwards: left on, a multiplication of 6 us would hand the
interpreter over too, and wait for its return.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import gmpy2
from gmpy2 import mpz

from privcredit.crypto.openssl_powers import SMALLEST_BITS, openssl_power
from privcredit.errors import UsageError

LONG_EXPONENT_BITS = 256
"""From here on OpenSSL takes 0.7 to 0.85 of GMP's time (benchmarks/gmp.py); below, handing over eats the gain."""


def powmod_public(base: int, exponent: int, modulus: int) -> mpz:
    """Return base^exponent mod modulus; the running time depends on the exponent, so it must be public.

    Raises UsageError for a negative exponent of a base that has no inverse.
    """
    openssl = openssl_power(silent=False) if exponent > 0 and exponent.bit_length() >= LONG_EXPONENT_BITS else None
    if openssl is not None and modulus & 1 and modulus.bit_length() >= SMALLEST_BITS:
        return openssl(base % modulus, exponent, modulus)
    try:
        with _released():
            return gmpy2.powmod(base, exponent, modulus)
    except ValueError as error:
        raise UsageError("A base has no inverse for this modulus; check it before raising it to a power.") from error


def powmod_secret(base: int, exponent: int, modulus: int) -> mpz:
    """Return base^exponent mod modulus for a secret exponent >= 0 and an odd modulus.

    Time and memory access depend only on the sizes of the arguments (`openssl_powers`; GMP manual, `mpz_powm_sec`).
    Raises UsageError for an even modulus or a negative exponent, which cannot be done silently.
    """
    if exponent < 0 or not modulus & 1:
        raise UsageError("A secret power needs an odd modulus and an exponent of at least 0; invert the base instead.")
    if exponent == 0:  # mpz_powm_sec is defined for positive exponents only
        return mpz(1) % modulus
    openssl = openssl_power(silent=True)
    if openssl is not None and modulus.bit_length() >= SMALLEST_BITS:
        return openssl(base % modulus, exponent, modulus)
    with _released():
        return gmpy2.powmod_sec(base, exponent, modulus)


@contextmanager
def _released() -> Iterator[None]:
    """Release the interpreter lock during gmpy2's long operations in this thread."""
    context = gmpy2.get_context()
    before = context.allow_release_gil
    context.allow_release_gil = True
    try:
        yield
    finally:
        context.allow_release_gil = before
