"""Attacks on a verifier and by one: threats.md V1 to V4, V6, S4 to S6, at the level of roles."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from msgspec.structs import replace

from privcredit.crypto.sealed import seal
from privcredit.errors import PeerError, PrivcreditError, UsageError
from privcredit.messages.codec import decode, encode
from privcredit.protocols.eligibility.messages import QueryStatus, QuerySubmission
from privcredit.roles import verifier as verifier_module
from privcredit.roles.verifier import Answer, Verifier, verify_receipt
from privcredit.scorecard.policy import Tier
from privcredit.storage.verifier import VerifierRecords
from support.federation import (
    AUTHORITIES,
    POLICY,
    SCHEME,
    Town,
    make_policy,
    make_registry,
    party_keys,
    plain_answer,
)
from support.inspection import (
    ONE,
    audit_log,
    header_of,
    next_epoch,
    opened_shares,
    postgres_schemas,
    presentation_of,
    raises,
    refused,
    rows,
    secret_of,
)

# --- V3, V6: repeated questions --------------------------------------------------------------------------------------


def evaluations(town: Town) -> int:
    """How often a sum was opened."""
    logs = (audit_log(town.authority_stores[name], "authority") for name in AUTHORITIES)
    return sum(event == "evaluated" for log in logs for event, _ in log) // 2


def test_v3_the_same_question_in_the_same_epoch_has_the_same_answer_and_a_receipt_of_its_own(town: Town) -> None:
    answers = [town.ask("anna") for _ in range(3)]
    assert {answer.eligible for answer in answers} == {True}
    assert len({answer.receipt.request for answer in answers}) == 3
    assert {share.run for answer in answers for share in opened_shares(answer.receipt)} == {
        opened_shares(answers[0].receipt)[0].run
    }
    assert evaluations(town) == 1
    for answer in answers:
        assert verify_receipt(answer.receipt, town.registry).eligible is True


def test_v3_also_after_the_verifier_has_lost_its_database(town: Town) -> None:
    town.ask("anna")
    (town.directory / "shop.db").unlink()
    town.verifiers["shop"] = town.start_verifier("shop")
    assert town.ask("anna").eligible is True
    assert evaluations(town) == 1


def test_v3_a_change_of_records_does_not_show_within_the_epoch(town: Town) -> None:
    """The points are fixed with the first question, or repeated questions would tell when a record changes."""
    assert town.ask("anna").eligible is True
    town.sources["bank"].points = lambda _: -20
    assert town.ask("anna").eligible is True
    next_epoch(town)
    assert town.ask("anna").eligible is False


def test_v6_a_question_is_put_once_however_often_it_is_sent(town: Town) -> None:
    request, presentation = town.present("anna")
    answers = [town.verifiers["shop"].ask(request.request.request_id, presentation) for _ in range(3)]
    assert len({encode(answer) for answer in answers}) == 1
    assert len(town.orders) == 2


def test_v6_a_hundred_parallel_questions_with_budget_1_are_one_evaluation(tmp_path: Path) -> None:
    parallel(Town(tmp_path, make_policy(budget=1)), 100)


def test_v6_the_same_on_postgresql(tmp_path: Path) -> None:
    with postgres_schemas() as urls:
        town = Town(
            tmp_path,
            make_policy(budget=1),
            urls=lambda name: f"sqlite:///{tmp_path / name}.db" if name.startswith("wallet") else urls(name),
        )
        parallel(town, 24)


def parallel(town: Town, count: int) -> None:
    asked = [town.present("anna") for _ in range(count)]
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda one: town.verifiers["shop"].ask(one[0].request.request_id, one[1]), asked))
    assert [answer.eligible for answer in answers] == [True] * count
    assert evaluations(town) == 1
    assert rows(town.holder_stores["bank"], "holder")["contributions"] == 1
    assert {answer.receipt.request for answer in answers} == {one[0].jws for one in asked}
    refused("budget-exhausted", lambda: town.present("anna", "hotel"))
    town.close()


# --- V1, V2: budgets -------------------------------------------------------------------------------------------------


def test_v2_the_budget_is_the_subjects_whoever_asks(town: Town) -> None:
    assert town.ask("anna", "shop").eligible is True
    assert town.ask("anna", "hotel").eligible is True
    assert town.ask("anna", "shop").eligible is True  # repeated, not asked again
    assert evaluations(town) == 2
    next_epoch(town)
    assert town.ask("anna", "hotel").eligible is True


def test_v1_two_policies_of_one_group_share_its_budget(tmp_path: Path) -> None:
    """Otherwise twenty policies with twenty thresholds would be a binary search."""
    strict = make_policy(id="strict", tiers=(Tier(name="eligible", at_least=156),))
    town = Town(tmp_path, make_policy(), strict, make_policy(id="third"))
    assert town.ask("anna", policy=POLICY).eligible is True
    assert town.ask("anna", policy="strict").eligible is plain_answer("anna", 156)
    refused("budget-exhausted", lambda: town.ask("anna", policy="third"))
    town.close()


def test_v1_a_dishonest_wallet_gets_no_more_than_the_budget(town: Town) -> None:
    """It takes an index twice, or one too many: holders refuse the first, everyone the second."""
    secret = secret_of(town, "anna")
    assert town.ask("anna").eligible is True
    request = town.verifiers["hotel"].request(POLICY)
    again = presentation_of(town, secret, header_of(town, secret, request.request, index=0))
    answer = town.verifiers["hotel"].ask(request.request.request_id, again)
    assert (answer.state, answer.problem, answer.eligible) == ("refused", "refused-by-holder", None)
    request = town.verifiers["hotel"].request(POLICY)
    honest = presentation_of(town, secret, header_of(town, secret, request.request, index=1))
    over = replace(honest, header=replace(honest.header, index=2))
    refused("over-budget", lambda: town.verifiers["hotel"].ask(request.request.request_id, over))


def test_v1_only_registered_policies_are_asked_under(town: Town) -> None:
    refused("unknown-policy", lambda: town.verifiers["shop"].request("threshold-131"))


def test_v1_groups_that_disagree_on_the_epoch_are_refused_at_load() -> None:
    with pytest.raises(UsageError, match="share budget group"):
        make_registry(make_policy(), make_policy(id="often", epoch_seconds=86400))
    make_registry(make_policy(), make_policy(id="often", epoch_seconds=86400, budget_group="another"))


# --- answers of others -----------------------------------------------------------------------------------------------


def test_s5_a_copied_nullifier_gets_nobody_anothers_answer(town: Town) -> None:
    """Carla puts anna's nullifier into her header: this verifier has answered it, but only holders know whose it is."""
    assert town.ask("anna").eligible is True
    anna = header_of(town, secret_of(town, "anna"), town.verifiers["shop"].request(POLICY).request)
    request = town.verifiers["shop"].request(POLICY)
    honest = header_of(town, secret_of(town, "carla"), request.request)
    copied = replace(honest, nullifier=anna.nullifier)
    boxes = presentation_of(town, secret_of(town, "carla"), honest).consents
    presentation = replace(presentation_of(town, secret_of(town, "carla"), honest), header=copied, consents=boxes)
    answer = town.verifiers["shop"].ask(request.request.request_id, presentation)
    assert (answer.state, answer.eligible) == ("refused", None)


def answered_for_another(town: Town) -> tuple[Verifier, bytes, object]:
    """The coordinator, with a friend of carla, has the friend's presentation evaluated under carla's request."""
    request, carlas = town.present("carla")
    friends = town.wallet("anna").consent("shop", request.jws)
    verifier = town.verifiers["shop"]
    honest = verifier._links.submit

    def swapped(_: bytes, submission: QuerySubmission) -> QueryStatus:
        other = replace(submission, presentation=friends)
        return honest(friends.header.query_id, other)

    verifier._links.submit = swapped
    return verifier, request.request.request_id, carlas


def test_s5_an_answer_for_another_presentation_of_the_same_request_is_not_accepted(town: Town) -> None:
    verifier, request_id, carlas = answered_for_another(town)
    error = raises(PeerError, lambda: verifier.ask(request_id, carlas))
    assert (error.culprit, error.step) == ("coordinator", "open shares")


def test_s5_without_that_check_a_friend_answers_for_carla(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = verifier_module.open_receipt
    verifier, request_id, carlas = answered_for_another(town)

    def unbound(*arguments: object) -> object:
        return dataclasses.replace(honest(*arguments), query_id=carlas.header.query_id)

    monkeypatch.setattr(verifier_module, "open_receipt", unbound)
    assert verifier.ask(request_id, carlas).eligible is True
    assert not plain_answer("carla")


def test_w4_one_request_takes_one_presentation(town: Town) -> None:
    request, first = town.present("anna")
    second = town.wallet("anna").consent("shop", request.jws)
    town.verifiers["shop"].ask(request.request.request_id, first)
    refused("replayed", lambda: town.verifiers["shop"].ask(request.request.request_id, second))


def test_w4_a_presentation_for_another_request_or_verifier_is_refused(town: Town) -> None:
    request, _ = town.present("anna")
    _, other = town.present("anna")
    refused("wrong-request", lambda: town.verifiers["shop"].ask(request.request.request_id, other))
    _, hotels = town.present("anna", "hotel")
    refused("wrong-request", lambda: town.verifiers["shop"].ask(request.request.request_id, hotels))
    refused("unknown-request", lambda: town.verifiers["hotel"].ask(request.request.request_id, other))
    assert rows(town.verifiers["shop"]._store, "verifier")["questions"] == 0


@pytest.mark.parametrize(
    "box",
    [b"", b"garbage", bytes(200), seal(party_keys("shop").sealing.public, b"\xff\xfe no share")],
    ids=["empty", "garbage", "zeros", "no text"],
)
def test_w1_boxes_with_something_else_are_a_peers_fault(town: Town, box: bytes) -> None:
    """An answered status whose boxes hold anything but two signed shares."""
    verifier = town.verifiers["shop"]
    honest = verifier._links.submit
    verifier._links.submit = lambda query_id, submission: replace(
        honest(query_id, submission), shares=((ONE, box), (AUTHORITIES[1], box))
    )
    request, presentation = town.present("anna")
    assert raises(PeerError, lambda: verifier.ask(request.request.request_id, presentation)).culprit == ONE


@pytest.mark.parametrize("count", [0, 1, 3])
def test_w2_an_answer_has_two_shares(town: Town, count: int) -> None:
    verifier = town.verifiers["shop"]
    honest = verifier._links.submit

    def miscounted(query_id: bytes, submission: QuerySubmission) -> QueryStatus:
        status = honest(query_id, submission)
        return replace(status, shares=(*status.shares, status.shares[0])[:count])

    verifier._links.submit = miscounted
    request, presentation = town.present("anna")
    raises(PeerError, lambda: verifier.ask(request.request.request_id, presentation))


def test_v3_an_answer_is_not_forgotten_for_a_slower_failure(town: Town) -> None:
    request, presentation = town.present("anna")
    verifier = town.verifiers["shop"]
    assert verifier.ask(request.request.request_id, presentation).eligible is True
    late = verifier._record(request.request.request_id, Answer(state="unavailable"))
    assert late.eligible is True
    assert verifier.answer(request.request.request_id).eligible is True


def test_h6_a_restarted_verifier_finds_its_answer_at_the_coordinator(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    request, presentation = town.present("anna")
    with monkeypatch.context() as patch:
        patch.setattr(VerifierRecords, "set_answer", crash)
        with pytest.raises(KeyboardInterrupt):
            town.verifiers["shop"].ask(request.request.request_id, presentation)
    town.verifiers["shop"] = back = town.start_verifier("shop")
    assert back.answer(request.request.request_id).eligible is True
    assert evaluations(town) == 1


def crash(*_: object) -> None:
    raise KeyboardInterrupt


def test_an_unknown_question_is_refused(town: Town) -> None:
    refused("unknown-question", lambda: town.verifiers["shop"].answer(bytes(32)))


def test_a_coordinator_that_is_down_makes_it_unavailable_and_the_question_can_be_put_again(town: Town) -> None:
    request, presentation = town.present("anna")
    town.down.add("coordinator")
    assert town.verifiers["shop"].ask(request.request.request_id, presentation).state == "unavailable"
    town.down.clear()
    assert town.verifiers["shop"].ask(request.request.request_id, presentation).eligible is True


# --- S4: what a verifier can tell ------------------------------------------------------------------------------------


def shape(answer: Answer) -> object:
    """Everything of an answer that is not random: what a verifier could compare."""
    shares = [
        replace(share, query_id=bytes(32), request_id=bytes(32), run=bytes(32), sender="", bits=(0,))
        for share in opened_shares(answer.receipt)
    ]
    blank = [encode(replace(share, evaluator_1="", evaluator_2="")) for share in shares]
    return (answer.state, answer.eligible, answer.tier, answer.problem, answer.sentence, blank)


def test_s4_s6_opted_out_unknown_and_not_eligible_look_alike_to_the_verifier(town: Town) -> None:
    town.wallet("anna#unknown", holders=("bank", "charity"))
    out = town.wallet("anna#out")
    town.holders["court"].obey(out.order("court", "opt-out"))
    shapes = {encode_shape(shape(town.ask(person))) for person in ("carla", "anna#unknown", "anna#out")}
    assert len(shapes) == 1
    assert town.ask("carla").eligible is False


def encode_shape(value: object) -> str:
    return repr(value)


def test_s4_an_optional_holder_that_does_not_know_the_subject_only_adds_nothing(town: Town) -> None:
    town.wallet("anna#few", holders=("bank", "court"))
    assert town.ask("anna#few").eligible is plain_answer("anna", known=("bank", "court"))


# --- tiers -----------------------------------------------------------------------------------------------------------

TIERS = (
    Tier(name="bronze", at_least=90),
    Tier(name="silver", at_least=130),
    Tier(name="gold", at_least=155),
)


@pytest.mark.parametrize(("person", "tier"), [("anna", "gold"), ("ben", None), ("carla", "bronze")])
def test_a_policy_with_tiers_gives_the_highest_that_is_reached(tmp_path: Path, person: str, tier: str | None) -> None:
    """Anna 155, ben 85, carla 100 points; equality counts."""
    town = Town(tmp_path, make_policy(tiers=TIERS))
    answer = town.ask(person)
    assert (answer.eligible, answer.tier) == (tier is not None, tier)
    assert verify_receipt(answer.receipt, town.registry) == answer
    town.close()


def test_v4_two_verifiers_submissions_share_no_identifier(town: Town) -> None:
    seen = []
    for verifier in ("shop", "hotel"):
        _, presentation = town.present("anna", verifier)
        header = presentation.header
        values = {getattr(header, name) for name in header.__struct_fields__} | {
            consent.box for consent in presentation.consents
        }
        seen.append({value for value in values if isinstance(value, bytes)})
    common = {town.registry.policy_named(POLICY)[0], town.registry.threshold_key.key.fingerprint}
    assert seen[0] & seen[1] == common


def test_the_scheme_and_the_verifier_of_a_request_are_the_wallets_to_check(town: Town) -> None:
    request = town.verifiers["shop"].request(POLICY)
    with pytest.raises(PrivcreditError):
        town.wallet("anna").consent("hotel", request.jws)
    assert town.wallet("anna").read_request("shop", request.jws)[1].scheme == SCHEME


def test_w6_answers_survive_their_storage(town: Town) -> None:
    answer = town.ask("anna")
    assert decode(encode(answer), Answer) == answer
