"""Proof that the maker of a ciphertext knows its plaintext, an integer of bounded size (spec.md, section 6).

With c = (1 + m n) hs^r mod n^2 goes an integer commitment C = G^m H^t mod n, and one proof (Fiat-Shamir) that both hold
the same m. Whoever copies, inverts or re-randomises another's ciphertext cannot prove it (threats.md H2).

What it proves: the plaintext, read as a signed number, is an integer within 2^(message_bits + 193). What it does not:
that it lies in [0, 2^message_bits). Without C it would not even exclude fractions such as 1/2 mod n, which wrap.
"""

from __future__ import annotations

from dataclasses import dataclass

import gmpy2
from gmpy2 import mpz

from privcredit.crypto.integers import powmod_public
from privcredit.crypto.paillier_encryption import PROOF_MASK_BITS, Encryptor, Opening, randomiser_bits
from privcredit.crypto.paillier_public import MINIMUM_BITS, Ciphertext, FreshCiphertext, PublicKey
from privcredit.crypto.randomness import Randomness, bits
from privcredit.crypto.transcript import CHALLENGE_BITS, challenge, int_bytes
from privcredit.errors import InvalidProofError, UsageError

DOMAIN = "privcredit plaintext knowledge"
STEP = "verify plaintext knowledge"

SLACK_BITS = 64
"""A response hides its secret within statistical distance 2^-64."""

MASK_SURPLUS_BITS = CHALLENGE_BITS + SLACK_BITS
"""A mask is this much longer than the secret it hides."""

WIDTH_BYTES = 2
"""A message is narrower than the modulus, which has at most 8192 bits."""

HOLDERS_BITS = 8
"""Up to 256 proven plaintexts may be summed without wrapping."""


@dataclass(frozen=True, slots=True, repr=False)
class KnowledgeProof:
    """A proof about one ciphertext under `key`, for plaintexts of `message_bits` bits; five numbers of fixed length.

    commitment: C. challenge: e. message, exponent, blinder: the responses for m, r and t. Public.
    """

    key: PublicKey
    message_bits: int
    commitment: mpz
    challenge: int
    message: int
    exponent: int
    blinder: int

    def to_bytes(self) -> bytes:
        """Return the proof as `proof_bytes(key, message_bits)` bytes; the message width stands in front."""
        numbers = (self.commitment, self.challenge, self.message, self.exponent, self.blinder)
        lengths = _lengths(self.key, self.message_bits)
        body = (int_bytes(number, length) for number, length in zip(numbers, lengths, strict=True))
        return int_bytes(self.message_bits, WIDTH_BYTES) + b"".join(body)

    @classmethod
    def from_bytes(cls, key: PublicKey, data: bytes, culprit: str) -> KnowledgeProof:
        """Return the proof in `data`; raises InvalidProofError naming `culprit` for a wrong length or wide numbers."""
        message_bits = int.from_bytes(data[:WIDTH_BYTES], "big") if type(data) is bytes else 0
        if not 1 <= message_bits < key.bits or len(data) != proof_bytes(key, message_bits):
            raise InvalidProofError(culprit, STEP, "a proof of knowledge has the wrong length")
        numbers, position = [], WIDTH_BYTES
        for length in _lengths(key, message_bits):
            numbers.append(int.from_bytes(data[position : position + length], "big"))
            position += length
        proof = cls(key, message_bits, mpz(numbers[0]), *numbers[1:])
        _check_bounds(proof, culprit)
        return proof

    def __repr__(self) -> str:
        return f"<KnowledgeProof under {self.key!r} for {self.message_bits} bits>"


def proof_bytes(key: PublicKey, message_bits: int) -> int:
    """Return the exact length of an encoded proof."""
    return WIDTH_BYTES + sum(_lengths(key, message_bits))


def provable_bits(key_bits: int) -> int:
    """Return how wide a message under a modulus of `key_bits` bits may be: 256 proven plaintexts do not wrap."""
    return key_bits - 2 - PROOF_MASK_BITS - HOLDERS_BITS


def maximum_message_bits(key: PublicKey) -> int:
    """Return how wide a message may be so that 256 proven plaintexts cannot wrap modulo n in their sum."""
    return provable_bits(key.bits)


def prove_knowledge(
    encryptor: Encryptor,
    ciphertext: FreshCiphertext,
    opening: Opening,
    context: bytes,
    randomness: Randomness,
    message_bits: int,
) -> KnowledgeProof:
    """Prove knowledge of the plaintext of `ciphertext` (spec.md 6.2); run by the holder that encrypted it.

    context: whatever the proof must not be moved out of (holder, query, policy ...), encoded injectively.
    Costs a table power modulo n^2, three modulo n, and a secret power of `message_bits` bits, whatever the message.
    Leaks nothing beyond `message_bits` (statistically).
    Raises UsageError for a message outside [0, 2^message_bits), or too wide for the key.
    """
    key = encryptor.key
    check_width(key, message_bits)
    if ciphertext.key != key or not 0 <= opening.message < 1 << message_bits:
        raise UsageError(f"A proof of knowledge needs a message of 0 to {message_bits} bits under the encryptor's key.")
    blinder = bits(randomness, encryptor.randomiser_bits)
    commitment = encryptor.commitments.conceal(opening.message, message_bits, blinder)
    masks = [bits(randomness, limit + MASK_SURPLUS_BITS) for limit in _secret_bits(key, message_bits)]
    announced = _encryption(encryptor, masks[0], masks[1]), encryptor.commitments.commit(masks[0], masks[2])
    e = _challenge(ciphertext, commitment, announced, context, message_bits)
    secrets = (opening.message, opening.exponent, blinder)
    responses = [mask + e * secret for mask, secret in zip(masks, secrets, strict=True)]
    return KnowledgeProof(key, message_bits, commitment, e, *responses)


def verify_knowledge(
    encryptor: Encryptor,
    ciphertext: Ciphertext,
    proof: KnowledgeProof,
    context: bytes,
    message_bits: int,
    culprit: str,
) -> None:
    """Check a proof of knowledge (spec.md 6.3); run by every authority, for every contribution.

    All bounds are checked before anything is exponentiated (threats.md W5). Raises InvalidProofError naming `culprit`;
    UsageError if `message_bits` is too wide for the key.
    """
    key = encryptor.key
    check_width(key, message_bits)
    if key != ciphertext.key or key != proof.key or proof.message_bits != message_bits:
        raise InvalidProofError(culprit, STEP, "a proof of knowledge is for another key or message width")
    _check_bounds(proof, culprit)
    e = proof.challenge
    announced = (
        _encryption(encryptor, proof.message, proof.exponent)
        * powmod_public(ciphertext.value, -e, key.n_squared)
        % key.n_squared,
        encryptor.commitments.commit(proof.message, proof.blinder) * powmod_public(proof.commitment, -e, key.n) % key.n,
    )
    if e != _challenge(ciphertext, proof.commitment, announced, context, message_bits):
        raise InvalidProofError(culprit, STEP, "a proof of knowledge does not fit its ciphertext and context")


def _encryption(encryptor: Encryptor, message: int, exponent: int) -> mpz:
    """Return (1 + message n) hs^exponent mod n^2."""
    key = encryptor.key
    return (1 + message % key.n * key.n) * encryptor.power(exponent) % key.n_squared


def _challenge(
    ciphertext: Ciphertext, commitment: mpz, announced: tuple[mpz, mpz], context: bytes, message_bits: int
) -> int:
    key = ciphertext.key
    length = (key.bits + 7) // 8
    return challenge(
        DOMAIN,
        key.fingerprint,
        context,
        int_bytes(message_bits, WIDTH_BYTES),
        int_bytes(ciphertext.value, key.ciphertext_bytes),
        int_bytes(commitment, length),
        int_bytes(announced[0], key.ciphertext_bytes),
        int_bytes(announced[1], length),
    )


def _secret_bits(key: PublicKey, message_bits: int) -> tuple[int, int, int]:
    """Widths of what the three responses hide: m, r and t."""
    return message_bits, randomiser_bits(key), randomiser_bits(key)


def _lengths(key: PublicKey, message_bits: int) -> list[int]:
    responses = [(secret + PROOF_MASK_BITS + 7) // 8 for secret in _secret_bits(key, message_bits)]
    return [(key.bits + 7) // 8, CHALLENGE_BITS // 8, *responses]


def _check_bounds(proof: KnowledgeProof, culprit: str) -> None:
    """Cost: comparisons and one gcd."""
    responses = (proof.message, proof.exponent, proof.blinder)
    secrets = _secret_bits(proof.key, proof.message_bits)
    inside = all(
        0 <= response < (1 << (secret + MASK_SURPLUS_BITS)) + (1 << (secret + CHALLENGE_BITS))
        for response, secret in zip(responses, secrets, strict=True)
    )
    if not inside or not 0 <= proof.challenge < 1 << CHALLENGE_BITS:
        raise InvalidProofError(culprit, STEP, "a number in a proof of knowledge is out of its bounds")
    if not 0 < proof.commitment < proof.key.n or gmpy2.gcd(proof.commitment, proof.key.n) != 1:
        raise InvalidProofError(culprit, STEP, "a commitment in a proof of knowledge is not a unit modulo n")


def check_width(key: PublicKey, message_bits: int) -> None:
    """Raise UsageError unless a message of `message_bits` bits can be proved under `key`.

    Toy keys are too small to exclude wrapping; with production keys it must be excluded.
    """
    limit = maximum_message_bits(key) if key.bits >= MINIMUM_BITS else key.bits - 1
    if not 1 <= message_bits <= limit:
        raise UsageError(
            f"A proof of knowledge for {message_bits} bits does not fit the key; use at most {limit} bits."
        )
