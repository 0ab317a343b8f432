"""The mask R of one opening: made offline by evaluator 1, used once, and proved to be a number that it knows."""

from typing import Final

from privcredit.channels.interface import Kept
from privcredit.crypto.knowledge import KnowledgeProof, prove_knowledge, verify_knowledge
from privcredit.crypto.packing import Layout
from privcredit.crypto.paillier import Ciphertext, Encryptor, FreshCiphertext, PublicKey
from privcredit.crypto.randomness import Randomness
from privcredit.crypto.transcript import digest, encode_fields, int_bytes
from privcredit.errors import UsageError
from privcredit.protocols.paillier_dgk.messages import PROTOCOL

MASK_DOMAIN: Final = "privcredit paillier-dgk mask"
PROOF_DOMAIN: Final = "privcredit paillier-dgk mask proof"

NUMBER_BYTES: Final = 16
"""Length of widths and slot counts in the proof's context, as in the transcript."""


class Mask(Kept):
    """R, `[[R]]` and its proof. R comes out once; two openings under one R would show the difference of two sums.

    identifier: 32 public bytes under which the caller notes that the mask is consumed. context: what it was made for.
    """

    __slots__ = ("_secret", "ciphertext", "context", "identifier", "proof")

    def __init__(self, value: int, ciphertext: FreshCiphertext, proof: bytes, context: bytes) -> None:
        self.ciphertext = ciphertext
        self.proof = proof
        self.context = context
        self.identifier = digest(MASK_DOMAIN, ciphertext.to_bytes())
        self._secret = [value]

    def consume(self) -> int:
        """Return R and forget it; raises UsageError the second time, also between threads."""
        try:
            return self._secret.pop()
        except IndexError:
            raise UsageError("A mask was already consumed; prepare a new one for every opening and rerun.") from None


def mask_context(key: PublicKey, layout: Layout, maker: str) -> bytes:
    """Return what a mask's proof is bound to: protocol, key, packing and evaluator 1's name (spec.md 2.1).

    Not the session: masks are made before there is one. A mask is used up by its only session (2.1).
    """
    numbers = (layout.score_bits, layout.slots, layout.mask_bits)
    packing = encode_fields(*(int_bytes(number, NUMBER_BYTES) for number in numbers))
    return digest(PROOF_DOMAIN, PROTOCOL.encode(), key.fingerprint, packing, maker.encode())


def prepare_mask(encryptor: Encryptor, layout: Layout, maker: str, randomness: Randomness) -> Mask:
    """Return a new mask: R uniform in [0, 2^mask_bits), its fresh encryption and proof. Run by evaluator 1, offline.

    maker: evaluator 1's name as in the registry. Raises UsageError for a layout too wide to prove under the key.
    """
    return prove_mask(encryptor, layout, maker, layout.draw_mask(randomness), randomness)


def prove_mask(encryptor: Encryptor, layout: Layout, maker: str, value: int, randomness: Randomness) -> Mask:
    """Return the mask with R = `value`, encrypted and proved; `prepare_mask` draws the value."""
    context = mask_context(encryptor.key, layout, maker)
    ciphertext, opening = encryptor.encrypt_with_opening(value)
    proof = prove_knowledge(encryptor, ciphertext, opening, context, randomness, layout.mask_bits)
    return Mask(value, ciphertext, proof.to_bytes(), context)


def verify_mask(encryptor: Encryptor, ciphertext: Ciphertext, proof: bytes, layout: Layout, maker: str) -> None:
    """Check that evaluator 1, `maker`, knows R (spec.md 2.2); run by evaluator 2 before it opens anything.

    Without it evaluator 1 could put the others' negated contributions into the mask and ask about a single holder.
    Raises InvalidProofError naming `maker`.
    """
    context = mask_context(encryptor.key, layout, maker)
    parsed = KnowledgeProof.from_bytes(encryptor.key, proof, maker)
    verify_knowledge(encryptor, ciphertext, parsed, context, layout.mask_bits, maker)
