"""What the three authorities tell each other about used nullifiers: threats.md V6, A5, W2."""

import pytest
from msgspec.structs import replace

from privcredit.errors import PeerError, UnavailableError
from privcredit.http import session_channel
from privcredit.protocols.eligibility.messages import EvaluationOrder, EvaluationResult, PinNotice, PinPage
from privcredit.protocols.paillier_dgk import opening, programs
from privcredit.protocols.paillier_dgk.messages import OpeningShare
from privcredit.roles.authority import Authority
from support.federation import Town
from support.inspection import (
    ONE,
    THREE,
    TWO,
    answer_of,
    audit_log,
    evaluator,
    pin_at,
    raises,
    refused,
    restart,
    rows,
)

# --- the third authority ---------------------------------------------------------------------------------------------


def notice_of(order: EvaluationOrder, town: Town, **changes: object) -> PinNotice:
    pin = pin_at(town, ONE, order)
    known = {name: getattr(pin, name) for name in PinNotice.__struct_fields__}
    return PinNotice(**(known | changes))


def test_v6_the_third_authority_is_told_before_anything_is_opened(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    order, seen = town.order("anna"), []
    honest = opening.open_towards_2

    def watched(*arguments: object) -> OpeningShare:
        seen.append(pin_at(town, THREE, order))
        return honest(*arguments)

    monkeypatch.setattr(programs, "open_towards_2", watched)
    town.evaluate(order)
    assert [pin.evaluator_1 for pin in seen] == [ONE]
    again = evaluator(town, THREE).evaluate(replace(order, evaluator_2=THREE))
    assert again == EvaluationResult(evaluators=(ONE, TWO), shares=())


def test_v6_a_third_authority_that_knows_another_use_stops_the_run(town: Town) -> None:
    order = town.order("anna")
    other = PinNotice(
        nullifier=order.header.nullifier,
        verifier="hotel",
        policy_hash=order.header.policy_hash,
        epoch=order.header.epoch,
        set_digest=bytes(32),
        evaluator_1=TWO,
        evaluator_2=THREE,
        attempt=0,
    )
    evaluator(town, THREE).accept_pin(other, TWO)
    refused("nullifier-used", lambda: evaluator(town).evaluate(order))
    assert ("conflicting-pin", {"nullifier": order.header.nullifier.hex(), "from": THREE}) in audit_log(
        town.authority_stores[ONE], "authority"
    )
    assert pin_at(town, ONE, order).run is None


def test_a5_a_third_authority_that_is_down_learns_the_pin_when_it_is_back(town: Town) -> None:
    order = town.order("anna")
    town.down.add(THREE)
    town.evaluate(order)
    assert pin_at(town, THREE, order) is None
    assert rows(town.authority_stores[ONE], "authority")["notices"] == 1
    town.down.clear()
    for name in (ONE, TWO):
        evaluator(town, name).keep_up()
    assert rows(town.authority_stores[ONE], "authority")["notices"] == 0
    assert pin_at(town, THREE, order).set_digest == pin_at(town, ONE, order).set_digest


def test_a5_an_authority_that_was_away_evaluates_only_after_it_has_caught_up(town: Town) -> None:
    order = town.order("anna")
    town.down.add(THREE)
    town.evaluate(order)
    town.down |= {ONE, TWO}
    back = restart(town, THREE)
    assert back.not_ready() == ["waits for another authority's list of used nullifiers"]
    refused("not-ready", lambda: back.evaluate(replace(order, evaluator_2=THREE)))
    town.down.clear()
    back.keep_up()
    assert back.not_ready() == []
    assert back.evaluate(replace(order, evaluator_2=THREE)).evaluators == (ONE, TWO)


def test_a5_a_broken_third_authority_stops_nobody(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise PeerError(THREE, "answer a request", "It failed with status 500.")

    monkeypatch.setattr(town.authorities[THREE], "accept_pin", broken)
    assert answer_of(town.evaluate(town.order("anna"))) == 1
    assert rows(town.authority_stores[ONE], "authority")["notices"] == 1
    evaluator(town).keep_up()  # still broken, still queued, no harm
    assert rows(town.authority_stores[ONE], "authority")["notices"] == 1


@pytest.mark.parametrize(
    "change",
    [{"verifier": "hotel"}, {"policy_hash": bytes(32)}, {"set_digest": bytes(32)}],
    ids=lambda change: next(iter(change)),
)
def test_v6_a_dishonest_authoritys_conflicting_pin_is_refused_and_logged(town: Town, change: dict[str, object]) -> None:
    order = town.order("anna")
    town.evaluate(order)
    false = notice_of(order, town, **change)
    before = pin_at(town, ONE, order)
    refused("nullifier-used", lambda: evaluator(town).accept_pin(false, THREE))
    assert pin_at(town, ONE, order) == before
    assert audit_log(town.authority_stores[ONE], "authority")[-1] == (
        "conflicting-pin",
        {"nullifier": order.header.nullifier.hex(), "from": THREE},
    )


def test_v6_conflicting_pins_of_a_list_are_logged_and_the_rest_is_learnt(town: Town) -> None:
    first, second = town.order("anna"), town.order("ben")
    town.evaluate(first)
    town.down.add(THREE)
    town.evaluate(second)
    town.down.clear()
    with town.authority_stores[THREE].transaction() as records:
        records._update(first.header.nullifier, set_digest=bytes(32))
    restart(town, THREE)
    assert pin_at(town, THREE, second) is not None
    assert pin_at(town, THREE, first).set_digest == bytes(32)
    assert {event for event, _ in audit_log(town.authority_stores[THREE], "authority")} == {"conflicting-pin"}


@pytest.mark.parametrize("pair", [(ONE, ONE), ("bank", ONE), (TWO, "nobody")])
def test_w2_a_pin_that_names_no_two_authorities_is_refused(town: Town, pair: tuple[str, str]) -> None:
    order = town.order("anna")
    town.evaluate(order)
    false = notice_of(order, town, nullifier=bytes(32), evaluator_1=pair[0], evaluator_2=pair[1])
    assert raises(PeerError, lambda: evaluator(town).accept_pin(false, THREE)).culprit == THREE
    with town.authority_stores[ONE].transaction() as records:
        assert records.pin(bytes(32)) is None


def test_a5_an_authority_that_others_replaced_points_to_them(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """Evaluator 1 dies, the third takes its place; when it is back it gives out nothing of the dead run."""
    monkeypatch.setattr(session_channel, "RECEIVE_SECONDS", 0.3)
    order = town.order("anna")
    raises(UnavailableError, lambda: evaluator(town, TWO).evaluate(order))
    raises(UnavailableError, lambda: evaluator(town, ONE).evaluate(order))
    monkeypatch.undo()
    town.down.add(ONE)
    rerun = replace(order, evaluator_1=THREE, attempt=1)
    assert answer_of(town.evaluate(rerun)) == 1
    town.down.clear()
    evaluator(town, TWO).keep_up()
    assert evaluator(town, ONE).evaluate(order) == EvaluationResult(evaluators=(THREE, TWO), shares=())


def test_a5_an_endless_list_of_pins_is_noticed(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Authority, "pins_after", lambda _, after: PinPage(pins=(), next_after=after))
    assert restart(town, THREE).not_ready()
