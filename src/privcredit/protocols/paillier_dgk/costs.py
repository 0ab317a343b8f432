"""What one comparison costs on the wire, by formula (`protocols/paillier-dgk/spec.md` section 5)."""

from dataclasses import dataclass
from typing import Final

from privcredit.crypto.packing import DEFAULT_SIGMA
from privcredit.protocols.paillier_dgk.messages import (
    BlindedDifferences,
    EncryptedBits,
    MaskAnnouncement,
    OpeningShare,
)

MESSAGES_1: Final = 3
"""Evaluator 1 sends mask announcement, opening share, blinded differences."""

MESSAGES_2: Final = 1
"""Evaluator 2 sends encrypted bits."""

ROUNDS: Final = 3
"""Mask announcement and opening share travel together; bits answer them; differences answer the bits."""

HASH_BYTES: Final = 32
CHALLENGE_BYTES: Final = 16
RESPONSE_SURPLUS_BITS: Final = 258
"""A response is below 2^(2 |n| + 258): the exponent's 2 |n| + 1 bits, 256 bits of mask, one carry."""

WIDTH_BYTES: Final = 2
MASK_RESPONSE_SURPLUS_BITS: Final = 193
"""A response of the proof of knowledge: what it hides, 128 bits of challenge, 64 of slack, one carry."""

MINIMUM_RANDOMISER_BITS: Final = 128

FIX_STRING: Final = 32
FIX_ARRAY: Final = 16
BYTE: Final = 1 << 8
DOUBLE_BYTE: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class PredictedCost:
    """Bytes that each evaluator sends, as encoded by the codec; messages of both together; rounds."""

    bytes_1: int
    bytes_2: int
    messages: int = MESSAGES_1 + MESSAGES_2
    rounds: int = ROUNDS

    @property
    def total_bytes(self) -> int:
        """Bytes that both send together."""
        return self.bytes_1 + self.bytes_2


def predicted_cost(
    bits: int,
    score_bits: int,
    slots: int,
    *,
    sigma: int = DEFAULT_SIGMA,
    dgk_bits: int | None = None,
    sealed_share_bytes: int = 0,
) -> PredictedCost:
    """Return the exact cost of comparing `slots` scores of `score_bits` bits at a Paillier modulus of `bits` bits.

    sigma: statistical parameter of the mask. dgk_bits: size of the DGK modulus, the same if not given.
    sealed_share_bytes: length of evaluator 1's sealed output share, which rides in its last message. Nothing else
    enters: no size depends on a score, a mask or an answer.
    """
    ciphertext, dgk, width = bytes_of(2 * bits), bytes_of(dgk_bits or bits), score_bits + 1
    response = bytes_of(2 * bits + RESPONSE_SURPLUS_BITS)
    announcement = _message(
        MaskAnnouncement,
        ciphertext=_binary(ciphertext),
        proof=_binary(mask_proof_bytes(bits, width * slots + sigma)),
    )
    opening = _message(OpeningShare, partial=_binary(ciphertext), proof=_binary(CHALLENGE_BYTES + response))
    encrypted = _message(EncryptedBits, slots=_slots(slots, width, dgk))
    blinded = _message(
        BlindedDifferences, slots=_slots(slots, width + 1, dgk), sealed_share=_binary(sealed_share_bytes)
    )
    return PredictedCost(announcement + opening + blinded, encrypted)


def mask_proof_bytes(bits: int, mask_bits: int) -> int:
    """Return the length of the proof of knowledge for a mask of `mask_bits` bits (`paillier/spec.md` 6.2)."""
    randomiser = max((bits + 1) // 2, MINIMUM_RANDOMISER_BITS)
    responses = bytes_of(mask_bits + MASK_RESPONSE_SURPLUS_BITS) + 2 * bytes_of(randomiser + MASK_RESPONSE_SURPLUS_BITS)
    return WIDTH_BYTES + bytes_of(bits) + CHALLENGE_BYTES + responses


def bytes_of(bits: int) -> int:
    """Return the number of bytes that hold `bits` bits."""
    return (bits + 7) // 8


def _message(kind: type, **fields: int) -> int:
    """Return the length of a msgpack map: header, tag, the given fields and the transcript."""
    tag = _string("type") + _string(str(kind.__struct_config__.tag))  # type: ignore[attr-defined]  # a msgspec.Struct
    transcript = _string("transcript") + _binary(HASH_BYTES)
    return 1 + tag + transcript + sum(_string(name) + length for name, length in fields.items())


def _string(text: str) -> int:
    return len(text) + (1 if len(text) < FIX_STRING else 2)


def _binary(length: int) -> int:
    return length + (2 if length < BYTE else 3 if length < DOUBLE_BYTE else 5)


def _array(length: int) -> int:
    return 1 if length < FIX_ARRAY else 3


def _slots(slots: int, ciphertexts: int, length: int) -> int:
    return _array(slots) + slots * (_array(ciphertexts) + ciphertexts * _binary(length))
