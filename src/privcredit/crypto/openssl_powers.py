"""Long powers by OpenSSL, secret ones by its constant-time exponentiation, where the system has OpenSSL 3.

`BN_mod_exp_mont_consttime` is what OpenSSL raises RSA and Diffie-Hellman secrets with: a fixed window, every table
entry touched for every window. It does what GMP's `mpz_powm_sec` does, and for moduli of 4096 and 6144 bits in 0.6 of
the time (docs/adr/0003-gmp.md). Its sliding window for public exponents beats GMP's by a fifth. On Linux the library is
usually in the process already, for Python's `ssl` module. Where there is none, `integers` uses GMP. Nothing is cached:
moduli may be secret too.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

from gmpy2 import mpz

from privcredit.errors import UsageError

LIBRARY: Final = "libcrypto.so.3"
"""OpenSSL 3, whose functions keep their signatures within the major version. The loader returns the copy in use."""

SMALLEST_BITS: Final = 512
"""Below, handing the numbers over costs more than the faster power saves; such moduli occur in tests only."""

CONSTANT_TIME: Final = 0x04
"""BN_FLG_CONSTTIME of OpenSSL's bn.h: without it on the modulus, OpenSSL prepares the modulus with branches on it."""

Power = Callable[[int, int, int], mpz]

_POINTER = ctypes.c_void_p
_SIGNATURES: Final[dict[str, tuple[Any, tuple[Any, ...]]]] = {
    "BN_new": (_POINTER, ()),
    "BN_CTX_new": (_POINTER, ()),
    "BN_bin2bn": (_POINTER, (ctypes.c_char_p, ctypes.c_int, _POINTER)),
    "BN_bn2binpad": (ctypes.c_int, (_POINTER, ctypes.c_char_p, ctypes.c_int)),
    "BN_set_flags": (None, (_POINTER, ctypes.c_int)),
    "BN_mod_exp_mont_consttime": (ctypes.c_int, (_POINTER,) * 6),
    "BN_mod_exp_mont": (ctypes.c_int, (_POINTER,) * 6),
    "BN_clear_free": (None, (_POINTER,)),
    "BN_CTX_free": (None, (_POINTER,)),
}


@cache
def openssl_power(*, silent: bool) -> Power | None:
    """Return base^exponent mod modulus by OpenSSL, or None where it cannot be had or does not compute right.

    The function takes an odd modulus of at least 512 bits, 0 <= base < modulus and exponent > 0. silent: time and
    memory access depend only on the sizes of exponent and modulus; without it, on the exponent. Other threads run
    meanwhile.
    """
    library = _library()
    if library is None:
        return None
    power = _Power(library, silent=silent)
    return power if _computes_right(power) else None


def _library() -> ctypes.CDLL | None:
    if sys.platform != "linux":  # elsewhere the name means something else, or nothing
        return None
    try:
        library = ctypes.CDLL(LIBRARY)
        for name, (result, arguments) in _SIGNATURES.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError):
        return None
    return library


def _computes_right(power: Power) -> bool:
    """A first use on fixed numbers: a library that is not what its name says shows here."""
    modulus = (1 << SMALLEST_BITS * 2) - 105
    base, exponent = (1 << SMALLEST_BITS) + 11, (1 << SMALLEST_BITS // 2) + 1
    return bool(power(base, exponent, modulus) == pow(base, exponent, modulus))


class _Power:
    """OpenSSL's numbers live for one call and are wiped after it."""

    def __init__(self, library: ctypes.CDLL, *, silent: bool) -> None:
        self._library = library
        self._raise = library.BN_mod_exp_mont_consttime if silent else library.BN_mod_exp_mont
        self._flags = CONSTANT_TIME if silent else 0

    def __call__(self, base: int, exponent: int, modulus: int) -> mpz:
        raised = ctypes.create_string_buffer(_bytes(modulus))
        with self._context() as context, self._numbers(base, exponent, modulus, 0) as (b, e, m, result):
            done = self._raise(result, b, e, m, context, None)
            if not done or self._library.BN_bn2binpad(result, raised, len(raised)) != len(raised):
                raise UsageError("OpenSSL could not raise a number to a power; see whether this node has memory left.")
        return mpz.from_bytes(raised.raw, "big")

    @contextmanager
    def _context(self) -> Iterator[int]:
        context = _made(self._library.BN_CTX_new())
        try:
            yield context
        finally:
            self._library.BN_CTX_free(context)

    @contextmanager
    def _numbers(self, *values: int) -> Iterator[list[int]]:
        made: list[int] = []
        try:
            for value in values:
                data = mpz(value).to_bytes(_bytes(value), "big")
                made.append(_made(self._library.BN_bin2bn(data, len(data), None)))
                self._library.BN_set_flags(made[-1], self._flags)
            yield made
        finally:
            for number in made:
                self._library.BN_clear_free(number)


def _made(pointer: int | None) -> int:
    if not pointer:
        raise UsageError("OpenSSL has no memory for a number; see whether this node has memory left.")
    return pointer


def _bytes(value: int) -> int:
    return (value.bit_length() + 7) // 8 or 1
