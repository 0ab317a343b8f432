"""Threshold Paillier, 2 of 3: key, shares, partial decryptions, combination (protocols/threshold-paillier/spec.md).

Fouque, Poupard, Stern 2000 and Damgard, Jurik 2001 for k = 3, t = 2, Delta = 3! = 6: the secret d = 0 mod p'q',
d = 1 mod n is shared on a line over Z_(n p'q'), s_i = d + a i. A partial decryption counts only after its proof
(`share_proof`) verifies: that (c' - 1) mod n = 0 proves nothing, for a partial times (1 + n)^k passes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from math import prod
from typing import NoReturn

import gmpy2
from gmpy2 import mpz

from privcredit.crypto.integers import powmod_public, powmod_secret
from privcredit.crypto.paillier import MINIMUM_BITS, Ciphertext, InvalidKeyError, PublicKey
from privcredit.crypto.transcript import digest, expand, int_bytes
from privcredit.errors import InvalidProofError, UsageError

PARTIES = 3
"""k: authorities that hold a share."""

THRESHOLD = 2
"""t: shares that open a ciphertext; one alone is independent of the secret."""

DELTA = 6
"""Delta = k!: makes every Lagrange coefficient whole."""

INDICES = range(1, PARTIES + 1)
"""Where the line is evaluated. Index 0 would be the secret itself."""

BASE_DOMAIN = "privcredit threshold base"
KEY_DOMAIN = "privcredit threshold key"

BASE_SURPLUS_BYTES = 32
"""Hashing 256 bits more than n has makes the residue uniform within 2^-256."""

SHARE_MAGIC = b"privcredit key share v1\n"
"""First bytes of a key share file, whatever ceremony made it."""

FINGERPRINT_BYTES = 32


@dataclass(frozen=True, slots=True, repr=False)
class ThresholdKey:
    """The public side of a shared key: what parties pin after all three authorities have signed its fingerprint.

    key: the Paillier key. verification: v_1, v_2, v_3 with v_i = v^(Delta s_i) mod n^2. v: derived from n, never
    received. Making one checks that the v_i lie on one line through the right secret (spec.md 5.3) and raises
    InvalidProofError with culprit "dealer" if they do not. Costs one exponentiation with a public exponent.
    """

    key: PublicKey
    verification: tuple[mpz, ...]
    v: mpz = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "verification", tuple(mpz(value) for value in self.verification))
        object.__setattr__(self, "v", verification_base(self.key))
        check_verification_values(self.key, self.verification)

    def __repr__(self) -> str:
        return f"<ThresholdKey 2 of 3 over {self.key!r}>"

    @property
    def fingerprint(self) -> bytes:
        """32 bytes that name n, v and all v_i; this is what authorities sign."""
        size = self.key.ciphertext_bytes
        return digest(KEY_DOMAIN, *(int_bytes(value, size) for value in (self.key.n, self.v, *self.verification)))

    def to_dict(self) -> dict[str, str | list[str]]:
        """Return n and the v_i as lower-case hexadecimal strings of fixed length, for registries and files."""
        size = self.key.ciphertext_bytes
        return {
            "n": int_bytes(self.key.n, modulus_bytes(self.key.bits)).hex(),
            "verification": [int_bytes(value, size).hex() for value in self.verification],
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, object], *, minimum_bits: int = MINIMUM_BITS) -> ThresholdKey:
        """Return the key that `to_dict` wrote. Raises UsageError for a bad shape, InvalidProofError for bad values."""
        if set(plain) != {"n", "verification"} or not isinstance(plain["verification"], list | tuple):
            raise UsageError("A threshold key has the fields n and verification and no others; export it again.")
        key = PublicKey.from_modulus(_from_hex(plain["n"], "n"), minimum_bits=minimum_bits)
        values = [_from_hex(text, "verification", key.ciphertext_bytes) for text in plain["verification"]]
        return cls(key, tuple(mpz(value) for value in values))


class KeyShare:
    """One authority's share s_i of the decryption key. Secret: no message encoder, redacted repr, not picklable.

    index: 1, 2 or 3. key_fingerprint: names the Paillier key that it belongs to. secret: s_i, 0 < s_i < n^2 / 4.
    """

    __slots__ = ("index", "key_fingerprint", "secret")

    def __init__(self, index: int, key_fingerprint: bytes, secret: int) -> None:
        self.index = checked_index(index)
        self.key_fingerprint = key_fingerprint
        self.secret = mpz(secret)

    def __repr__(self) -> str:
        return f"<KeyShare {self.index} of {PARTIES}, secret redacted>"

    def __reduce__(self) -> NoReturn:
        raise UsageError("A key share is not pickled; keep it in a sealed share file.")

    def to_file_bytes(self, key: PublicKey) -> bytes:
        """Return the share file's content, which the caller seals: magic, fingerprint, index, s_i (spec.md 6)."""
        check_belongs(self, key)
        return SHARE_MAGIC + self.key_fingerprint + bytes([self.index]) + int_bytes(self.secret, secret_bytes(key))

    @classmethod
    def from_file_bytes(cls, data: bytes, key: PublicKey) -> KeyShare:
        """Return the share in `data` for `key`; raises UsageError for a file of another kind, length or key.

        Install it only after `share_proof.check_share` (or `ceremony.check_dealing`) has verified it.
        """
        body = data.removeprefix(SHARE_MAGIC)
        if len(data) - len(body) != len(SHARE_MAGIC) or len(body) != FINGERPRINT_BYTES + 1 + secret_bytes(key):
            raise UsageError("A key share file has the wrong kind or length; use the file that the ceremony wrote.")
        fingerprint, rest = body[:FINGERPRINT_BYTES], body[FINGERPRINT_BYTES:]
        share = cls(rest[0], fingerprint, mpz.from_bytes(rest[1:], "big"))
        check_belongs(share, key)
        return share


class PartialDecryption:
    """c_i = c^(2 Delta s_i) mod n^2. Two of them open c, so it is secret: no message encoder, redacted repr.

    It goes, sealed, to the evaluator that may see the masked sum and to nobody who knows the mask (protocols.md, 4).
    """

    __slots__ = ("index", "value")

    def __init__(self, index: int, value: int) -> None:
        self.index = checked_index(index)
        self.value = mpz(value)

    def __repr__(self) -> str:
        return f"<PartialDecryption of authority {self.index}, redacted>"

    def __reduce__(self) -> NoReturn:
        raise UsageError("A partial decryption is not pickled; seal it to its recipient.")

    def bytes_for_sealing(self, key: PublicKey) -> bytes:
        """Return the value as exactly `key.ciphertext_bytes` bytes, for a box sealed to the one who may open."""
        return int_bytes(self.value, key.ciphertext_bytes)

    @classmethod
    def from_sealed_bytes(cls, data: bytes, index: int, key: PublicKey, culprit: str) -> PartialDecryption:
        """Return the received partial decryption of the authority registered under `index`; no exponentiation.

        Raises InvalidProofError naming `culprit` unless `data` has the exact length and is a unit below n^2.
        """
        if type(data) is not bytes or len(data) != key.ciphertext_bytes:
            raise InvalidProofError(
                culprit, CHECK_PARTIAL, f"a partial decryption must be {key.ciphertext_bytes} bytes"
            )
        partial = cls(index, mpz.from_bytes(data, "big"))
        check_partial(partial, key, culprit)
        return partial


CHECK_PARTIAL = "check partial decryption"
CHECK_VERIFICATION = "check verification values"


def partial_decrypt(share: KeyShare, ciphertext: Ciphertext) -> PartialDecryption:
    """Return the partial decryption of `ciphertext` by this authority; one constant-time exponentiation.

    Run it only on a sum that policy allows to open: an authority that decrypts what it is sent is an oracle.
    Raises UsageError if the ciphertext is under another key, or is no unit below n^2.
    """
    check_belongs(share, ciphertext.key)
    check_unit(ciphertext)
    exponent = 2 * DELTA * share.secret
    return PartialDecryption(share.index, powmod_secret(ciphertext.value, exponent, ciphertext.key.n_squared))


def combine(threshold_key: ThresholdKey, partials: Mapping[int, PartialDecryption]) -> int:
    """Return the plaintext in [0, n) from exactly two partial decryptions, by index. Both must have been verified.

    m = L(prod c_i^(2 lambda_i)) (4 Delta^2)^-1 mod n. Raises UsageError for another number of partials, an index
    outside 1 to 3 or unlike its partial's, or partials that do not belong together (which verification excludes).
    """
    if len(partials) != THRESHOLD:
        raise UsageError(f"Opening takes exactly {THRESHOLD} partial decryptions, not {len(partials)}; choose two.")
    for index, partial in partials.items():
        if checked_index(index) != partial.index:
            raise UsageError("A partial decryption is filed under another authority's index; use its own.")
    n, square = threshold_key.key.n, threshold_key.key.n_squared
    opened = _interpolate({index: partial.value for index, partial in partials.items()}, square)
    if (opened - 1) % n:
        raise UsageError("Two partial decryptions do not open one ciphertext; verify both proofs before combining.")
    return int((opened - 1) // n * gmpy2.invert(4 * DELTA * DELTA, n) % n)


def _interpolate(values: Mapping[int, mpz], modulus: mpz) -> mpz:
    """Return c' = prod c_i^(2 lambda_i) mod n^2."""
    return (
        prod(
            (powmod_public(value, 2 * lagrange(index, tuple(values)), modulus) for index, value in values.items()),
            start=mpz(1),
        )
        % modulus
    )


def lagrange(index: int, subset: Sequence[int]) -> int:
    """Return lambda_i = Delta prod_(j != i) j / (j - i), a whole number for indices 1 to k."""
    others = [other for other in subset if other != index]
    return DELTA * prod(others) // prod(other - index for other in others)


def verification_base(key: PublicKey) -> mpz:
    """Return v = (1 + n) y^(2n) mod n^2 with y a hash of n: a generator of the squares that nobody chose (spec.md 1.4).

    Its plaintext is 1, so v_1^2 / v_2 = v^(Delta d) shows d modulo n as well as modulo p'q'.
    """
    length = modulus_bytes(key.bits)
    name = int_bytes(key.n, length)
    for attempt in count():
        hashed = expand(BASE_DOMAIN, name, bytes([attempt]), length=length + BASE_SURPLUS_BYTES)
        y = mpz.from_bytes(hashed, "big") % key.n
        if gmpy2.gcd(y, key.n) == 1:  # fails at toy sizes only
            break
    return (1 + key.n) * powmod_public(y, 2 * key.n, key.n_squared) % key.n_squared


def check_verification_values(key: PublicKey, values: Sequence[mpz]) -> None:
    """Check in public that all shares lie on one line through d = 0 mod p'q', d = 1 mod n (threats.md A4, A6).

    v_1 v_3 = v_2^2 and v_1^2 / v_2 = v^(Delta d) = 1 + Delta n, all mod n^2, and the line is not level: on a level one
    every authority alone holds d. Raises InvalidProofError with culprit "dealer".
    """
    square = key.n_squared
    if len(values) != PARTIES or not all(0 < value < square and gmpy2.gcd(value, key.n) == 1 for value in values):
        _blame_dealer(f"the verification values are not {PARTIES} units below n^2")
    v1, v2, v3 = values
    if v1 * v3 % square != v2 * v2 % square:
        _blame_dealer("the key shares do not lie on one line")
    if v1 * v1 % square != v2 * (1 + DELTA * key.n) % square:
        _blame_dealer("the key shares do not open to the decryption key")
    if v1 == v2:
        _blame_dealer("the key shares are all equal, so one authority alone could decrypt")


def check_partial(partial: PartialDecryption, key: PublicKey, culprit: str) -> None:
    """Raise InvalidProofError naming `culprit` unless the partial decryption is a unit below n^2."""
    if not 0 < partial.value < key.n_squared or gmpy2.gcd(partial.value, key.n) != 1:
        raise InvalidProofError(culprit, CHECK_PARTIAL, "a partial decryption is no unit below n^2")


def check_unit(ciphertext: Ciphertext) -> None:
    """Raise UsageError unless the ciphertext is a unit below n^2; the last guard before a secret exponent."""
    if not 0 < ciphertext.value < ciphertext.key.n_squared or gmpy2.gcd(ciphertext.value, ciphertext.key.n) != 1:
        raise UsageError("A ciphertext is no unit below n^2; read it with PublicKey.ciphertext first.")


def check_belongs(share: KeyShare, key: PublicKey) -> None:
    """Raise UsageError unless the share belongs to `key` and lies in its range (threats.md A10)."""
    if share.key_fingerprint != key.fingerprint:
        raise UsageError("A key share belongs to another key; use the share of the key that is pinned.")
    if not 0 < 4 * share.secret < key.n_squared:
        raise UsageError("A key share is out of range for its key; use the file that the ceremony wrote.")


def checked_index(index: int) -> int:
    """Return `index` if it is the integer 1, 2 or 3 itself, not something equal modulo some number (threats.md A4)."""
    if type(index) is not int or index not in INDICES:
        raise UsageError(f"An authority's index is 1 to {PARTIES}; take it from the registry.")
    return index


def modulus_bytes(bits: int) -> int:
    """Return the length of n in bytes."""
    return (bits + 7) // 8


def secret_bytes(key: PublicKey) -> int:
    """Return the length of s_i < n^2 / 4 in a share file."""
    return modulus_bytes(2 * key.bits)


def _blame_dealer(sentence: str) -> NoReturn:
    raise InvalidProofError("dealer", CHECK_VERIFICATION, f"{sentence}; repeat the key ceremony")


def _from_hex(text: object, name: str, length: int | None = None) -> int:
    """Return the number in fixed-length lower-case hexadecimal `text`."""
    try:
        data = bytes.fromhex(text) if isinstance(text, str) else b""
    except ValueError:
        data = b""
    if not data or data.hex() != text or length not in (None, len(data)):
        raise InvalidKeyError(
            f"A threshold key's field {name} is not hexadecimal of the right length; export it again."
        )
    return int.from_bytes(data, "big")
