"""paillier-dgk as two programs, one for each evaluator; the numbers are the steps of spec.md section 2.

Evaluator 1 makes the mask R and never sees the opened sum; evaluator 2 opens the sum and never sees R.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import Final

from privcredit.channels.interface import Channel
from privcredit.crypto.dgk import DgkCiphertext, DgkEncryptor
from privcredit.crypto.dgk_keys import DgkPrivateKey
from privcredit.crypto.paillier import Ciphertext, Encryptor
from privcredit.crypto.randomness import Randomness
from privcredit.crypto.share_proof import ShareProver, ShareVerifier
from privcredit.crypto.threshold import KeyShare
from privcredit.errors import UsageError
from privcredit.protocols.paillier_dgk.masks import Mask, mask_context, verify_mask
from privcredit.protocols.paillier_dgk.messages import (
    MAX_SEALED_SHARE_BYTES,
    BlindedDifferences,
    EncryptedBits,
    MaskAnnouncement,
    OpeningShare,
    Slots,
)
from privcredit.protocols.paillier_dgk.opening import (
    open_towards_2,
    opening_context,
    prepare_opening,
    read_mask,
    verify_and_combine,
)
from privcredit.protocols.paillier_dgk.session import (
    ComparisonOutcome,
    ComparisonSession,
    OutputShares,
    Transcript,
    expect,
)
from privcredit.protocols.paillier_dgk.steps import (
    blind_differences,
    choose_deltas,
    contains_zero,
    encode_slots,
    encrypt_bits,
    opened_operands,
    read_slots,
    threshold_operands,
)

READ_MASK: Final = "read mask announcement"
READ_OPENING: Final = "read opening share"
READ_BITS: Final = "read encrypted bits"
READ_DIFFERENCES: Final = "read blinded differences"


async def compare_as_evaluator_1(
    channel: Channel,
    session: ComparisonSession,
    product: Ciphertext,
    mask: Mask,
    prover: ShareProver,
    peer_dgk: DgkEncryptor,
    *,
    fixed_shares: Sequence[int],
    seal: Callable[[OutputShares], bytes],
    randomness: Randomness,
    on_mask_consumed: Callable[[bytes], None],
    executor: Executor | None = None,
) -> ComparisonOutcome:
    """Compare every slot of `product` with its threshold, as the one who knows the mask.

    product: the sum, recomputed by this authority from the signed contributions. mask: prepared offline for the
    session's layout. prover: opens with this authority's key share. peer_dgk: under evaluator 2's pinned DGK key, its
    pool filled offline. fixed_shares: this authority's output bits, uniform, drawn and stored once for a nullifier, so
    a rerun releases the same. seal: makes the statement for the verifier, of a length that does not depend on the bits.
    on_mask_consumed: stores the mask's identifier as used, durably, before anything masked is sent.

    Learns nothing: it sees fresh DGK ciphertexts only. Raises UsageError for wrong arguments or a used mask, PeerError
    naming evaluator 2, UnavailableError from the channel. After any error the mask is gone; rerun with another one.
    """
    peer = session.evaluator_2.name
    shares = _checked_bits(fixed_shares, session.layout.slots)
    if mask.context != mask_context(session.threshold_key.key, session.layout, session.evaluator_1.name):
        raise UsageError("The mask was prepared for another layout, key or authority than the session's; prepare one.")
    transcript = session.begin(product, peer_dgk.key)

    # 1. Use up the mask, then announce it.
    secret = mask.consume()
    on_mask_consumed(mask.identifier)
    await channel.send(session.address_2, _announce(transcript, mask))

    # 2. Open the masked sum towards evaluator 2, with a proof.
    masked = product + mask.ciphertext
    await channel.send(session.address_2, open_towards_2(session, transcript, prover, masked, executor))

    # 3. Receive the encrypted bits of beta.
    received = await channel.receive(peer, EncryptedBits)
    expect(transcript.extend_slots("encrypted bits", received.slots), received.transcript, peer, READ_BITS)
    bits = _read(session, peer_dgk, received.slots, session.layout.compare_bits, peer, READ_BITS)

    # 4. Answer with blinded differences and the sealed output share.
    operands = threshold_operands(session.layout, secret, session.thresholds)
    deltas = choose_deltas(operands, shares)
    blinded = encode_slots(
        [
            blind_differences(slot, operand, delta, peer_dgk, randomness)
            for slot, operand, delta in zip(bits, operands, deltas, strict=True)
        ]
    )
    output = OutputShares(shares, transcript.extend_slots("blinded differences", blinded))
    box = _checked_box(seal(output))
    await channel.send(
        session.address_2,
        BlindedDifferences(slots=blinded, sealed_share=box, transcript=transcript.after("sealed share", box)),
    )
    return ComparisonOutcome(output, box)


async def compare_as_evaluator_2(
    channel: Channel,
    session: ComparisonSession,
    product: Ciphertext,
    key_share: KeyShare,
    verifier: ShareVerifier,
    dgk_private: DgkPrivateKey,
    own_dgk: DgkEncryptor,
    *,
    encryptor: Encryptor,
    executor: Executor | None = None,
) -> ComparisonOutcome:
    """Compare every slot of `product` with its threshold, as the one who sees the masked sum.

    product: the sum, recomputed by this authority. key_share: used here and never released, nor is what it opens.
    verifier: of the session's threshold key. dgk_private, own_dgk: this authority's DGK key and its encryptor, the pool
    filled offline. encryptor: under the session's Paillier key; its tables verify the proof of the mask. executor: a
    thread pool that takes that proof and one of two exponentiations while the peer computes.

    Learns the masked sum, which is within 2^-sigma of independent of it, and its own uniform output bits. Raises
    UsageError for wrong arguments, PeerError naming evaluator 1, UnavailableError from the channel.
    """
    peer = session.evaluator_1.name
    if key_share.index != session.evaluator_2.index:
        raise UsageError("This authority's key share has another index than the session's evaluator 2.")
    if encryptor.key != session.threshold_key.key:
        raise UsageError("The encryptor is under another key than the session's; use the federation's key.")
    transcript = session.begin(product, own_dgk.key)

    # 1. Receive the mask and form the same masked sum.
    announced = await channel.receive(peer, MaskAnnouncement)
    expected = transcript.extend("mask announcement", announced.ciphertext, announced.proof)
    expect(expected, announced.transcript, peer, READ_MASK)
    mask = read_mask(session, announced.ciphertext, READ_MASK)
    masked = product + mask

    # 2. Open it: verify the mask, decrypt the own part, prepare while the peer computes; then verify the peer's part.
    context = opening_context(session, transcript)
    check_mask = partial(verify_mask, encryptor, mask, announced.proof, session.layout, peer)
    own = prepare_opening(key_share, masked, check_mask, executor)
    opening = await channel.receive(peer, OpeningShare)
    expect(transcript.extend("opening share", opening.partial, opening.proof), opening.transcript, peer, READ_OPENING)
    opened = verify_and_combine(session, opening, context, masked, own, verifier)
    operands = opened_operands(session.layout, opened)

    # 3. Send the encrypted bits of beta.
    encrypted = encode_slots([encrypt_bits(own_dgk, operand) for operand in operands])
    await channel.send(
        session.address_1,
        EncryptedBits(slots=encrypted, transcript=transcript.extend_slots("encrypted bits", encrypted)),
    )

    # 4. Receive the blinded differences.
    answer = await channel.receive(peer, BlindedDifferences)
    final = transcript.extend_slots("blinded differences", answer.slots)
    expect(transcript.after("sealed share", answer.sealed_share), answer.transcript, peer, READ_DIFFERENCES)
    values = _read(session, own_dgk, answer.slots, session.layout.compare_bits + 1, peer, READ_DIFFERENCES)

    # 5. Test them for zero; the own output bits follow.
    found = [contains_zero(dgk_private, slot) for slot in values]
    bits = tuple(operand.top_bit ^ delta for operand, delta in zip(operands, found, strict=True))
    return ComparisonOutcome(OutputShares(bits, final), answer.sealed_share)


def _announce(transcript: Transcript, mask: Mask) -> MaskAnnouncement:
    data = mask.ciphertext.to_bytes()
    extended = transcript.extend("mask announcement", data, mask.proof)
    return MaskAnnouncement(ciphertext=data, proof=mask.proof, transcript=extended)


def _read(
    session: ComparisonSession, dgk: DgkEncryptor, slots: Slots, width: int, culprit: str, step: str
) -> list[list[DgkCiphertext]]:
    return read_slots(dgk.key, slots, count=session.layout.slots, width=width, culprit=culprit, step=step)


def _checked_bits(bits: Sequence[int], slots: int) -> tuple[int, ...]:
    if len(bits) != slots or not {*bits} <= {0, 1}:
        raise UsageError(f"Evaluator 1 needs one fixed output bit for each of the {slots} slots.")
    return tuple(bits)


def _checked_box(box: bytes) -> bytes:
    if len(box) > MAX_SEALED_SHARE_BYTES:
        raise UsageError(f"A sealed output share has {len(box)} bytes; {MAX_SEALED_SHARE_BYTES} is the limit.")
    return box
