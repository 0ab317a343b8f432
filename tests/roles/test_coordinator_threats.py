"""A coordinator under failures, and a dishonest one: threats.md A5, C1, C5, H5, S7, at the level of roles."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations

import pytest
from msgspec.structs import replace
from sqlalchemy import select

from privcredit.errors import InvalidProofError, PeerError, RefusedError, UnavailableError
from privcredit.http import session_channel
from privcredit.messages.codec import decode, encode
from privcredit.protocols.eligibility.messages import EvaluationOrder, EvaluationResult, QueryStatus, QuerySubmission
from privcredit.protocols.paillier_dgk import programs
from privcredit.roles.coordinator import Coordinator
from privcredit.roles.evaluation import Failure, Panel
from privcredit.roles.verifier import Answer
from privcredit.storage.coordinator import CoordinatorStore, StoredQuery
from privcredit.storage.tables import queries
from support.federation import AUTHORITIES, HOLDERS, LocalAuthorityLinks, LocalCoordinatorLinks, Town, party_keys
from support.inspection import ONE, THREE, TWO, audit_log, opened_shares, pin_at, raises, refused, rows

SUBSETS = [set(missing) for count in range(1, 4) for missing in combinations(HOLDERS, count)]


def submission_of(town: Town, person: str = "anna") -> QuerySubmission:
    request, presentation = town.present(person)
    return QuerySubmission(request=request.jws, presentation=presentation)


def submit(town: Town, submission: QuerySubmission) -> str:
    return town.coordinator.submit(submission.presentation.header.query_id, submission).state


# --- H5: missing holders ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", SUBSETS, ids=lambda missing: "+".join(sorted(missing)))
def test_h5_every_subset_of_missing_holders_is_incomplete_never_a_lower_score(town: Town, missing: set[str]) -> None:
    town.down |= missing
    answer = town.ask("anna")
    assert (answer.state, answer.eligible, answer.receipt) == ("incomplete", None, None)
    assert town.orders == []
    assert rows(town.authority_stores[ONE], "authority")["nullifiers"] == 0


def test_h5_the_same_question_is_answered_when_the_holder_is_back(town: Town) -> None:
    request, presentation = town.present("anna")
    town.down.add("court")
    assert town.verifiers["shop"].ask(request.request.request_id, presentation).state == "incomplete"
    town.down.clear()
    assert town.verifiers["shop"].ask(request.request.request_id, presentation).eligible is True
    assert len(town.sources["bank"].asked) == 1


# --- A5: missing authorities -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("down", AUTHORITIES)
def test_a5_any_two_authorities_answer(town: Town, down: str) -> None:
    town.down.add(down)
    assert town.ask("anna").eligible is True


@pytest.mark.parametrize("down", list(combinations(AUTHORITIES, 2)), ids="+".join)
def test_a5_with_two_down_it_is_unavailable_and_nothing_partial_is_released(town: Town, down: tuple[str, str]) -> None:
    town.down |= set(down)
    answer = town.ask("anna")
    assert (answer.state, answer.receipt) == ("unavailable", None)
    (up,) = set(AUTHORITIES) - set(down)
    assert rows(town.authority_stores[up], "authority")["nullifiers"] == 0


def hang(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The authority answers pings, takes its order, and never sends anything to the other evaluator."""
    honest = LocalAuthorityLinks.post

    def silent(self: LocalAuthorityLinks, peer: str, session: bytes, message: object) -> None:
        if self.name != name:
            honest(self, peer, session, message)

    monkeypatch.setattr(session_channel, "RECEIVE_SECONDS", 1.0)
    monkeypatch.setattr(LocalAuthorityLinks, "post", silent)


@pytest.mark.parametrize("silent", AUTHORITIES)
def test_a5_one_silent_authority_does_not_stop_the_other_two(
    town: Town, silent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hang(silent, monkeypatch)
    assert town.ask("anna").eligible is True


def test_a5_an_authority_that_dies_in_a_run_is_replaced(town: Town) -> None:
    """Whichever role it had: the first order to it is the last."""
    for person in ("anna#1", "anna#2", "anna#3"):
        town.down.clear()
        victims: list[str] = []

        def die(order: EvaluationOrder, victims: list[str] = victims) -> EvaluationOrder:
            if not victims:
                victims.append(order.evaluator_2)
                town.down.add(order.evaluator_2)
                raise UnavailableError("The connection broke.")
            return order

        town.tap = die
        assert town.ask(person).eligible is True
        assert victims


def test_a5_an_authority_that_is_not_ready_is_left_out(town: Town) -> None:
    town.authorities[ONE] = town.start_authority(ONE)  # has not caught up
    for person in ("anna#1", "anna#2", "anna#3"):
        assert town.ask(person).eligible is True
    assert {order.attempt for _, order in town.orders} == {0, 1}


def test_a1_a_cheating_evaluator_1_is_replaced(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    submission = submission_of(town)
    cheat = Panel.rotate(AUTHORITIES, submission.presentation.header.nullifier, lambda _: True).evaluator_1
    honest = programs.open_towards_2

    def cheating(session: object, *others: object) -> object:
        share = honest(session, *others)
        if session.evaluator_1.name != cheat:
            return share
        raise InvalidProofError(cheat, "verify share proof", "made to fail")

    monkeypatch.setattr(programs, "open_towards_2", cheating)
    assert submit(town, submission) == "answered"
    assert {order.evaluator_1 for _, order in town.orders} - {cheat}


# --- who has the answer ----------------------------------------------------------------------------------------------


def test_s7_another_coordinator_gets_the_same_answer(town: Town) -> None:
    """The nullifier's pin is with the authorities, so who routes does not matter."""
    first = town.ask("anna")
    store = CoordinatorStore(town.url("another-coordinator"))
    town.coordinator = Coordinator(
        party_keys("coordinator"), town.registry, store, LocalCoordinatorLinks(town), town.pool, town.time
    )
    town.orders.clear()
    second = town.ask("anna")
    assert (first.eligible, second.eligible) == (True, True)
    assert len(town.orders) == 2
    assert runs_of(first) == runs_of(second)


def runs_of(answer: Answer) -> set[bytes]:
    return {share.run for share in opened_shares(answer.receipt)}


@pytest.mark.parametrize("away", AUTHORITIES)
def test_s7_whoever_seems_up_the_answer_is_found_where_it_is(town: Town, away: str) -> None:
    """A coordinator that thinks an evaluator down asks another pair, and is sent to the one with the answer."""
    assert town.ask("anna").eligible is True
    honest = LocalCoordinatorLinks.is_up
    town.coordinator._links.is_up = lambda name: name != away and honest(town.coordinator._links, name)
    town.orders.clear()
    assert town.ask("anna").eligible is True
    assert {order.attempt for _, order in town.orders} == {0}


def test_s7_after_a_rerun_evaluator_1_knows_who_has_the_answer(town: Town) -> None:
    """Evaluator 2 of the first run finished, but its reply was lost and the run was repeated with the third."""
    submission = submission_of(town)
    panel = Panel.rotate(AUTHORITIES, submission.presentation.header.nullifier, lambda _: True)
    lost: list[str] = []

    def lose_reply(authority: str, order: EvaluationOrder, honest: Callable[..., EvaluationResult]) -> EvaluationResult:
        result = honest(authority, order)
        if authority == panel.evaluator_2 and not lost:
            lost.append(authority)
            town.down.add(panel.evaluator_2)
            raise UnavailableError("The connection broke.")
        return result

    links = town.coordinator._links
    honest = links.evaluate
    links.evaluate = lambda authority, order: lose_reply(authority, order, honest)
    assert submit(town, submission) == "answered"
    town.down.clear()
    town.orders.clear()
    again = town.ask("anna")
    assert again.eligible is True
    assert {name for name, _ in town.orders} == set(AUTHORITIES)


@pytest.mark.parametrize("named", [("nobody", ONE), (ONE, ONE), ("bank", TWO)])
def test_w2_an_authority_that_names_no_authorities_is_blamed(
    town: Town, named: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    false = EvaluationResult(evaluators=named, shares=())
    monkeypatch.setattr(town.coordinator._links, "evaluate", lambda *_: false)
    submission = submission_of(town)
    status = town.coordinator.submit(submission.presentation.header.query_id, submission)
    assert status.state == "failed"
    assert "two authorities" in status.sentence


def test_w2_authorities_that_send_each_other_do_not_loop_for_ever(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    def elsewhere(_: str, order: EvaluationOrder) -> EvaluationResult:
        names = [*AUTHORITIES, *AUTHORITIES]
        place = AUTHORITIES.index(order.evaluator_1)
        return EvaluationResult(evaluators=(names[place + 1], names[place + 2]), shares=())

    monkeypatch.setattr(town.coordinator._links, "evaluate", elsewhere)
    assert submit(town, submission_of(town)) == "unavailable"


# --- C5: retries -----------------------------------------------------------------------------------------------------


def test_c5_repeated_failure_locks_the_question_and_the_next_index_is_free(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(session_channel, "RECEIVE_SECONDS", 0.2)
        patch.setattr(programs, "read_mask", broken)
        submission = submission_of(town)
        states = [submit(town, submission) for _ in range(3)]
    assert states[0] == "failed"
    assert states[-1] == "refused"
    status = town.coordinator.status(submission.presentation.header.query_id, "shop")
    assert status.problem == "locked"
    request = town.verifiers["shop"].request("deposit-free")
    again = town.wallet("anna").consent("shop", request.jws, anew=True)
    assert town.verifiers["shop"].ask(request.request.request_id, again).eligible is True


def broken(*_: object) -> None:
    raise PeerError(ONE, "read mask", "made to fail")


def test_c5_no_third_run_is_ever_ordered(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_channel, "RECEIVE_SECONDS", 0.2)
    monkeypatch.setattr(town.coordinator._links, "probe", lambda _: True)
    monkeypatch.setattr(programs, "read_mask", unavailable)
    submission = submission_of(town)
    for _ in range(3):
        submit(town, submission)
    pins = [pin_at(town, name, EvaluationOrderLike(submission)) for name in AUTHORITIES]
    assert all(pin is None or (pin.run is None and pin.attempt <= 1) for pin in pins)


class EvaluationOrderLike:
    """What `pin_at` looks at."""

    def __init__(self, submission: QuerySubmission) -> None:
        self.header = submission.presentation.header


def unavailable(*_: object) -> None:
    raise UnavailableError("made to fail")


# --- its own bookkeeping ---------------------------------------------------------------------------------------------


def test_v6_identical_orders_at_the_same_time_are_one_evaluation(town: Town) -> None:
    submission = submission_of(town)
    with ThreadPoolExecutor(6) as pool:
        states = list(pool.map(lambda _: submit(town, submission), range(6)))
    assert set(states) == {"answered"}
    logs = [audit_log(town.authority_stores[name], "authority") for name in AUTHORITIES]
    assert [event for log in logs for event, _ in log] == ["evaluated", "evaluated"]


def test_w4_a_query_id_has_one_submission(town: Town) -> None:
    submission = submission_of(town)
    submit(town, submission)
    boxes = submission.presentation.consents
    altered = replace(submission, presentation=replace(submission.presentation, consents=boxes[::-1]))
    refused("replayed", lambda: submit(town, altered))


def test_w4_a_query_is_submitted_under_its_own_id(town: Town) -> None:
    refused("wrong-query-id", lambda: town.coordinator.submit(bytes(32), submission_of(town)))


@pytest.mark.parametrize("boxes", [slice(0, 2), slice(0, 1)])
def test_c1_a_presentation_without_all_holders_is_refused(town: Town, boxes: slice) -> None:
    submission = submission_of(town)
    part = replace(submission.presentation, consents=submission.presentation.consents[boxes])
    refused("wrong-holders", lambda: submit(town, replace(submission, presentation=part)))


def test_w4_only_its_verifier_sees_or_cancels_a_query(town: Town) -> None:
    submission = submission_of(town)
    submit(town, submission)
    query_id = submission.presentation.header.query_id
    refused("unknown-query", lambda: town.coordinator.status(query_id, "hotel"))
    refused("unknown-query", lambda: town.coordinator.cancel(query_id, "hotel"))
    assert town.coordinator.status(query_id, "shop").state == "answered"


def test_a_cancelled_query_is_not_opened_and_its_nullifier_is_not_freed(town: Town) -> None:
    submission = submission_of(town)
    query_id = submission.presentation.header.query_id
    honest = town.holders["charity"].contribute

    def cancelled_meanwhile(message: object) -> object:
        assert town.coordinator.cancel(query_id, "shop").state == "cancelled"
        return honest(message)

    town.holders["charity"].contribute = cancelled_meanwhile
    assert submit(town, submission) == "cancelled"
    assert town.orders == []
    assert submit(town, submission) == "cancelled"
    assert rows(town.holder_stores["bank"], "holder")["contributions"] == 1


def test_an_answered_query_cannot_be_cancelled(town: Town) -> None:
    submission = submission_of(town)
    submit(town, submission)
    assert town.coordinator.cancel(submission.presentation.header.query_id, "shop").state == "answered"


def test_h6_a_restarted_coordinator_carries_on_with_more_queries_than_it_has_threads(town: Town) -> None:
    """Each needs threads of the pool itself, so carrying them all at once would wait for ever."""
    submissions = [submission_of(town, f"anna#{number}") for number in range(4)]
    with town.coordinator._store.transaction() as records:
        for submission in submissions:
            records.add(running(submission.presentation.header.query_id, submission))
    few = ThreadPoolExecutor(3)
    back = Coordinator(
        party_keys("coordinator"),
        town.registry,
        CoordinatorStore(town.url("coordinator")),
        LocalCoordinatorLinks(town),
        few,
        town.time,
    )
    back.resume()
    deadline = time.monotonic() + 30
    waiting = [submission.presentation.header.query_id for submission in submissions]
    while waiting and time.monotonic() < deadline:
        waiting = [query_id for query_id in waiting if back.status(query_id, "shop").state == "running"]
        time.sleep(0.05)
    few.shutdown()
    assert {back.status(one.presentation.header.query_id, "shop").state for one in submissions} == {"answered"}


def running(query_id: bytes, submission: QuerySubmission) -> StoredQuery:
    status = QueryStatus(query_id=query_id, state="running")
    return StoredQuery(query_id, encode(submission), "running", encode(status), 0)


def test_n8_the_coordinator_stores_ciphertexts_and_metadata_only(town: Town) -> None:
    """Nothing that it keeps of a question is a contribution, and what it keeps decodes to submission and boxes."""
    town.ask("anna")
    with town.coordinator._store.transaction() as records:
        assert records.unfinished() == []
    with town.coordinator._store._database.transaction() as connection:
        (row,) = connection.execute(select(queries)).all()
    assert decode(row.submission, QuerySubmission).presentation.header.verifier == "shop"
    assert set(row._mapping) == {"query_id", "submission", "state", "outcome", "received"}


# --- panels ----------------------------------------------------------------------------------------------------------


def test_panels_rotate_with_the_nullifier() -> None:
    panels = {Panel.rotate(AUTHORITIES, bytes([0, 0, 0, number]), lambda _: True).pair for number in range(6)}
    assert len(panels) == 6


@pytest.mark.parametrize(
    ("error", "by", "down", "expected"),
    [
        (UnavailableError("x"), ONE, {ONE}, (THREE, TWO)),
        (UnavailableError("x"), TWO, {TWO}, (ONE, THREE)),
        (UnavailableError("x"), ONE, set(), (ONE, THREE)),
        (UnavailableError("x"), TWO, set(), (THREE, TWO)),
        (UnavailableError("x"), ONE, {THREE}, (ONE, TWO)),
        (RefusedError("attempt-used", "x"), ONE, set(), (ONE, THREE)),
        (RefusedError("attempt-used", "x"), ONE, {THREE}, (ONE, TWO)),
        (RefusedError("not-ready", "x"), TWO, set(), (ONE, THREE)),
        (PeerError(TWO, "x", "x"), ONE, set(), (ONE, THREE)),
        (PeerError(ONE, "x", "x"), TWO, set(), (THREE, TWO)),
    ],
)
def test_a5_who_failed_is_replaced_in_its_own_role(
    error: Exception, by: str, down: set[str], expected: tuple[str, str]
) -> None:
    rerun = Panel(ONE, TWO, THREE).after(Failure(error, by), lambda name: name not in down)
    assert (rerun.pair, rerun.attempt) == (expected, 1)


@pytest.mark.parametrize(
    ("error", "attempt", "down", "kind"),
    [
        (UnavailableError("x"), 1, set(), UnavailableError),
        (UnavailableError("x"), 0, {ONE, THREE}, UnavailableError),
        (RefusedError("nullifier-used", "x"), 0, set(), RefusedError),
        (RefusedError("not-ready", "x"), 0, {THREE}, UnavailableError),
        (RefusedError("attempt-used", "x"), 1, set(), UnavailableError),
        (PeerError("bank", "x", "x"), 0, set(), PeerError),
        (PeerError(ONE, "x", "x"), 0, {THREE}, PeerError),
    ],
)
def test_c5_what_a_rerun_cannot_mend_ends_the_query(
    error: Exception, attempt: int, down: set[str], kind: type[Exception]
) -> None:
    panel = Panel(ONE, TWO, THREE, attempt)
    raises(kind, lambda: panel.after(Failure(error, ONE), lambda name: name not in down))
