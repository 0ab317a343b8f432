import socket
from pathlib import Path

import pytest

from privcredit.crypto.randomness import SystemRandomness
from privcredit.errors import UsageError
from privcredit.federation import ceremony_files, local, ports
from privcredit.federation.config import load_node, load_registry
from privcredit.federation.files import read_text
from privcredit.federation.local import LocalFederation, load_local, make_local
from privcredit.federation.ports import free_ports, is_free
from privcredit.roles.registry import ROLES
from support.seeded import SeededRandomness
from support.small_federation import BITS, NOW, fixed_dealing, plan, secrets_of_fixed_dealing

ONCE = ("_operator", "_records", "hold_ceremony", "publish_registry", "_finish")
OFTEN = ("init_node", "admit", "accept_welcome", "install_share", "install_registry")
INTERRUPTIONS = [*((stage, 0) for stage in ONCE), *((stage, 1) for stage in OFTEN)]
"""A stage, and how many of its calls succeed before the interruption."""


def made(directory: Path, **changes: object) -> LocalFederation:
    settings = {"plan": plan(), "bits": BITS, "make_dealing": fixed_dealing, **changes}
    return make_local(directory, randomness=SystemRandomness(), now=NOW, **settings)


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> LocalFederation:
    return made(tmp_path_factory.mktemp("local") / "federation")


def test_nodes_are_complete(whole: LocalFederation) -> None:
    assert {node.role for node in whole.nodes.values()} == set(ROLES)
    assert [node.name for node in whole.with_role("authority")] == ["authority-1", "authority-2", "authority-3"]
    assert [node.name for node in whole.with_role("holder")] == ["bank"]
    registry = load_registry(whole.directory)
    for node in whole.nodes.values():
        assert load_registry(node.directory).document == registry.document
        assert registry.party(node.name, node.role).address == node.federation.url
        assert registry.party(node.name, node.role).public_address == (node.public.url if node.public else "")
    assert whole.ca_file.exists()
    assert whole.registry_file.exists()
    assert whole.registry_key_file.exists()
    assert load_local(whole.directory) == whole


def test_every_listener_has_a_port_of_its_own(whole: LocalFederation) -> None:
    found = [
        address.port
        for node in whole.nodes.values()
        for address in (node.federation, node.public, node.observability)
        if address
    ]
    assert len(set(found)) == len(found) == 3 * 6 - 4


def test_n8_each_node_has_its_own_secrets_only(whole: LocalFederation) -> None:
    """Records lie at their holder, shares at their authority, nothing sealed is left over."""
    bank = whole.nodes["bank"].directory
    assert list(whole.directory.rglob("records.csv")) == [bank / "records.csv"]
    assert load_node(bank).sources[0].config.location == str(bank / "records.csv")
    assert [path.parent.parent.name for path in sorted(whole.directory.rglob("share.key"))] == [
        "authority-1",
        "authority-2",
        "authority-3",
    ]
    assert not list(whole.directory.rglob("share-*.json"))
    for index, secret in enumerate(secrets_of_fixed_dealing(), start=1):
        big = secret.to_bytes((secret.bit_length() + 7) // 8, "big")
        holders = [path for path in whole.directory.rglob("*") if path.is_file() and big in path.read_bytes()]
        assert holders == [whole.nodes[f"authority-{index}"].directory / "keys" / "share.key"]


def test_only_the_owner_enters(whole: LocalFederation) -> None:
    assert whole.directory.stat().st_mode & 0o077 == 0
    for path in whole.directory.rglob("*.key"):
        assert path.stat().st_mode & 0o777 == 0o600


def test_a_fixed_base_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ceremony_files, "check_dealing", lambda *_, **__: None)
    federation = made(tmp_path / "f", base_port=21_000)
    assert federation.nodes["bank"].federation.port == 21_000
    assert federation.nodes["coordinator"].federation.port == 21_003


@pytest.mark.parametrize(("stage", "calls"), INTERRUPTIONS)
def test_an_interrupted_set_up_is_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str, calls: int
) -> None:
    """Stop in the midst of every stage, run again, and get a whole federation."""
    monkeypatch.setattr(ceremony_files, "check_dealing", lambda *_, **__: None)  # tested elsewhere, takes a second
    original, seen = getattr(local, stage), []

    def interrupted(*arguments: object, **options: object) -> object:
        seen.append(1)
        if len(seen) > calls:
            raise KeyboardInterrupt
        return original(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(local, stage, interrupted)
        with pytest.raises(KeyboardInterrupt):
            made(tmp_path / "f")
    with pytest.raises(UsageError, match="is unfinished; run the same `federation init` again"):
        load_local(tmp_path / "f")
    ports_before = read_text(tmp_path / "f" / "federation.json")
    federation = made(tmp_path / "f")
    assert load_registry(federation.directory).document.serial == 1
    assert read_text(tmp_path / "f" / "federation.json") == ports_before.replace("false", "true")
    assert not (federation.directory / "records").exists()


def test_an_unfinished_federation_with_other_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(local, "_deal", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            made(tmp_path / "f")
    for changes in ({"bits": 3072}, {"base_port": 5}, {"plan": plan(verifiers=("shop", "hotel"))}):
        with pytest.raises(UsageError, match="unfinished federation with other settings; delete it"):
            made(tmp_path / "f", **changes)


def test_a_finished_or_foreign_directory_is_left_alone(whole: LocalFederation, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds a finished federation"):
        made(whole.directory)
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="is not empty"):
        made(tmp_path)
    with pytest.raises(UsageError, match="holds no local federation"):
        load_local(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_free_ports_are_free_and_below_the_outgoing_ones() -> None:
    found = free_ports("127.0.0.1", 20, SeededRandomness("ports"))
    assert len(set(found)) == 20
    assert all(ports.LOWEST <= port < ports._first_ephemeral() and is_free("127.0.0.1", port) for port in found)


def test_a_taken_port_is_skipped() -> None:
    first = free_ports("127.0.0.1", 1, SeededRandomness("ports"))[0]
    with socket.create_server(("127.0.0.1", first)):
        assert not is_free("127.0.0.1", first)
        assert first not in free_ports("127.0.0.1", 3, SeededRandomness("ports"))


def test_too_few_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "LOWEST", ports._first_ephemeral() - 3)
    with pytest.raises(UsageError, match="fewer than 5 free ports"):
        free_ports("127.0.0.1", 5, SeededRandomness("ports"))


def test_the_range_of_outgoing_ports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "RANGE_FILE", tmp_path / "range")
    assert ports._first_ephemeral() == ports.FIRST_EPHEMERAL
    for text, first in (("30000 60999\n", 30000), ("1024 65535", ports.FIRST_EPHEMERAL), ("", ports.FIRST_EPHEMERAL)):
        (tmp_path / "range").write_text(text)
        assert ports._first_ephemeral() == first
