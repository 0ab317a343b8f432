"""Hashing for Fiat-Shamir and for identifiers: versioned, domain-separated, length-prefixed.

A transcript is a sequence of byte strings. Each is hashed with its length before it, so moving bytes across a
border between fields changes the hash (threats.md W3). Numbers enter as bytes of a fixed length (`int_bytes`).
"""

import hashlib

from privcredit.errors import UsageError

VERSION = b"privcredit v1"
"""First field of every hash: hashes of another version of the project never coincide with ours."""

LENGTH_BYTES = 8
"""Length prefix of a field; 2^64 bytes is more than any field has."""

CHALLENGE_BITS = 128
"""A cheating prover succeeds with probability 2^-128 for each hash it tries."""

MAX_CHALLENGE_BITS = 512
"""SHA-512 gives no more."""


def encode_fields(*fields: bytes) -> bytes:
    """Return `fields` joined so that different sequences give different bytes: each follows its length."""
    return b"".join(len(field).to_bytes(LENGTH_BYTES, "big") + field for field in fields)


def challenge(domain: str | bytes, *fields: bytes, bits: int = CHALLENGE_BITS) -> int:
    """Return the Fiat-Shamir challenge of a transcript, an integer in [0, 2^bits).

    domain: the name of the proof, unique in the project. fields: everything the proof is about. Public; leaks nothing
    that its fields do not. Raises UsageError if `bits` is not between 1 and 512.
    """
    if not 1 <= bits <= MAX_CHALLENGE_BITS:
        raise UsageError(f"A challenge of {bits} bits cannot be drawn; ask for 1 to {MAX_CHALLENGE_BITS}.")
    hashed = hashlib.sha512(_framed(b"challenge", domain, fields)).digest()
    return int.from_bytes(hashed, "big") >> (MAX_CHALLENGE_BITS - bits)


def digest(domain: str | bytes, *fields: bytes) -> bytes:
    """Return 32 bytes (SHA-256) that identify `fields` under `domain`."""
    return hashlib.sha256(_framed(b"digest", domain, fields)).digest()


def expand(domain: str | bytes, *fields: bytes, length: int) -> bytes:
    """Return `length` bytes derived from `fields` under `domain` (SHA-512 in counter mode)."""
    framed = _framed(b"expand", domain, fields)
    block_bytes = hashlib.sha512().digest_size
    blocks = (
        hashlib.sha512(framed + counter.to_bytes(8, "big")).digest() for counter in range(-(-length // block_bytes))
    )
    return b"".join(blocks)[:length]


def int_bytes(number: int, length: int) -> bytes:
    """Return `number` as exactly `length` bytes, big-endian. Raises UsageError if it does not fit or is negative."""
    try:
        return int(number).to_bytes(length, "big")
    except OverflowError as error:
        raise UsageError(
            f"A number does not fit {length} bytes; the caller must check bounds before hashing."
        ) from error


def _framed(purpose: bytes, domain: str | bytes, fields: tuple[bytes, ...]) -> bytes:
    name = domain.encode() if isinstance(domain, str) else domain
    return encode_fields(VERSION, purpose, name, *fields)
