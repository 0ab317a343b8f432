"""Certificates: what is written into them, what cannot be, and which of them a node refuses to start with."""

import stat
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.verification import PolicyBuilder, Store

from privcredit.errors import UsageError
from privcredit.http import pki
from privcredit.http.pki import CaMaterial, Peer, check_identity, create_ca, issue, party_host, read_identity
from privcredit.http.tls import check_private, write_private

NOW = int(time.time())
DAY = 86_400


@pytest.fixture(scope="module")
def ca() -> CaMaterial:
    return create_ca("test", NOW, 365)


@pytest.fixture(scope="module")
def bank(ca: CaMaterial) -> tuple[bytes, bytes]:
    return issue(ca, "bank", "holder", ["127.0.0.1", "::1", "bank.example"], NOW, 30)


def test_identity_is_read_back_from_pem_and_der(bank: tuple[bytes, bytes]) -> None:
    der = x509.load_pem_x509_certificate(bank[0]).public_bytes(Encoding.DER)
    assert read_identity(bank[0]) == read_identity(der) == Peer("bank", "holder")


def test_an_independent_verifier_accepts_both_uses(ca: CaMaterial, bank: tuple[bytes, bytes]) -> None:
    store = Store([x509.load_pem_x509_certificate(ca.certificate_pem)])
    leaf = x509.load_pem_x509_certificate(bank[0])
    builder = PolicyBuilder().store(store).time(datetime.fromtimestamp(NOW, UTC))
    for name in ("bank.privcredit.invalid", "bank.example"):
        assert builder.build_server_verifier(x509.DNSName(name)).verify(leaf, [])
    assert builder.build_client_verifier().verify(leaf, []).chain


def test_the_certificate_authority_cannot_authorise_another(ca: CaMaterial) -> None:
    constraints = x509.load_pem_x509_certificate(ca.certificate_pem).extensions.get_extension_for_class(
        x509.BasicConstraints
    )
    assert constraints.critical
    assert constraints.value.path_length == 0


@pytest.mark.parametrize("name", ["", "Bank", "a_b", "-a", "a-", "a" * 64, "a.b", "bänk", "a b", "a\n"])
def test_names_that_cannot_stand_in_a_certificate_are_refused(ca: CaMaterial, name: str) -> None:
    with pytest.raises(UsageError, match="cannot stand in a certificate"):
        issue(ca, name, "holder", [], NOW, 1)
    with pytest.raises(UsageError, match="cannot stand in a certificate"):
        issue(ca, "bank", name, [], NOW, 1)


@pytest.mark.parametrize(
    "host", ["hub.privcredit.invalid", "HUB.PrivCredit.Invalid", "hub.privcredit.invalid.", "*.privcredit.invalid", "*"]
)
def test_n2_a_host_that_could_stand_for_another_party_is_refused(ca: CaMaterial, host: str) -> None:
    with pytest.raises(UsageError, match="could stand for another party"):
        issue(ca, "bank", "holder", [host], NOW, 1)


def test_the_longest_name_fits() -> None:
    assert party_host("a" * 63) == "a" * 63 + ".privcredit.invalid"


def test_host_names_must_be_ascii(ca: CaMaterial) -> None:
    with pytest.raises(UsageError, match="bänk"):
        issue(ca, "bank", "holder", ["bänk.example"], NOW, 1)


@pytest.mark.parametrize("prefix", [pki.PARTY_URN, pki.ROLE_URN])
@pytest.mark.parametrize("count", [0, 2])
def test_n2_a_certificate_with_no_or_two_names_of_a_kind_names_nobody(
    ca: CaMaterial, monkeypatch: pytest.MonkeyPatch, prefix: str, count: int
) -> None:
    def names(party: str, role: str, _hosts: object) -> x509.SubjectAlternativeName:
        urns = [pki.PARTY_URN + party, pki.ROLE_URN + role]
        others = [urn for urn in urns if not urn.startswith(prefix)]
        return x509.SubjectAlternativeName(
            [x509.UniformResourceIdentifier(urn) for urn in others + [f"{prefix}x{i}" for i in range(count)]]
        )

    monkeypatch.setattr(pki, "_names", names)
    certificate, _ = issue(ca, "bank", "holder", [], NOW, 1)
    with pytest.raises(UsageError, match=f"names {count} "):
        read_identity(certificate)


def test_a_certificate_without_names_names_nobody(ca: CaMaterial) -> None:
    with pytest.raises(UsageError, match="names 0 party names"):
        read_identity(ca.certificate_pem)


def test_a_good_pair_passes_the_check(ca: CaMaterial, bank: tuple[bytes, bytes]) -> None:
    assert check_identity(ca.certificate_pem, *bank, NOW) == Peer("bank", "holder")


def test_n1_a_clock_ten_minutes_behind_still_accepts(ca: CaMaterial, bank: tuple[bytes, bytes]) -> None:
    check_identity(ca.certificate_pem, *bank, NOW - 599)


@pytest.mark.parametrize(
    ("moment", "sentence"),
    [(NOW + 31 * DAY, "expired on .* have a new one"), (NOW - DAY, "only from .* clock")],
    ids=["expired", "early"],
)
def test_n2_dates_are_checked(ca: CaMaterial, bank: tuple[bytes, bytes], moment: int, sentence: str) -> None:
    with pytest.raises(UsageError, match=f"certificate of bank .*{sentence}"):
        check_identity(ca.certificate_pem, *bank, moment)


def test_n2_an_expired_federation_is_told_apart() -> None:
    old = create_ca("old", NOW - 10 * DAY, 5)
    pair = issue(old, "bank", "holder", [], NOW, 30)
    with pytest.raises(UsageError, match="federation's certificate expired"):
        check_identity(old.certificate_pem, *pair, NOW)


def test_n2_another_federation_is_refused_even_under_the_same_name(bank: tuple[bytes, bytes]) -> None:
    other = create_ca("test", NOW, 365)
    with pytest.raises(UsageError, match="not issued by this federation"):
        check_identity(other.certificate_pem, *bank, NOW)


def test_a_foreign_key_is_refused(ca: CaMaterial, bank: tuple[bytes, bytes]) -> None:
    _, other_key = issue(ca, "bank", "holder", [], NOW, 1)
    with pytest.raises(UsageError, match="does not belong to its certificate"):
        check_identity(ca.certificate_pem, bank[0], other_key, NOW)


@pytest.mark.parametrize("rubbish", [b"", b"-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----", b"\x30\x00"])
def test_unreadable_files_are_told_apart(ca: CaMaterial, bank: tuple[bytes, bytes], rubbish: bytes) -> None:
    with pytest.raises(UsageError, match="federation's certificate cannot be read"):
        check_identity(rubbish, *bank, NOW)
    with pytest.raises(UsageError, match="node's certificate cannot be read"):
        check_identity(ca.certificate_pem, rubbish, bank[1], NOW)
    with pytest.raises(UsageError, match="private key of bank cannot be read"):
        check_identity(ca.certificate_pem, bank[0], rubbish, NOW)


def test_a8_the_authority_does_not_print_its_key(ca: CaMaterial) -> None:
    assert "PRIVATE" not in f"{ca} {ca!r}"


def test_private_files_are_private_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "node.key"
    path.write_text("old")
    path.chmod(0o644)
    write_private(path, b"new")
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["node.key"]


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "node.key"
    write_private(path, b"key")
    check_private(path)
    path.chmod(0o640)
    with pytest.raises(UsageError, match="chmod 600"):
        check_private(path)
    with pytest.raises(UsageError, match="cannot be read"):
        check_private(tmp_path / "absent.key")


def test_a_directory_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"absent.node\.key cannot be written: No such file"):
        write_private(tmp_path / "absent" / "node.key", b"key")
