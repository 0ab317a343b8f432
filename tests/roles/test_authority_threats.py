"""What an authority must refuse to open: threats.md C1 to C4, H5, W1, W2, W4, W6, A10, at the level of roles."""

import base64
import json
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from privcredit.crypto.paillier import aggregate
from privcredit.crypto.signing import sign_jws
from privcredit.errors import InvalidProofError, PeerError, PrivcreditError, RefusedError, UnavailableError
from privcredit.http import session_channel
from privcredit.messages.codec import MalformedError, decode_json, encode_json
from privcredit.protocols.eligibility import steps
from privcredit.protocols.eligibility.messages import (
    CONTRIBUTION_TYPE,
    OUTPUT_SHARE_TYPE,
    REQUEST_TYPE,
    EvaluationOrder,
)
from privcredit.protocols.eligibility.steps import ContributionSet, set_digest
from privcredit.roles import authority as authority_module
from privcredit.roles import pins as pins_module
from support.federation import HOLDERS, Town, party_keys, plain_answer, shared_encryptor
from support.inspection import (
    ONE,
    THREE,
    TWO,
    answer_of,
    evaluator,
    last_reason,
    next_epoch,
    opened,
    pin_at,
    raises,
    refused,
    resigned,
    with_contribution,
    zero_shares,
)
from support.keys import dealing_2048

# --- C1, C2, C3: what may be opened ----------------------------------------------------------------------------------

TAMPERED: dict[str, tuple[Callable[[tuple[str, ...]], tuple[str, ...]], str]] = {
    "omits": (lambda all_: all_[:2], "incomplete"),
    "sends one alone": (lambda all_: all_[:1], "incomplete"),
    "sends none": (lambda _: (), "incomplete"),
    "adds": (lambda all_: (*all_, all_[0]), "incomplete"),
    "repeats": (lambda all_: (all_[0], all_[0], all_[2]), "verify signature: court"),
    "swaps": (lambda all_: (all_[1], all_[0], all_[2]), "verify signature: bank"),
    "alters": (lambda all_: (all_[0][:-3] + "AAA", *all_[1:]), "verify signature: bank"),
}


@pytest.mark.parametrize("how", TAMPERED)
def test_c1_a_coordinator_that_tampers_with_contributions_gets_zero_shares(town: Town, how: str) -> None:
    tamper, reason = TAMPERED[how]
    order = town.order("anna")
    with zero_shares(town), pytest.raises(PrivcreditError):
        evaluator(town).evaluate(replace(order, contributions=tamper(order.contributions)))
    assert last_reason(town.authority_stores[ONE], "authority") == reason


@pytest.mark.parametrize("who", HOLDERS)
def test_h5_each_missing_holder_makes_the_set_incomplete(town: Town, who: str) -> None:
    order = town.order("anna")
    rest = tuple(one for name, one in zip(HOLDERS, order.contributions, strict=True) if name != who)
    with zero_shares(town):
        refused("incomplete", lambda: evaluator(town).evaluate(replace(order, contributions=rest)))


def chosen(order: EvaluationOrder, value: Callable[[int], int]) -> EvaluationOrder:
    """The bank sends a value of the coordinator's choice in place of its own."""
    bank = order.contributions[0]
    number = value(int.from_bytes(opened(bank, "bank").ciphertext, "big"))
    return with_contribution(order, "bank", resigned(bank, "bank", ciphertext=number.to_bytes(512, "big")))


N = int(dealing_2048().threshold_key.key.n)


@pytest.mark.parametrize(
    ("value", "step"),
    [
        (lambda _: 0, "check ciphertext"),
        (lambda _: N, "check ciphertext"),
        (lambda _: N * 7, "check ciphertext"),
        (lambda _: N * N, "check ciphertext"),
        (lambda c: c * c % (N * N), "verify plaintext knowledge"),
        (lambda c: c * (1 + N) % (N * N), "verify plaintext knowledge"),
        (lambda _: 1, "verify plaintext knowledge"),
    ],
    ids=["0", "n", "7 n", "n^2", "c^2", "c (1 + n)", "1"],
)
def test_c2_w1_chosen_ciphertexts_are_refused_and_name_the_holder(
    town: Town, value: Callable[[int], int], step: str
) -> None:
    with zero_shares(town):
        error = raises(InvalidProofError, lambda: evaluator(town).evaluate(chosen(town.order("anna"), value)))
    assert (error.culprit, error.step) == ("bank", step)


@pytest.mark.parametrize("length", [0, 511, 513, 100_000])
def test_w1_a_ciphertext_of_another_length_is_refused(town: Town, length: int) -> None:
    order = town.order("anna")
    short = resigned(order.contributions[0], "bank", ciphertext=bytes(length))
    with zero_shares(town), pytest.raises((InvalidProofError, RefusedError)):
        evaluator(town).evaluate(with_contribution(order, "bank", short))


@pytest.mark.parametrize("cut", [slice(0, 0), slice(0, -1), slice(1, None)], ids=["empty", "one short", "shifted"])
def test_w2_a_malformed_proof_is_refused(town: Town, cut: slice) -> None:
    order = town.order("anna")
    proof = opened(order.contributions[0], "bank").proof[cut]
    bad = with_contribution(order, "bank", resigned(order.contributions[0], "bank", proof=proof))
    with zero_shares(town):
        assert raises(InvalidProofError, lambda: evaluator(town).evaluate(bad)).culprit == "bank"


def test_w1_what_a_holder_signs_and_nobody_can_read_is_the_holders_fault(town: Town) -> None:
    order = town.order("anna")
    garbage = sign_jws(party_keys("bank").signing, "bank", CONTRIBUTION_TYPE, b'{"version": 1, "version": 1}')
    with zero_shares(town):
        error = raises(PeerError, lambda: evaluator(town).evaluate(with_contribution(order, "bank", garbage)))
    assert (error.culprit, error.step) == ("bank", "open contribution")


def lenient(signed: tuple[str, ...], *_: object) -> ContributionSet:
    """An authority that decrypts whatever it is sent."""
    read = [opened(one, opened_name(one)) for one in signed]
    values = [shared_encryptor().key.ciphertext(one.ciphertext) for one in read]
    return ContributionSet(aggregate(values), set_digest(read), min(one.issued for one in read))


def opened_name(jws: str) -> str:
    return str(json.loads(base64.urlsafe_b64decode(jws.partition(".")[0] + "=="))["kid"])


def test_c2_without_the_check_authorities_are_a_decryption_oracle(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bank's and the court's contributions without the charity's: the answer tells anna's points there."""
    monkeypatch.setattr(authority_module, "check_contributions", lenient)
    whole = town.order("anna#1")
    assert answer_of(town.evaluate(whole)) == 1
    part = town.order("anna#2")
    partial = replace(part, contributions=part.contributions[:2])
    assert answer_of(town.evaluate(partial)) == int(plain_answer("anna", known=HOLDERS[:2]))


def test_c3_the_same_question_without_one_holder_is_refused(town: Town) -> None:
    order = town.order("anna")
    town.evaluate(order)
    with zero_shares(town):
        refused("incomplete", lambda: evaluator(town).evaluate(replace(order, contributions=order.contributions[:2])))


def other_set(town: Town, order: EvaluationOrder) -> EvaluationOrder:
    """The bank, dishonest, contributes anew under the same nullifier."""
    one = opened(order.contributions[0], "bank")
    policy = town.registry.policy(order.header.policy_hash)
    ciphertext, proof = steps.encrypt_contribution(shared_encryptor(), policy, order.header, "bank", 0, town.randomness)
    anew = resigned(order.contributions[0], "bank", ciphertext=ciphertext, proof=proof)
    assert one.ciphertext != ciphertext
    return with_contribution(order, "bank", anew)


def test_c3_c5_another_set_under_the_same_nullifier_is_refused(town: Town) -> None:
    order = town.order("anna")
    town.evaluate(order)
    with zero_shares(town):
        refused("nullifier-used", lambda: evaluator(town).evaluate(other_set(town, order)))
    altered = replace(other_set(town, order), attempt=1)
    refused("nullifier-used", lambda: evaluator(town).evaluate(altered))


def test_c3_without_the_pinned_set_a_second_set_is_opened(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two answers from one nullifier: anna's, and anna's as if the bank did not know her."""
    order = town.order("anna")
    assert answer_of(town.evaluate(order)) == 1
    monkeypatch.setattr(pins_module, "_check_same_use", lambda *_: None)
    assert answer_of(town.evaluate(replace(other_set(town, order), evaluator_2=THREE, attempt=1))) == 0


def test_c4_parties_with_different_orders_never_compare(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_channel, "RECEIVE_SECONDS", 0.3)
    order = town.order("anna")
    mirrored = replace(order, evaluator_1=TWO, evaluator_2=ONE)
    first = town.pool.submit(evaluator(town, ONE).evaluate, order)
    raises(UnavailableError, lambda: evaluator(town, TWO).evaluate(mirrored))
    assert isinstance(first.exception(), UnavailableError)
    assert pin_at(town, ONE, order).run is None
    assert pin_at(town, TWO, order).run is None


# --- the rest of an order --------------------------------------------------------------------------------------------

ORDERS: dict[str, tuple[Callable[[EvaluationOrder], EvaluationOrder], str]] = {
    "twice the same evaluator": (lambda o: replace(o, evaluator_2=ONE), "wrong-evaluators"),
    "two others": (lambda o: replace(o, evaluator_1=TWO, evaluator_2=THREE), "wrong-evaluators"),
    "a holder as evaluator": (lambda o: replace(o, evaluator_2="bank"), "wrong-evaluators"),
    "unknown policy": (lambda o: replace(o, header=replace(o.header, policy_hash=bytes(32))), "unknown-policy"),
    "another nullifier": (
        lambda o: replace(o, header=replace(o.header, nullifier=o.header.query_point)),
        "wrong-query",
    ),
    "another query point": (
        lambda o: replace(o, header=replace(o.header, query_point=o.header.nullifier)),
        "wrong-query",
    ),
    "another epoch": (lambda o: replace(o, header=replace(o.header, epoch=o.header.epoch + 1)), "wrong-epoch"),
    "over budget": (lambda o: replace(o, header=replace(o.header, index=2)), "over-budget"),
    "another verifier's name": (
        lambda o: replace(o, header=replace(o.header, verifier="hotel")),
        "verify signature: hotel",
    ),
    "a contribution as request": (lambda o: replace(o, request=o.contributions[0]), "verify signature: shop"),
}


@pytest.mark.parametrize("case", ORDERS)
def test_w4_an_order_that_is_not_what_was_consented_to_is_refused(town: Town, case: str) -> None:
    change, reason = ORDERS[case]
    with zero_shares(town), pytest.raises(PrivcreditError):
        evaluator(town).evaluate(change(town.order("anna")))
    assert last_reason(town.authority_stores[ONE], "authority") == reason


def test_w4_contributions_of_an_earlier_query_do_not_serve_a_later_one(town: Town) -> None:
    """The same subject asks the same question again: the ciphertexts are the same, the signatures must not be."""
    old, new = town.order("anna"), town.order("anna")
    with zero_shares(town):
        refused("wrong-query", lambda: evaluator(town).evaluate(replace(new, contributions=old.contributions)))


def test_w4_contributions_of_an_old_epoch_are_refused(town: Town) -> None:
    order = town.order("anna")
    next_epoch(town)
    with zero_shares(town):
        refused("request-expired", lambda: evaluator(town).evaluate(order))


def test_w4_two_peoples_contributions_are_not_one_sum(town: Town) -> None:
    anna, carla = town.order("anna"), town.order("carla")
    mixed = replace(carla, contributions=(*anna.contributions[:2], carla.contributions[2]))
    with zero_shares(town):
        refused("wrong-query", lambda: evaluator(town).evaluate(mixed))


@pytest.mark.parametrize("attempt", [-1, 2, 2**32, True, 0.0])
def test_w6_an_attempt_out_of_range_does_not_decode(town: Town, attempt: object) -> None:
    plain = json.loads(encode_json(town.order("anna")))
    plain["attempt"] = attempt
    raises(MalformedError, lambda: decode_json(json.dumps(plain).encode(), EvaluationOrder))


# --- A10: keys and purposes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("purpose", [REQUEST_TYPE, OUTPUT_SHARE_TYPE, "privcredit-credential+jws", "JWT"])
def test_a10_a_contribution_signed_for_another_purpose_is_refused(town: Town, purpose: str) -> None:
    order = town.order("anna")
    payload = encode_json(opened(order.contributions[0], "bank"))
    other = sign_jws(party_keys("bank").signing, "bank", purpose, payload)
    with zero_shares(town):
        error = raises(InvalidProofError, lambda: evaluator(town).evaluate(with_contribution(order, "bank", other)))
    assert "another purpose" in error.sentence


def test_a10_a_contribution_signed_by_another_party_is_refused(town: Town) -> None:
    order = town.order("anna")
    payload = encode_json(opened(order.contributions[0], "bank"))
    other = sign_jws(party_keys("court").signing, "bank", CONTRIBUTION_TYPE, payload)
    with zero_shares(town):
        raises(InvalidProofError, lambda: evaluator(town).evaluate(with_contribution(order, "bank", other)))
