"""Proof that several pairs (B_i, N_i) have one secret: N_i = k B_i for all i, and the prover knows k.

Chaum-Pedersen over any number of pairs, made non-interactive by Fiat-Shamir in the compact form (challenge,
response): 64 bytes. With one pair it is a Schnorr signature. The challenge covers the number of pairs, all bases, all
images, all commitments and the caller's context. Source: Chaum and Pedersen, CRYPTO 1992, section 3.2.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NoReturn, Self

from privcredit.crypto.group import ORDER, SCALAR_BYTES, Point, Scalar, combine
from privcredit.crypto.randomness import Randomness
from privcredit.crypto.transcript import challenge, expand, int_bytes
from privcredit.errors import InvalidProofError, UsageError

DOMAIN: Final = "equal logarithms"
PROOF_BYTES: Final = 64
NONCE_ENTROPY_BYTES: Final = 32
WIDE_BITS: Final = 512
STEP: Final = "verify equality proof"

Pair = tuple[Point, Point]
"""(base, image)."""


@dataclass(frozen=True, slots=True)
class EqualityProof:
    """The proof: challenge and response, two scalars of 32 bytes, little-endian, canonical, not zero."""

    challenge: bytes
    response: bytes

    def to_bytes(self) -> bytes:
        """Return challenge || response, 64 bytes."""
        return self.challenge + self.response

    @classmethod
    def from_bytes(cls, data: bytes, culprit: str) -> Self:
        """Return the proof in `data`; its length and bounds are checked here, before any multiplication.

        Raises InvalidProofError naming `culprit`.
        """
        if len(data) != PROOF_BYTES:
            _fail(culprit, f"an equality proof has {PROOF_BYTES} bytes, not {len(data)}")
        halves = data[:SCALAR_BYTES], data[SCALAR_BYTES:]
        if not all(0 < int.from_bytes(half, "little") < ORDER for half in halves):
            _fail(culprit, "a scalar of an equality proof is out of range")
        return cls(*halves)


def prove_equal_logs(secret: Scalar, pairs: Sequence[Pair], context: bytes, randomness: Randomness) -> EqualityProof:
    """Return the proof that every image is `secret` times its base, bound to `context`.

    The nonce hashes the secret, the statement and fresh randomness together: a generator that repeats itself still
    never gives one nonce to two statements. Leaks nothing but the statement. Raises UsageError for a false statement.
    """
    if not pairs or any(secret.times(base) != image for base, image in pairs):
        raise UsageError("An equality proof needs pairs whose images are all the same secret times their base.")
    nonce = _nonce(secret, pairs, context, randomness.bytes(NONCE_ENTROPY_BYTES))
    drawn = _challenge(pairs, [nonce.times(base).data for base, _ in pairs], context)
    return EqualityProof(drawn, secret.respond(drawn, nonce))


def verify_equal_logs(pairs: Sequence[Pair], proof: EqualityProof, context: bytes, culprit: str) -> None:
    """Check that one secret, known to the prover, gives every pair, for this `context`.

    Raises InvalidProofError naming `culprit`; UsageError when there is no pair.
    """
    if not pairs:
        raise UsageError("An equality proof over no pairs proves nothing; give at least one.")
    commitments = [combine(proof.response, base, proof.challenge, image) for base, image in pairs]
    if _challenge(pairs, commitments, context) != proof.challenge:
        _fail(culprit, "an equality proof does not verify")


def _challenge(pairs: Sequence[Pair], commitments: Sequence[bytes], context: bytes) -> bytes:
    drawn = challenge(DOMAIN, context, *_statement(pairs), *commitments, bits=WIDE_BITS) % ORDER
    return drawn.to_bytes(SCALAR_BYTES, "little")


def _nonce(secret: Scalar, pairs: Sequence[Pair], context: bytes, entropy: bytes) -> Scalar:
    fields = (secret.export_secret(), entropy, context, *_statement(pairs))
    return Scalar.from_wide(expand(f"{DOMAIN}: nonce", *fields, length=WIDE_BITS // 8))


def _statement(pairs: Sequence[Pair]) -> list[bytes]:
    return [int_bytes(len(pairs), 8), *(point.data for pair in pairs for point in pair)]


def _fail(culprit: str, sentence: str) -> NoReturn:
    raise InvalidProofError(culprit, STEP, sentence)
