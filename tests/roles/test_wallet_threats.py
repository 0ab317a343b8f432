"""The wallet's bookkeeping and what it refuses, and two people who pool: threats.md S1, S5, S6, V2."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from msgspec.structs import replace

from privcredit.crypto.sealed import seal
from privcredit.errors import InvalidProofError, PeerError, UsageError
from privcredit.messages.codec import encode
from privcredit.protocols.consent import checks
from privcredit.protocols.consent.messages import Presentation, SealedConsent
from privcredit.protocols.consent.steps import WalletSecret, make_consent, pseudonym
from privcredit.roles.registrar import Registrar
from privcredit.roles.wallet import Wallet
from privcredit.storage.holder import ENROLMENT, REGISTRATION
from privcredit.storage.wallet import WalletStore
from support.federation import HOLDERS, POLICY, SCHEME, Town, make_policy, party_keys, plain_answer
from support.inspection import (
    audit_log,
    header_of,
    last_reason,
    next_epoch,
    presentation_of,
    raises,
    refused,
    rows,
    secret_of,
    signed_request,
)
from support.seeded import SeededRandomness


def header_for(town: Town, person: str, verifier: str, **how: bool) -> tuple[int, bytes]:
    request = town.verifiers[verifier].request(POLICY)
    header = town.wallet(person).consent(verifier, request.jws, **how).header
    return header.index, header.nullifier


# --- indices ---------------------------------------------------------------------------------------------------------


def test_v3_the_same_question_keeps_its_index_and_another_takes_the_next(town: Town) -> None:
    shop, hotel = header_for(town, "anna", "shop"), header_for(town, "anna", "hotel")
    assert (shop[0], hotel[0]) == (0, 1)
    assert shop[1] != hotel[1]
    assert header_for(town, "anna", "shop") == shop
    assert header_for(town, "anna", "hotel") == hotel


def test_v2_the_budget_ends_and_the_next_epoch_begins_anew(town: Town) -> None:
    first = header_for(town, "anna", "shop")
    assert header_for(town, "anna", "shop", anew=True)[0] == 1
    request = town.verifiers["hotel"].request(POLICY)
    refused("budget-exhausted", lambda: town.wallet("anna").consent("hotel", request.jws))
    refused("budget-exhausted", lambda: town.wallet("anna").consent("hotel", request.jws))
    next_epoch(town)
    again = header_for(town, "anna", "hotel")
    assert again[0] == 0
    assert again[1] != first[1]


def test_v2_a_refused_consent_uses_no_index(town: Town) -> None:
    header_for(town, "anna", "shop")
    request = town.verifiers["shop"].request(POLICY)
    town.time.now += 300
    refused("request-expired", lambda: town.wallet("anna").consent("shop", request.jws))
    assert header_for(town, "anna", "hotel")[0] == 1


def test_s3_a_question_whose_contributions_expired_is_asked_anew(town: Town) -> None:
    """Both authorities were down for ten minutes; repeating the same index would be refused for the whole epoch."""
    town.down |= {"authority-1", "authority-2"}
    assert town.ask("anna").state == "unavailable"
    town.down.clear()
    town.time.now += 601
    assert town.ask("anna").problem == "contribution-expired"
    request = town.verifiers["shop"].request(POLICY)
    anew = town.wallet("anna").consent("shop", request.jws, anew=True)
    assert town.verifiers["shop"].ask(request.request.request_id, anew).eligible is True
    assert town.ask("anna").eligible is True  # and this is what is repeated from now on
    assert header_for(town, "anna", "shop")[0] == 1


def test_v6_parallel_consents_never_share_an_index(tmp_path_factory: pytest.TempPathFactory) -> None:
    verifiers = ("shop", "hotel")
    town = Town(tmp_path_factory.mktemp("town"), make_policy(budget=10), make_policy(id="other", budget=10))
    town.wallet("anna")
    requests = [town.verifiers[name].request(policy) for name in verifiers for policy in (POLICY, "other")] * 3
    with ThreadPoolExecutor(8) as pool:
        headers = list(
            pool.map(lambda one: town.wallet("anna").consent(one.request.verifier, one.jws).header, requests)
        )
    used = {(header.verifier, header.policy_hash): header.index for header in headers}
    assert sorted(used.values()) == [0, 1, 2, 3]
    assert all(used[header.verifier, header.policy_hash] == header.index for header in headers)
    town.close()


def test_h6_a_restarted_wallet_repeats_its_index(town: Town) -> None:
    before = header_for(town, "anna", "shop")
    store = WalletStore(town.url("wallet-anna"))
    town.wallets["anna"] = Wallet(secret_of(town, "anna"), town.registry, store, town.randomness, town.time)
    assert header_for(town, "anna", "shop") == before
    assert town.wallets["anna"].enrolments() == sorted(HOLDERS)


# --- what it refuses -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"expires": 1}, "request-too-long"),
        ({"expires": 10**12}, "request-too-long"),
        ({"policy_hash": bytes(32)}, "unknown-policy"),
        ({"scheme": "village"}, "wrong-policy"),
        ({"issued": 2_000_000_000, "expires": 2_000_000_100}, "request-from-future"),
    ],
)
def test_s1_a_wallet_consents_to_no_request_outside_the_policy(
    town: Town, change: dict[str, object], reason: str
) -> None:
    _, jws = signed_request(town, **change)
    refused(reason, lambda: town.wallet("anna").consent("shop", jws))
    with town.wallet("anna")._store.transaction() as records:
        assert records.index_for("town", 0, "shop", bytes(32)) is None


def test_s1_a_verifier_that_the_policy_does_not_allow_gets_no_consent(tmp_path_factory: pytest.TempPathFactory) -> None:
    town = Town(tmp_path_factory.mktemp("town"), make_policy(verifiers=("shop",)))
    _, jws = signed_request(town, "hotel")
    refused("wrong-verifier", lambda: town.wallet("anna").consent("hotel", jws))
    town.close()


def test_s1_a_request_in_anothers_name_is_refused(town: Town) -> None:
    request = town.verifiers["shop"].request(POLICY)
    raises(InvalidProofError, lambda: town.wallet("anna").consent("hotel", request.jws))
    refused("unknown-party", lambda: town.wallet("anna").consent("bank", request.jws))


def test_a_wallet_without_credential_says_what_to_do(town: Town) -> None:
    wallet = new_wallet(town, "zoe")
    assert "register it first at bank" in str(raises(UsageError, lambda: wallet.enrolment("court", "CODE")))


def test_a_credential_of_somebody_else_is_not_kept(town: Town) -> None:
    wallet = new_wallet(town, "zoe")
    raises(PeerError, lambda: wallet.keep_credential("a.b.c"))


# --- S5: two people, one key; one person, two keys -------------------------------------------------------------------


def new_wallet(town: Town, name: str, secret: WalletSecret | None = None) -> Wallet:
    secret = secret or WalletSecret.generate(SeededRandomness(f"wallet {name}"))
    return Wallet(secret, town.registry, WalletStore(town.url(f"wallet-{name}")), town.randomness, town.time)


def registrar(town: Town) -> Registrar:
    return Registrar(party_keys("bank"), SCHEME, town.holder_stores["bank"], town.time)


def test_s5_a_second_key_of_one_person_is_not_registered(town: Town) -> None:
    town.wallet("carla")
    second = new_wallet(town, "carla-again")
    code = town.code("bank", "carla", REGISTRATION)
    refused("already-registered", lambda: registrar(town).register(second.registration(code), code))


def test_s5_one_key_of_two_people_is_not_registered(town: Town) -> None:
    shared = new_wallet(town, "shared", secret_of(town, "anna"))
    code = town.code("bank", "carla", REGISTRATION)
    refused("already-registered", lambda: registrar(town).register(shared.registration(code), code))


def test_s5_a_repeated_registration_after_a_lost_reply_is_harmless(town: Town) -> None:
    wallet = new_wallet(town, "zoe")
    code = town.code("bank", "zoe", REGISTRATION)
    registration = wallet.registration(code)
    assert registrar(town).register(registration, code) == registrar(town).register(registration, code)
    assert rows(town.holder_stores["bank"], "holder")["persons"] == 1


def test_s5_a_registration_code_serves_one_proof(town: Town) -> None:
    wallet = new_wallet(town, "zoe")
    code, other = (town.code("bank", "zoe", REGISTRATION) for _ in range(2))
    refused("registration-forged", lambda: registrar(town).register(wallet.registration(code), other))
    wrong = town.code("bank", "zoe", ENROLMENT)
    refused("wrong-code", lambda: registrar(town).register(wallet.registration(wrong), wrong))


def test_s5_a_friend_cannot_be_enrolled_at_the_court_in_ones_place(town: Town) -> None:
    """Carla gives anna the code of her court record: anna's credential names anna."""
    anna = town.wallet("anna", holders=("bank", "charity"))
    town.wallet("carla", holders=("bank", "charity"))
    code = town.code("court", "carla", ENROLMENT)
    refused("wrong-identity", lambda: town.holders["court"].enrol(anna.enrolment("court", code), code))


def pooled(town: Town) -> tuple[bytes, Presentation]:
    """Carla's question with anna's pseudonym at the court: the proof is the best that both can make together."""
    request, jws = signed_request(town)
    with town.verifiers["shop"]._store.transaction() as records:
        known = records.request(request.request_id)
    assert known is not None
    assert known.jws == jws
    town.wallet("anna")
    header = header_of(town, secret_of(town, "carla"), request)
    carlas = presentation_of(town, secret_of(town, "carla"), header)
    consent = make_consent(secret_of(town, "carla"), header, "town", "court", SeededRandomness("pooled"))
    consent = replace(consent, pseudonym=pseudonym(secret_of(town, "anna"), SCHEME, "court"))
    box = seal(party_keys("court").sealing.public, encode(consent))
    boxes = {one.holder: one for one in carlas.consents} | {"court": SealedConsent(holder="court", box=box)}
    return request.request_id, replace(carlas, consents=tuple(boxes[name] for name in HOLDERS))


def test_s5_two_people_who_pool_their_pseudonyms_are_refused(town: Town) -> None:
    request_id, presentation = pooled(town)
    answer = town.verifiers["shop"].ask(request_id, presentation)
    assert (answer.state, answer.problem) == ("refused", "refused-by-holder")
    assert last_reason(town.holder_stores["court"], "holder") == "consent-forged"


def test_s5_without_the_consent_proof_pooling_succeeds(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_verify", lambda *_: None)
    request_id, presentation = pooled(town)
    assert town.verifiers["shop"].ask(request_id, presentation).eligible is True
    assert not plain_answer("carla")


# --- S6: a fresh pseudonym -------------------------------------------------------------------------------------------


def test_s6_who_is_not_enrolled_at_a_required_holder_is_not_eligible_and_nothing_says_why(town: Town) -> None:
    hidden = town.wallet("carla#hides", holders=("bank", "charity"))
    answer = town.ask("carla#hides")
    assert (answer.state, answer.eligible, answer.problem) == ("answered", False, "")
    assert hidden.enrolments() == ["bank", "charity"]
    assert audit_log(town.holder_stores["court"], "holder")[-1][0] == "contributed"
