"""Attacks on a holder, and by one: threats.md H1 to H6, S1, S3, V6, W1, W4, at the level of roles."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from msgspec.structs import replace
from sqlalchemy import select

from privcredit.crypto.knowledge import KnowledgeProof
from privcredit.crypto.paillier import Encryptor, FreshCiphertext
from privcredit.crypto.sealed import seal
from privcredit.errors import InvalidProofError, PeerError, RefusedError, UnavailableError, UsageError
from privcredit.messages.codec import encode
from privcredit.protocols.consent.messages import SealedConsent
from privcredit.protocols.consent.steps import WalletSecret, make_consent
from privcredit.protocols.eligibility import steps
from privcredit.protocols.eligibility.messages import Contribution, ContributionRequest, EvaluationOrder
from privcredit.protocols.eligibility.steps import check_contributions, layout_of
from privcredit.roles.codes import issue_code
from privcredit.roles.holder import OPT_OUT, RETURN
from privcredit.storage import tables
from privcredit.storage.holder import ENROLMENT, HolderRecords
from support.federation import HOLDERS, NOW, SCHEME, Town, party_keys, shared_encryptor
from support.inspection import (
    audit_log,
    consent_bytes,
    engine_of,
    header_of,
    last_reason,
    next_epoch,
    opened,
    presentation_of,
    raises,
    refused,
    requests_to_holders,
    resigned,
    rows,
    secret_of,
    signed_request,
    stores_only_the_refusal,
    with_contribution,
)
from support.keys import dealing_2048, fixed_private_key
from support.seeded import SeededRandomness, StuckRandomness


def message_to(town: Town, holder: str, person: str = "anna") -> ContributionRequest:
    return requests_to_holders(*town.present(person))[holder]


def plaintext(ciphertext: bytes) -> int:
    """What no party can compute alone."""
    key = dealing_2048().threshold_key.key
    return fixed_private_key(2048).decrypt(key.ciphertext(ciphertext))


def resealed(message: ContributionRequest, holder: str, consent: object) -> ContributionRequest:
    box = seal(party_keys(holder).sealing.public, encode(consent))
    return replace(message, consent=SealedConsent(holder=holder, box=box))


# --- S1: refusals ----------------------------------------------------------------------------------------------------

PUBLIC = {
    "expired": ("request-expired", lambda town, message: setattr(town.time, "now", message.header.expires)),
    "from the future": ("request-from-future", lambda town, _: setattr(town.time, "now", NOW - 61)),
}


@pytest.mark.parametrize("case", PUBLIC)
def test_s1_requests_at_the_wrong_time_are_refused_with_their_reason(town: Town, case: str) -> None:
    reason, turn_clock = PUBLIC[case]
    message = message_to(town, "bank")
    turn_clock(town, message)
    with stores_only_the_refusal(town.holder_stores["bank"], "holder"):
        refused(reason, lambda: town.holders["bank"].contribute(message))
    assert last_reason(town.holder_stores["bank"], "holder") == reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"verifier": "hotel"}, "InvalidProofError: verify signature"),
        ({"policy_hash": bytes(32)}, "unknown-policy"),
        ({"epoch": 1}, "wrong-epoch"),
        ({"index": 2}, "over-budget"),
        ({"expires": NOW + 301}, "wrong-expiry"),
        ({"request_id": bytes(32)}, "wrong-request"),
        ({"scheme": "village"}, "wrong-scheme"),
        ({"key_fingerprint": bytes(32)}, "wrong-key"),
        ({"wallet_nonce": bytes(32)}, "wrong-query-id"),
        ({"nullifier": bytes(32)}, "invalid-point"),
        ({"query_point": b"\xff" * 32}, "invalid-point"),
    ],
)
def test_s1_each_altered_header_field_has_its_own_refusal(town: Town, change: dict[str, object], reason: str) -> None:
    message = message_to(town, "bank")
    altered = replace(message, header=replace(message.header, **change))
    with stores_only_the_refusal(town.holder_stores["bank"], "holder"), pytest.raises((RefusedError, PeerError)):
        town.holders["bank"].contribute(altered)
    assert last_reason(town.holder_stores["bank"], "holder") == reason
    assert town.sources["bank"].asked == []


def test_s1_a_request_may_not_outlast_the_policy(town: Town) -> None:
    request, jws = signed_request(town, expires=NOW + 301)
    header = header_of(town, secret_of(town, "anna"), request)
    message = ContributionRequest(
        request=jws, header=header, consent=presentation_of(town, secret_of(town, "anna"), header).consents[0]
    )
    refused("request-too-long", lambda: town.holders["bank"].contribute(message))


PRIVATE: dict[str, Callable[[Town, ContributionRequest], object]] = {
    "consent-forged": lambda town, message: replace(
        consent_bytes(town, "anna", message.header, "bank"), proof=bytes(31) + b"\x01" + bytes(31) + b"\x01"
    ),
    "wrong-holder": lambda town, message: consent_bytes(town, "anna", message.header, "court"),
    "wrong-header": lambda town, _: consent_bytes(town, "anna", town.present("anna", "hotel")[1].header, "bank"),
    "invalid-point": lambda town, message: replace(
        consent_bytes(town, "anna", message.header, "bank"), pseudonym=bytes(32)
    ),
}


@pytest.mark.parametrize("reason", PRIVATE)
def test_s1_what_is_wrong_inside_a_consent_stays_with_the_holder(town: Town, reason: str) -> None:
    message = message_to(town, "bank")
    forged = resealed(message, "bank", PRIVATE[reason](town, message))
    with stores_only_the_refusal(town.holder_stores["bank"], "holder"):
        error = refused("refused-by-holder", lambda: town.holders["bank"].contribute(forged))
    assert last_reason(town.holder_stores["bank"], "holder") == reason
    assert reason not in str(error)
    assert town.sources["bank"].asked == []


def test_s1_another_holders_box_cannot_be_read(town: Town) -> None:
    messages = requests_to_holders(*town.present("anna"))
    swapped = replace(messages["bank"], consent=messages["court"].consent)
    refused("refused-by-holder", lambda: town.holders["bank"].contribute(swapped))
    assert last_reason(town.holder_stores["bank"], "holder") == "consent-unreadable"


def test_s1_one_request_serves_one_presentation(town: Town) -> None:
    request = town.verifiers["shop"].request("deposit-free")
    presentations = [town.wallet("anna").consent("shop", request.jws) for _ in range(2)]
    first, second = (requests_to_holders(request, one)["bank"] for one in presentations)
    town.holders["bank"].contribute(first)
    with stores_only_the_refusal(town.holder_stores["bank"], "holder"):
        refused("refused-by-holder", lambda: town.holders["bank"].contribute(second))
    assert last_reason(town.holder_stores["bank"], "holder") == "replayed"


def test_w4_a_nullifier_serves_one_verifier_and_policy(town: Town) -> None:
    """The wallet would take the next index; a dishonest one that does not is refused by every holder."""
    secret = secret_of(town, "anna")
    messages = []
    for verifier in ("shop", "hotel"):
        request, jws = signed_request(town, verifier)
        header = header_of(town, secret, request, index=0)
        box = presentation_of(town, secret, header).consents[0]
        messages.append(ContributionRequest(request=jws, header=header, consent=box))
    town.holders["bank"].contribute(messages[0])
    with stores_only_the_refusal(town.holder_stores["bank"], "holder"):
        refused("refused-by-holder", lambda: town.holders["bank"].contribute(messages[1]))
    assert last_reason(town.holder_stores["bank"], "holder") == "nullifier-used"


# --- one contribution for a nullifier --------------------------------------------------------------------------------


def test_h6_a_restarted_holder_sends_the_same_bytes(town: Town) -> None:
    message = message_to(town, "bank")
    first = town.holders["bank"].contribute(message)
    town.holders["bank"] = town.start_holder("bank")
    assert town.holders["bank"].contribute(message) == first
    assert rows(town.holder_stores["bank"], "holder")["contributions"] == 1
    assert len(town.sources["bank"].asked) == 1


def test_h6_a_crash_before_the_commit_leaves_nothing(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    message = message_to(town, "bank")
    before = rows(town.holder_stores["bank"], "holder")
    with monkeypatch.context() as patch:
        patch.setattr(HolderRecords, "log", crash)
        with pytest.raises(KeyboardInterrupt):
            town.holders["bank"].contribute(message)
    assert rows(town.holder_stores["bank"], "holder") == before
    assert plaintext(opened(town.holders["bank"].contribute(message).contribution, "bank").ciphertext) > 0


def crash(*_: object) -> None:
    raise KeyboardInterrupt


def ask_in_parallel(town: Town, count: int) -> list[Contribution]:
    """`count` requests of one verifier, presented by one wallet: all under one nullifier."""
    asked = [message_to(town, "bank") for _ in range(count)]
    assert len({message.header.nullifier for message in asked}) == 1
    with ThreadPoolExecutor(24) as pool:
        replies = list(pool.map(town.holders["bank"].contribute, asked))
    return [opened(reply.contribution, "bank") for reply in replies]


def test_v6_a_hundred_parallel_questions_under_one_nullifier_get_one_contribution(town_on: Town) -> None:
    got = ask_in_parallel(town_on, 100)
    assert len({one.ciphertext for one in got}) == 1
    assert len({one.header.query_id for one in got}) == 100
    assert rows(town_on.holder_stores["bank"], "holder")["contributions"] == 1
    assert len(town_on.sources["bank"].asked) == 1
    assert town_on.holders["bank"].verify_log() == len(audit_log(town_on.holder_stores["bank"], "holder"))


def test_v6_without_the_table_of_contributions_a_nullifier_gives_many(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HolderRecords, "issued", lambda *_: None)
    monkeypatch.setattr(HolderRecords, "issue", lambda *_: None)
    assert len({one.ciphertext for one in ask_in_parallel(town, 4)}) == 4


def test_v6_the_primary_key_stops_what_slips_past_the_check(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HolderRecords, "issued", lambda *_: None)
    town.holders["bank"].contribute(message_to(town, "bank"))
    with pytest.raises(Exception, match="UNIQUE") as caught:
        town.holders["bank"].contribute(message_to(town, "bank"))
    assert "hidden" in str(caught.value)  # the values, that is


# --- H1, H2: what a dishonest holder may send ------------------------------------------------------------------------


def checked(town: Town, order: EvaluationOrder) -> None:
    policy = town.registry.policy(order.header.policy_hash)
    keys = {name: party_keys(name).signing.public_bytes for name in HOLDERS}
    check_contributions(order.contributions, order.header, policy, shared_encryptor(), keys)


def proven(order: EvaluationOrder, holder: str, message: int, bits: int) -> str:
    """A contribution that holds `message` with the best proof that its maker can give."""
    one = opened(order.contributions[HOLDERS.index(holder)], holder)
    encryptor, randomness = shared_encryptor(), SeededRandomness("dishonest holder")
    ciphertext, opening = encryptor.encrypt_with_opening(message)
    context = steps.knowledge_context(holder, one.header, one.origin_query, one.origin_point)
    proof = steps.prove_knowledge(encryptor, ciphertext, opening, context, randomness, bits)
    return resigned(
        order.contributions[HOLDERS.index(holder)], holder, ciphertext=ciphertext.to_bytes(), proof=proof.to_bytes()
    )


@pytest.mark.parametrize("value", [0, "maximum"])
def test_h1_the_ends_of_the_range_pass(town: Town, value: int | str) -> None:
    order = town.order("anna")
    layout = layout_of(town.registry.policy(order.header.policy_hash), shared_encryptor().key)
    number = 0 if value == 0 else (1 << layout.score_bits) - 1
    checked(town, with_contribution(order, "bank", proven(order, "bank", number, layout.plaintext_bits)))


@pytest.mark.parametrize("message", ["n / 2", "n - 1"])
def test_h1_a_contribution_that_could_wrap_is_refused_and_names_the_holder(town: Town, message: str) -> None:
    """Its maker can only prove it as wider than the policy allows, and a wide proof is not accepted."""
    order = town.order("anna")
    n = int(dealing_2048().threshold_key.key.n)
    number = n // 2 if message == "n / 2" else n - 1
    raises(UsageError, lambda: proven(order, "bank", number, 20))
    layout = layout_of(town.registry.policy(order.header.policy_hash), shared_encryptor().key)
    wide = with_contribution(order, "bank", proven(order, "bank", 1, layout.plaintext_bits + 1))
    error = raises(InvalidProofError, lambda: checked(town, wide))
    assert error.culprit == "bank"


def copied(order: EvaluationOrder, how: Callable[[FreshCiphertext], FreshCiphertext]) -> EvaluationOrder:
    """The court sends what it makes of the bank's ciphertext, with the bank's proof."""
    bank = opened(order.contributions[HOLDERS.index("bank")], "bank")
    value = how(shared_encryptor().key.ciphertext(bank.ciphertext))
    court = order.contributions[HOLDERS.index("court")]
    return with_contribution(order, "court", resigned(court, "court", ciphertext=value, proof=bank.proof))


MADE_OF_ANOTHERS = {
    "copied": lambda c: int(c.value).to_bytes(512, "big"),
    "inverted": lambda c: int((c * -1).value).to_bytes(512, "big"),
    "re-randomised": lambda c: shared_encryptor().rerandomise(c).to_bytes(),
}


@pytest.mark.parametrize("how", MADE_OF_ANOTHERS)
def test_h2_a_contribution_made_of_anothers_is_refused(town: Town, how: str) -> None:
    order = copied(town.order("anna"), MADE_OF_ANOTHERS[how])
    error = raises(InvalidProofError, lambda: checked(town, order))
    assert (error.culprit, error.step) == ("court", "verify plaintext knowledge")


def test_h2_without_the_proof_of_knowledge_an_inverse_isolates_the_others(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The court cancels the bank's contribution: what is compared is the charity's points alone."""
    order = copied(town.order("anna"), MADE_OF_ANOTHERS["inverted"])
    monkeypatch.setattr(steps, "verify_knowledge", lambda *_, **__: None)
    policy = town.registry.policy(order.header.policy_hash)
    keys = {name: party_keys(name).signing.public_bytes for name in HOLDERS}
    total = check_contributions(order.contributions, order.header, policy, shared_encryptor(), keys).product
    charity = opened(order.contributions[HOLDERS.index("charity")], "charity")
    assert fixed_private_key(2048).decrypt(total) == plaintext(charity.ciphertext) == 20


@pytest.mark.parametrize("field", ["scheme", "policy_hash", "verifier", "epoch", "nullifier"])
def test_w4_a_proof_of_knowledge_is_bound_to_where_it_was_made(town: Town, field: str) -> None:
    one = opened(town.order("anna").contributions[0], "bank")
    policy = town.registry.policy(one.header.policy_hash)
    other = {"scheme": "village", "verifier": "hotel", "epoch": 1}.get(field, bytes(32))
    moved = replace(one, header=replace(one.header, **{field: other}))
    ciphertext = shared_encryptor().key.ciphertext(one.ciphertext)
    steps._check_knowledge(one, ciphertext, policy, shared_encryptor())
    raises(InvalidProofError, lambda: steps._check_knowledge(moved, ciphertext, policy, shared_encryptor()))


def test_w4_without_a_context_the_same_proof_serves_elsewhere(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "knowledge_context", lambda *_: b"weak Fiat-Shamir")
    one = opened(town.order("anna").contributions[0], "bank")
    policy = town.registry.policy(one.header.policy_hash)
    moved = replace(one, header=replace(one.header, epoch=1, verifier="hotel"), holder="court")
    ciphertext = shared_encryptor().key.ciphertext(one.ciphertext)
    steps._check_knowledge(moved, ciphertext, policy, shared_encryptor())
    assert KnowledgeProof.from_bytes(shared_encryptor().key, one.proof, "bank")


# --- H3: broken generators -------------------------------------------------------------------------------------------


class Trivial:
    """Always the number r."""

    def __init__(self, r: int) -> None:
        self.r = r

    def bytes(self, count: int) -> bytes:
        return self.r.to_bytes(count, "big")


@pytest.mark.parametrize("randomness", [Trivial(0), Trivial(1), StuckRandomness(7)], ids=["r = 0", "r = 1", "stuck"])
def test_h3_a_broken_generator_stops_the_holder_before_anything_is_stored(town: Town, randomness: object) -> None:
    message, holder = message_to(town, "bank"), town.holders["bank"]
    holder._encryptor = Encryptor(dealing_2048().threshold_key.key, randomness, table=False)
    if isinstance(randomness, StuckRandomness):
        holder._encryptor.encrypt(1)  # a generator that is stuck shows at its second draw
    with stores_only_the_refusal(town.holder_stores["bank"], "holder"):
        raises(UnavailableError, lambda: holder.contribute(message))


# --- H4: who is known does not show ----------------------------------------------------------------------------------


def replies_of(town: Town) -> dict[str, Contribution]:
    town.wallet("anna#known")
    town.wallet("anna#unknown", holders=("court", "charity"))
    wallet = town.wallet("anna#out")
    town.holders["bank"].obey(wallet.order("bank", OPT_OUT))
    town.sources["bank"].asked.clear()
    people = ("anna#known", "anna#unknown", "anna#out")
    return {person: town.holders["bank"].contribute(message_to(town, "bank", person)) for person in people}


def test_h4_known_unknown_and_opted_out_look_alike(town: Town) -> None:
    replies = replies_of(town)
    contributions = {person: opened(reply.contribution, "bank") for person, reply in replies.items()}
    assert len({len(reply.contribution) for reply in replies.values()}) == 1
    assert len({one.ciphertext for one in contributions.values()}) == 3
    assert len(town.sources["bank"].asked) == 3
    logged = [(event, set(details)) for event, details in audit_log(town.holder_stores["bank"], "holder")[-3:]]
    assert logged == [("contributed", {"verifier", "query", "pseudonym"})] * 3
    values = {person: plaintext(one.ciphertext) for person, one in contributions.items()}
    assert values["anna#known"] > 0
    assert values["anna#unknown"] == values["anna#out"] == 0


def test_s3_an_opted_out_record_is_not_even_looked_up(town: Town) -> None:
    replies_of(town)
    assert [key for key in town.sources["bank"].asked if key.startswith("bank:")] == ["bank:anna#known"]


def test_h4_a_record_that_cannot_be_read_shows_to_nobody(town: Town) -> None:
    def unreadable(record_key: str) -> int:
        raise UsageError(f"Record {record_key} has income 'canary'.")

    town.sources["bank"].points = unreadable
    message = message_to(town, "bank")
    assert plaintext(opened(town.holders["bank"].contribute(message).contribution, "bank").ciphertext) == 0
    log = audit_log(town.holder_stores["bank"], "holder")
    assert [event for event, _ in log[-2:]] == ["record-unreadable", "contributed"]
    assert "canary" not in str(log)
    assert "anna" not in str(log[-2:])


def test_h1_points_outside_the_policy_are_our_own_fault_and_leave_nothing(town: Town) -> None:
    town.sources["bank"].points = lambda _: 10**6
    message = message_to(town, "bank")
    with stores_only_the_refusal(town.holder_stores["bank"], "holder"):
        error = raises(UnavailableError, lambda: town.holders["bank"].contribute(message))
    assert "10" not in str(error)


# --- S3: opting out --------------------------------------------------------------------------------------------------


def test_s3_opting_out_and_returning_hold_for_every_later_question(town: Town) -> None:
    wallet = town.wallet("anna")

    def value() -> int:
        next_epoch(town)
        return plaintext(
            opened(town.holders["bank"].contribute(message_to(town, "bank")).contribution, "bank").ciphertext
        )

    assert value() > 0
    town.holders["bank"].obey(wallet.order("bank", OPT_OUT))
    assert value() == 0
    town.time.now += 1
    town.holders["bank"].obey(wallet.order("bank", RETURN))
    assert value() > 0


def test_s3_a_delayed_return_does_not_undo_an_opt_out(town: Town) -> None:
    wallet, bank = town.wallet("anna"), town.holders["bank"]
    delayed = wallet.order("bank", RETURN)
    town.time.now += 5
    bank.obey(wallet.order("bank", OPT_OUT))
    refused("order-superseded", lambda: bank.obey(delayed))
    message = message_to(town, "bank")
    assert plaintext(opened(bank.contribute(message).contribution, "bank").ciphertext) == 0


def test_s3_of_one_seconds_orders_the_opt_out_counts(town: Town) -> None:
    wallet, bank = town.wallet("anna"), town.holders["bank"]
    bank.obey(wallet.order("bank", OPT_OUT))
    refused("order-superseded", lambda: bank.obey(wallet.order("bank", RETURN)))


def test_w4_an_order_is_obeyed_once(town: Town) -> None:
    wallet, bank = town.wallet("anna"), town.holders["bank"]
    order = wallet.order("bank", OPT_OUT)
    bank.obey(order)
    town.time.now += 1
    bank.obey(wallet.order("bank", RETURN))
    bank.obey(order)  # acknowledged, and nothing happens
    assert plaintext(opened(bank.contribute(message_to(town, "bank")).contribution, "bank").ciphertext) > 0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"action": RETURN}, "order-forged"),
        ({"holder": "court"}, "wrong-holder"),
        ({"action": "erase"}, "wrong-action"),
        ({"issued": NOW - 1}, "order-forged"),
        ({"issued": NOW - 301}, "order-expired"),
        ({"issued": NOW + 61}, "order-from-future"),
        ({"nonce": bytes(32)}, "order-forged"),
    ],
)
def test_s1_an_altered_order_is_refused(town: Town, change: dict[str, object], reason: str) -> None:
    order = replace(town.wallet("anna").order("bank", OPT_OUT), **change)
    refused(reason, lambda: town.holders["bank"].obey(order))


def test_h4_an_order_about_an_unknown_pseudonym_is_acknowledged_like_any_other(town: Town) -> None:
    wallet = town.wallet("anna", holders=("court",))
    assert town.holders["bank"].obey(wallet.order("bank", OPT_OUT)) is None
    assert rows(town.holder_stores["bank"], "holder")["subjects"] == 0


def test_s3_an_opt_out_is_before_or_after_a_contribution_never_within(town_on: Town) -> None:
    """The opt-out arrives while points are computed: it is acknowledged only after that contribution is stored."""
    town, bank = town_on, town_on.holders["bank"]
    computing, go_on = threading.Event(), threading.Event()
    honest = town.sources["bank"].points

    def slow(record_key: str) -> int | None:
        computing.set()
        assert go_on.wait(5)
        return honest(record_key)

    message, order = message_to(town, "bank"), town.wallet("anna").order("bank", OPT_OUT)
    town.sources["bank"].points = slow
    contribution = town.pool.submit(bank.contribute, message)
    assert computing.wait(5)
    opting_out = town.pool.submit(bank.obey, order)
    with pytest.raises(TimeoutError):
        opting_out.result(timeout=0.3)
    go_on.set()
    contribution.result(5)
    opting_out.result(5)
    town.sources["bank"].asked.clear()
    for _ in range(3):
        next_epoch(town)
        bank.contribute(message_to(town, "bank"))
    assert not [key for key in town.sources["bank"].asked if key.startswith("bank:")]


def test_s3_parallel_questions_and_opt_outs_leave_no_computation_after_the_acknowledgement(town_on: Town) -> None:
    town, bank = town_on, town_on.holders["bank"]
    acknowledged = threading.Event()
    late: list[str] = []
    honest = town.sources["bank"].points

    def watched(record_key: str) -> int | None:
        if acknowledged.is_set() and record_key.startswith("bank:"):
            late.append(record_key)
        return honest(record_key)

    town.sources["bank"].points = watched
    people = [f"anna#{number}" for number in range(12)]
    messages = [message_to(town, "bank", person) for person in people]
    orders = [town.wallet(person).order("bank", OPT_OUT) for person in people]
    with ThreadPoolExecutor(12) as pool:
        questions = [pool.submit(bank.contribute, message) for message in messages[:6]]
        for order in orders:
            bank.obey(order)
        acknowledged.set()
        questions += [pool.submit(bank.contribute, message) for message in messages]
        for question in questions:
            question.result()
    assert late == []


# --- enrolment -------------------------------------------------------------------------------------------------------


def test_s5_a_used_code_opens_nothing_for_another_wallet(town: Town) -> None:
    anna, ben = town.wallet("anna"), town.wallet("ben")
    code = town.code("court", "anna#2", ENROLMENT)
    refused("wrong-identity", lambda: town.holders["court"].enrol(ben.enrolment("court", code), code))
    refused("wrong-identity", lambda: town.holders["court"].enrol(anna.enrolment("court", code), code))


def test_s5_a_second_record_or_a_second_wallet_is_refused_and_a_repeated_enrolment_is_harmless(town: Town) -> None:
    wallet = town.wallet("anna", holders=())
    code = town.code("court", "anna", ENROLMENT)
    enrolment = wallet.enrolment("court", code)
    for _ in range(2):  # the reply was lost
        town.holders["court"].enrol(enrolment, code)
    assert rows(town.holder_stores["court"], "holder")["subjects"] == 1
    with town.holder_stores["court"].transaction() as records:
        other = issue_code(records, "court:carla", "id-anna", ENROLMENT, NOW + 60, town.randomness)
    refused("already-enrolled", lambda: town.holders["court"].enrol(wallet.enrolment("court", other), other))


def test_s5_an_expired_or_misplaced_code_is_refused_alike(town: Town) -> None:
    wallet = town.wallet("anna", holders=())
    registration = town.code("bank", "anna", "registration")
    sentences = {
        str(
            refused(
                "wrong-code", lambda: town.holders["bank"].enrol(wallet.enrolment("bank", registration), registration)
            )
        )
    }
    late = town.code("bank", "anna", ENROLMENT)
    enrolment = wallet.enrolment("bank", late)
    town.time.now += 3600
    sentences.add(str(refused("wrong-code", lambda: town.holders["bank"].enrol(enrolment, late))))
    sentences.add(str(refused("wrong-code", lambda: town.holders["bank"].enrol(enrolment, "GUESS"))))
    assert len(sentences) == 1


def test_v4_holders_tables_share_no_value_that_joins_them(town: Town) -> None:
    """Neither the pseudonym nor the root point of a subject stands in another holder's tables."""
    town.wallet("anna")
    stored = {name: values_of(town, name) for name in HOLDERS}
    credentials = stored["bank"]
    for one, other in (("bank", "court"), ("court", "charity")):
        shared = {value for value in stored[one] & stored[other] if isinstance(value, bytes)}
        assert shared == set()
    assert len(credentials) > 3


def values_of(town: Town, holder: str) -> set[object]:
    with engine_of(town.holder_stores[holder]).begin() as connection:
        kept = [table for name, table in tables.holder.tables.items() if name not in {"persons", "audit"}]
        return {value for table in kept for row in connection.execute(select(table)) for value in row}


def test_s6_consents_of_a_wallet_that_nobody_enrolled_take_the_same_path(town: Town) -> None:
    fresh = WalletSecret.generate(SeededRandomness("fresh"))
    request, jws = signed_request(town)
    header = header_of(town, fresh, request)
    consent = make_consent(fresh, header, SCHEME, "court", SeededRandomness("fresh"))
    message = resealed(
        ContributionRequest(request=jws, header=header, consent=presentation_of(town, fresh, header).consents[1]),
        "court",
        consent,
    )
    contribution = opened(town.holders["court"].contribute(message).contribution, "court")
    assert plaintext(contribution.ciphertext) == 0
