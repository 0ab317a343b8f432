"""The coordinator: collects contributions and orders the comparison. Trusted with nothing but availability.

It reads ciphertexts, sealed boxes and metadata; whatever it omits, repeats or alters, holders and authorities refuse.
"""

from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

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
)
from privcredit.protocols.eligibility.steps import check_answers, open_request, terms_of
from privcredit.roles.evaluation import Panel
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

    def status(self, query_id: bytes) -> QueryStatus:
        """Return how far a query is. Raises RefusedError for an unknown one."""
        with self._store.transaction() as records:
            known = records.query(query_id)
        if known is None:
            raise RefusedError("unknown-query", "There is no query with this id; submit it first.")
        return decode(known.outcome, QueryStatus)

    def cancel(self, query_id: bytes) -> QueryStatus:
        """Cancel what has not been opened. Does not free the nullifier."""
        status = self.status(query_id)
        if status.state in FINAL:
            return status
        return self._record(query_id, _status(query_id, CANCELLED, sentence="The verifier cancelled this query."))

    def resume(self) -> None:
        """Carry on with the queries that a crash interrupted. Who runs it: the node, once, at its start."""
        with self._store.transaction() as records:
            unfinished = records.unfinished()
        for query in unfinished:
            self._pool.submit(self._carry, query.query_id, decode(query.submission, QuerySubmission))

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
            shares = self._evaluate(submission, contributions)
            status = _status(query_id, ANSWERED, shares=shares)
        except PrivcreditError as error:
            status = _failure(query_id, error)
        return self._record(query_id, status)

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

    def _evaluate(self, submission: QuerySubmission, contributions: tuple[str, ...]) -> tuple[tuple[str, bytes], ...]:
        header = submission.presentation.header
        panel = Panel.rotate(self._registry.authorities, header.query_id, self._links.is_up)
        while True:
            order = EvaluationOrder(
                request=submission.request,
                header=header,
                contributions=contributions,
                evaluator_1=panel.evaluator_1,
                evaluator_2=panel.evaluator_2,
                attempt=panel.attempt,
            )
            try:
                return self._attempt(order)
            except (UnavailableError, RefusedError) as error:
                panel = panel.after(error, self._links.probe)

    def _attempt(self, order: EvaluationOrder) -> tuple[tuple[str, bytes], ...]:
        """Order one run; whoever ends first with an error ends the attempt. Evaluator 2 returns both shares."""
        first, second = self._order(order)
        wait((first, second), return_when=FIRST_COMPLETED)
        if first.done() and not second.done():
            early = first.result()
            if early.shares or early.evaluators != (order.evaluator_1, order.evaluator_2):
                return self._gather(order, early.evaluators)
        result = second.result()
        return result.shares if len(result.shares) == 2 else self._gather(order, result.evaluators)  # noqa: PLR2004

    def _gather(self, order: EvaluationOrder, pair: tuple[str, str]) -> tuple[tuple[str, bytes], ...]:
        """The nullifier was answered before, by `pair`: each of the two gives out its own share again."""
        again = EvaluationOrder(
            request=order.request,
            header=order.header,
            contributions=order.contributions,
            evaluator_1=pair[0],
            evaluator_2=pair[1],
            attempt=0,
        )
        results = [call.result() for call in self._order(again)]
        shares = {sender: box for result in results for sender, box in result.shares}
        if set(shares) != set(pair):
            raise PeerError(pair[1], "collect shares", "an authority that answered before gives no share now")
        return tuple(shares.items())

    def _order(self, order: EvaluationOrder) -> tuple["Future[EvaluationResult]", "Future[EvaluationResult]"]:
        first = self._pool.submit(self._links.evaluate, order.evaluator_1, order)
        return first, self._pool.submit(self._links.evaluate, order.evaluator_2, order)


def _contribution(holder: str, call: "Future[ContributionReply]") -> str:
    try:
        return call.result().contribution
    except UnavailableError as error:
        raise IncompleteError(f"Holder {holder} does not answer; ask again later.") from error


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
