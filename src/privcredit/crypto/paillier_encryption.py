"""Encryption and re-randomisation (protocols/paillier/spec.md, section 2).

Damgard, Jurik, Nielsen 2010: c = (1 + m n) hs^r mod n^2 with r uniform below 2^(|n|/2). The half-length exponent is the
shortest with a proof; no shorter one is offered.
"""

from __future__ import annotations

from collections import deque
from functools import cached_property

from gmpy2 import mpz

from privcredit.crypto.fixed_base import DEFAULT_WINDOW, FixedBase
from privcredit.crypto.integer_commitment import CommitmentKey
from privcredit.crypto.integers import powmod_public, powmod_secret
from privcredit.crypto.paillier_public import Ciphertext, FreshCiphertext, PublicKey, _integer
from privcredit.crypto.randomness import Randomness, RepeatGuard, bits, unit
from privcredit.errors import UsageError

MINIMUM_RANDOMISER_BITS = 128
"""Toy keys also get exponents of this length, so a repeated or trivial one is always a broken generator."""

PROOF_MASK_BITS = 128 + 64 + 1
"""A proof of knowledge answers with exponents this much longer than r: challenge, statistical slack, one carry."""

SMALLEST_RANDOMISER = 2
"""hs^0 hides nothing and hs^1 is public; both mean a broken generator."""


class Opening:
    """What opens a ciphertext: c = (1 + message n) hs^exponent. Secret; no dataclass, so no codec encodes it."""

    __slots__ = ("exponent", "message")

    def __init__(self, message: int, exponent: int) -> None:
        self.message = message
        self.exponent = exponent

    def __repr__(self) -> str:
        return "<Opening, redacted>"


class Encryptor:
    """Encrypts and re-randomises under one key, with a power table for hs and a pool of ready randomisers.

    Safe to share between threads. Run by holders, authorities, and whoever sends ciphertexts on.
    """

    def __init__(
        self, key: PublicKey, randomness: Randomness, *, window: int = DEFAULT_WINDOW, table: bool = True
    ) -> None:
        """Prepare for `key`; building the table takes about (0.75 |n| + 193) / (16 window) 2^window multiplications.

        table: False for a party that encrypts a few times only; then each encryption is a full exponentiation.
        """
        self.key = key
        self.randomiser_bits = randomiser_bits(key)
        self.exponent_bits = self.randomiser_bits + PROOF_MASK_BITS
        self._randomness = randomness
        self._full_range = FullRangeEncryptor(key, randomness)
        self._guard = RepeatGuard()
        self._pool: deque[tuple[int, mpz]] = deque()
        self._window = window
        self._table = FixedBase(key.hs, key.n_squared, self.exponent_bits, window) if table else None

    def __repr__(self) -> str:
        return f"<Encryptor under {self.key!r}, {self.ready} randomisers ready>"

    def encrypt(self, message: int) -> FreshCiphertext:
        """Return a fresh ciphertext of `message`; negative numbers stand for n + message.

        Raises UsageError unless |message| < n, or if the random generator is visibly broken.
        """
        return self.encrypt_with_opening(message)[0]

    def encrypt_with_opening(self, message: int) -> tuple[FreshCiphertext, Opening]:
        """Return a fresh ciphertext of `message` and its opening, which a proof of knowledge needs."""
        encoded = _message(self.key, message)
        exponent, randomiser = self._take()
        value = plaintext_factor(self.key, encoded) * randomiser % self.key.n_squared
        return FreshCiphertext(self.key, value), Opening(int(encoded), exponent)

    def rerandomise(self, ciphertext: Ciphertext) -> FreshCiphertext:
        """Return another ciphertext of the same plaintext that cannot be linked to `ciphertext` without the key.

        A ciphertext from phe (`full_range`) gets a full r^n: hs^r would keep its Jacobi symbol modulo n.
        """
        if ciphertext.full_range:
            return self._full_range.rerandomise(ciphertext)
        return _multiplied(self.key, ciphertext, self._take()[1])

    def power(self, exponent: int) -> mpz:
        """Return hs^exponent mod n^2 for 0 <= exponent < 2^exponent_bits. Raises UsageError outside."""
        if self._table is not None:
            return self._table.power(exponent)
        if exponent < 0 or exponent.bit_length() > self.exponent_bits:
            raise UsageError(f"A randomiser exponent must have 0 to {self.exponent_bits} bits.")
        return powmod_secret(self.key.hs, exponent, self.key.n_squared)

    @property
    def table_bytes(self) -> int:
        """What the power table takes in memory: 4 MB at 2048 bits, 9 MB at 3072 with the default window."""
        return self._table.memory_bytes if self._table is not None else 0

    @cached_property
    def commitments(self) -> CommitmentKey:
        """The key of integer commitments for proofs of knowledge, with tables like the encryptor's own.

        Made at first use, which takes a tenth of a second at 3072 bits; touch it when a node starts.
        """
        return CommitmentKey(self.key, self.exponent_bits, window=self._window, table=self._table is not None)

    def refill(self, count: int) -> None:
        """Make randomisers ahead of time until `count` are ready; each then saves an encryption its exponentiation."""
        while len(self._pool) < count:
            self._pool.append(self._draw())

    @property
    def ready(self) -> int:
        """How many randomisers are ready."""
        return len(self._pool)

    def _take(self) -> tuple[int, mpz]:
        try:
            return self._pool.popleft()
        except IndexError:
            return self._draw()

    def _draw(self) -> tuple[int, mpz]:
        exponent = bits(self._randomness, self.randomiser_bits)
        self._guard.check(exponent.to_bytes((self.randomiser_bits + 7) // 8, "big"))
        if exponent < SMALLEST_RANDOMISER:
            raise UsageError(
                "The random generator gave a trivial randomiser; stop this node and check its entropy source."
            )
        return exponent, self.power(exponent)


def randomiser_bits(key: PublicKey) -> int:
    """Return the length of a randomiser's exponent: half of the modulus."""
    return max((key.bits + 1) // 2, MINIMUM_RANDOMISER_BITS)


class FullRangeEncryptor:
    """Encrypts and re-randomises with r^n for a uniform unit r (Paillier 1999): one full exponentiation each.

    For keys whose primes may not be safe, such as phe's: the proof of the half-length exponent needs safe primes.
    """

    def __init__(self, key: PublicKey, randomness: Randomness) -> None:
        self.key = key
        self._randomness = randomness
        self._guard = RepeatGuard()

    def encrypt(self, message: int) -> FreshCiphertext:
        """Return (1 + message n) r^n mod n^2. Raises UsageError unless |message| < n, or for a broken generator."""
        factor = plaintext_factor(self.key, _message(self.key, message))
        value = factor * self._randomiser() % self.key.n_squared
        return FreshCiphertext(self.key, value, full_range=True)

    def rerandomise(self, ciphertext: Ciphertext) -> FreshCiphertext:
        """Return another ciphertext of the same plaintext that cannot be linked to `ciphertext` without the key."""
        return _multiplied(self.key, ciphertext, self._randomiser())

    def _randomiser(self) -> mpz:
        root = unit(self._randomness, int(self.key.n))
        self._guard.check(root.to_bytes((self.key.bits + 7) // 8, "big"))
        return powmod_public(root, self.key.n, self.key.n_squared)


def plaintext_factor(key: PublicKey, residue: mpz) -> mpz:
    """Return 1 + m n + n^2, which is 1 + m n modulo n^2, but as long for m = 0 as for any other small m.

    Multiplying by 1 + 0 n, that is by 1, takes a twentieth of the time and would show which plaintexts are 0.
    """
    return 1 + (residue + key.n) * key.n


def _multiplied(key: PublicKey, ciphertext: Ciphertext, randomiser: mpz) -> FreshCiphertext:
    if ciphertext.key != key:
        raise UsageError("A ciphertext is under another key than the encryptor; use the encryptor of its key.")
    return FreshCiphertext(key, ciphertext.value * randomiser % key.n_squared, ciphertext.full_range)


def _message(key: PublicKey, message: int) -> mpz:
    number = _integer(message)
    if not -key.n < number < key.n:
        raise UsageError("A message must be smaller than the modulus in absolute value; split or scale it.")
    return number % key.n
