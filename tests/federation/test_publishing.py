from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from privcredit.crypto.randomness import SystemRandomness
from privcredit.crypto.signing import SigningKey, sign_jws
from privcredit.errors import InvalidProofError, PrivcreditError, UsageError
from privcredit.federation.config import load_node, load_registry
from privcredit.federation.holder_sources import published_scorecard, resolve_sources
from privcredit.federation.key_files import key_path, load_party_keys, write_key
from privcredit.federation.node_setup import init_node, install_registry
from privcredit.federation.operator import admit, create_federation
from privcredit.federation.publish import PolicySource, publish_registry, published
from privcredit.messages.codec import decode_json, encode_json
from privcredit.roles.registry import (
    POLICY_TYPE,
    REGISTRY_SIGNER,
    AuthorityStatement,
    RegistryDocument,
    TrustedRegistry,
    open_registry,
    sign_registry,
    sign_statement,
    threshold_key_bytes,
    threshold_key_from_bytes,
)
from support.keys import dealing_2048
from support.small_federation import CARD, NOW, POLICY, ROLES, SCHEME, SmallFederation, card, config

Edit = Callable[[Path, str, str], None]


def registry_key(small: SmallFederation) -> bytes:
    return small.operator.registry_key.public_bytes


def test_everybody_pins_the_same(ready: SmallFederation) -> None:
    registries = [load_registry(ready.node(name)) for name in ROLES]
    assert len({registry.document for registry in registries}) == 1
    registry = registries[0]
    assert registry.authorities == ("authority-1", "authority-2", "authority-3")
    assert registry.threshold_key == dealing_2048().threshold_key
    assert registry.policy_named("deposit-free")[1].initial_points == 100
    assert (registry.document.serial, registry.document.registrar) == (1, "bank")


def test_the_published_scorecard_is_the_holders(ready: SmallFederation) -> None:
    registry = load_registry(ready.node("bank"))
    expected = card().for_holder("bank")
    assert published_scorecard(registry, "bank", expected.digest) == expected
    ((digest, (source, own)),) = resolve_sources(load_node(ready.node("bank")), registry).items()
    assert (digest, own) == (expected.digest, expected)
    assert source.location == str(ready.node("bank") / "records.csv")


def test_serials_grow_and_older_registries_are_refused(ready: SmallFederation) -> None:
    older = ready.root / "operator" / "registries" / "registry-0001.jws"
    newer = publish_registry(ready.operator, ready.publication(), NOW + 1)
    assert published(ready.operator).document.serial == 2
    install_registry(ready.node("bank"), newer)
    install_registry(ready.node("bank"), newer)
    with pytest.raises(UsageError, match="has serial 1, and 2 is pinned"):
        install_registry(ready.node("bank"), older)
    assert load_registry(ready.node("bank")).document.serial == 2


def test_a_second_registry_with_the_pinned_serial_is_refused(ready: SmallFederation) -> None:
    path = changed(ready, issued=NOW + 5)
    with pytest.raises(UsageError, match="has serial 1, and 1 is pinned"):
        install_registry(ready.node("bank"), path)


def changed(small: SmallFederation, key: SigningKey | None = None, **changes: object) -> Path:
    """The published registry with other contents, signed (by another key, if one is given)."""
    document = replace(published(small.operator).document, **changes)
    path = small.root / "changed.jws"
    path.write_text(sign_registry(document, key or small.operator.registry_key))
    return path


def test_another_registry_key_is_refused(ready: SmallFederation, tmp_path: Path) -> None:
    path = changed(ready, SigningKey.generate(SystemRandomness()), serial=9)
    with pytest.raises(InvalidProofError, match="registry: a signature does not verify"):
        install_registry(ready.node("bank"), path)
    other = create_federation(tmp_path / "other", SCHEME, NOW, SystemRandomness())
    (ready.node("bank") / "registry.pub").write_bytes((other.directory / "registry.pub").read_bytes())
    with pytest.raises(InvalidProofError, match="registry: a signature does not verify"):
        load_registry(ready.node("bank"))


def test_a_flipped_byte_anywhere_is_refused(ready: SmallFederation) -> None:
    path = ready.node("bank") / "registry.jws"
    good = path.read_bytes().strip()
    for position in range(0, len(good), 1000):
        bad = bytearray(good)
        bad[position] ^= 1
        path.write_bytes(bad)
        with pytest.raises(PrivcreditError):
            load_registry(ready.node("bank"))


def test_other_keys_for_this_node_are_refused(ready: SmallFederation) -> None:
    parties = published(ready.operator).document.parties
    foreign = SigningKey.generate(SystemRandomness()).public_bytes
    swapped = tuple(replace(party, signing_key=foreign) if party.name == "bank" else party for party in parties)
    path = changed(ready, serial=2, parties=swapped)
    with pytest.raises(UsageError, match="lists other keys for bank than this node holds"):
        install_registry(ready.node("bank"), path)
    install_registry(ready.node("shop"), path)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"version": 2}, "has version 2"),
        ({"registrar": "coordinator"}, "registrar 'coordinator' is not a holder"),
        ({"registrar": "nobody"}, "registrar 'nobody' is not a holder"),
        ({"scheme": "elsewhere"}, "about another version, scheme or authority"),
        ({"threshold_key": b"{}"}, "signed another Paillier key"),
        ({"statements": ()}, "3 authorities, each with its signed statement"),
        ({"scorecards": ()}, "no scorecard"),
    ],
)
def test_a_contradictory_registry_is_refused(ready: SmallFederation, changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(PrivcreditError, match=sentence):
        install_registry(ready.node("bank"), changed(ready, serial=2, **changes))


def test_parties_are_checked(ready: SmallFederation) -> None:
    parties = published(ready.operator).document.parties
    cases = {
        "lists a party twice": (*parties, parties[-1]),
        "has the role 'king'": (*parties[:-1], replace(parties[-1], role="king")),
        f"A key of {parties[-1].name} cannot be used": (*parties[:-1], replace(parties[-1], signing_key=bytes(32))),
        "needs 3 authorities": parties[1:],
        "is not a verifier": tuple(party for party in parties if party.role != "verifier"),
    }
    for sentence, wrong in cases.items():
        with pytest.raises(PrivcreditError, match=sentence):
            open_registry(changed(ready, parties=wrong).read_text(), registry_key(ready))


def test_authorities_in_another_order_are_noticed(ready: SmallFederation) -> None:
    document = published(ready.operator).document
    parties = (document.parties[1], document.parties[0], *document.parties[2:])
    statements = (document.statements[1], document.statements[0], document.statements[2])
    path = changed(ready, serial=2, parties=parties, statements=statements)
    install_registry(ready.node("bank"), path)
    with pytest.raises(UsageError, match="at another place than its share's"):
        install_registry(ready.node("authority-1"), path)


def test_another_dgk_key_is_noticed(ready: SmallFederation) -> None:
    statement = statement_of(ready, "authority-1")
    foreign = load_registry(ready.node("bank")).dgk_keys["authority-2"].to_bytes()
    resigned = sign_statement(
        replace(statement, dgk_key=foreign), load_party_keys(ready.node("authority-1"), None).signing
    )
    document = published(ready.operator).document
    path = changed(ready, serial=2, statements=(resigned, *document.statements[1:]))
    with pytest.raises(UsageError, match="lists another DGK key for authority-1"):
        install_registry(ready.node("authority-1"), path)


def statement_of(small: SmallFederation, name: str) -> AuthorityStatement:
    payload = small.statement(name).read_text().split(".")[1]
    import base64

    return decode_json(base64.urlsafe_b64decode(payload + "=="), AuthorityStatement)


def test_the_key_counts_only_with_all_three_signatures(small: SmallFederation) -> None:
    statements = [small.statement(f"authority-{i}") for i in (1, 2, 3)]
    with pytest.raises(UsageError, match="The statement of authority-3 is missing"):
        publish_registry(small.operator, small.publication(statement_files=statements[:2]), NOW)
    with pytest.raises(UsageError, match="The statement of authority-2 is missing"):
        publish_registry(small.operator, small.publication(statement_files=[statements[0], *statements[::2]]), NOW)
    signing = load_party_keys(small.node("bank"), None).signing
    statements[2].write_text(sign_statement(statement_of(small, "authority-3"), signing))
    with pytest.raises(UsageError, match="is no statement of authority-1, authority-2, authority-3"):
        publish_registry(small.operator, small.publication(statement_files=statements), NOW)
    assert not (small.root / "operator" / "registry.jws").exists()


def test_a_statement_about_another_key(small: SmallFederation) -> None:
    signing = load_party_keys(small.node("authority-3"), None).signing
    statement = replace(statement_of(small, "authority-3"), threshold_key_digest=bytes(32))
    small.statement("authority-3").write_text(sign_statement(statement, signing))
    with pytest.raises(UsageError, match="Authority authority-3 signed another Paillier key"):
        publish_registry(small.operator, small.publication(), NOW)


def test_statements_may_come_in_any_order(small: SmallFederation) -> None:
    statements = [small.statement(f"authority-{i}") for i in (3, 1, 2)]
    path = publish_registry(small.operator, small.publication(statement_files=statements), NOW)
    assert open_registry(path.read_text().strip(), registry_key(small)).authorities[0] == "authority-1"


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('verifiers = ["shop"]', 'verifiers = ["hotel"]', "hotel is not a verifier in the registry"),
        ('verifiers = ["shop"]', 'verifiers = ["bank"]', "bank is not a verifier in the registry"),
        ('scheme = "town"', 'scheme = "city"', "belongs to scheme city, not town"),
        ("threshold = 105", "threshold = 1000", "asks for 1000 points, outside"),
        ("threshold = 105", "threshold = 105\nscore_bits = 4", "could wrap around"),
    ],
)
def test_c6_a_policy_that_does_not_fit_is_not_published(
    small: SmallFederation, old: str, new: str, sentence: str
) -> None:
    policy = PolicySource(POLICY.replace(old, new), card())
    with pytest.raises(PrivcreditError, match=sentence):
        publish_registry(small.operator, small.publication(policies=[policy]), NOW)
    assert not (small.root / "operator" / "registry.jws").exists()


def test_c6_a_policy_that_could_wrap_is_refused_at_load(ready: SmallFederation) -> None:
    policy = next(iter(published(ready.operator).policies.values()))
    wrapping = replace(policy, score_bits=4)
    jws = sign_jws(ready.operator.registry_key, REGISTRY_SIGNER, POLICY_TYPE, encode_json(wrapping))
    with pytest.raises(UsageError, match="could wrap around"):
        install_registry(ready.node("authority-1"), changed(ready, serial=2, policies=(jws,)))


def test_policies_have_names_of_their_own(small: SmallFederation) -> None:
    twice = [PolicySource(POLICY, card()), PolicySource(POLICY.replace("105", "104"), card())]
    with pytest.raises(UsageError, match="lists policy 'deposit-free' twice"):
        publish_registry(small.operator, small.publication(policies=twice), NOW)
    with pytest.raises(UsageError, match="at least one policy"):
        publish_registry(small.operator, small.publication(policies=[]), NOW)


def test_two_policies_may_share_a_scorecard(small: SmallFederation) -> None:
    second = POLICY.replace("deposit-free", "long-term").replace("threshold = 105", "threshold = 110")
    policies = [PolicySource(POLICY, card()), PolicySource(second, card())]
    path = publish_registry(small.operator, small.publication(policies=policies), NOW)
    registry = open_registry(path.read_text().strip(), registry_key(small))
    assert len(registry.policies) == 2
    assert len(registry.document.scorecards) == 1


def test_an_authority_without_a_share_is_refused(small: SmallFederation, tmp_path: Path) -> None:
    init_node(config(tmp_path / "fourth", "authority-1", name="authority-4"), SystemRandomness())
    admit(small.operator, tmp_path / "fourth" / "join.json", NOW)
    with pytest.raises(UsageError, match="authority-4 is admitted as authority but has no share"):
        publish_registry(small.operator, small.publication(), NOW)
    (small.root / "operator" / "parties" / "authority-4.json").unlink()
    (small.root / "operator" / "parties" / "authority-2.json").unlink()
    with pytest.raises(UsageError, match="dealt to authority-2, which is not admitted"):
        publish_registry(small.operator, small.publication(), NOW)


def test_sources_must_fit(ready: SmallFederation, edit: Edit) -> None:
    directory = ready.node("bank")
    registry = load_registry(directory)
    settings = directory / "node.toml"
    digest = card().for_holder("bank").digest.hex()
    edit(settings, "[[source]]", f'[[source]]\nscorecard = "{digest}"')
    assert len(resolve_sources(load_node(directory), registry)) == 1
    edit(settings, digest, "0" * 64)
    with pytest.raises(UsageError, match="has 0 sources for scorecard"):
        resolve_sources(load_node(directory), registry)
    (directory / "card.toml").write_text(CARD)
    edit(settings, "0" * 64, "card.toml")
    assert len(resolve_sources(load_node(directory), registry)) == 1
    text = settings.read_text()
    settings.write_text(text + text[text.index("[[source]]") :])
    with pytest.raises(UsageError, match="has 2 sources for scorecard"):
        resolve_sources(load_node(directory), registry)


def test_a_scorecard_that_is_not_its_digest(ready: SmallFederation) -> None:
    registry = load_registry(ready.node("bank"))
    entry = registry.document.scorecards[0]
    forged = replace(entry, document=entry.document.replace("10", "11"))
    document = replace(registry.document, scorecards=(forged,))
    other = TrustedRegistry(document, registry.parties, registry.threshold_key, registry.dgk_keys, registry.policies)
    with pytest.raises(UsageError, match="is not what its digest says"):
        published_scorecard(other, "bank", entry.digest)


def test_w2_the_threshold_key_has_one_spelling() -> None:
    key = dealing_2048().threshold_key
    data = threshold_key_bytes(key)
    assert threshold_key_from_bytes(data) == key
    plain = msgspec.json.decode(data)
    for other in (
        msgspec.json.format(data),
        data.replace(b"a", b"A"),
        data + b" ",
        msgspec.json.encode(dict(reversed(plain.items()))),
    ):
        with pytest.raises(UsageError):
            threshold_key_from_bytes(other)


def test_a_registry_as_other_document_is_refused(ready: SmallFederation) -> None:
    jws = sign_jws(ready.operator.registry_key, REGISTRY_SIGNER, POLICY_TYPE, encode_json(document_of(ready)))
    with pytest.raises(InvalidProofError, match="for another purpose"):
        open_registry(jws, registry_key(ready))


def document_of(small: SmallFederation) -> RegistryDocument:
    return published(small.operator).document


def test_an_operator_key_of_another_kind(small: SmallFederation) -> None:
    from privcredit.federation.operator import load_operator

    path = key_path(small.operator.directory, "registry")
    write_key(path, "signing", bytes(32), None, SystemRandomness())
    with pytest.raises(UsageError, match="is no registry key file"):
        load_operator(small.operator.directory)
