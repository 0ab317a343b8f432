"""A holder: keeps raw data, checks every consent itself, contributes one encrypted partial score (spec 3.4).

From outside, unknown, opted-out and known subjects look alike: the same checks, the same query in the holder's
database, a fresh ciphertext of the same size. What anyone can see (request, header, policy) is refused with its reason;
a reason that stands in the sealed consent or in the holder's own tables stays in the holder's log.
"""

from collections.abc import Mapping
from typing import Protocol

from privcredit.crypto.paillier import Encryptor
from privcredit.crypto.randomness import Randomness
from privcredit.errors import PeerError, PrivcreditError, RefusedError, UnavailableError, UsageError
from privcredit.messages.codec import PROTOCOL_VERSION
from privcredit.protocols.consent.messages import Consent, Enrolment, QueryHeader, SubjectOrder
from privcredit.protocols.consent.steps import check_enrolment, check_header, check_order, open_consent
from privcredit.protocols.eligibility.messages import Contribution, ContributionReply, ContributionRequest
from privcredit.protocols.eligibility.steps import (
    check_answers,
    check_request,
    encrypt_contribution,
    open_request,
    sign_contribution,
    terms_of,
)
from privcredit.roles.codes import redeem
from privcredit.roles.identity import Clock, PartyKeys, check_own_entry
from privcredit.roles.registry import TrustedRegistry
from privcredit.scorecard.policy import Policy, contribution_value
from privcredit.storage.holder import ENROLMENT, HolderRecords, HolderStore, IssuedContribution

OPT_OUT = "opt-out"
RETURN = "return"

NO_RECORD_BYTES = 16
"""Subjects without a record cost the same query as others: for a random key that nobody has."""


class PointsSource(Protocol):
    """What a holder's database offers: the partial score of a record, computed where the record lives."""

    def points(self, record_key: str) -> int | None:
        """Return the record's points, None if there is no such record."""
        ...


class Holder:
    """One holder's conduct; `sources` maps a scorecard's digest to the database that computes it."""

    def __init__(
        self,
        keys: PartyKeys,
        registry: TrustedRegistry,
        encryptor: Encryptor,
        sources: Mapping[bytes, PointsSource],
        store: HolderStore,
        randomness: Randomness,
        clock: Clock,
    ) -> None:
        check_own_entry(keys, "holder", registry)
        self._keys = keys
        self._registry = registry
        self._encryptor = encryptor
        self._sources = sources
        self._store = store
        self._randomness = randomness
        self._clock = clock
        self._no_record = randomness.bytes(NO_RECORD_BYTES).hex()

    # --- questions ---------------------------------------------------------------------------------------------------

    def contribute(self, message: ContributionRequest) -> ContributionReply:
        """Answer one question about one subject with a signed, encrypted partial score.

        Raises RefusedError (logged) for whatever consent, policy, budget or replay rule says no: with its reason if
        anyone can see that, else `refused-by-holder`. UnavailableError if this holder cannot compute.
        """
        try:
            policy = self._check(message)
            return self._decide(message, policy)
        except PrivcreditError as error:
            self._log_refusal(message.header, error)
            raise

    def _check(self, message: ContributionRequest) -> Policy:
        """Check what anyone can see, so everyone may know why it is refused (spec 3.4.1)."""
        header, now = message.header, self._clock()
        policy = self._registry.policy(header.policy_hash)
        verifier = self._registry.party(header.verifier, "verifier")
        request = open_request(message.request, verifier.name, verifier.signing_key)
        check_request(request, header.policy_hash, policy, now)
        check_answers(header, request)
        check_header(header, terms_of(policy, header.policy_hash), now)
        self._source(policy)
        return policy

    def _decide(self, message: ContributionRequest, policy: Policy) -> ContributionReply:
        """Check what only this holder can see; the coordinator does not learn what is wrong with it (3.4.2)."""
        header = message.header
        try:
            consent = open_consent(message.consent, self._keys.sealing, header, policy.budget_group, self._keys.name)
            return self._issue(header, policy, consent)
        except RefusedError as error:
            raise KeptReasonError(error) from error

    def _issue(self, header: QueryHeader, policy: Policy, consent: Consent) -> ContributionReply:
        """Decide, compute and store in one transaction: an opt-out is either before all of it or after (3.4.3)."""
        with self._store.transaction() as records:
            if not records.use_request(header.request_id, header.query_id, header.expires):
                raise RefusedError("replayed", "This request was used for another presentation; make a new request.")
            issued = records.issued(header.nullifier)
            if issued is None:
                issued = self._compute(records, header, policy, consent)
                records.issue(issued)
            elif (issued.verifier, issued.policy_hash) != (header.verifier, header.policy_hash):
                raise RefusedError("nullifier-used", "This index was used for another question; use the next one.")
            records.log(self._clock(), "contributed", _log_details(header, consent.pseudonym))
        return ContributionReply(contribution=self._sign(header, issued))

    def _compute(
        self, records: HolderRecords, header: QueryHeader, policy: Policy, consent: Consent
    ) -> IssuedContribution:
        points = self._points(records, policy, consent.pseudonym)
        try:
            value = contribution_value(policy, self._keys.name, points)
            ciphertext, proof = encrypt_contribution(
                self._encryptor, policy, header, self._keys.name, value, self._randomness
            )
        except UsageError as error:  # ours, not the asker's: a wrong scorecard or a broken generator
            raise UnavailableError("This holder cannot compute its part; its operator must look at it.") from error
        return IssuedContribution(
            nullifier=header.nullifier,
            verifier=header.verifier,
            policy_hash=header.policy_hash,
            epoch=header.epoch,
            origin_query=header.query_id,
            origin_point=header.query_point,
            issued=self._clock(),
            ciphertext=ciphertext,
            proof=proof,
        )

    def _points(self, records: HolderRecords, policy: Policy, pseudonym: bytes) -> int | None:
        """Return a subject's points; None if unknown, opted out or without a readable record.

        Unknown and opted-out subjects cost the same query, for a key that no record has. A record that the scorecard
        cannot read counts as none, and the operator's log says so: the reply must not.
        """
        subject = records.subject(pseudonym)
        key = self._no_record if subject is None or subject.opted_out else subject.record_key
        try:
            return self._source(policy).points(key)
        except UsageError:  # its sentence may quote the record, which belongs in no log
            records.log(self._clock(), "record-unreadable", {"pseudonym": pseudonym.hex()})
            return None

    def _source(self, policy: Policy) -> PointsSource:
        for term in policy.holders:
            if term.holder == self._keys.name and term.scorecard in self._sources:
                return self._sources[term.scorecard]
        raise RefusedError("not-our-policy", f"{self._keys.name} does not serve policy {policy.id}.")

    def _sign(self, header: QueryHeader, issued: IssuedContribution) -> str:
        contribution = Contribution(
            version=PROTOCOL_VERSION,
            holder=self._keys.name,
            header=header,
            origin_query=issued.origin_query,
            origin_point=issued.origin_point,
            issued=issued.issued,
            ciphertext=issued.ciphertext,
            proof=issued.proof,
        )
        return sign_contribution(contribution, self._keys.signing)

    # --- subjects ----------------------------------------------------------------------------------------------------

    def enrol(self, enrolment: Enrolment, code: str) -> None:
        """Bind a pseudonym to the record that the one-time code opens. Repeating the same enrolment is harmless.

        Raises RefusedError: `wrong-code`, `wrong-identity`, `already-enrolled`, and those of the proof.
        """
        registrar = self._registry.party(self._registry.document.registrar, "holder")
        with self._store.transaction() as records:
            opened = redeem(records, code, ENROLMENT, self._clock())
            check_enrolment(
                enrolment,
                scheme=self._registry.scheme,
                holder=self._keys.name,
                registrar=registrar.name,
                registrar_key=registrar.signing_key,
                identity=opened.identity,
                code=code,
            )
            if records.is_enrolled_as(enrolment.pseudonym, opened.record_key):
                return
            if not records.enrol(enrolment.pseudonym, opened.record_key, self._clock()):
                raise RefusedError("already-enrolled", "This record or this wallet is enrolled already.")
            records.log(self._clock(), "enrolled", {"pseudonym": enrolment.pseudonym.hex()})

    def obey(self, order: SubjectOrder) -> None:
        """Carry out a subject's own order: opt out, or return. Once acknowledged it holds for every later question.

        An order about an unknown pseudonym is acknowledged like any other. One that a later order overtook is refused
        (`order-superseded`): a delayed "return" must not undo an acknowledged opt-out.
        """
        action = order.action if order.action in {OPT_OUT, RETURN} else OPT_OUT
        check_order(order, self._registry.scheme, self._keys.name, action, self._clock())
        with self._store.transaction() as records:
            if not records.use_order(order.nonce, self._clock()):
                return
            if not records.set_opted_out(order.pseudonym, opted_out=action == OPT_OUT, ordered=order.issued):
                raise RefusedError("order-superseded", "You gave a later order meanwhile; sign a new one to change it.")
            records.log(self._clock(), action, {"pseudonym": order.pseudonym.hex()})

    # --- upkeep ------------------------------------------------------------------------------------------------------

    def verify_log(self) -> int:
        """Return the number of intact audit rows; raises UsageError naming the first bad one."""
        with self._store.transaction() as records:
            return records.verify_log()

    def _log_refusal(self, header: QueryHeader, error: PrivcreditError) -> None:
        with self._store.transaction() as records:
            records.log(self._clock(), "refused", {"reason": _reason(error), "query": header.query_id.hex()})


class KeptReasonError(RefusedError):
    """A refusal whose reason only the holder's log has: it would tell verifier and coordinator about the subject."""

    def __init__(self, kept: RefusedError) -> None:
        super().__init__("refused-by-holder", "A holder refuses this question; the subject can ask it for the reason.")
        self.kept = kept.reason


def _reason(error: PrivcreditError) -> str:
    if isinstance(error, KeptReasonError):
        return error.kept
    if isinstance(error, RefusedError):
        return error.reason
    return f"{type(error).__name__}: {error.step}" if isinstance(error, PeerError) else type(error).__name__


def _log_details(header: QueryHeader, pseudonym: bytes) -> dict[str, str | int]:
    return {"verifier": header.verifier, "query": header.query_id.hex(), "pseudonym": pseudonym.hex()}
