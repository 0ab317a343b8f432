"""Registries that must not be trusted: threats.md C6, S2, A10, and the authorities' statements."""

import base64
import json
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from privcredit.crypto.signing import sign_jws
from privcredit.errors import InvalidProofError, PeerError, PrivcreditError, UsageError
from privcredit.messages.codec import encode_json
from privcredit.roles import registry as registry_module
from privcredit.roles.identity import PartyKeys, check_own_entry
from privcredit.roles.registry import (
    POLICY_TYPE,
    REGISTRY_SIGNER,
    REGISTRY_TYPE,
    STATEMENT_TYPE,
    RegistryDocument,
    TrustedRegistry,
    open_registry,
    sign_registry,
)
from privcredit.scorecard.policy import Policy, Tier
from support.federation import REGISTRY_KEY, SCHEME, make_document, make_policy, make_registry, party_keys
from support.inspection import raises, refused


def opened(document: RegistryDocument) -> TrustedRegistry:
    return open_registry(sign_registry(document, REGISTRY_KEY), REGISTRY_KEY.public_bytes)


def with_policies(*policies: Policy) -> RegistryDocument:
    """Policies that no honest tool would sign, signed."""
    signed = tuple(sign_jws(REGISTRY_KEY, REGISTRY_SIGNER, POLICY_TYPE, encode_json(policy)) for policy in policies)
    return replace(make_document((make_policy(),)), policies=signed)


def with_party(document: RegistryDocument, name: str, **changes: object) -> RegistryDocument:
    parties = tuple(replace(one, **changes) if one.name == name else one for one in document.parties)
    return replace(document, parties=parties)


# --- C6: policies ----------------------------------------------------------------------------------------------------


def wrapping(policy: Policy) -> Policy:
    first = replace(policy.holders[0], maximum=1 << policy.score_bits)
    return replace(policy, holders=(first, *policy.holders[1:]))


POLICIES: dict[str, tuple[Callable[[Policy], Policy], str]] = {
    "could wrap": (wrapping, "could wrap around"),
    "threshold out of reach": (lambda p: replace(p, tiers=(Tier(name="x", at_least=10**6),)), "asks for"),
    "no holders": (lambda p: replace(p, holders=()), "no holder"),
    "weak mask": (lambda p: replace(p, security_sigma=20), "security_sigma"),
    "another scheme": (lambda p: replace(p, scheme="village"), "belongs to scheme"),
    "another key": (lambda p: replace(p, key_fingerprint=bytes(32)), "another Paillier key"),
    "wider than the DGK keys": (lambda p: replace(p, score_bits=44), "DGK key"),
}


@pytest.mark.parametrize("what", POLICIES)
def test_c6_a_bad_policy_is_refused_at_load(what: str) -> None:
    change, sentence = POLICIES[what]
    with pytest.raises(UsageError, match=sentence):
        opened(with_policies(change(make_policy())))


def test_c6_a_policy_that_names_unknown_parties_is_refused_at_load() -> None:
    policy = make_policy()
    unknown = replace(policy, holders=(replace(policy.holders[0], holder="police"), *policy.holders[1:]))
    refused("unknown-party", lambda: opened(with_policies(unknown)))
    refused("unknown-party", lambda: opened(with_policies(replace(policy, verifiers=("bank",)))))
    other = replace(policy, holders=(replace(policy.holders[0], scorecard=bytes(32)), *policy.holders[1:]))
    refused("unknown-scorecard", lambda: opened(with_policies(other)))


def test_c6_two_policies_with_one_name_are_refused() -> None:
    with pytest.raises(UsageError, match="twice"):
        opened(with_policies(make_policy(), make_policy(title="Another title")))


# --- S2, A10: keys ---------------------------------------------------------------------------------------------------

SMALL_ORDER = [
    bytes(32),
    bytes([1]) + bytes(31),
    bytes.fromhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
]
NON_CANONICAL = (2**255 - 19 + 3).to_bytes(32, "little")


@pytest.mark.parametrize("key", [*SMALL_ORDER, NON_CANONICAL, bytes(31), b""], ids=lambda key: key.hex()[:8] or "empty")
def test_s2_a_party_with_a_bad_signing_key_is_refused_at_registration(key: bytes) -> None:
    with pytest.raises(UsageError, match="key of shop cannot be used"):
        opened(with_party(make_document((make_policy(),)), "shop", signing_key=key))


@pytest.mark.parametrize("key", [bytes(32), bytes([1]) + bytes(31), bytes(31)], ids=["0", "1", "short"])
def test_s2_a_party_with_a_bad_sealing_key_is_refused_at_registration(key: bytes) -> None:
    with pytest.raises(UsageError, match="key of shop cannot be used"):
        opened(with_party(make_document((make_policy(),)), "shop", sealing_key=key))


def test_s2_without_that_check_a_small_order_key_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_module, "check_party", lambda _: None)
    listed = opened(with_party(make_document((make_policy(),)), "shop", signing_key=SMALL_ORDER[1]))
    assert listed.party("shop", "verifier").signing_key == SMALL_ORDER[1]


@pytest.mark.parametrize("field", ["signing_key", "sealing_key"])
def test_a10_two_parties_do_not_share_a_key(field: str) -> None:
    document = make_document((make_policy(),))
    shared = getattr(next(one for one in document.parties if one.name == "hotel"), field)
    with pytest.raises(UsageError, match="lists a key twice"):
        opened(with_party(document, "shop", **{field: shared}))


def test_a10_a_node_does_not_start_under_a_registry_that_lists_other_keys_for_it() -> None:
    registry = make_registry()
    check_own_entry(party_keys("shop"), "verifier", registry)
    others = PartyKeys("shop", party_keys("hotel").signing, party_keys("shop").sealing)
    raises(UsageError, lambda: check_own_entry(others, "verifier", registry))
    refused("unknown-party", lambda: check_own_entry(party_keys("shop"), "holder", registry))


# --- signatures ------------------------------------------------------------------------------------------------------


def resigned_statement(document: RegistryDocument, place: int, **changes: object) -> RegistryDocument:
    jws = document.statements[place]
    payload = json.loads(base64.urlsafe_b64decode(jws.split(".")[1] + "=="))
    plain = {name: changes.get(name, value) for name, value in payload.items()}
    plain |= {name: base64.b64encode(value).decode() for name, value in plain.items() if isinstance(value, bytes)}
    name = f"authority-{place + 1}"
    signed = sign_jws(party_keys(name).signing, name, STATEMENT_TYPE, json.dumps(plain).encode())
    return replace(document, statements=(*document.statements[:place], signed, *document.statements[place + 1 :]))


@pytest.mark.parametrize(
    "change",
    [{"threshold_key_digest": bytes(32)}, {"scheme": "village"}, {"version": 2}, {"authority": "authority-2"}],
    ids=lambda change: next(iter(change)),
)
def test_a6_the_key_counts_only_with_all_three_authorities_word_on_it(change: dict[str, object]) -> None:
    document = make_document((make_policy(),))
    opened(resigned_statement(document, 0))
    raises(UsageError, lambda: opened(resigned_statement(document, 0, **change)))


def test_a6_two_statements_or_one_twice_are_not_enough() -> None:
    document = make_document((make_policy(),))
    raises(UsageError, lambda: opened(replace(document, statements=document.statements[:2])))
    twice = (document.statements[0], document.statements[0], document.statements[2])
    raises(PeerError, lambda: opened(replace(document, statements=twice)))


def test_s2_only_the_pinned_key_signs_a_registry() -> None:
    document = make_document((make_policy(),))
    other = sign_jws(party_keys("bank").signing, REGISTRY_SIGNER, REGISTRY_TYPE, encode_json(document))
    raises(InvalidProofError, lambda: open_registry(other, REGISTRY_KEY.public_bytes))
    honest = sign_registry(document, REGISTRY_KEY)
    with pytest.raises(PrivcreditError):
        open_registry(honest + "A", REGISTRY_KEY.public_bytes)
    with pytest.raises(PrivcreditError):
        open_registry(honest.replace(".", ".A", 1), REGISTRY_KEY.public_bytes)


def test_a_registry_lists_every_party_once_and_a_holder_as_registrar() -> None:
    document = make_document((make_policy(),))
    raises(UsageError, lambda: opened(replace(document, parties=(*document.parties, document.parties[0]))))
    raises(UsageError, lambda: opened(replace(document, registrar="shop")))
    raises(UsageError, lambda: opened(replace(document, registrar="nobody")))
    raises(UsageError, lambda: opened(with_party(document, "shop", role="king")))
    raises(UsageError, lambda: opened(replace(document, version=2)))
    assert opened(document).scheme == SCHEME
