"""What both evaluators of one comparison know beforehand, and the transcript that binds every message to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from privcredit.channels.interface import Address, Kept
from privcredit.crypto.dgk import DgkPublicKey
from privcredit.crypto.knowledge import check_width
from privcredit.crypto.packing import Layout
from privcredit.crypto.paillier import Ciphertext
from privcredit.crypto.threshold import INDICES, ThresholdKey
from privcredit.crypto.transcript import digest, encode_fields, int_bytes
from privcredit.errors import InvalidProofError, UsageError
from privcredit.protocols.paillier_dgk.messages import (
    PROTOCOL,
    BlindedDifferences,
    EncryptedBits,
    ForEvaluator1,
    ForEvaluator2,
    MaskAnnouncement,
    OpeningShare,
)

SESSION_DOMAIN: Final = "privcredit paillier-dgk session"
STEP_DOMAIN: Final = "privcredit paillier-dgk step"

NUMBER_BYTES: Final = 16
"""Length of slot counts, widths and thresholds in the transcript; scores have far fewer bits."""


@dataclass(frozen=True, slots=True)
class Evaluator:
    """One of the two authorities that compare. name: as in the registry; index: of its key share, 1 to 3."""

    name: str
    index: int


@dataclass(frozen=True, slots=True)
class ComparisonSession:
    """One comparison of every slot of an encrypted sum with that slot's threshold; the same object at both evaluators.

    thresholds: one for each slot of `layout`, lifted, 0 <= T <= 2^l. context: a digest that binds scheme, policy hash,
    query id, nullifier, epoch, attempt and both names; a rerun has another one. Raises UsageError for parts that do
    not fit together.
    """

    threshold_key: ThresholdKey
    layout: Layout
    thresholds: tuple[int, ...]
    context: bytes
    evaluator_1: Evaluator
    evaluator_2: Evaluator

    def __post_init__(self) -> None:
        first, second = self.evaluator_1, self.evaluator_2
        if first.name == second.name or first.index == second.index or not {first.index, second.index} <= {*INDICES}:
            raise UsageError("A comparison needs two different authorities with the indices of their own key shares.")
        if len(self.thresholds) != self.layout.slots:
            raise UsageError(f"A comparison needs one threshold for each of its {self.layout.slots} slots.")
        if not all(0 <= bound <= 1 << self.layout.score_bits for bound in self.thresholds):
            raise UsageError(f"A threshold lies outside 0 to 2^{self.layout.score_bits}; lint the policy.")
        if self.layout.key_bits > self.threshold_key.key.bits:
            raise UsageError("The packing was made for a longer key than the one that opens it; make it again.")
        check_width(self.threshold_key.key, self.layout.mask_bits)

    @property
    def address_1(self) -> "Address[ForEvaluator1]":
        """Evaluator 1, and all that may be sent to it."""
        return Address(self.evaluator_1.name, EncryptedBits)

    @property
    def address_2(self) -> "Address[ForEvaluator2]":
        """Evaluator 2, and all that may be sent to it: the only address that takes an OpeningShare."""
        return Address(self.evaluator_2.name, MaskAnnouncement, OpeningShare, BlindedDifferences)

    def begin(self, product: Ciphertext, dgk: DgkPublicKey) -> "Transcript":
        """Return the transcript that both start from; raises UsageError if key sizes do not fit this session.

        product: the aggregate that this evaluator recomputed itself. An evaluator with another one, or with other
        thresholds, or another DGK key, has another transcript, and the first message between them is refused.
        """
        if product.key != self.threshold_key.key:
            raise UsageError("The encrypted sum is under another key than the session's; use the federation's key.")
        width = self.layout.compare_bits
        if width > dgk.comparison_bits:
            raise UsageError(f"A DGK key for {dgk.comparison_bits} bits cannot compare {width}; make a wider one.")
        return Transcript(digest(SESSION_DOMAIN, *self._fields(product, dgk)))

    def _fields(self, product: Ciphertext, dgk: DgkPublicKey) -> list[bytes]:
        numbers = (self.layout.score_bits, self.layout.slots, self.layout.mask_bits, *self.thresholds)
        return [
            PROTOCOL.encode(),
            self.context,
            self.threshold_key.fingerprint,
            dgk.fingerprint,
            int_bytes(int(product.value), product.key.ciphertext_bytes),
            encode_fields(*(int_bytes(number, NUMBER_BYTES) for number in numbers)),
            *(
                encode_fields(evaluator.name.encode(), bytes([evaluator.index]))
                for evaluator in (self.evaluator_1, self.evaluator_2)
            ),
        ]


class Transcript:
    """A running hash over the session and its messages; public, equal at both evaluators."""

    __slots__ = ("value",)

    def __init__(self, value: bytes) -> None:
        self.value = value

    def extend(self, step: str, *fields: bytes) -> bytes:
        """Absorb one step and return the new value."""
        self.value = digest(STEP_DOMAIN, self.value, step.encode(), *fields)
        return self.value

    def extend_slots(self, step: str, slots: Sequence[Sequence[bytes]]) -> bytes:
        """Absorb one step that carries ciphertexts for every slot and return the new value."""
        return self.extend(step, *(encode_fields(*slot) for slot in slots))

    def after(self, step: str, *fields: bytes) -> bytes:
        """Return what `extend` would, and stay as it is."""
        return Transcript(self.value).extend(step, *fields)


def expect(expected: bytes, received: bytes, culprit: str, step: str) -> None:
    """Raise InvalidProofError naming `culprit` unless its transcript is ours."""
    if received != expected:
        raise InvalidProofError(culprit, step, "its message belongs to another session or was changed on the way")


class OutputShares(Kept):
    """One evaluator's output bits, one for each slot, and the transcript that they belong to. Secret.

    The XOR of both evaluators' bits is 1 where the sum reaches the threshold; one evaluator's alone are uniform.
    """

    __slots__ = ("bits", "transcript")

    def __init__(self, bits: tuple[int, ...], transcript: bytes) -> None:
        self.bits = bits
        self.transcript = transcript


class ComparisonOutcome(Kept):
    """What one evaluator has in the end.

    shares: its own output. transcript: 32 bytes, equal at both. sealed_share: evaluator 1's share as it sealed it for
    the verifier, at evaluator 2 as received.
    """

    __slots__ = ("sealed_share", "shares")

    def __init__(self, shares: OutputShares, sealed_share: bytes) -> None:
        self.shares = shares
        self.sealed_share = sealed_share

    @property
    def transcript(self) -> bytes:
        """The final transcript value."""
        return self.shares.transcript
