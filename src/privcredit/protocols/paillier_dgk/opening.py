"""Opening the masked sum towards evaluator 2: both evaluators' halves of spec.md section 2.2."""

from collections.abc import Callable
from concurrent.futures import Executor

from privcredit.crypto.paillier import Ciphertext, InvalidCiphertextError
from privcredit.crypto.share_proof import (
    PreparedCiphertext,
    ShareProof,
    ShareProver,
    ShareVerifier,
    prepare_verification,
)
from privcredit.crypto.threshold import KeyShare, PartialDecryption, combine, partial_decrypt
from privcredit.crypto.transcript import encode_fields
from privcredit.errors import InvalidProofError, UsageError
from privcredit.protocols.paillier_dgk.messages import OpeningShare
from privcredit.protocols.paillier_dgk.session import ComparisonSession, Transcript


def opening_context(session: ComparisonSession, transcript: Transcript) -> bytes:
    """Return what the share proof is bound to: the session with its mask, the prover and the recipient (W4)."""
    return encode_fields(transcript.value, session.evaluator_1.name.encode(), session.evaluator_2.name.encode())


def open_towards_2(
    session: ComparisonSession,
    transcript: Transcript,
    prover: ShareProver,
    masked: Ciphertext,
    executor: Executor | None,
) -> OpeningShare:
    """Return evaluator 1's partial decryption of `masked` with its proof, as the message for evaluator 2."""
    partial, proof = prover.open(masked, opening_context(session, transcript), executor)
    if partial.index != session.evaluator_1.index:
        raise UsageError("This authority's key share has another index than the session's evaluator 1.")
    key = session.threshold_key.key
    exported, proven = partial.bytes_for_sealing(key), proof.to_bytes(key)
    return OpeningShare(partial=exported, proof=proven, transcript=transcript.extend("opening share", exported, proven))


def read_mask(session: ComparisonSession, data: bytes, step: str) -> Ciphertext:
    """Return the announced `[[R]]`; raises InvalidProofError naming evaluator 1 (W1)."""
    try:
        return session.threshold_key.key.ciphertext(data)
    except InvalidCiphertextError as error:
        raise InvalidProofError(session.evaluator_1.name, step, str(error)) from error


def prepare_opening(
    key_share: KeyShare, masked: Ciphertext, check_mask: Callable[[], None], executor: Executor | None
) -> tuple[PartialDecryption, PreparedCiphertext]:
    """Return evaluator 2's own partial decryption, and powers that make the peer's proof quick to verify.

    check_mask: verifies the proof of the mask; what it raises is raised, so nothing is opened under a mask without one.
    executor: a thread pool that takes the check and one of the two exponentiations. All of it is done while evaluator 1
    computes its own two, so the check, a tenth of one, delays nobody.
    """
    if executor is None:
        check_mask()
        return partial_decrypt(key_share, masked), prepare_verification(masked)
    prepared, checked = executor.submit(prepare_verification, masked), executor.submit(check_mask)
    own = partial_decrypt(key_share, masked)
    checked.result()
    return own, prepared.result()


def verify_and_combine(
    session: ComparisonSession,
    opening: OpeningShare,
    context: bytes,
    masked: Ciphertext,
    own: tuple[PartialDecryption, PreparedCiphertext],
    verifier: ShareVerifier,
) -> int:
    """Return the opened masked sum z; secret, for the next step only. Raises InvalidProofError naming evaluator 1.

    The peer's partial decryption counts only after its proof is verified (A1).
    """
    peer, key = session.evaluator_1, session.threshold_key.key
    partial = PartialDecryption.from_sealed_bytes(opening.partial, peer.index, key, peer.name)
    proof = ShareProof.from_bytes(opening.proof, key, peer.name)
    verifier.verify(masked, partial, proof, context, peer.name, prepared=own[1])
    return combine(session.threshold_key, {partial.index: partial, own[0].index: own[0]})
