"""Modular powers, told apart by whether the exponent is secret.

`powmod_secret` runs GMP's side-channel silent `mpz_powm_sec` (threats.md A9), `powmod_public` the faster sliding
window.
Both release the interpreter lock in threads that called `release_gil`.
"""

import gmpy2
from gmpy2 import mpz

from privcredit.errors import UsageError


def release_gil() -> None:
    """Let this thread's long gmpy2 operations run beside other threads. Call once in each worker thread.

    gmpy2 keeps the switch in a context per thread, off by default.
    """
    gmpy2.get_context().allow_release_gil = True


def powmod_public(base: int, exponent: int, modulus: int) -> mpz:
    """Return base^exponent mod modulus; the running time depends on the exponent, so it must be public."""
    return gmpy2.powmod(base, exponent, modulus)


def powmod_secret(base: int, exponent: int, modulus: int) -> mpz:
    """Return base^exponent mod modulus for a secret exponent >= 0 and an odd modulus.

    Time and memory access depend only on the sizes of the arguments (GMP manual, `mpz_powm_sec`).
    Raises UsageError for an even modulus or a negative exponent, which GMP cannot do silently.
    """
    if exponent < 0 or not modulus & 1:
        raise UsageError("A secret power needs an odd modulus and an exponent of at least 0; invert the base instead.")
    if exponent == 0:  # mpz_powm_sec is defined for positive exponents only
        return mpz(1) % modulus
    return gmpy2.powmod_sec(base, exponent, modulus)
