"""ristretto255 through libsodium (rbcl): points, secret scalars, hashing to the group.

A `Point` is public, canonical and never the identity. A `Scalar` is secret and never zero. libsodium multiplies in
constant time. Sources: RFC 9496 (ristretto255, its one-way map on 64 uniform bytes), libsodium.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NoReturn

import rbcl

from privcredit.crypto.randomness import Randomness
from privcredit.crypto.transcript import expand
from privcredit.errors import UsageError

POINT_BYTES: Final = 32
SCALAR_BYTES: Final = 32
WIDE_BYTES: Final = 64
"""Reducing 512 uniform bits leaves a bias below 2^-250; the map to the group also takes 64 bytes."""

ORDER: Final = 2**252 + 27742317777372353535851937790883648493
"""L, the prime order of the group."""

IDENTITY: Final = bytes(POINT_BYTES)
TOP_BIT: Final = 0x80
"""Of the last byte: set in no canonical encoding (RFC 9496, 4.3.1)."""


class InvalidPointError(UsageError):
    """Bytes that are not a canonical, non-identity point of ristretto255."""


@dataclass(frozen=True, slots=True)
class Point:
    """A point other than the identity, as its 32 canonical bytes."""

    data: bytes

    def __post_init__(self) -> None:
        # libsodium's own check passes the identity, which every scalar maps to itself, and ignores the top bit,
        # which would give each nullifier a second spelling.
        if len(self.data) != POINT_BYTES or self.data == IDENTITY:
            raise InvalidPointError("A point must have 32 bytes and must not be the identity; ask the sender.")
        if self.data[-1] & TOP_BIT or not rbcl.crypto_core_ristretto255_is_valid_point(self.data):
            raise InvalidPointError("These 32 bytes are not a canonical point of ristretto255; ask the sender.")

    def __bytes__(self) -> bytes:
        return self.data


class Scalar:
    """A secret scalar in [1, L): no encoder, a redacted repr; `export_secret` is for key files only."""

    __slots__ = ("_data",)

    def __init__(self, data: bytes) -> None:
        """data: 32 bytes, little-endian, canonical. Raises UsageError."""
        if len(data) != SCALAR_BYTES or not 0 < int.from_bytes(data, "little") < ORDER:
            raise UsageError("A secret scalar must be a canonical, non-zero number of 32 bytes; check the key file.")
        self._data = data

    @classmethod
    def generate(cls, randomness: Randomness) -> "Scalar":
        """Return a uniformly random scalar. Raises UsageError if the generator gives zero."""
        return cls.from_wide(randomness.bytes(WIDE_BYTES))

    @classmethod
    def from_wide(cls, wide: bytes) -> "Scalar":
        """Return 64 uniform bytes modulo L. Raises UsageError if that is zero."""
        return cls(rbcl.crypto_core_ristretto255_scalar_reduce(wide))

    def times(self, point: Point) -> Point:
        """Return this scalar times `point`, in constant time."""
        return Point(rbcl.crypto_scalarmult_ristretto255(self._data, point.data))

    def respond(self, challenge: bytes, nonce: "Scalar") -> bytes:
        """Return nonce + challenge * self modulo L: the response of a Schnorr proof.

        Two responses with one nonce and different challenges reveal the scalar.
        """
        product = rbcl.crypto_core_ristretto255_scalar_mul(challenge, self._data)
        return bytes(rbcl.crypto_core_ristretto255_scalar_add(product, nonce.export_secret()))

    def export_secret(self) -> bytes:
        """Return the 32 secret bytes for an encrypted key file or a hash that stays here; nothing else may."""
        return self._data

    def __repr__(self) -> str:
        return "Scalar(<secret>)"

    def __reduce__(self) -> NoReturn:
        raise UsageError("A secret scalar cannot be pickled or copied; export it into an encrypted key file.")


def hash_to_group(domain: str, *fields: bytes) -> Point:
    """Return the point that `fields` hash to; nobody knows its logarithm to any other base.

    SHA-512 over length-prefixed domain and fields (`transcript.expand`), then the one-way map of RFC 9496 4.3.4.
    """
    return _from_uniform(expand(f"hash to group: {domain}", *fields, length=WIDE_BYTES))


@lru_cache(maxsize=4096)
def _from_uniform(uniform: bytes) -> Point:
    return Point(rbcl.crypto_core_ristretto255_from_hash(uniform))


def combine(response: bytes, base: Point, challenge: bytes, image: Point) -> bytes:
    """Return the 32 bytes of response * base - challenge * image: what a Schnorr verifier recomputes.

    response, challenge: canonical non-zero scalars (public). The result may be the identity.
    """
    first = rbcl.crypto_scalarmult_ristretto255(response, base.data)
    second = rbcl.crypto_scalarmult_ristretto255(challenge, image.data)
    return bytes(rbcl.crypto_core_ristretto255_sub(first, second))
