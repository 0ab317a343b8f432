"""Runs, reruns and crashes of an authority: threats.md A1, A3, A12, C5, S3, at the level of roles."""

from threading import Event

import pytest
from msgspec.structs import replace

from privcredit.crypto.paillier import aggregate
from privcredit.crypto.share_proof import ShareVerifier
from privcredit.crypto.threshold import combine, partial_decrypt
from privcredit.errors import InvalidProofError, PrivcreditError, UnavailableError
from privcredit.http import session_channel
from privcredit.protocols.eligibility.messages import EvaluationOrder, EvaluationResult
from privcredit.protocols.paillier_dgk import opening, programs
from privcredit.protocols.paillier_dgk.messages import OpeningShare
from privcredit.protocols.paillier_dgk.session import Transcript
from privcredit.roles.authority import Authority
from privcredit.storage.authority import AuthorityRecords
from support.federation import HOLDERS, Town
from support.inspection import (
    ONE,
    THREE,
    TWO,
    answer_of,
    evaluator,
    last_reason,
    opened,
    pin_at,
    raises,
    read_share,
    refused,
    restart,
    zero_shares,
)
from support.keys import dealing_2048, fixed_private_key

N = int(dealing_2048().threshold_key.key.n)


# --- A1, A3: opening -------------------------------------------------------------------------------------------------


def shift_partials(monkeypatch: pytest.MonkeyPatch, shift: int) -> None:
    """Evaluator 1 multiplies its partial decryption by (1 + n)^k: the opened sum moves by a chosen amount."""
    honest = opening.open_towards_2

    def dishonest(
        session: object, transcript: object, prover: object, masked: object, executor: object
    ) -> OpeningShare:
        before = Transcript(transcript.value)
        share = honest(session, transcript, prover, masked, executor)
        value = int.from_bytes(share.partial, "big") * pow(1 + N, shift, N * N) % (N * N)
        partial = value.to_bytes(512, "big")
        transcript.value = before.extend("opening share", partial, share.proof)
        return replace(share, partial=partial, transcript=transcript.value)

    monkeypatch.setattr(programs, "open_towards_2", dishonest)


def test_a1_a_share_times_one_plus_n_is_rejected_and_the_authority_named(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_channel, "RECEIVE_SECONDS", 1.0)
    shift_partials(monkeypatch, 1)
    error = raises(InvalidProofError, lambda: town.evaluate(town.order("anna")))
    assert (error.culprit, error.step) == (ONE, "verify share proof")
    assert last_reason(town.authority_stores[TWO], "authority") == f"verify share proof: {ONE}"


def test_a1_without_share_proofs_one_authority_chooses_the_answer(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    order = town.order("carla")  # not eligible
    monkeypatch.setattr(ShareVerifier, "verify", lambda *_, **__: None)
    # indices 1 and 2 combine with 2 lambda = 24; the opened sum moves by 24 k / (4 Delta^2) modulo n
    points = 500
    shift_partials(monkeypatch, points * 144 * pow(24, -1, N) % N)
    assert answer_of(town.evaluate(order)) == 1


def test_a3_c9_any_two_authorities_open_a_sum_and_no_single_one_does(town: Town) -> None:
    """The stated limit, which `privcredit trust` prints: two of three are trusted not to do this."""
    order = town.order("anna")
    key = dealing_2048().threshold_key
    total = aggregate(
        [
            key.key.ciphertext(opened(one, name).ciphertext)
            for name, one in zip(HOLDERS, order.contributions, strict=True)
        ]
    )
    partials = {share.index: partial_decrypt(share, total) for share in dealing_2048().shares}
    expected = fixed_private_key(2048).decrypt(total)
    for left_out in (1, 2, 3):
        pair = {index: partial for index, partial in partials.items() if index != left_out}
        assert combine(key, pair) == expected
    for index, partial in partials.items():
        with pytest.raises(PrivcreditError):
            combine(key, {index: partial})


# --- A12: one share for a nullifier ----------------------------------------------------------------------------------


def test_a12_evaluator_2_repeats_the_same_bytes_also_after_a_restart(town: Town) -> None:
    order = town.order("anna")
    first = town.evaluate(order)
    assert evaluator(town, TWO).evaluate(order) == first
    restart(town, TWO)
    assert evaluator(town, TWO).evaluate(order) == first


def test_a12_evaluator_1_repeats_the_same_signed_share_also_after_a_restart(town: Town) -> None:
    order = town.order("anna")
    first = town.evaluate(order)
    for _ in range(2):
        again = evaluator(town, ONE).evaluate(order)
        assert read_share(again, ONE) == read_share(first, ONE)
        restart(town, ONE)


def crash(*_: object) -> None:
    raise KeyboardInterrupt


def test_a12_a_crash_before_persisting_sends_nothing(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_channel, "RECEIVE_SECONDS", 1.0)
    order = town.order("anna")
    with monkeypatch.context() as patch:
        patch.setattr(AuthorityRecords, "complete", crash)
        first = town.pool.submit(evaluator(town, ONE).evaluate, order)
        with pytest.raises(UnavailableError):
            evaluator(town, TWO).evaluate(order)
        assert isinstance(first.exception(), KeyboardInterrupt)
    fixed = pin_at(town, ONE, order).share_bits
    assert fixed is not None
    restart(town, ONE)
    refused("attempt-used", lambda: evaluator(town, ONE).evaluate(order))
    rerun = town.evaluate(replace(order, attempt=1))
    assert answer_of(rerun) == 1
    assert pin_at(town, ONE, order).share_bits == fixed


def test_a12_evaluator_1_releases_the_same_share_in_a_rerun_with_another_evaluator_2(town: Town) -> None:
    order = town.order("anna")
    first = town.evaluate(order)
    second = town.evaluate(replace(order, evaluator_2=THREE, attempt=1))
    assert read_share(first, ONE).bits == read_share(second, ONE).bits
    assert answer_of(first) == answer_of(second) == 1
    assert pin_at(town, TWO, order).share_bits == pin_at(town, THREE, order).share_bits


def test_a12_evaluator_1_of_the_first_run_is_nothing_else_in_the_rerun(town: Town) -> None:
    order = town.order("anna")
    town.evaluate(order)
    for pair in ((TWO, ONE), (THREE, ONE)):
        swapped = replace(order, evaluator_1=pair[0], evaluator_2=pair[1], attempt=1)
        with zero_shares(town):
            refused("wrong-evaluators", lambda swapped=swapped: evaluator(town).evaluate(swapped))


def test_a12_there_is_one_rerun_and_then_the_question_is_locked(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_channel, "RECEIVE_SECONDS", 0.2)
    order = town.order("anna")
    for attempt in (0, 1):
        raises(UnavailableError, lambda attempt=attempt: evaluator(town).evaluate(replace(order, attempt=attempt)))
    with zero_shares(town):
        refused("locked", lambda: evaluator(town).evaluate(order))
    refused("locked", lambda: evaluator(town).evaluate(replace(order, attempt=1)))
    restart(town, ONE)
    refused("locked", lambda: evaluator(town).evaluate(replace(order, attempt=1)))


def test_a12_a_failed_run_is_not_resumed(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_channel, "RECEIVE_SECONDS", 0.2)
    order = town.order("anna")
    raises(UnavailableError, lambda: evaluator(town).evaluate(order))
    with zero_shares(town):
        refused("attempt-used", lambda: evaluator(town).evaluate(order))


def replace_before_the_share_is_stored(
    town: Town, monkeypatch: pytest.MonkeyPatch, order: EvaluationOrder
) -> tuple[PrivcreditError | EvaluationResult, EvaluationResult | PrivcreditError]:
    """A dishonest coordinator orders the rerun just before evaluator 2 would store the first run's result."""
    honest, reached, go_on = Authority._persist, Event(), Event()

    def stalled(self: Authority, checked: object, bits: tuple[int, ...], run: bytes, released: bytes | None) -> None:
        if released is not None and not reached.is_set():
            reached.set()
            assert go_on.wait(5)
        honest(self, checked, bits, run, released)

    monkeypatch.setattr(Authority, "_persist", stalled)
    firsts = [town.pool.submit(evaluator(town, name).evaluate, order) for name in (ONE, TWO)]
    assert reached.wait(5)
    rerun = replace(order, attempt=1)
    seconds = [town.pool.submit(evaluator(town, name).evaluate, rerun) for name in (ONE, TWO)]
    outcome = seconds[1].exception(10) or seconds[1].result()
    go_on.set()
    return firsts[1].exception(10) or firsts[1].result(), outcome


def test_a12_a_run_that_a_rerun_replaced_releases_nothing(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither does the rerun: evaluator 1 has answered this evaluator 2 already, and refuses to do so again."""
    monkeypatch.setattr(session_channel, "RECEIVE_SECONDS", 2.0)
    first, second = replace_before_the_share_is_stored(town, monkeypatch, town.order("anna"))
    assert isinstance(first, UnavailableError)
    assert isinstance(second, UnavailableError)


def test_a12_once_the_differences_are_sent_a_rerun_has_another_evaluator_2(town: Town) -> None:
    """The same one, dishonest, would learn more than its share of the answer (paillier-dgk/spec.md, 2.8)."""
    order = town.order("anna")
    town.evaluate(order)
    with zero_shares(town):
        refused("other-evaluator-needed", lambda: evaluator(town, ONE).evaluate(replace(order, attempt=1)))


def test_a12_without_that_rule_two_runs_of_one_nullifier_are_released(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With evaluator 1's help each run could have another threshold."""
    monkeypatch.setattr(AuthorityRecords, "complete", lambda *_: True)
    first, second = replace_before_the_share_is_stored(town, monkeypatch, town.order("anna"))
    assert isinstance(first, EvaluationResult)
    assert isinstance(second, EvaluationResult)
    assert first.shares != second.shares


# --- contributions do not live forever -------------------------------------------------------------------------------


def test_s3_an_old_contribution_is_not_opened_for_the_first_time(town: Town) -> None:
    """Ten minutes after a holder made it, for instance before an opt-out, nobody opens it any more."""
    town.order("anna")
    town.time.now += 601
    with zero_shares(town):
        refused("contribution-expired", lambda: evaluator(town).evaluate(town.order("anna")))


def test_v3_an_answer_given_in_time_is_repeated_later(town: Town) -> None:
    assert answer_of(town.evaluate(town.order("anna"))) == 1
    town.time.now += 3600
    again = town.order("anna")
    own = [evaluator(town, name).evaluate(again).shares[0] for name in (ONE, TWO)]
    assert answer_of(EvaluationResult(evaluators=(ONE, TWO), shares=tuple(own))) == 1
