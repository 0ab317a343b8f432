"""DGK encryption: small plaintexts whose only readable property is being zero.

Damgard, Geisler, Kroigaard, "Homomorphic encryption and secure comparison", IJACT 1(1), 2008, with the correction
of 2009 (eprint 2008/321). `n = p q`; `g` has order `u v_p v_q`, `h` order `v_p v_q`; `E(m) = g^m h^r mod n`.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Protocol

import gmpy2
from gmpy2 import mpz

from privcredit.crypto import randomness as draw
from privcredit.crypto.fixed_base import FixedBase
from privcredit.crypto.randomness import Randomness
from privcredit.crypto.transcript import digest
from privcredit.errors import UsageError

MINIMUM_BITS: Final = 2048
"""A DGK modulus is as large as the Paillier modulus beside it; below 2048 bits neither is accepted."""

MAXIMUM_BITS: Final = 8192
"""A larger modulus makes one exponentiation take seconds: a flood, not a key."""

SUBGROUP_BITS: Final = 256
"""Size of v_p and v_q: the factors fall to about 2^(size/2) steps (Coron et al., CCS 2005), so 256 gives 128 bits."""

SMALL_FACTOR_BOUND: Final = 1 << 16
"""A modulus with a factor below this was not made of two large primes."""

FINGERPRINT_DOMAIN: Final = "privcredit dgk key"

REPEAT_CHECK_BITS: Final = 128
"""Exponents of this length repeat with probability 2^-128: a repeat means a broken generator."""

TABLE_SPAN: Final = 8
"""Exponents are short: 8 tables of 3.5 MB in all at 3072 bits serve 640 bits with 71 multiplications."""

HEADER_BYTES: Final = 4
"""Length of each of the three small numbers at the head of an encoded public key."""


class InvalidDgkKeyError(UsageError):
    """A DGK key is not what it should be; the sentence says which part."""


class InvalidDgkCiphertextError(UsageError):
    """Bytes that are not a DGK ciphertext under this key."""


@dataclass(frozen=True)
class DgkPublicKey:
    """The public key; build it with `create` or `from_bytes`, which check it.

    u: prime order of the plaintext group. subgroup_bits: size of v_p and v_q.
    """

    n: mpz
    g: mpz
    h: mpz
    u: int
    subgroup_bits: int

    @classmethod
    def create(
        cls, n: int, g: int, h: int, u: int, subgroup_bits: int, *, minimum_bits: int = MINIMUM_BITS
    ) -> "DgkPublicKey":
        """Return the checked key; raises InvalidDgkKeyError.

        What cannot be seen without the factors is not checked: that `h` has no component of order u. An owner who
        cheats there could learn about the peer's blinded differences (a stated limit of the semi-honest protocol).
        """
        key = cls(mpz(n), mpz(g), mpz(h), u, subgroup_bits)
        _check_modulus(key, minimum_bits)
        _check_plaintext_order(key)
        _check_generators(key)
        return key

    @classmethod
    def from_bytes(cls, data: bytes, *, minimum_bits: int = MINIMUM_BITS) -> "DgkPublicKey":
        """Return the checked key that `to_bytes` wrote; raises InvalidDgkKeyError."""
        head = 3 * HEADER_BYTES
        u, subgroup_bits, length = (
            int.from_bytes(data[at : at + HEADER_BYTES], "big") for at in range(0, head, HEADER_BYTES)
        )
        if len(data) != head + 3 * length:
            raise InvalidDgkKeyError(
                f"A DGK public key has {len(data)} bytes but announces {head + 3 * length}; ask its owner for it again."
            )
        n, g, h = (int.from_bytes(data[head + i * length : head + (i + 1) * length], "big") for i in range(3))
        return cls.create(n, g, h, u, subgroup_bits, minimum_bits=minimum_bits)

    def to_bytes(self) -> bytes:
        """Return u, subgroup size and length in 4 bytes each, then n, g, h in `length` bytes each."""
        head = (self.u, self.subgroup_bits, self.ciphertext_bytes)
        body = (self.n, self.g, self.h)
        return b"".join(number.to_bytes(HEADER_BYTES, "big") for number in head) + b"".join(
            int(number).to_bytes(self.ciphertext_bytes, "big") for number in body
        )

    @cached_property
    def bits(self) -> int:
        """Length of the modulus."""
        return int(self.n.bit_length())

    @cached_property
    def ciphertext_bytes(self) -> int:
        """Length of every encoded ciphertext."""
        return (self.bits + 7) // 8

    @cached_property
    def comparison_bits(self) -> int:
        """The widest comparison this key serves: the largest l' with 3 l' < u.

        The values of a comparison of l' bits lie in [-2, 3 l' - 1]; with u > 3 l' only 0 is 0 modulo u.
        """
        return (self.u - 1) // 3

    @cached_property
    def randomiser_bits(self) -> int:
        """Length of r in h^r: 2.5 times the subgroup size.

        The order of h has twice the subgroup size, so r modulo that order is uniform but for a statistical distance
        of 2^(-subgroup_bits / 2): 2^-128 with the production size.
        """
        return (5 * self.subgroup_bits + 1) // 2

    @cached_property
    def fingerprint(self) -> bytes:
        """32 bytes that name the key: a hash of `to_bytes`."""
        return digest(FINGERPRINT_DOMAIN, self.to_bytes())

    @cached_property
    def small_powers(self) -> dict[int, mpz]:
        """g^-1, 1, g, g^2: the constants that a comparison adds.

        1 is written 1 + n: multiplying by a short 1 would take less time and show which bits are 0.
        """
        return {0: 1 + self.n, **{power: gmpy2.powmod(self.g, power, self.n) for power in (-1, 1, 2)}}

    def encryptor(self, randomness: Randomness) -> "DgkEncryptor":
        """Return an encryptor for anyone; builds a table of about 2 MB at 2048 bits."""
        return DgkEncryptor(self, PublicNoise(self, randomness))

    def ciphertext(self, data: bytes) -> "DgkCiphertext":
        """Return the ciphertext in `data`, checked (W1); raises InvalidDgkCiphertextError."""
        return self.ciphertexts([data])[0]

    def ciphertexts(self, items: Sequence[bytes]) -> list["DgkCiphertext"]:
        """Return the ciphertexts, each checked for length and range, all for being units by one gcd.

        Raises InvalidDgkCiphertextError naming the first bad index. No exponentiation happens here.
        """
        values = [self._number(index, data) for index, data in enumerate(items)]
        product = mpz(1)
        for value in values:
            product = product * value % self.n
        if gmpy2.gcd(product, self.n) != 1:
            bad = next(index for index, value in enumerate(values) if gmpy2.gcd(value, self.n) != 1)
            raise InvalidDgkCiphertextError(
                f"DGK ciphertext {bad} is not a unit modulo the key's n; it must be refused."
            )
        return [DgkCiphertext(self, value) for value in values]

    def _number(self, index: int, data: bytes) -> mpz:
        if len(data) != self.ciphertext_bytes:
            raise InvalidDgkCiphertextError(
                f"DGK ciphertext {index} has {len(data)} bytes; under this key it must have {self.ciphertext_bytes}."
            )
        value = mpz(int.from_bytes(data, "big"))
        if not 0 < value < self.n:
            raise InvalidDgkCiphertextError(f"DGK ciphertext {index} is not between 1 and n - 1; it must be refused.")
        return value


class DgkCiphertext:
    """An encrypted value. It has no encoder: only what was re-randomised may leave a party."""

    __slots__ = ("key", "value")

    def __init__(self, key: DgkPublicKey, value: mpz) -> None:
        self.key = key
        self.value = value

    def __add__(self, other: "DgkCiphertext") -> "DgkCiphertext":
        """Encrypt the sum of both plaintexts."""
        return DgkCiphertext(self.key, self.value * other.value % self.key.n)

    def __neg__(self) -> "DgkCiphertext":
        """Encrypt minus the plaintext."""
        return DgkCiphertext(self.key, gmpy2.invert(self.value, self.key.n))

    def __mul__(self, factor: int) -> "DgkCiphertext":
        """Encrypt `factor` times the plaintext, 0 < factor < u.

        The plain `powmod` is meant: the factor is public, or a blinder that is used once and then hidden by
        re-randomisation; `powmod_sec` pads such short exponents to a whole limb and costs ten times as much.
        """
        return DgkCiphertext(self.key, gmpy2.powmod(self.value, factor, self.key.n))

    def plus_small(self, constant: int) -> "DgkCiphertext":
        """Encrypt the plaintext plus -1, 0, 1 or 2."""
        return DgkCiphertext(self.key, self.value * self.key.small_powers[constant] % self.key.n)


def negate_all(ciphertexts: Sequence[DgkCiphertext]) -> list[DgkCiphertext]:
    """Return encryptions of minus each plaintext, all under one key, with one inversion (Montgomery's trick)."""
    if not ciphertexts:
        return []
    key = ciphertexts[0].key
    before = [mpz(1)]
    for ciphertext in ciphertexts:
        before.append(before[-1] * ciphertext.value % key.n)
    inverse = gmpy2.invert(before.pop(), key.n)
    negated = []
    for ciphertext, product in zip(reversed(ciphertexts), reversed(before), strict=True):
        negated.append(DgkCiphertext(key, inverse * product % key.n))
        inverse = inverse * ciphertext.value % key.n
    return negated[::-1]


class FreshDgkCiphertext(DgkCiphertext):
    """A ciphertext with fresh randomness, made by `DgkEncryptor` only: the one type that can be sent."""

    __slots__ = ()

    def to_bytes(self) -> bytes:
        """Return the value in exactly `key.ciphertext_bytes` bytes."""
        return int(self.value).to_bytes(self.key.ciphertext_bytes, "big")


class NoiseSource(Protocol):
    """Makes values h^r that each hide one ciphertext."""

    def draw(self) -> mpz:
        """Return a fresh h^r mod n."""
        ...


class PublicNoise:
    """Noise from the public key alone: a table of h and an exponent of `randomiser_bits`.

    The table is read at secret digits, the stated exception to constant time: every exponent is used once.
    """

    def __init__(self, key: DgkPublicKey, randomness: Randomness) -> None:
        self._bits = key.randomiser_bits
        self._randomness = randomness
        self._guard = ExponentGuard(key.randomiser_bits)
        self._table = FixedBase(key.h, key.n, key.randomiser_bits, span=TABLE_SPAN)

    def draw(self) -> mpz:
        """Return a fresh h^r mod n."""
        return self._table.power(self._guard.check(draw.bits(self._randomness, self._bits)))


class ExponentGuard:
    """Raises when an exponent of production size shows a broken generator (H3): 0, 1, or the last one again."""

    def __init__(self, bits: int) -> None:
        self._active = bits >= REPEAT_CHECK_BITS
        self._last = 0

    def check(self, exponent: int) -> int:
        """Return `exponent` unless it is degenerate."""
        if self._active and exponent in {0, 1, self._last}:
            raise UsageError("The random generator repeats itself; stop this node and check its entropy source.")
        self._last = exponent
        return exponent


class DgkEncryptor:
    """Encrypts and re-randomises under one public key, from a pool of ready h^r where there is one.

    Made by `DgkPublicKey.encryptor` and, faster, by `DgkPrivateKey.encryptor`.
    """

    def __init__(self, key: DgkPublicKey, noise: NoiseSource) -> None:
        self.key = key
        self._source = noise
        self._pool: deque[mpz] = deque()

    def encrypt(self, message: int) -> FreshDgkCiphertext:
        """Encrypt `message`, taken modulo u. Bits cost one multiplication, others an exponentiation."""
        power = self.key.small_powers.get(message)
        if power is None:
            power = gmpy2.powmod(self.key.g, message % self.key.u, self.key.n)
        return FreshDgkCiphertext(self.key, power * self._noise() % self.key.n)

    def rerandomise(self, ciphertext: DgkCiphertext) -> FreshDgkCiphertext:
        """Return a ciphertext of the same plaintext that cannot be linked to `ciphertext`."""
        if ciphertext.key != self.key:
            raise UsageError("A DGK ciphertext can only be re-randomised under the key that made it.")
        return FreshDgkCiphertext(self.key, ciphertext.value * self._noise() % self.key.n)

    def refill(self, count: int) -> None:
        """Prepare until `count` values h^r are ready, off the critical path. A prepared value is used once."""
        while len(self._pool) < count:
            self._pool.append(self._source.draw())

    @property
    def pool_size(self) -> int:
        """How many h^r are ready."""
        return len(self._pool)

    def _noise(self) -> mpz:
        try:
            return self._pool.popleft()
        except IndexError:
            return self._source.draw()


def _check_modulus(key: DgkPublicKey, minimum_bits: int) -> None:
    if not minimum_bits <= key.bits <= MAXIMUM_BITS:
        raise InvalidDgkKeyError(
            f"A DGK modulus has {key.bits} bits; between {minimum_bits} and {MAXIMUM_BITS} are accepted."
        )
    if 2 * key.subgroup_bits > key.bits:  # a subgroup's order divides p - 1; exponents are as long as stated here
        raise InvalidDgkKeyError(f"DGK subgroups of {key.subgroup_bits} bits do not fit the modulus; make a new key.")
    if key.n % 2 == 0 or gmpy2.is_prime(key.n) or gmpy2.is_power(key.n):
        raise InvalidDgkKeyError("A DGK modulus must be the product of two distinct odd primes; make a new key.")
    if minimum_bits >= MINIMUM_BITS and gmpy2.gcd(key.n, gmpy2.primorial(SMALL_FACTOR_BOUND)) != 1:
        raise InvalidDgkKeyError("A DGK modulus has a factor below 2^16; make a new key.")
    if minimum_bits >= MINIMUM_BITS and key.subgroup_bits < SUBGROUP_BITS:
        raise InvalidDgkKeyError(f"DGK subgroups of {key.subgroup_bits} bits are too small; use {SUBGROUP_BITS}.")


def _check_plaintext_order(key: DgkPublicKey) -> None:
    if key.comparison_bits < 1 or not gmpy2.is_prime(key.u):
        raise InvalidDgkKeyError(f"The DGK plaintext order {key.u} must be a prime above 3; make a new key.")


def _check_generators(key: DgkPublicKey) -> None:
    """Check what shows without the factors: units, odd order, and neither 1 nor of order u modulo a factor."""
    for name, base in (("g", key.g), ("h", key.h)):
        if not 1 < base < key.n or gmpy2.jacobi(base, key.n) != 1:
            raise InvalidDgkKeyError(f"The DGK generator {name} is out of range or not of odd order; make a new key.")
        if gmpy2.gcd((base - 1) * (gmpy2.powmod(base, key.u, key.n) - 1), key.n) != 1:
            raise InvalidDgkKeyError(f"The DGK generator {name} has too small an order; make a new key.")
