"""The coordinator: collects contributions and orders the comparison. Trusted with nothing but availability.

It reads ciphertexts, sealed boxes and metadata; whatever it omits, repeats or alters, holders and authorities refuse.
"""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed

from privcredit.errors import PeerError, PrivcreditError, RefusedError, UnavailableError
from privcredit.messages.codec import decode, encode
from privcredit.protocols.consent.steps import check_presentation
from privcredit.protocols.eligibility.messages import (
    ContributionReply,
    ContributionRequest,
    EvaluationOrder,
    EvaluationResult,
    QueryStatus,
    QuerySubmission,
    SealedShare,
)
from privcredit.protocols.eligibility.steps import check_answers, open_request, terms_of
from privcredit.roles.evaluation import Failure, Panel
from privcredit.roles.identity import Clock, PartyKeys, check_own_entry
from privcredit.roles.links import CoordinatorLinks
from privcredit.roles.registry import TrustedRegistry
from privcredit.storage.coordinator import CoordinatorStore, StoredQuery

ANSWERED = "answered"
RUNNING = "running"
REFUSED = "refused"
INCOMPLETE = "incomplete"
UNAVAILABLE = "unavailable"
FAILED = "failed"
CANCELLED = "cancelled"
FINAL = frozenset({ANSWERED, REFUSED, CANCELLED})
"""States that asking again does not change; after the others it may help."""

MAX_ORDERS = 6
"""A first run, a rerun, and who was named as having the answer, twice each."""

SealedShares = tuple[SealedShare, ...]


class Coordinator:
    """The coordinator's conduct; `pool` runs the calls to holders and authorities side by side."""

    def __init__(
        self,
        keys: PartyKeys,
        registry: TrustedRegistry,
        store: CoordinatorStore,
        links: CoordinatorLinks,
        pool: ThreadPoolExecutor,
        clock: Clock,
    ) -> None:
        check_own_entry(keys, "coordinator", registry)
        self._registry = registry
        self._store = store
        self._links = links
        self._pool = pool
        self._clock = clock

    def submit(self, query_id: bytes, submission: QuerySubmission) -> QueryStatus:
        """Carry a query to its end and return its status. Idempotent; after a failure it tries again.

        Raises RefusedError when the submission itself is not acceptable.
        """
        self._check(query_id, submission)
        with self._store.transaction() as records:
            known = records.query(query_id)
            if known is None:
                records.add(
                    StoredQuery(
                        query_id, encode(submission), RUNNING, encode(_status(query_id, RUNNING)), self._clock()
                    )
                )
            elif known.submission != encode(submission):
                raise RefusedError("replayed", "This query id has another submission already.")
            elif known.state in FINAL:
                return decode(known.outcome, QueryStatus)
        return self._carry(query_id, submission)

    def status(self, query_id: bytes, verifier: str) -> QueryStatus:
        """Return to `verifier` how far its query is. Raises RefusedError for an unknown one, or another's."""
        with self._store.transaction() as records:
            known = records.query(query_id)
        if known is None or _verifier_of(known) != verifier:
            raise RefusedError("unknown-query", "There is no query with this id; submit it first.")
        return decode(known.outcome, QueryStatus)

    def cancel(self, query_id: bytes, verifier: str) -> QueryStatus:
        """Cancel what `verifier` asked and has not been opened. Does not free the nullifier."""
        status = self.status(query_id, verifier)
        if status.state in FINAL:
            return status
        return self._record(query_id, _status(query_id, CANCELLED, sentence="The verifier cancelled this query."))

    def resume(self) -> None:
        """Carry on with the queries that a crash interrupted. Who runs it: the node, once, at its start.

        One after the other, in a thread of its own: in the pool they could all wait for threads to make their calls.
        """
        with self._store.transaction() as records:
            unfinished = records.unfinished()
        with_patience = ThreadPoolExecutor(1, thread_name_prefix="resume")
        for query in unfinished:
            with_patience.submit(self._carry, query.query_id, decode(query.submission, QuerySubmission))
        with_patience.shutdown(wait=False)

    def _check(self, query_id: bytes, submission: QuerySubmission) -> None:
        header = submission.presentation.header
        if header.query_id != query_id:
            raise RefusedError("wrong-query-id", "The presentation in the body is for another query id.")
        policy = self._registry.policy(header.policy_hash)
        verifier = self._registry.party(header.verifier, "verifier")
        check_answers(header, open_request(submission.request, verifier.name, verifier.signing_key))
        holders = [term.holder for term in policy.holders]
        check_presentation(submission.presentation, terms_of(policy, header.policy_hash), holders, self._clock())

    def _carry(self, query_id: bytes, submission: QuerySubmission) -> QueryStatus:
        try:
            contributions = self._collect(submission)
            self._check_wanted(query_id)
            shares = self._evaluate(submission, contributions)
            status = _status(query_id, ANSWERED, shares=shares)
        except PrivcreditError as error:
            status = _failure(query_id, error)
        return self._record(query_id, status)

    def _check_wanted(self, query_id: bytes) -> None:
        """The last moment to cancel: from here on the sum may be opened."""
        with self._store.transaction() as records:
            known = records.query(query_id)
        if known is not None and known.state == CANCELLED:
            raise RefusedError("cancelled", "The verifier cancelled this query.")

    def _record(self, query_id: bytes, status: QueryStatus) -> QueryStatus:
        """Store an outcome, unless another thread brought the query to its end meanwhile."""
        with self._store.transaction() as records:
            known = records.query(query_id)
            if known is not None and known.state in FINAL:
                return decode(known.outcome, QueryStatus)
            records.set_outcome(query_id, status.state, encode(status))
        return status

    # --- holders -----------------------------------------------------------------------------------------------------

    def _collect(self, submission: QuerySubmission) -> tuple[str, ...]:
        """Ask all holders at once. One that is down makes the query "incomplete", never a lower score."""
        header = submission.presentation.header
        calls = {
            consent.holder: self._pool.submit(
                self._links.contribute,
                consent.holder,
                ContributionRequest(request=submission.request, header=header, consent=consent),
            )
            for consent in submission.presentation.consents
        }
        policy = self._registry.policy(header.policy_hash)
        return tuple(_contribution(term.holder, calls[term.holder]) for term in policy.holders)

    # --- authorities -------------------------------------------------------------------------------------------------

    def _evaluate(self, submission: QuerySubmission, contributions: tuple[str, ...]) -> SealedShares:
        """Order runs until two shares of one run are there; follow authorities that name others as having them."""
        header = submission.presentation.header
        panel = Panel.rotate(self._registry.authorities, header.nullifier, self._links.is_up)
        for _ in range(MAX_ORDERS):
            order = EvaluationOrder(
                request=submission.request,
                header=header,
                contributions=contributions,
                evaluator_1=panel.evaluator_1,
                evaluator_2=panel.evaluator_2,
                attempt=panel.attempt,
            )
            found = self._attempt(order)
            if isinstance(found, tuple):
                return found
            panel = found if isinstance(found, Panel) else panel.after(found, self._links.probe)
        raise UnavailableError("The authorities do not agree on who has this answer; ask again later.")

    def _attempt(self, order: EvaluationOrder) -> SealedShares | Panel | Failure:
        """Order one run; return its shares, the panel that answered this nullifier before, or how it failed.

        Evaluator 2 of a new run returns both shares, evaluators of an old one each its own. Whoever ends first with an
        error ends the attempt.
        """
        pair = (order.evaluator_1, order.evaluator_2)
        calls = self._order(order)
        shares: dict[str, bytes] = {}
        for call in as_completed(calls):
            try:
                result = call.result()
            except PrivcreditError as error:
                return Failure(error, calls[call])
            if len(result.shares) == len(pair):
                return result.shares
            if result.evaluators != pair:
                return Panel.of(result.evaluators, self._registry.authorities, calls[call])
            shares.update(result.shares)
        if set(shares) != set(pair):
            raise PeerError(order.evaluator_2, "collect shares", "it ends its run without shares")
        return tuple(shares.items())

    def _order(self, order: EvaluationOrder) -> dict["Future[EvaluationResult]", str]:
        names = (order.evaluator_1, order.evaluator_2)
        return {self._pool.submit(self._links.evaluate, name, order): name for name in names}


def _contribution(holder: str, call: "Future[ContributionReply]") -> str:
    try:
        return call.result().contribution
    except UnavailableError as error:
        raise IncompleteError(f"Holder {holder} does not answer; ask again later.") from error


def _verifier_of(query: StoredQuery) -> str:
    return decode(query.submission, QuerySubmission).presentation.header.verifier


class IncompleteError(UnavailableError):
    """A holder of the policy is missing."""


def _status(
    query_id: bytes,
    state: str,
    shares: Sequence[tuple[str, bytes]] = (),
    problem: str = "",
    sentence: str = "",
) -> QueryStatus:
    return QueryStatus(query_id=query_id, state=state, shares=tuple(shares), problem=problem, sentence=sentence)


def _failure(query_id: bytes, error: PrivcreditError) -> QueryStatus:
    if isinstance(error, RefusedError):
        return _status(query_id, REFUSED, problem=error.reason, sentence=str(error))
    if isinstance(error, IncompleteError):
        return _status(query_id, INCOMPLETE, sentence=str(error))
    if isinstance(error, UnavailableError):
        return _status(query_id, UNAVAILABLE, sentence=str(error))
    return _status(query_id, FAILED, sentence=str(error))
