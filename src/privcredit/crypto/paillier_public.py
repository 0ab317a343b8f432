"""Paillier's public key and its ciphertexts (protocols/paillier/spec.md, sections 1 and 3).

Paillier 1999 with g = n + 1; encryption after Damgard, Jurik, Nielsen 2010. A `Ciphertext` cannot be sent: it has no
encoder. Only an `Encryptor` makes the type that has one, `FreshCiphertext`, so nothing leaves a party un-randomised.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import gmpy2
from gmpy2 import mpz

from privcredit.crypto.integers import powmod_public
from privcredit.crypto.transcript import digest, expand, int_bytes
from privcredit.errors import UsageError

MINIMUM_BITS = 2048
"""Smaller moduli are within reach of factoring; tests name a smaller bound explicitly."""

MAXIMUM_BITS = 8192
"""A larger modulus makes one exponentiation take seconds: a flood, not a key."""

SMALL_FACTOR_BITS = 16
"""Factors below 2^16 are looked for in production moduli."""

BASE_DOMAIN = "privcredit paillier base"
FINGERPRINT_DOMAIN = "privcredit paillier key"

BASE_SURPLUS_BYTES = 32
"""Hashing 256 bits more than n has makes the residue uniform within 2^-256."""


class InvalidKeyError(UsageError):
    """A number that cannot be a Paillier key."""


class InvalidCiphertextError(UsageError):
    """Bytes that are not a ciphertext under the key at hand."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PublicKey:
    """A Paillier public key; made by `from_modulus`, which derives everything from n.

    n: the modulus. n_squared: the ciphertext modulus. bits: the length of n. ciphertext_bytes: the exact length of a
    ciphertext on the wire. hs: h^n mod n^2, the base of all randomisers, where h = -x^2 mod n and x is a hash of n.
    fingerprint: 32 bytes that name the key in every transcript.
    """

    n: mpz
    n_squared: mpz
    bits: int
    ciphertext_bytes: int
    hs: mpz
    fingerprint: bytes

    @classmethod
    def from_modulus(cls, n: int, *, minimum_bits: int = MINIMUM_BITS) -> PublicKey:
        """Return the key with modulus `n`, after the checks of spec.md 1.2; costs one exponentiation for hs.

        Raises InvalidKeyError for a modulus that is too short or long, even, prime, a power, or has a small factor.
        minimum_bits: below 2048 in tests only. A valid modulus may still be weak; the ceremony's proof says more.
        """
        modulus = _check_modulus(n, minimum_bits)
        bits = modulus.bit_length()
        square = modulus * modulus
        return cls(
            n=modulus,
            n_squared=square,
            bits=bits,
            ciphertext_bytes=(2 * bits + 7) // 8,
            hs=powmod_public(randomiser_root(modulus), modulus, square),
            fingerprint=digest(FINGERPRINT_DOMAIN, int_bytes(modulus, (bits + 7) // 8)),
        )

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, PublicKey) and self.n == other.n)

    def __hash__(self) -> int:
        return hash(self.n)

    def __repr__(self) -> str:
        return f"<PublicKey of {self.bits} bits, fingerprint {self.fingerprint[:8].hex()}>"

    def ciphertext(self, data: bytes) -> Ciphertext:
        """Return the received ciphertext in `data` (threats.md W1); one gcd, no exponentiation.

        Raises InvalidCiphertextError unless `data` has the exact length and holds 0 < c < n^2 with gcd(c, n) = 1.
        """
        value = self._bounded(data)
        if gmpy2.gcd(value, self.n) != 1:
            raise InvalidCiphertextError(_NOT_A_UNIT.format("A received ciphertext"))
        return Ciphertext(self, value)

    def ciphertexts(self, data: Sequence[bytes]) -> list[Ciphertext]:
        """Return the received ciphertexts in `data`, checked like `ciphertext` with one gcd for all.

        Raises InvalidCiphertextError naming the first bad one by its index.
        """
        values = self._all_bounded(data)
        product = mpz(1)
        for value in values:
            product = product * (value % self.n) % self.n
        self._check_units(product, values)
        return [Ciphertext(self, value) for value in values]

    def receive_sum(self, data: Sequence[bytes]) -> Ciphertext:
        """Return the sum of the received ciphertexts in `data`: `aggregate(key.ciphertexts(data))`, only faster.

        The product that is the sum also serves the one gcd. Raises InvalidCiphertextError like `ciphertexts`.
        """
        values = self._all_bounded(data)
        if not values:
            raise UsageError("There is no ciphertext to sum; give at least one.")
        product = _product(values, self.n_squared)
        self._check_units(product, values)
        return Ciphertext(self, product)

    def _all_bounded(self, data: Sequence[bytes]) -> list[mpz]:
        return [self._bounded(item, f"Received ciphertext {index}") for index, item in enumerate(data)]

    def _bounded(self, data: bytes, what: str = "A received ciphertext") -> mpz:
        if type(data) is not bytes or len(data) != self.ciphertext_bytes:
            raise InvalidCiphertextError(
                f"{what} must be exactly {self.ciphertext_bytes} bytes; encode it for this key."
            )
        value = mpz.from_bytes(data, "big")
        if not 0 < value < self.n_squared:
            raise InvalidCiphertextError(f"{what} is not between 1 and n^2 - 1; encode it for this key.")
        return value

    def _check_units(self, product: mpz, values: Sequence[mpz]) -> None:
        if gmpy2.gcd(product, self.n) == 1:
            return
        index = next(index for index, value in enumerate(values) if gmpy2.gcd(value, self.n) != 1)
        raise InvalidCiphertextError(_NOT_A_UNIT.format(f"Received ciphertext {index}"))


_NOT_A_UNIT = "{} shares a factor with the modulus; it was not made by encryption."


@dataclass(frozen=True, slots=True, repr=False)
class Ciphertext:
    """An element of Z*_(n^2) that encrypts a number modulo n. It has no encoder: only fresh ones may be sent.

    Arithmetic: `c + d` adds plaintexts, `c + 5` adds a plaintext, `c * 5` multiplies; the integers are public, for the
    time it takes depends on them. full_range: made with r^n by others (phe), so it is re-randomised with a full r^n.
    """

    key: PublicKey
    value: mpz
    full_range: bool = False

    def __add__(self, other: Ciphertext | int) -> Ciphertext:
        if not isinstance(other, Ciphertext):
            added = 1 + _integer(other) % self.key.n * self.key.n
            return Ciphertext(self.key, self.value * added % self.key.n_squared, self.full_range)
        if self.key != other.key:
            raise UsageError("Two ciphertexts under different keys cannot be added; encrypt both under one key.")
        full_range = self.full_range or other.full_range
        return Ciphertext(self.key, self.value * other.value % self.key.n_squared, full_range)

    def __mul__(self, factor: int) -> Ciphertext:
        product = powmod_public(self.value, _integer(factor), self.key.n_squared)
        return Ciphertext(self.key, product, self.full_range)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} under {self.key!r}>"


@dataclass(frozen=True, slots=True, repr=False)
class FreshCiphertext(Ciphertext):
    """A ciphertext with randomness of its own, made by an `Encryptor` only: the type that may leave a party."""

    def to_bytes(self) -> bytes:
        """Return the value as exactly `key.ciphertext_bytes` bytes, big-endian."""
        return int_bytes(self.value, self.key.ciphertext_bytes)


def aggregate(ciphertexts: Sequence[Ciphertext]) -> Ciphertext:
    """Return the ciphertext of the sum of the plaintexts. Raises UsageError for none, or for different keys.

    The sum is not re-randomised: whoever knows the addends recognises it.
    """
    if not ciphertexts:
        raise UsageError("There is no ciphertext to sum; give at least one.")
    key = ciphertexts[0].key
    if any(ciphertext.key != key for ciphertext in ciphertexts):
        raise UsageError("Ciphertexts under different keys cannot be summed; encrypt all under one key.")
    full_range = any(ciphertext.full_range for ciphertext in ciphertexts)
    return Ciphertext(key, _product([ciphertext.value for ciphertext in ciphertexts], key.n_squared), full_range)


def randomiser_root(n: mpz) -> mpz:
    """Return h = -x^2 mod n with x a hash of n: derived, so nobody chose a base of small order (spec.md 1.3)."""
    length = (n.bit_length() + 7) // 8
    hashed = expand(BASE_DOMAIN, int_bytes(n, length), length=length + BASE_SURPLUS_BYTES)
    x = mpz.from_bytes(hashed, "big") % n
    if gmpy2.gcd(x, n) != 1:  # probability about 2^-1000 for a production modulus
        raise InvalidKeyError("A Paillier modulus has a factor that hashing finds; make another key.")
    return -x * x % n


def _product(values: Sequence[mpz], modulus: mpz) -> mpz:
    product = values[0]
    for value in values[1:]:
        product = product * value % modulus
    return product


def _integer(number: int) -> mpz:
    """Refuse what is not an integer: True would be 1, and a float would lose digits silently."""
    if isinstance(number, bool) or not isinstance(number, int | mpz):
        raise UsageError(f"Ciphertext arithmetic takes integers, not {type(number).__name__}; scale the value first.")
    return mpz(number)


def _check_modulus(n: int, minimum_bits: int) -> mpz:
    modulus = _integer(n)
    bits = modulus.bit_length()
    if modulus < 0 or not minimum_bits <= bits <= MAXIMUM_BITS:
        raise InvalidKeyError(
            f"A Paillier modulus has {bits} bits; between {minimum_bits} and {MAXIMUM_BITS} are accepted."
        )
    if gmpy2.gcd(modulus, _primorial(min(SMALL_FACTOR_BITS, minimum_bits // 8))) != 1:
        raise InvalidKeyError("A Paillier modulus has a small prime factor; make another key.")
    if gmpy2.is_power(modulus) or gmpy2.is_prime(modulus):
        raise InvalidKeyError("A Paillier modulus must be the product of two different primes; this one is not.")
    return modulus


@cache
def _primorial(bits: int) -> mpz:
    return gmpy2.primorial(1 << bits)
