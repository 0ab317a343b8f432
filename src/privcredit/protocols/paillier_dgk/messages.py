"""Messages of paillier-dgk; `protocols/paillier-dgk/spec.md` section 3 is normative.

Every type carries protocol and version in its tag, and a transcript: a hash over the session and all messages so far,
itself included. A message from another session, out of order or changed on its way does not fit the receiver's.
"""

from typing import Annotated, Final

import msgspec

from privcredit.messages.codec import Message

PROTOCOL: Final = "paillier-dgk/1"
"""Name and version; the first part of every tag."""

MAX_SEALED_SHARE_BYTES: Final = 4096
"""A sealed output share is a signed statement of about 600 bytes in a box."""

MAX_CIPHERTEXT_BYTES: Final = 2048
"""A Paillier ciphertext at 8192 bits, the largest key that is accepted."""

MAX_PROOF_BYTES: Final = 8192
"""A share proof is an exponent of two moduli and 384 bits, and at most three commitments."""

MAX_MASK_PROOF_BYTES: Final = 4096
"""A proof of knowledge is a commitment and three responses, together below three and a half moduli."""

Hash = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
CiphertextBytes = Annotated[bytes, msgspec.Meta(min_length=1, max_length=MAX_CIPHERTEXT_BYTES)]
Slots = tuple[tuple[CiphertextBytes, ...], ...]
"""One inner tuple for each slot, all of the same length; the programs check both lengths."""


class MaskAnnouncement(Message, frozen=True, kw_only=True, tag=f"{PROTOCOL}/mask-announcement"):
    """Evaluator 1 to evaluator 2: `[[R]]`, fresh, so that both open the very same sum.

    proof: that evaluator 1 knows R; else it could take other parties' contributions out of the sum, unseen.
    """

    ciphertext: CiphertextBytes
    proof: Annotated[bytes, msgspec.Meta(min_length=1, max_length=MAX_MASK_PROOF_BYTES)]
    transcript: Hash


class OpeningShare(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag=f"{PROTOCOL}/opening-share"
):
    """Evaluator 1 to evaluator 2 and to nobody else: a partial decryption of the masked sum with its proof.

    Not a `Message`: only an address made for it takes it (A11). Whoever knows R and sees a second one learns the sum.
    """

    partial: CiphertextBytes
    proof: Annotated[bytes, msgspec.Meta(min_length=1, max_length=MAX_PROOF_BYTES)]
    transcript: Hash

    def __repr__(self) -> str:
        return "<OpeningShare, redacted>"


class EncryptedBits(Message, frozen=True, kw_only=True, tag=f"{PROTOCOL}/encrypted-bits"):
    """Evaluator 2 to evaluator 1: for each slot the l' bits of beta, lowest first, under evaluator 2's DGK key."""

    slots: Slots
    transcript: Hash


class BlindedDifferences(Message, frozen=True, kw_only=True, tag=f"{PROTOCOL}/blinded-differences"):
    """Evaluator 1 to evaluator 2: for each slot l' + 1 blinded, re-randomised, shuffled values.

    sealed_share: evaluator 1's output share, sealed to the verifier; evaluator 2 passes it on unread.
    """

    slots: Slots
    sealed_share: Annotated[bytes, msgspec.Meta(max_length=MAX_SEALED_SHARE_BYTES)]
    transcript: Hash


ForEvaluator1 = EncryptedBits
"""All that evaluator 1, who knows R, may be sent."""

ForEvaluator2 = MaskAnnouncement | OpeningShare | BlindedDifferences
"""All that evaluator 2, who sees the masked sum, may be sent."""
