import json
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from privcredit.crypto.randomness import SystemRandomness
from privcredit.crypto.sealed import seal
from privcredit.crypto.signing import SigningKey
from privcredit.errors import InvalidProofError, UsageError
from privcredit.federation.documents import JoinRequest, Welcome, make_join, read_join
from privcredit.federation.files import read_document, write_document
from privcredit.federation.node_setup import Reach, accept_welcome, init_node
from privcredit.federation.operator import admit, admitted, create_federation
from privcredit.http.pki import check_identity, issue
from support.small_federation import NOW, ROLES, SCHEME, SmallFederation, config

Edit = Callable[[Path, str, str], None]


def test_everybody_is_admitted_and_certified(small: SmallFederation) -> None:
    assert {name: join.party.role for name, join in admitted(small.operator).items()} == ROLES
    for name, role in ROLES.items():
        tls = small.node(name) / "tls"
        peer = check_identity(*((tls / file).read_bytes() for file in ("ca.pem", "node.pem", "node.key")), NOW)
        assert (peer.party, peer.role) == (name, role)
        assert (tls / "node.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("field", ["name", "role", "signing_key", "sealing_key", "address", "public_address", "scheme"])
def test_s2_a_join_request_changed_on_the_way_is_refused(small: SmallFederation, field: str) -> None:
    path = small.join("bank")
    other = json.loads(small.join("shop").read_text())
    plain = json.loads(path.read_text())
    if field == "scheme":
        plain["scheme"] = "elsewhere"
    else:
        plain["party"][field] = other["party"][field]
    path.write_text(json.dumps(plain))
    with pytest.raises(InvalidProofError, match="does not verify"):
        read_join(path)


def test_s2_a_small_order_key_is_refused(small: SmallFederation) -> None:
    path = small.join("bank")
    join = read_document(path, JoinRequest, "a join request")
    write_document(path, replace(join, party=replace(join.party, signing_key=bytes(32))))
    with pytest.raises(UsageError, match="A key of bank cannot be used"):
        read_join(path)
    write_document(path, replace(join, party=replace(join.party, sealing_key=bytes(32))))
    with pytest.raises(UsageError, match="A key of bank cannot be used"):
        read_join(path)


def test_a_join_request_with_a_wrong_address(small: SmallFederation) -> None:
    join = read_join(small.join("bank"))
    key = SigningKey.generate(SystemRandomness())
    party = replace(join.party, signing_key=key.public_bytes, address="http://127.0.0.1:1")
    write_document(small.join("bank"), make_join(SCHEME, party, key))
    with pytest.raises(UsageError, match="must look like https://host:port"):
        read_join(small.join("bank"))


def test_a_name_is_not_taken_over(small: SmallFederation, tmp_path: Path) -> None:
    init_node(config(tmp_path / "thief", "bank"), SystemRandomness())
    with pytest.raises(UsageError, match="bank is admitted with other keys or addresses"):
        admit(small.operator, tmp_path / "thief" / "join.json", NOW)


def test_admitting_again_renews(small: SmallFederation) -> None:
    before = (small.node("bank") / "tls" / "node.pem").read_bytes()
    accept_welcome(small.node("bank"), admit(small.operator, small.join("bank"), NOW + 1000), NOW + 1000)
    assert (small.node("bank") / "tls" / "node.pem").read_bytes() != before


def test_another_scheme_is_not_admitted(small: SmallFederation, tmp_path: Path) -> None:
    init_node(config(tmp_path / "n", "bank", scheme="elsewhere"), SystemRandomness())
    with pytest.raises(UsageError, match="is for scheme elsewhere; this federation is town"):
        admit(small.operator, tmp_path / "n" / "join.json", NOW)


def welcome_of(small: SmallFederation, name: str) -> tuple[Path, Welcome]:
    path = small.root / "operator" / "welcome" / f"{name}.json"
    return path, read_document(path, Welcome, "a welcome")


def test_n2_a_welcome_for_another_party(small: SmallFederation) -> None:
    path, _ = welcome_of(small, "shop")
    with pytest.raises(UsageError, match="is for shop in town, not for this node"):
        accept_welcome(small.node("bank"), path, NOW)


def test_n2_a_certificate_for_another_role(small: SmallFederation) -> None:
    path, welcome = welcome_of(small, "bank")
    pem, key = issue(small.operator.ca, "bank", "authority", ["127.0.0.1"], NOW, 30)
    sealing = read_join(small.join("bank")).party.sealing_key
    write_document(path, replace(welcome, certificate=pem.decode(), sealed_tls_key=seal(sealing, key)))
    before = (small.node("bank") / "tls" / "node.pem").read_bytes()
    with pytest.raises(UsageError, match="names bank, authority"):
        accept_welcome(small.node("bank"), path, NOW)
    assert (small.node("bank") / "tls" / "node.pem").read_bytes() == before


def test_n2_a_tls_key_that_does_not_fit(small: SmallFederation) -> None:
    path, welcome = welcome_of(small, "bank")
    _, key = issue(small.operator.ca, "bank", "holder", ["127.0.0.1"], NOW, 30)
    sealing = read_join(small.join("bank")).party.sealing_key
    write_document(path, replace(welcome, sealed_tls_key=seal(sealing, key)))
    with pytest.raises(UsageError, match="does not belong to its certificate"):
        accept_welcome(small.node("bank"), path, NOW)


def test_the_tls_key_opens_only_at_its_node(small: SmallFederation) -> None:
    path, welcome = welcome_of(small, "bank")
    _, foreign = welcome_of(small, "shop")
    write_document(path, replace(welcome, sealed_tls_key=foreign.sealed_tls_key))
    with pytest.raises(InvalidProofError, match="sealed for another key"):
        accept_welcome(small.node("bank"), path, NOW)


def test_a_pinned_registry_key_stays(small: SmallFederation, tmp_path: Path) -> None:
    other = create_federation(tmp_path / "other", SCHEME, NOW, SystemRandomness())
    welcome = admit(other, small.join("bank"), NOW)
    with pytest.raises(UsageError, match="names another registry key"):
        accept_welcome(small.node("bank"), welcome, NOW)


def test_reach_goes_into_request_and_certificate(small: SmallFederation, tmp_path: Path) -> None:
    (small.root / "operator" / "parties" / "bank.json").unlink()
    reach = Reach("https://bank.example:443", "https://public.example:443")
    join = init_node(config(tmp_path / "n", "bank"), SystemRandomness(), None, reach)
    assert (join.party.address, join.party.public_address) == (reach.federation, reach.public)
    _, welcome = admit(small.operator, tmp_path / "n" / "join.json", NOW), welcome_of(small, "bank")[1]
    from cryptography import x509

    names = x509.load_pem_x509_certificate(welcome.certificate.encode()).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert {"bank.example", "public.example"} < set(names.value.get_values_for_type(x509.DNSName))


def test_keys_are_not_overwritten(small: SmallFederation) -> None:
    with pytest.raises(UsageError, match="has keys already"):
        init_node(config(small.node("bank"), "bank"), SystemRandomness())
    with pytest.raises(UsageError, match="holds a federation already"):
        create_federation(small.root / "operator", SCHEME, NOW, SystemRandomness())


def test_files_of_another_kind(small: SmallFederation, edit: Edit) -> None:
    with pytest.raises(UsageError, match=r"operator.json is not a join request"):
        read_join(small.root / "operator" / "operator.json")
    edit(small.join("bank"), "privcredit-join/1", "privcredit-join/2")
    with pytest.raises(UsageError, match="has the format 'privcredit-join/2'"):
        read_join(small.join("bank"))
