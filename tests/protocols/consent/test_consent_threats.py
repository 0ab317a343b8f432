"""Attacks on consents, by the names of the threat model: each is refused, and works once its guard is taken away."""

from collections.abc import Callable
from typing import Any

import naive_consent as naive
import pytest
from msgspec.structs import asdict, replace

from privcredit.crypto import group
from privcredit.crypto.equality import EqualityProof, Pair, _challenge
from privcredit.crypto.group import Point, Scalar
from privcredit.crypto.sealed import SealingKey, seal
from privcredit.crypto.signing import SigningKey, sign_jws
from privcredit.errors import InvalidProofError, RefusedError, UsageError
from privcredit.messages.codec import encode, encode_json
from privcredit.protocols.consent import checks, steps, wallet
from privcredit.protocols.consent.credentials import CREDENTIAL_TYPE
from privcredit.protocols.consent.messages import Consent, Credential, QueryHeader, SealedConsent
from privcredit.protocols.consent.statements import epoch_base, header_digest, holder_base, query_base
from support.seeded import SeededRandomness

NOW = 1_800_000_000
GROUP = "city"
R = SeededRandomness("threats")
K, FRIEND = (steps.WalletSecret.generate(R) for _ in range(2))
KEYS = {holder: SealingKey.generate(R) for holder in ("bank", "court")}
REGISTRAR = SigningKey.generate(R)
CODE = steps.one_time_code(R)
TERMS = steps.QueryTerms(
    scheme="city",
    policy_hash=R.bytes(32),
    key_fingerprint=R.bytes(32),
    verifiers=("agency", "garage"),
    budget_group=GROUP,
    budget=3,
    epoch_seconds=86_400,
    request_seconds=600,
)
REQUEST = R.bytes(32)


def make_header(k: steps.WalletSecret = K, index: int = 0, verifier: str = "agency") -> QueryHeader:
    return steps.make_header(k, TERMS, verifier, REQUEST, index, NOW + 600, R)


HEADER = make_header()
CONSENT = steps.make_consent(K, HEADER, GROUP, "bank", R)


def refused(reason: str, call: Callable[..., Any], *arguments: Any, **named: Any) -> None:
    with pytest.raises(RefusedError) as caught:
        call(*arguments, **named)
    assert caught.value.reason == reason


def check(consent: Consent, header: QueryHeader = HEADER, holder: str = "bank", budget_group: str = GROUP) -> None:
    steps.check_consent(consent, header, budget_group, holder)


def pairs(header: QueryHeader, pseudonym: bytes, holder: str = "bank") -> list[Pair]:
    bases = (
        holder_base(header.scheme, holder),
        query_base(header.query_id, header.verifier),
        epoch_base(header.scheme, GROUP, header.epoch, header.index),
    )
    return list(zip(bases, map(Point, (pseudonym, header.query_point, header.nullifier)), strict=True))


def test_honest_consent_passes() -> None:
    steps.check_header(HEADER, TERMS, NOW)
    check(CONSENT)


OTHER_VALUES = {
    "version": 2,
    "scheme": "village",
    "policy_hash": bytes(32),
    "key_fingerprint": bytes(32),
    "verifier": "garage",
    "request_id": bytes(32),
    "wallet_nonce": bytes(32),
    "query_id": bytes(32),
    "epoch": HEADER.epoch + 1,
    "index": 1,
    "expires": HEADER.expires - 1,
    "query_point": steps.query_point(FRIEND, HEADER.query_id, "agency"),
    "nullifier": steps.nullifier(K, "city", GROUP, HEADER.epoch, 1),
}


@pytest.mark.parametrize("name", QueryHeader.__struct_fields__)
def test_w4_a_consent_is_not_one_to_any_other_header(name: str) -> None:
    other = replace(HEADER, **{name: OTHER_VALUES[name]})
    refused("wrong-header", check, CONSENT, other)
    refused("consent-forged", check, replace(CONSENT, header_digest=header_digest(other)), other)


UNPROVEN_BY_POINTS = ["version", "policy_hash", "key_fingerprint", "request_id", "wallet_nonce", "expires"]


@pytest.mark.parametrize("name", UNPROVEN_BY_POINTS)
def test_w4_without_the_header_digest_in_the_context_the_replay_works(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (wallet, checks):
        monkeypatch.setattr(module, "consent_context", lambda _header, group, holder: (group + holder).encode())
    loose = steps.make_consent(K, HEADER, GROUP, "bank", R)
    other = replace(HEADER, **{name: OTHER_VALUES[name]})
    check(replace(loose, header_digest=header_digest(other)), other)


def test_w4_another_holder_or_group_is_refused() -> None:
    refused("wrong-holder", check, CONSENT, holder="court")
    refused("consent-forged", check, replace(CONSENT, holder="court"), holder="court")
    refused("consent-forged", check, CONSENT, budget_group="village")


def test_w3_the_header_digest_covers_every_field() -> None:
    digests = {header_digest(replace(HEADER, **{name: value})) for name, value in OTHER_VALUES.items()}
    assert len(digests | {header_digest(HEADER)}) == len(QueryHeader.__struct_fields__) + 1


def test_w3_bytes_moved_between_names_change_points_and_contexts() -> None:
    assert holder_base("cityb", "ank") != holder_base("city", "bank")
    assert epoch_base("city", "city1", 1, 1) != epoch_base("cityc", "ity1", 1, 1)
    assert epoch_base("city", GROUP, 1, 0) != epoch_base("city", GROUP, 0, 1)


def lies() -> dict[str, tuple[QueryHeader, int]]:
    """Headers whose consents verify: only the rule of that name stands in the way."""

    def lying(**changes: Any) -> QueryHeader:
        loose = {name: getattr(TERMS, name) for name in steps.QueryTerms.__slots__} | changes
        return steps.make_header(
            K, steps.QueryTerms(**loose), loose["verifiers"][0], REQUEST, loose["budget"] - 1, NOW + 600, R
        )

    chosen = replace(HEADER, query_id=bytes(32), query_point=steps.query_point(K, bytes(32), "agency"))
    return {
        "wrong-version": (replace(HEADER, version=2), NOW),
        "wrong-scheme": (lying(scheme="village"), NOW),
        "wrong-policy": (lying(policy_hash=bytes(32)), NOW),
        "wrong-key": (lying(key_fingerprint=bytes(32)), NOW),
        "wrong-verifier": (lying(verifiers=("stranger",)), NOW),
        "wrong-query-id": (chosen, NOW),
        "wrong-epoch": (lying(epoch_seconds=3600), NOW),
        "over-budget": (lying(budget=4), NOW),
        "consent-expired": (HEADER, NOW + 600),
        "consent-from-future": (HEADER, NOW - 61),
    }


@pytest.mark.parametrize("reason", lies())
def test_s1_each_lie_has_its_own_refusal_and_nothing_else_stops_it(reason: str) -> None:
    header, now = lies()[reason]
    refused(reason, steps.check_header, header, TERMS, now)
    check(steps.make_consent(K, header, GROUP, "bank", R), header)


def test_s1_skew_is_granted_to_the_future_and_not_to_the_past() -> None:
    steps.check_header(HEADER, TERMS, NOW - 60)
    steps.check_header(HEADER, TERMS, NOW + 599)


def test_s1_a_wallet_refuses_terms_it_may_not_answer() -> None:
    refused("wrong-verifier", make_header, verifier="stranger")
    refused("over-budget", make_header, index=3)


def test_epochs_do_not_depend_on_whose_clock_is_right() -> None:
    """Read before or after midnight, a header belongs to the epoch in which its request was made."""
    midnight = (NOW // 86_400 + 1) * 86_400
    for made in (midnight - 1, midnight):
        assert steps.epoch_of(made + 600, TERMS) == made // 86_400
    last = steps.make_header(K, TERMS, "agency", REQUEST, 0, midnight + 599, R)
    for now in (midnight - 61, midnight - 1, midnight, midnight + 598):
        steps.check_header(last, TERMS, now)


def forge(k: steps.WalletSecret, statement: list[Pair], context: bytes) -> bytes:
    """A prover that does not check its own statement."""
    nonce = Scalar.generate(R)
    drawn = _challenge(statement, [nonce.times(base).data for base, _ in statement], context)
    return EqualityProof(drawn, k.scalar.respond(drawn, nonce)).to_bytes()


def context(header: QueryHeader, holder: str = "bank") -> bytes:
    return checks.consent_context(header_digest(header), GROUP, holder)


def test_s5_a_borrowed_pseudonym_is_refused_whoever_proves() -> None:
    borrowed = steps.pseudonym(FRIEND, "city", "bank")
    for prover in (K, FRIEND):
        proof = forge(prover, pairs(HEADER, borrowed), context(HEADER))
        refused("consent-forged", check, replace(CONSENT, pseudonym=borrowed, proof=proof))
    own = forge(K, pairs(HEADER, CONSENT.pseudonym), context(HEADER))
    check(replace(CONSENT, proof=own))


def test_s5_friends_cannot_split_a_query_between_holders() -> None:
    """One answers the bank, the other the court: the court's consent needs Q and E of the same wallet."""
    with pytest.raises(UsageError):
        steps.make_consent(FRIEND, HEADER, GROUP, "court", R)
    own = make_header(FRIEND)
    answered = steps.make_consent(FRIEND, own, GROUP, "court", R)
    refused("wrong-header", check, answered, HEADER, "court")
    refused("consent-forged", check, replace(answered, header_digest=header_digest(HEADER)), HEADER, "court")


def test_s5_without_the_joint_challenge_pooling_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """A verifier of one pair at a time, given one proof per pair, accepts two wallets as one person."""
    borrowed = steps.pseudonym(FRIEND, "city", "bank")
    statement = pairs(HEADER, borrowed)
    proofs = [forge(k, [pair], b"") for k, pair in zip((FRIEND, K, K), statement, strict=True)]
    for pair, proof in zip(statement, proofs, strict=True):
        checks.verify_equal_logs([pair], EqualityProof.from_bytes(proof, "wallet"), b"", "wallet")
    monkeypatch.setattr(checks, "verify_equal_logs", lambda *_: None)
    check(replace(CONSENT, pseudonym=borrowed))


def test_s5_identity_points_would_be_everybodys() -> None:
    """(G, identity) for every base has a proof without any secret; only reading points stops it."""
    bases = [base.data for base, _ in pairs(HEADER, CONSENT.pseudonym)]
    nothing = [(base, bytes(32)) for base in bases]
    z = 5
    commitments = [group.Scalar(z.to_bytes(32, "little")).times(Point(base)).data for base in bases]
    flat = [point for pair in nothing for point in pair]
    hashed = naive.framed(b"privcredit v1", b"challenge", b"equal logarithms", b"", naive.be8(3), *flat, *commitments)
    c = int.from_bytes(naive.hashlib.sha512(hashed).digest(), "big") % group.ORDER
    proof = c.to_bytes(32, "little") + z.to_bytes(32, "little")
    assert naive.proof_holds(nothing, proof, b"")
    refused("invalid-point", check, replace(CONSENT, pseudonym=bytes(32)))
    for name in ("query_point", "nullifier"):
        header = replace(HEADER, **{name: bytes(32)})
        refused("invalid-point", steps.check_header, header, TERMS, NOW)
        refused("invalid-point", check, replace(CONSENT, header_digest=header_digest(header)), header)


def test_v1_a_second_spelling_of_the_nullifier_would_double_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    twin = replace(HEADER, nullifier=HEADER.nullifier[:-1] + bytes([HEADER.nullifier[-1] | 0x80]))

    def attack() -> None:
        steps.check_header(twin, TERMS, NOW)
        proof = forge(K, pairs(twin, CONSENT.pseudonym), context(twin))
        check(replace(CONSENT, header_digest=header_digest(twin), proof=proof), twin)

    refused("invalid-point", attack)
    monkeypatch.setattr(group, "TOP_BIT", 0)
    attack()


def test_v2_budget_is_per_subject_and_not_per_verifier_or_policy() -> None:
    """E depends on scheme, group, epoch and index alone: asking elsewhere or republishing buys nothing."""
    headers = [make_header(verifier=verifier) for verifier in TERMS.verifiers]
    assert len({header.nullifier for header in headers}) == 1
    per_index = {make_header(index=index).nullifier for index in range(TERMS.budget)}
    assert len(per_index) == TERMS.budget
    assert make_header(FRIEND).nullifier not in per_index


def test_v4_transcripts_at_two_verifiers_share_no_value_of_the_subject() -> None:
    public = {holder: key.public for holder, key in KEYS.items()}
    shown = []
    for index, verifier in enumerate(TERMS.verifiers):
        header = steps.make_header(K, TERMS, verifier, R.bytes(32), index, NOW + 600, R)
        shown.append(steps.present(K, header, GROUP, public, R))
    seen = []
    for presentation in shown:
        values = {value for value in asdict(presentation.header).values() if isinstance(value, bytes)}
        values |= {header_digest(presentation.header), *(consent.box for consent in presentation.consents)}
        seen.append(values)
    assert seen[0] & seen[1] == {TERMS.policy_hash, TERMS.key_fingerprint}
    own = [steps.root_point(K), *(steps.pseudonym(K, "city", holder) for holder in KEYS)]
    for presentation in shown:
        assert not any(value in encode(presentation) for value in own)


def test_v4_holders_tables_share_no_key() -> None:
    points = [steps.root_point(K)]
    points += [steps.pseudonym(K, scheme, holder) for scheme in ("city", "village") for holder in KEYS]
    assert len(set(points)) == 5


def test_s6_a_fresh_wallet_looks_like_any_other_and_is_not_enrolled() -> None:
    fresh = steps.WalletSecret.generate(R)
    header = make_header(fresh)
    consent = steps.make_consent(fresh, header, GROUP, "court", R)
    check(consent, header, "court")
    assert consent.pseudonym != steps.pseudonym(K, "city", "court")
    assert len(encode(consent)) == len(encode(steps.make_consent(K, HEADER, GROUP, "court", R)))


def opened(box: bytes, header: QueryHeader = HEADER, holder: str = "bank") -> Consent:
    return steps.open_consent(SealedConsent(holder=holder, box=box), KEYS[holder], header, GROUP, holder)


def test_presentations_open_for_their_holders_only() -> None:
    presentation = steps.present(K, HEADER, GROUP, {name: key.public for name, key in KEYS.items()}, R)
    steps.check_presentation(presentation, TERMS, ["court", "bank"], NOW)
    boxes = {consent.holder: consent.box for consent in presentation.consents}
    for holder in KEYS:
        assert opened(boxes[holder], holder=holder).pseudonym == steps.pseudonym(K, "city", holder)
    refused("consent-unreadable", opened, boxes["court"])
    refused("wrong-header", opened, boxes["bank"], make_header())


@pytest.mark.parametrize(
    "plaintext",
    [b"", b"\xc0", encode(CONSENT) + b"\x00", encode(CONSENT)[:-1], encode(HEADER), encode_json(CONSENT)],
)
def test_w1_a_box_with_anything_else_inside_is_refused(plaintext: bytes) -> None:
    refused("consent-unreadable", opened, seal(KEYS["bank"].public, plaintext))


@pytest.mark.parametrize("holders", [["bank"], ["bank", "court", "tax"], ["bank", "bank"], []])
def test_h5_a_presentation_for_other_holders_is_refused(holders: list[str]) -> None:
    presentation = steps.present(K, HEADER, GROUP, {name: key.public for name, key in KEYS.items()}, R)
    refused("wrong-holders", steps.check_presentation, presentation, TERMS, holders, NOW)


@pytest.mark.parametrize("reason", lies())
def test_s1_verifier_and_coordinator_refuse_each_lie_too(reason: str) -> None:
    header, now = lies()[reason]
    presentation = steps.present(K, header, GROUP, {"bank": KEYS["bank"].public}, R)
    refused(reason, steps.check_presentation, presentation, TERMS, ["bank"], now)


ROOT = steps.root_point(K)
CREDENTIAL = steps.issue_credential("city", "civil", "person-1", ROOT, NOW, REGISTRAR)
ENROLMENT = steps.enrol(K, "city", "bank", CREDENTIAL, CODE, R)


def check_enrolment(enrolment: Any = ENROLMENT, **changes: Any) -> Credential:
    named = {"scheme": "city", "holder": "bank", "registrar": "civil", "identity": "person-1", "code": CODE}
    return steps.check_enrolment(enrolment, **({"registrar_key": REGISTRAR.public_bytes, **named} | changes))


def test_enrolment_gives_the_credential() -> None:
    assert check_enrolment().root_point == ROOT


def test_s5_one_key_cannot_carry_two_peoples_records() -> None:
    """The friend enrols K at the court with a court code of their own: the credential names another person."""
    refused("wrong-identity", check_enrolment, identity="person-2")
    friends = steps.issue_credential("city", "civil", "person-2", steps.root_point(FRIEND), NOW, REGISTRAR)
    refused("wrong-root", check_enrolment, replace(ENROLMENT, credential=friends), identity="person-2")
    relabelled = replace(ENROLMENT, credential=friends, root_point=steps.root_point(FRIEND))
    refused("enrolment-forged", check_enrolment, relabelled, identity="person-2")


def test_s5_a_pseudonym_of_another_key_is_refused() -> None:
    other = replace(ENROLMENT, pseudonym=steps.pseudonym(FRIEND, "city", "bank"))
    refused("enrolment-forged", check_enrolment, other)
    refused("invalid-point", check_enrolment, replace(ENROLMENT, pseudonym=bytes(32)))
    refused("invalid-point", check_enrolment, replace(ENROLMENT, pseudonym=b"\xff" * 32))


def test_w4_an_enrolment_is_bound_to_holder_scheme_code_and_credential() -> None:
    refused("wrong-holder", check_enrolment, holder="court")
    refused("enrolment-forged", check_enrolment, replace(ENROLMENT, holder="court"), holder="court")
    refused("wrong-scheme", check_enrolment, scheme="village")
    refused("enrolment-forged", check_enrolment, code="ANOTHER")
    again = steps.issue_credential("city", "civil", "person-1", ROOT, NOW + 1, REGISTRAR)
    refused("enrolment-forged", check_enrolment, replace(ENROLMENT, credential=again))


def credential_payload(**changes: Any) -> bytes:
    fields = {"version": 1, "scheme": "city", "registrar": "civil", "identity": "person-1"}
    return encode_json(Credential(**({**fields, "root_point": ROOT, "issued": NOW} | changes)))


@pytest.mark.parametrize(
    "jws",
    [
        "",
        CREDENTIAL[:-2] + "AA",
        sign_jws(SigningKey.generate(SeededRandomness("rogue")), "civil", CREDENTIAL_TYPE, credential_payload()),
        sign_jws(REGISTRAR, "bank", CREDENTIAL_TYPE, credential_payload()),
        sign_jws(REGISTRAR, "civil", "privcredit-policy+jws", credential_payload()),
        sign_jws(REGISTRAR, "civil", CREDENTIAL_TYPE, credential_payload(version=2)),
        sign_jws(REGISTRAR, "civil", CREDENTIAL_TYPE, credential_payload(registrar="bank")),
        sign_jws(REGISTRAR, "civil", CREDENTIAL_TYPE, b"{}"),
        sign_jws(REGISTRAR, "civil", CREDENTIAL_TYPE, credential_payload()[:-1] + b',"version":1}'),
    ],
)
def test_s2_credentials_that_the_registrar_did_not_sign_so_name_the_registrar(jws: str) -> None:
    with pytest.raises(InvalidProofError) as caught:
        check_enrolment(replace(ENROLMENT, credential=jws))
    assert caught.value.culprit == "civil"


def test_registration_is_bound_to_scheme_registrar_and_code() -> None:
    made = steps.register(K, "city", "civil", CODE, R)
    steps.check_registration(made, "city", "civil", CODE)
    for scheme, registrar, code in (("village", "civil", CODE), ("city", "bank", CODE), ("city", "civil", "X")):
        refused("registration-forged", steps.check_registration, made, scheme, registrar, code)
    nobody = replace(made, root_point=bytes(32))
    refused("invalid-point", steps.check_registration, nobody, "city", "civil", CODE)
    enrolments_proof = replace(made, proof=ENROLMENT.proof)
    refused("registration-forged", steps.check_registration, enrolments_proof, "city", "civil", CODE)


ORDER = steps.order(K, "city", "bank", "opt-out", NOW, R)


def check_order(
    order: Any, scheme: str = "city", holder: str = "bank", action: str = "opt-out", now: int = NOW
) -> None:
    steps.check_order(order, scheme, holder, action, now)


def test_w4_an_order_is_bound_to_all_of_its_fields() -> None:
    check_order(ORDER)
    refused("wrong-holder", check_order, ORDER, holder="court")
    refused("wrong-action", check_order, ORDER, action="return")
    refused("order-forged", check_order, ORDER, scheme="village")
    refused("order-forged", check_order, replace(ORDER, holder="court"), holder="court")
    refused("order-forged", check_order, replace(ORDER, action="return"), action="return")
    refused("order-forged", check_order, replace(ORDER, nonce=bytes(32)))
    refused("order-forged", check_order, replace(ORDER, issued=NOW + 1))
    refused("order-forged", check_order, replace(ORDER, pseudonym=steps.pseudonym(FRIEND, "city", "bank")))
    refused("order-forged", check_order, replace(ORDER, proof=CONSENT.proof))
    refused("invalid-point", check_order, replace(ORDER, pseudonym=bytes(32)))


def test_s1_orders_expire_and_do_not_come_from_the_future() -> None:
    check_order(ORDER, now=NOW + 299)
    check_order(ORDER, now=NOW - 60)
    refused("order-expired", check_order, ORDER, now=NOW + 300)
    refused("order-from-future", check_order, ORDER, now=NOW - 61)
