"""Steps of the main job (`protocols/eligibility/spec.md` 3): build and check what travels. No I/O, no clock."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from privcredit.crypto.knowledge import KnowledgeProof, prove_knowledge, verify_knowledge
from privcredit.crypto.packing import Layout
from privcredit.crypto.paillier import Ciphertext, Encryptor, PublicKey, aggregate
from privcredit.crypto.randomness import Randomness
from privcredit.crypto.signing import SigningKey, sign_jws, verify_jws
from privcredit.crypto.transcript import digest
from privcredit.errors import InvalidProofError, PeerError, RefusedError, UsageError
from privcredit.messages.codec import PROTOCOL_VERSION, MalformedError, decode_json, encode_json
from privcredit.protocols.consent.messages import QueryHeader
from privcredit.protocols.consent.steps import QueryTerms, epoch_of, header_digest
from privcredit.protocols.eligibility.messages import (
    CONTRIBUTION_TYPE,
    OUTPUT_SHARE_TYPE,
    REQUEST_TYPE,
    Contribution,
    OutputShare,
    Request,
)
from privcredit.scorecard.policy import Policy, comparison_bits, slot_thresholds

CLOCK_SKEW = 60
"""Seconds by which an honest party's clock may run ahead; NTP keeps hosts well below one."""

M = TypeVar("M")


def layout_of(policy: Policy, key: PublicKey) -> Layout:
    """Return the packing of one subject's question: a slot per tier, wide enough for the lift."""
    return Layout(key.bits, comparison_bits(policy), len(slot_thresholds(policy)), policy.security_sigma)


def terms_of(policy: Policy, hashed_policy: bytes) -> QueryTerms:
    """Return what a header is checked against."""
    return QueryTerms(
        scheme=policy.scheme,
        policy_hash=hashed_policy,
        key_fingerprint=policy.key_fingerprint,
        verifiers=policy.verifiers,
        budget_group=policy.budget_group,
        budget=policy.budget,
        epoch_seconds=policy.epoch_seconds,
        request_seconds=policy.request_seconds,
    )


def _open_signed(jws: str, kind: type[M], signer: str, key: bytes, typ: str, step: str) -> M:
    """Return what `signer` signed for the purpose `typ`. Raises InvalidProofError or PeerError naming the signer."""
    payload = verify_jws(jws, key, signer, typ, signer)
    try:
        return decode_json(payload, kind)
    except MalformedError as error:
        raise PeerError(signer, step, f"it signed what cannot be read: {error}") from error


# --- request ---------------------------------------------------------------------------------------------------------


def sign_request(request: Request, key: SigningKey) -> str:
    """Sign a request (3.1). Who runs it: the verifier."""
    return sign_jws(key, request.verifier, REQUEST_TYPE, encode_json(request))


def open_request(jws: str, verifier: str, verifier_key: bytes) -> Request:
    """Return the verified request (1.1, 3.4.1). Raises InvalidProofError or PeerError naming the verifier."""
    request = _open_signed(jws, Request, verifier, verifier_key, REQUEST_TYPE, "open request")
    if request.verifier != verifier or request.version != PROTOCOL_VERSION:
        raise PeerError(verifier, "open request", "the request names another verifier or protocol version")
    return request


def check_request(request: Request, hashed_policy: bytes, policy: Policy, now: int) -> None:
    """Refuse a request that the policy does not allow at this time (3.4.1)."""
    if request.scheme != policy.scheme or request.policy_hash != hashed_policy:
        raise RefusedError("wrong-policy", "The request is for another policy.")
    if request.verifier not in policy.verifiers:
        raise RefusedError("wrong-verifier", f"{request.verifier} may not ask under policy {policy.id}.")
    if not policy.valid_from <= request.issued < policy.valid_until:
        raise RefusedError("policy-not-valid", f"Policy {policy.id} is not valid at the time of the request.")
    _check_request_times(request, policy, now)


def _check_request_times(request: Request, policy: Policy, now: int) -> None:
    if request.issued > now + CLOCK_SKEW:
        raise RefusedError("request-from-future", "The request was issued in the future; check the verifier's clock.")
    if not request.issued < request.expires <= request.issued + policy.request_seconds:
        raise RefusedError("request-too-long", f"The request must expire within {policy.request_seconds} seconds.")
    if now >= request.expires:
        raise RefusedError("request-expired", "The request has expired; make a new one.")


def check_answers(header: QueryHeader, request: Request) -> None:
    """Refuse a header that answers another request than this one (3.4.1); `consent.check_header` does the rest."""
    if (header.request_id, header.verifier) != (request.request_id, request.verifier):
        raise RefusedError("wrong-request", "The presentation belongs to another request.")
    if header.policy_hash != request.policy_hash:
        raise RefusedError("wrong-policy", "The presentation is for another policy than the request.")
    if header.expires != request.expires:
        raise RefusedError("wrong-expiry", "The presentation's expiry is not the request's.")


# --- contribution ----------------------------------------------------------------------------------------------------


def knowledge_context(holder: str, header: QueryHeader, origin_query: bytes, origin_point: bytes) -> bytes:
    """Return what a contribution's proof of plaintext knowledge is bound to (3.4.3; threats H2, W4)."""
    return digest(
        "contribution",
        header.scheme.encode(),
        header.policy_hash,
        header.key_fingerprint,
        header.verifier.encode(),
        holder.encode(),
        header.epoch.to_bytes(8, "big"),
        header.nullifier,
        origin_query,
        origin_point,
    )


def encrypt_contribution(
    encryptor: Encryptor,
    policy: Policy,
    header: QueryHeader,
    holder: str,
    value: int,
    randomness: Randomness,
) -> tuple[bytes, bytes]:
    """Return (ciphertext, proof of knowledge) of a holder's value, repeated in every tier's slot (3.4.3).

    Who runs it: a holder. The same work for every value, so neither size nor time tells it.
    """
    layout = layout_of(policy, encryptor.key)
    ciphertext, opening = encryptor.encrypt_with_opening(layout.pack([value] * layout.slots))
    context = knowledge_context(holder, header, header.query_id, header.query_point)
    proof = prove_knowledge(encryptor, ciphertext, opening, context, randomness, layout.plaintext_bits)
    return ciphertext.to_bytes(), proof.to_bytes()


def sign_contribution(contribution: Contribution, key: SigningKey) -> str:
    """Sign a contribution (3.4.4). Who runs it: the holder."""
    return sign_jws(key, contribution.holder, CONTRIBUTION_TYPE, encode_json(contribution))


@dataclass(frozen=True, slots=True)
class ContributionSet:
    """All contributions of one query, each verified. `product` encrypts the packed sum."""

    product: Ciphertext
    set_digest: bytes
    oldest: int


def check_contributions(
    signed: Sequence[str],
    header: QueryHeader,
    policy: Policy,
    encryptor: Encryptor,
    holder_keys: Mapping[str, bytes],
) -> ContributionSet:
    """Verify that `signed` are exactly the policy's holders' contributions to this query, and aggregate them (3.6).

    Who runs it: every evaluator, on its own. Raises RefusedError when the set is not exactly right (threats C1, C3,
    H5) and InvalidProofError naming the holder whose signature, ciphertext or proof fails.
    """
    names = [term.holder for term in policy.holders]
    if len(signed) != len(names):
        raise RefusedError("incomplete", f"The policy needs {len(names)} contributions, got {len(signed)}.")
    opened = [_open_contribution(jws, name, holder_keys[name]) for jws, name in zip(signed, names, strict=True)]
    for contribution in opened:
        _check_same_question(contribution, header)
    ciphertexts = _valid_ciphertexts(opened, encryptor.key)
    for contribution, ciphertext in zip(opened, ciphertexts, strict=True):
        _check_knowledge(contribution, ciphertext, policy, encryptor)
    return ContributionSet(aggregate(ciphertexts), set_digest(opened), min(item.issued for item in opened))


def _open_contribution(jws: str, holder: str, key: bytes) -> Contribution:
    contribution = _open_signed(jws, Contribution, holder, key, CONTRIBUTION_TYPE, "open contribution")
    if contribution.holder != holder or contribution.version != PROTOCOL_VERSION:
        raise PeerError(holder, "open contribution", "the contribution names another holder or protocol version")
    return contribution


def _check_same_question(contribution: Contribution, header: QueryHeader) -> None:
    if contribution.header != header:
        raise RefusedError("wrong-query", f"The contribution of {contribution.holder} belongs to another query.")


def _valid_ciphertexts(opened: Sequence[Contribution], key: PublicKey) -> list[Ciphertext]:
    try:
        return key.ciphertexts([contribution.ciphertext for contribution in opened])
    except UsageError:
        for contribution in opened:  # one by one, to name the holder
            _valid_ciphertext(contribution, key)
        raise


def _valid_ciphertext(contribution: Contribution, key: PublicKey) -> None:
    try:
        key.ciphertext(contribution.ciphertext)
    except UsageError as error:
        raise InvalidProofError(contribution.holder, "check ciphertext", str(error)) from error


def _check_knowledge(contribution: Contribution, ciphertext: Ciphertext, policy: Policy, encryptor: Encryptor) -> None:
    holder = contribution.holder
    proof = KnowledgeProof.from_bytes(encryptor.key, contribution.proof, culprit=holder)
    origin = (contribution.origin_query, contribution.origin_point)
    context = knowledge_context(holder, contribution.header, *origin)
    bits = layout_of(policy, encryptor.key).plaintext_bits
    verify_knowledge(encryptor, ciphertext, proof, context, bits, culprit=holder)


def set_digest(contributions: Sequence[Contribution]) -> bytes:
    """Return what a nullifier is pinned to: exactly these ciphertexts of exactly these holders (3.6)."""
    fields = [field for item in contributions for field in (item.holder.encode(), item.ciphertext)]
    return digest("contribution set", *fields)


def check_fresh(contributions: ContributionSet, policy: Policy, now: int) -> None:
    """Refuse contributions too old to be opened for the first time (4.1): how long they outlive an opt-out."""
    if contributions.oldest + policy.contribution_seconds < now:
        raise RefusedError("contribution-expired", "A contribution is too old to be opened; consent anew.")


# --- comparison and output shares ------------------------------------------------------------------------------------


def session_context(header: QueryHeader, attempt: int, evaluator_1: str, evaluator_2: str) -> bytes:
    """Return the digest that names one run of the comparison (3.8); every proof and envelope in it is bound to it.

    The header's digest covers scheme, policy, key, verifier, query id, nullifier, epoch and expiry.
    """
    names = (evaluator_1.encode(), evaluator_2.encode())
    return digest("comparison session", header_digest(header), attempt.to_bytes(4, "big"), *names)


def sign_output_share(share: OutputShare, key: SigningKey) -> str:
    """Sign an output share (3.9). Who runs it: an evaluator, before sealing it to the verifier."""
    return sign_jws(key, share.sender, OUTPUT_SHARE_TYPE, encode_json(share))


def open_output_share(jws: str, sender: str, key: bytes) -> OutputShare:
    """Return a verified output share (3.10). Raises InvalidProofError or PeerError naming the authority."""
    share = _open_signed(jws, OutputShare, sender, key, OUTPUT_SHARE_TYPE, "open output share")
    if share.sender != sender or sender not in {share.evaluator_1, share.evaluator_2}:
        raise PeerError(sender, "open output share", "the share names another sender or pair of evaluators")
    return share


def combine_output_shares(first: OutputShare, second: OutputShare, request: Request, policy: Policy) -> tuple[int, ...]:
    """Return the answer's bits, one a tier, from both evaluators' shares of one run (3.10; threat V5)."""
    if first.sender == second.sender:
        raise PeerError(first.sender, "combine output shares", "both shares come from the same authority")
    for share in (first, second):
        _check_share(share, request, policy)
    if _run_of(first) != _run_of(second):
        raise PeerError(second.sender, "combine output shares", "the two shares belong to different runs")
    return tuple(a ^ b for a, b in zip(first.bits, second.bits, strict=True))


def _check_share(share: OutputShare, request: Request, policy: Policy) -> None:
    bound = (share.policy_hash, share.verifier, share.request_id, share.expires, share.epoch)
    epoch = epoch_of(request.expires, terms_of(policy, request.policy_hash))
    if bound != (request.policy_hash, request.verifier, request.request_id, request.expires, epoch):
        raise PeerError(share.sender, "check output share", "the share is bound to another request")
    if share.version != PROTOCOL_VERSION:
        raise PeerError(share.sender, "check output share", "the share has another protocol version")
    if len(share.bits) != len(policy.tiers) or any(bit not in {0, 1} for bit in share.bits):
        raise PeerError(share.sender, "check output share", "the share does not hold one bit for each tier")


def _run_of(share: OutputShare) -> tuple[bytes, bytes, str, str]:
    return (share.query_id, share.run, share.evaluator_1, share.evaluator_2)
