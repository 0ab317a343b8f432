"""The owner's side of DGK: key generation, zero test, and faster noise through the factors."""

from typing import Final, NoReturn

import gmpy2
from gmpy2 import mpz

from privcredit.crypto import randomness as draw
from privcredit.crypto.dgk import (
    HEADER_BYTES,
    MINIMUM_BITS,
    SUBGROUP_BITS,
    DgkCiphertext,
    DgkEncryptor,
    DgkPublicKey,
    ExponentGuard,
    InvalidDgkKeyError,
)
from privcredit.crypto.fixed_base import FixedBase
from privcredit.crypto.integers import powmod_secret
from privcredit.crypto.randomness import Randomness

PRIME_ROUNDS: Final = 40
"""GMP's test is Baillie-PSW plus Miller-Rabin rounds above 24; no composite is known to pass the first part alone."""

OWNER_SPAN: Final = 4
"""Span of the owner's tables modulo each prime: 7 tables of 1.7 MB in all at 1536 bits."""

MAX_CANDIDATES: Final = 1 << 20
"""A prime of 1536 bits turns up about every 530 candidates; a million failures mean a broken generator."""


class DgkPrivateKey:
    """The factors p, q and subgroup orders v_p, v_q of one DGK key. Secret: no repr, no message encoder."""

    __slots__ = ("_p", "_q", "_v_p", "_v_q", "public")

    def __init__(self, public: DgkPublicKey, p: mpz, q: mpz, v_p: mpz, v_q: mpz) -> None:
        """Keep the checked key; raises InvalidDgkKeyError if the parts do not belong together."""
        self.public = public
        self._p, self._q, self._v_p, self._v_q = p, q, v_p, v_q
        _check_factors(public, p, q, v_p, v_q)
        for prime, order in ((p, v_p), (q, v_q)):
            _check_orders(public, prime, order)

    @classmethod
    def generate(
        cls,
        bits: int,
        comparison_bits: int,
        randomness: Randomness,
        *,
        subgroup_bits: int = SUBGROUP_BITS,
        minimum_bits: int = MINIMUM_BITS,
    ) -> "DgkPrivateKey":
        """Return a new key of `bits` bits for comparisons of at most `comparison_bits` (l') bits.

        Takes about two seconds at 3072 bits. Smaller sizes need their own `minimum_bits`: tests only.
        """
        u = int(gmpy2.next_prime(3 * comparison_bits))
        v_p, v_q = _distinct_primes(subgroup_bits, u, randomness)
        p = _prime_above(bits // 2, u, v_p, v_q, randomness)
        q = _prime_above(bits - bits // 2, u, v_q, v_p, randomness)
        g = _crt(_element(p, u, v_p, randomness), _element(q, u, v_q, randomness), p, q)
        h = _crt(_element(p, 1, v_p, randomness), _element(q, 1, v_q, randomness), p, q)
        public = DgkPublicKey.create(int(p * q), int(g), int(h), u, subgroup_bits, minimum_bits=minimum_bits)
        return cls(public, p, q, v_p, v_q)

    def is_zero(self, ciphertext: DgkCiphertext) -> bool:
        """Tell whether the plaintext is zero: `c^v_p = 1 mod p`, in constant time; learns nothing else."""
        return bool(powmod_secret(ciphertext.value % self._p, self._v_p, self._p) == 1)

    def encryptor(self, randomness: Randomness) -> DgkEncryptor:
        """Return the owner's encryptor: the same ciphertexts, several times faster."""
        noise = OwnerNoise(self.public.h, (self._p, self._q), (self._v_p, self._v_q), randomness)
        return DgkEncryptor(self.public, noise)

    def to_file_bytes(self) -> bytes:
        """Return the key for the owner's own sealed file, never for a message: public part, then the secret parts."""
        public = self.public.to_bytes()
        secret = b"".join(
            int(part).to_bytes(self.public.ciphertext_bytes, "big") for part in (self._p, self._q, self._v_p, self._v_q)
        )
        return len(public).to_bytes(HEADER_BYTES, "big") + public + secret

    @classmethod
    def from_file_bytes(cls, data: bytes, *, minimum_bits: int = MINIMUM_BITS) -> "DgkPrivateKey":
        """Return the key that `to_file_bytes` wrote, checked; raises InvalidDgkKeyError."""
        border = HEADER_BYTES + int.from_bytes(data[:HEADER_BYTES], "big")
        public = DgkPublicKey.from_bytes(data[HEADER_BYTES:border], minimum_bits=minimum_bits)
        length = public.ciphertext_bytes
        if len(data) != border + 4 * length:
            raise InvalidDgkKeyError("A DGK private key file has the wrong length; restore it from its backup.")
        p, q, v_p, v_q = (mpz(int.from_bytes(data[at : at + length], "big")) for at in range(border, len(data), length))
        return cls(public, p, q, v_p, v_q)

    def __repr__(self) -> str:
        return f"<DgkPrivateKey of {self.public.bits} bits, redacted>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A DGK private key cannot be pickled or copied.")


class OwnerNoise:
    """Noise through the factors: r uniform modulo v_p and v_q, so h^r exactly uniform in the group of h."""

    def __init__(self, h: mpz, factors: tuple[mpz, mpz], orders: tuple[mpz, mpz], randomness: Randomness) -> None:
        self._p, self._q = factors
        self._orders = tuple(int(order) for order in orders)
        self._inverse = gmpy2.invert(self._p, self._q)
        self._randomness = randomness
        self._guard = ExponentGuard(orders[0].bit_length())
        self._tables = [
            FixedBase(h % prime, prime, order.bit_length(), span=OWNER_SPAN)
            for prime, order in zip(factors, orders, strict=True)
        ]

    def draw(self) -> mpz:
        """Return a fresh h^r mod n."""
        at_p, at_q = (
            table.power(self._guard.check(draw.below(self._randomness, order)))
            for table, order in zip(self._tables, self._orders, strict=True)
        )
        return at_p + self._p * ((at_q - at_p) * self._inverse % self._q)


def _distinct_primes(bits: int, u: int, randomness: Randomness) -> tuple[mpz, mpz]:
    first = _subgroup_prime(bits, {u}, randomness)
    return first, _subgroup_prime(bits, {u, int(first)}, randomness)


def _subgroup_prime(bits: int, taken: set[int], randomness: Randomness) -> mpz:
    for _ in range(MAX_CANDIDATES):
        candidate = mpz(draw.bits(randomness, bits)) | (1 << (bits - 1)) | 1
        if int(candidate) not in taken and gmpy2.is_prime(candidate, PRIME_ROUNDS):
            return candidate
    raise InvalidDgkKeyError("No subgroup prime was found; check the entropy source.")


def _prime_above(bits: int, u: int, order: mpz, other_order: mpz, randomness: Randomness) -> mpz:
    """Return a prime p = 2 u v f + 1 of exactly `bits` bits, its two top bits set, with p - 1 free of the other v."""
    step = 2 * u * order
    lowest = (3 << (bits - 2)) // step + 1
    count = int((mpz(1) << bits) // step - lowest)
    for _ in range(MAX_CANDIDATES):
        candidate = step * (lowest + draw.below(randomness, count)) + 1
        if (candidate - 1) % other_order and gmpy2.is_prime(candidate, PRIME_ROUNDS):
            return candidate
    raise InvalidDgkKeyError("No DGK prime was found; check the entropy source.")


def _element(p: mpz, u: int, order: mpz, randomness: Randomness) -> mpz:
    """Return a random element of order `u * order` modulo p."""
    for _ in range(MAX_CANDIDATES):
        base = mpz(draw.unit(randomness, int(p)))
        candidate = gmpy2.powmod(base, (p - 1) // (u * order), p)
        if gmpy2.powmod(candidate, u, p) != 1 and (u == 1 or gmpy2.powmod(candidate, order, p) != 1):
            return candidate
    raise InvalidDgkKeyError("No DGK generator was found; check the entropy source.")


def _crt(at_p: mpz, at_q: mpz, p: mpz, q: mpz) -> mpz:
    return at_p + p * ((at_q - at_p) * gmpy2.invert(p, q) % q)


def _check_factors(public: DgkPublicKey, p: mpz, q: mpz, v_p: mpz, v_q: mpz) -> None:
    if p * q != public.n or p == q or not all(gmpy2.is_prime(part) for part in (p, q, v_p, v_q)):
        raise InvalidDgkKeyError("A DGK private key's primes do not make its modulus; restore it from its backup.")
    if v_p == v_q or {v_p.bit_length(), v_q.bit_length()} != {public.subgroup_bits}:
        raise InvalidDgkKeyError("A DGK private key's subgroups are not as its public key says; make a new key.")


def _check_orders(public: DgkPublicKey, prime: mpz, order: mpz) -> None:
    """Check that modulo `prime` h has order v and g has order u v."""
    h, g = public.h % prime, public.g % prime
    right = gmpy2.powmod(h, order, prime) == 1 == gmpy2.powmod(g, order * public.u, prime)
    whole = 1 not in {h, gmpy2.powmod(g, order, prime), gmpy2.powmod(g, public.u, prime)}
    if not (right and whole):
        raise InvalidDgkKeyError("A DGK private key's subgroups do not fit its generators; make a new key.")
