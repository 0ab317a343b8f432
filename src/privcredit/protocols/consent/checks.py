"""The verifying side of the consent protocol: what registrar, holder, verifier and coordinator check.

Pure and without state: the clock is an argument, and what needs a table (reused nonce, spent code, unknown or opted
out pseudonym, spent nullifier) is the role's. Every refusal is a RefusedError with a reason of its own; cheap checks
come first.
"""

from collections.abc import Sequence
from typing import Final

from privcredit.crypto.equality import EqualityProof, Pair, verify_equal_logs
from privcredit.crypto.group import InvalidPointError, Point
from privcredit.crypto.sealed import SealingKey
from privcredit.errors import InvalidProofError, RefusedError
from privcredit.messages.codec import PROTOCOL_VERSION, MalformedError, decode
from privcredit.protocols.consent.credentials import read_credential
from privcredit.protocols.consent.messages import (
    Consent,
    Credential,
    Enrolment,
    Presentation,
    QueryHeader,
    Registration,
    SealedConsent,
    SubjectOrder,
)
from privcredit.protocols.consent.statements import (
    CLOCK_SKEW_SECONDS,
    QueryTerms,
    consent_context,
    enrolment_context,
    epoch_base,
    epoch_of,
    header_digest,
    holder_base,
    order_context,
    query_base,
    query_id,
    registration_context,
    root_base,
)

ORDER_SECONDS: Final = 300
"""An order is void five minutes after it was signed; its nonce need not be kept longer."""

WALLET: Final = "wallet"
"""The culprit of a wrong proof: a wallet has no name."""


def check_terms(header: QueryHeader, terms: QueryTerms) -> None:
    """Check everything in `header` that the policy fixes; needs no clock (3.3).

    Raises RefusedError: wrong-version, wrong-scheme, wrong-policy, wrong-key, wrong-verifier, wrong-query-id,
    wrong-epoch, over-budget.
    """
    expected_id = query_id(header.policy_hash, header.verifier, header.request_id, header.wallet_nonce)
    rules = (
        (header.version == PROTOCOL_VERSION, "wrong-version", "This query speaks another protocol version; update."),
        (header.scheme == terms.scheme, "wrong-scheme", "This query is for another scheme; ask its parties."),
        (
            header.policy_hash == terms.policy_hash,
            "wrong-policy",
            "This query is for another policy; fetch the registry.",
        ),
        (
            header.key_fingerprint == terms.key_fingerprint,
            "wrong-key",
            "This query is for another key; fetch the registry.",
        ),
        (
            header.verifier in terms.verifiers,
            "wrong-verifier",
            "This query is for a verifier the policy does not allow.",
        ),
        (header.query_id == expected_id, "wrong-query-id", "This query's id is not the one that its nonces give."),
        (header.epoch == epoch_of(header.expires, terms), "wrong-epoch", "This query's expiry lies in another epoch."),
        (
            header.index < terms.budget,
            "over-budget",
            "The budget of this epoch has fewer evaluations; wait for the next.",
        ),
    )
    for holds, reason, sentence in rules:
        _require(holds, reason, sentence)


def check_header(header: QueryHeader, terms: QueryTerms, now: int) -> None:
    """Check `header` against the own copy of the policy and the clock (`now`, Unix seconds) (3.3).

    Every party that acts on a query runs it first. Raises RefusedError: the reasons of `check_terms`, and
    consent-expired, consent-from-future, invalid-point.
    """
    check_terms(header, terms)
    _require(now < header.expires, "consent-expired", "This consent has expired; ask the subject for a new one.")
    latest = now + terms.request_seconds + CLOCK_SKEW_SECONDS
    early = "This consent is valid for longer than the policy allows, or was made in the future; check the clocks."
    _require(header.expires <= latest, "consent-from-future", early)
    _point(header.query_point)
    _point(header.nullifier)


def check_presentation(presentation: Presentation, terms: QueryTerms, holders: Sequence[str], now: int) -> None:
    """Check what verifier and coordinator can see: the header, and one box for each of the policy's holders (3.5).

    Raises RefusedError: the reasons of `check_header`, and wrong-holders.
    """
    check_header(presentation.header, terms, now)
    named = sorted(consent.holder for consent in presentation.consents)
    wrong = "The consents are not for exactly the policy's holders, once each; make a new presentation."
    _require(named == sorted(holders), "wrong-holders", wrong)


def open_consent(
    sealed: SealedConsent, sealing_key: SealingKey, header: QueryHeader, budget_group: str, holder: str
) -> Consent:
    """Return the consent in `sealed`, opened and verified; the holder runs it after `check_header` (3.5).

    Raises RefusedError: consent-unreadable, and the reasons of `check_consent`.
    """
    unreadable = "This consent cannot be read: it is sealed for another key, altered or malformed; seal it again."
    try:
        consent = decode(sealing_key.open(sealed.box, WALLET), Consent)
    except (InvalidProofError, MalformedError) as error:
        raise RefusedError("consent-unreadable", unreadable) from error
    check_consent(consent, header, budget_group, holder)
    return consent


def check_consent(consent: Consent, header: QueryHeader, budget_group: str, holder: str) -> None:
    """Check that one person's secret gives pseudonym, Q and E, and consents to exactly this query (3.4).

    Says nothing about whether the pseudonym is enrolled. Raises RefusedError: wrong-holder, wrong-header,
    invalid-point, consent-forged.
    """
    _require(consent.holder == holder, "wrong-holder", "This consent is for another holder; send it there.")
    identity = header_digest(header)
    other = "This consent is for another query; make a new presentation."
    _require(consent.header_digest == identity, "wrong-header", other)
    pairs = [
        (holder_base(header.scheme, holder), _point(consent.pseudonym)),
        (query_base(header.query_id, header.verifier), _point(header.query_point)),
        (epoch_base(header.scheme, budget_group, header.epoch, header.index), _point(header.nullifier)),
    ]
    _verify(pairs, consent.proof, consent_context(identity, budget_group, holder), "consent-forged")


def check_registration(registration: Registration, scheme: str, registrar: str, code: str) -> None:
    """Check that the wallet knows the k of N_0 and holds the one-time code; the registrar runs it (2.1).

    The registrar also refuses a second N_0 for a person and a second person for an N_0.
    Raises RefusedError: invalid-point, registration-forged.
    """
    pairs = [(root_base(), _point(registration.root_point))]
    _verify(pairs, registration.proof, registration_context(scheme, registrar, code), "registration-forged")


def check_enrolment(
    enrolment: Enrolment, *, scheme: str, holder: str, registrar: str, registrar_key: bytes, identity: str, code: str
) -> Credential:
    """Check that the registrar vouches for `identity`'s N_0 and that N_h has the same k; the holder runs it (2.2).

    registrar_key: 32 bytes from the registry. identity: as the holder's own record says. Returns the credential.
    Raises InvalidProofError for a credential that the registrar did not sign; RefusedError: wrong-holder,
    wrong-scheme, wrong-identity, wrong-root, invalid-point, enrolment-forged.
    """
    _require(enrolment.holder == holder, "wrong-holder", "This enrolment is for another holder; send it there.")
    credential = read_credential(enrolment.credential, registrar, registrar_key)
    rules = (
        (credential.scheme == scheme, "wrong-scheme", "The credential is for another scheme; register in this one."),
        (credential.identity == identity, "wrong-identity", "The credential is for another person than the record."),
        (credential.root_point == enrolment.root_point, "wrong-root", "The credential is for another wallet."),
    )
    for holds, reason, sentence in rules:
        _require(holds, reason, sentence)
    pairs = [
        (root_base(), _point(enrolment.root_point)),
        (holder_base(scheme, holder), _point(enrolment.pseudonym)),
    ]
    _verify(pairs, enrolment.proof, enrolment_context(enrolment, scheme, code), "enrolment-forged")
    return credential


def check_order(order: SubjectOrder, scheme: str, holder: str, action: str, now: int) -> None:
    """Check that the owner of the pseudonym gave this order for `action`, not long ago; the holder runs it (4).

    The holder also accepts a nonce only once. Raises RefusedError: wrong-holder, wrong-action, order-expired,
    order-from-future, invalid-point, order-forged.
    """
    rules = (
        (order.holder == holder, "wrong-holder", "This order is for another holder; send it there."),
        (order.action == action, "wrong-action", f"This order is not for the action {action}; sign one that is."),
        (now < order.issued + ORDER_SECONDS, "order-expired", "This order has expired; sign a new one."),
        (order.issued <= now + CLOCK_SKEW_SECONDS, "order-from-future", "This order is dated in the future."),
    )
    for holds, reason, sentence in rules:
        _require(holds, reason, sentence)
    pairs = [(holder_base(scheme, holder), _point(order.pseudonym))]
    _verify(pairs, order.proof, order_context(order, scheme), "order-forged")


def _verify(pairs: Sequence[Pair], proof: bytes, context: bytes, reason: str) -> None:
    try:
        verify_equal_logs(pairs, EqualityProof.from_bytes(proof, WALLET), context, WALLET)
    except InvalidProofError as error:
        raise RefusedError(reason, "The proof does not verify: it is forged, altered or for another use.") from error


def _point(data: bytes) -> Point:
    try:
        return Point(data)
    except InvalidPointError as error:
        raise RefusedError("invalid-point", "A point of this message is not valid; the sender must fix it.") from error


def _require(holds: bool, reason: str, sentence: str) -> None:
    if not holds:
        raise RefusedError(reason, sentence)
