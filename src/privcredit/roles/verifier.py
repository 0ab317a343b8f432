"""The verifier: asks, learns the answer and nothing else, and keeps a receipt that anyone can verify."""

from dataclasses import dataclass

from privcredit.crypto.randomness import Randomness
from privcredit.errors import PeerError, RefusedError, UnavailableError, UsageError
from privcredit.messages.codec import PROTOCOL_VERSION, Message, decode, encode
from privcredit.protocols.consent.messages import Presentation, QueryHeader
from privcredit.protocols.consent.steps import check_presentation
from privcredit.protocols.eligibility.messages import (
    NamedShare,
    OutputShare,
    QueryStatus,
    QuerySubmission,
    Receipt,
    Request,
)
from privcredit.protocols.eligibility.steps import (
    check_answers,
    combine_output_shares,
    open_output_share,
    open_request,
    sign_request,
    terms_of,
)
from privcredit.roles.identity import Clock, PartyKeys, check_own_entry
from privcredit.roles.links import VerifierLinks
from privcredit.roles.registry import TrustedRegistry
from privcredit.scorecard.policy import ELIGIBLE, Policy, answer_tier
from privcredit.storage.verifier import StoredQuestion, StoredRequest, VerifierStore

ANSWERED = "answered"
RUNNING = "running"
UNAVAILABLE = "unavailable"
REQUEST_ID_BYTES = 32


class Answer(Message, frozen=True, kw_only=True):
    """How a question stands. When `state` is "answered": `eligible`, the `tier` reached if any, and the receipt."""

    state: str
    eligible: bool | None = None
    tier: str | None = None
    receipt: Receipt | None = None
    problem: str = ""
    sentence: str = ""


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A request and its JWS, as the wallet needs it."""

    request: Request
    jws: str
    policy: Policy


class Verifier:
    """One verifier's conduct; the node supplies links, storage, clock and randomness."""

    def __init__(
        self,
        keys: PartyKeys,
        registry: TrustedRegistry,
        store: VerifierStore,
        links: VerifierLinks,
        randomness: Randomness,
        clock: Clock,
    ) -> None:
        check_own_entry(keys, "verifier", registry)
        self._keys = keys
        self._registry = registry
        self._store = store
        self._links = links
        self._randomness = randomness
        self._clock = clock

    def request(self, policy_id: str) -> SignedRequest:
        """Return a new request for this policy, to be handed to the subject's wallet."""
        hashed, policy = self._registry.policy_named(policy_id)
        now = self._clock()
        request = Request(
            version=PROTOCOL_VERSION,
            scheme=self._registry.scheme,
            policy_hash=hashed,
            verifier=self._keys.name,
            request_id=self._randomness.bytes(REQUEST_ID_BYTES),
            issued=now,
            expires=now + policy.request_seconds,
        )
        jws = sign_request(request, self._keys.signing)
        with self._store.transaction() as records:
            records.add_request(StoredRequest(request.request_id, hashed, jws, request.expires))
        return SignedRequest(request, jws, policy)

    def ask(self, request_id: bytes, presentation: Presentation) -> Answer:
        """Put a question and return the answer, or how far it is. Idempotent: asking again never asks twice.

        Raises RefusedError for a presentation that does not answer this request.
        """
        stored = self._stored_request(request_id)
        request = open_request(stored.jws, self._keys.name, self._keys.signing.public_bytes)
        submission = QuerySubmission(request=stored.jws, presentation=presentation)
        known = self._remember(request, submission)
        if known.state == ANSWERED:
            return decode(known.answer, Answer)
        return self._submit(request, submission)

    def answer(self, request_id: bytes) -> Answer:
        """Return a question's answer, or how far it is. Raises RefusedError for an unknown question."""
        with self._store.transaction() as records:
            question = records.question(request_id)
        if question is None:
            raise RefusedError("unknown-question", "There is no question with this id; put it first.")
        if question.state == ANSWERED:
            return decode(question.answer, Answer)
        stored = self._stored_request(request_id)
        request = open_request(stored.jws, self._keys.name, self._keys.signing.public_bytes)
        submission = decode(question.submission, QuerySubmission)
        return self._conclude(request, submission.presentation.header, self._links.status(question.query_id))

    def _stored_request(self, request_id: bytes) -> StoredRequest:
        with self._store.transaction() as records:
            stored = records.request(request_id)
        if stored is None:
            raise RefusedError("unknown-request", "This verifier made no request with this id; make one first.")
        return stored

    def _remember(self, request: Request, submission: QuerySubmission) -> StoredQuestion:
        """Return the question, stored before it is sent.

        Nothing is answered from this verifier's own memory of a nullifier: only holders can check whose it is (3.3).
        """
        with self._store.transaction() as records:
            known = records.question(request.request_id)
            if known is not None:
                if known.submission != encode(submission):
                    raise RefusedError("replayed", "This request has another presentation already; make a new one.")
                return known
            self._check(request, submission.presentation)
            question = StoredQuestion(
                request_id=request.request_id,
                query_id=submission.presentation.header.query_id,
                submission=encode(submission),
                state=RUNNING,
                answer=b"",
            )
            records.add_question(question)
        return question

    def _check(self, request: Request, presentation: Presentation) -> None:
        policy = self._registry.policy(request.policy_hash)
        check_answers(presentation.header, request)
        holders = [term.holder for term in policy.holders]
        check_presentation(presentation, terms_of(policy, request.policy_hash), holders, self._clock())

    def _submit(self, request: Request, submission: QuerySubmission) -> Answer:
        header = submission.presentation.header
        try:
            status = self._links.submit(header.query_id, submission)
        except UnavailableError as error:
            return self._record(request.request_id, Answer(state=UNAVAILABLE, sentence=str(error)))
        return self._conclude(request, header, status)

    def _conclude(self, request: Request, header: QueryHeader, status: QueryStatus) -> Answer:
        if status.state != ANSWERED:
            answer = Answer(state=status.state, problem=status.problem, sentence=status.sentence)
            return self._record(request.request_id, answer)
        return self._record(request.request_id, self._open(request, header, status))

    def _record(self, request_id: bytes, answer: Answer) -> Answer:
        """Store how a question stands; an answer stays, whatever a slower thread brings."""
        with self._store.transaction() as records:
            known = records.question(request_id)
            if known is not None and known.state == ANSWERED:
                return decode(known.answer, Answer)
            records.set_answer(request_id, answer.state, encode(answer))
        return answer

    def _open(self, request: Request, header: QueryHeader, status: QueryStatus) -> Answer:
        """Open both shares. They must belong to the very presentation handed in, not only to its request (3.10)."""
        shares = tuple(
            NamedShare(authority=sender, share=_text(self._keys.sealing.open(box, sender), sender))
            for sender, box in status.shares
        )
        if len(shares) != 2:  # noqa: PLR2004 - two evaluators
            raise PeerError("coordinator", "open shares", f"an answer has two shares, not {len(shares)}")
        receipt = Receipt(
            version=PROTOCOL_VERSION,
            policy_hash=request.policy_hash,
            verifier=request.verifier,
            request=sign_request(request, self._keys.signing),
            shares=shares,
        )
        proven = open_receipt(receipt, self._registry)
        if proven.query_id != header.query_id:
            raise PeerError("coordinator", "open shares", "the answer belongs to another presentation of this request")
        return proven.answer


@dataclass(frozen=True, slots=True)
class ProvenAnswer:
    """An answer and the query that both authorities signed it for."""

    answer: Answer
    query_id: bytes


def verify_receipt(receipt: Receipt, registry: TrustedRegistry) -> Answer:
    """Return the answer that a receipt proves. Who runs it: anyone with the pinned registry, offline.

    Raises InvalidProofError, PeerError or RefusedError saying what does not hold.
    """
    return open_receipt(receipt, registry).answer


def open_receipt(receipt: Receipt, registry: TrustedRegistry) -> ProvenAnswer:
    """Return the answer that a receipt proves, and for which query. Raises as `verify_receipt`."""
    if receipt.version != PROTOCOL_VERSION:
        raise UsageError(f"The receipt has version {receipt.version}; this program reads {PROTOCOL_VERSION}.")
    policy = registry.policy(receipt.policy_hash)
    verifier = registry.party(receipt.verifier, "verifier")
    request = open_request(receipt.request, verifier.name, verifier.signing_key)
    if request.policy_hash != receipt.policy_hash:
        raise PeerError(verifier.name, "verify receipt", "the request in the receipt is for another policy")
    first, second = (_receipt_share(named, registry) for named in receipt.shares)
    tier = answer_tier(policy, combine_output_shares(first, second, request, policy))
    named = None if tier == ELIGIBLE else tier
    answer = Answer(state=ANSWERED, eligible=tier is not None, tier=named, receipt=receipt)
    return ProvenAnswer(answer, first.query_id)


def _receipt_share(named: NamedShare, registry: TrustedRegistry) -> OutputShare:
    authority = registry.party(named.authority, "authority")
    return open_output_share(named.share, authority.name, authority.signing_key)


def _text(opened: bytes, sender: str) -> str:
    try:
        return opened.decode("ascii")
    except UnicodeDecodeError as error:
        raise PeerError(sender, "open shares", "its box does not hold a signed output share") from error
