import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from privcredit.crypto.randomness import SystemRandomness
from privcredit.errors import UsageError
from privcredit.federation import doctor, network_checks
from privcredit.federation.config import Address, load_node, load_registry
from privcredit.federation.doctor import DAY_SECONDS, Patient, examine
from privcredit.federation.node_setup import install_registry
from privcredit.federation.operator import NODE_DAYS
from privcredit.federation.publish import publish_registry
from privcredit.federation.stores import audit_store
from privcredit.http.health import make_health_app
from privcredit.http.observability import Observability
from privcredit.http.server import Listener, background
from privcredit.storage.holder import HolderStore
from support.seeded import SeededRandomness
from support.small_federation import NOW, SmallFederation

Edit = Callable[[Path, str, str], None]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "SPEED_RUNS", 1)
    monkeypatch.setattr(doctor, "SLOW_MILLISECONDS", 1e9)


def found(directory: Path, now: int = NOW) -> dict[str, tuple[str, str]]:
    patient = Patient(directory, now, SystemRandomness())
    return {finding.check: (finding.level, finding.text) for finding in examine(patient)}


@pytest.mark.parametrize("name", ["bank", "authority-1", "coordinator", "shop"])
def test_a_finished_node(ready: SmallFederation, name: str) -> None:
    findings = found(ready.node(name))
    assert {check: level for check, (level, _) in findings.items()} == {
        "configuration": "ok",
        "keys": "warn",
        "certificate": "ok",
        "registry": "warn",
        "database": "ok",
        "source": "ok",
        "clock": "ok",
        "ports": "ok",
        "arithmetic": "ok",
    }
    assert "not encrypted" in findings["keys"][1]
    assert "2048 bits" in findings["registry"][1]


def test_an_empty_directory(tmp_path: Path) -> None:
    findings = found(tmp_path)
    assert {level for level, _ in findings.values()} == {"fail"}
    assert all("privcredit node init" in sentence for check, (_, sentence) in findings.items() if check == "clock")


def test_keys_that_others_can_read(ready: SmallFederation) -> None:
    (ready.node("authority-1") / "keys" / "dgk.key").chmod(0o644)
    level, sentence = found(ready.node("authority-1"))["keys"]
    assert level == "fail"
    assert "chmod 600" in sentence
    ready.node("bank").chmod(0o755)
    level, sentence = found(ready.node("bank"))["keys"]
    assert (level, "chmod 700" in sentence) == ("warn", True)


def test_n1_certificate_and_policy_dates(ready: SmallFederation) -> None:
    def at(days: int, check: str) -> tuple[str, str]:
        return found(ready.node("bank"), NOW + days * DAY_SECONDS)[check]

    assert at(NODE_DAYS - 10, "certificate")[0] == "warn"
    assert at(NODE_DAYS + 1, "certificate")[0] == "fail"
    assert "expired on" in at(NODE_DAYS + 1, "certificate")[1]
    assert at(-1, "certificate")[0] == "fail"
    assert "before the registry's date" in at(-1, "clock")[1]


def test_policies_run_out(ready: SmallFederation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "RECOMMENDED_BITS", 2048)
    assert found(ready.node("bank"))["registry"] == ("ok", "serial 1, 1 valid policies, keys match")
    assert "ends within 30 days" in found(ready.node("bank"), NOW + 340 * DAY_SECONDS)["registry"][1]
    assert "No policy is valid now" in found(ready.node("bank"), NOW + 366 * DAY_SECONDS)["registry"][1]


def test_a_registry_for_other_keys(ready: SmallFederation) -> None:
    shop, bank = ready.node("shop") / "keys", ready.node("bank") / "keys"
    (bank / "sealing.key").write_bytes((shop / "sealing.key").read_bytes())
    level, sentence = found(ready.node("bank"))["registry"]
    assert (level, "lists other keys for bank" in sentence) == ("fail", True)


def test_an_authority_with_another_dgk_key(ready: SmallFederation) -> None:
    mine, other = (ready.node(f"authority-{i}") / "keys" / "dgk.key" for i in (1, 2))
    mine.write_bytes(other.read_bytes())
    level, sentence = found(ready.node("authority-1"))["registry"]
    assert (level, "lists another DGK key" in sentence) == ("fail", True)


def test_a_source_that_does_not_fit(ready: SmallFederation) -> None:
    records = ready.node("bank") / "records.csv"
    records.write_text("id,income,job\n1,much,teacher\n")
    level, sentence = found(ready.node("bank"))["source"]
    assert level == "fail"
    assert "income" in sentence
    records.unlink()
    assert "records.csv" in found(ready.node("bank"))["source"][1]


def test_a_certificate_of_somebody_else(ready: SmallFederation) -> None:
    for file in ("node.pem", "node.key"):
        (ready.node("bank") / "tls" / file).write_bytes((ready.node("shop") / "tls" / file).read_bytes())
    level, sentence = found(ready.node("bank"))["certificate"]
    assert (level, "names shop, verifier" in sentence) == ("fail", True)


def test_ports_taken_by_another_program_and_by_this_node(ready: SmallFederation, edit: Edit) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        edit(ready.node("coordinator") / "node.toml", "127.0.0.1:7005", f"127.0.0.1:{port}")
        level, sentence = found(ready.node("coordinator"))["ports"]
        assert (level, sentence.startswith(f"127.0.0.1:{port} cannot be bound")) == ("fail", True)
        health = make_health_app(Observability("coordinator", "coordinator"), "0", list)
        with background([Listener(health, "127.0.0.1", 0)]) as (observability,):
            edit(ready.node("coordinator") / "node.toml", "127.0.0.1:7205", f"127.0.0.1:{observability}")
            level, sentence = found(ready.node("coordinator"))["ports"]
            assert (level, "this node is running on" in sentence) == ("ok", True)
            assert network_checks.running_node(Address("127.0.0.1", observability)) == "coordinator"


def test_n1_the_clock_is_compared_with_a_peer(ready: SmallFederation, monkeypatch: pytest.MonkeyPatch) -> None:
    config = load_node(ready.node("bank"))
    registry = load_registry(ready.node("bank"))
    for offset, problem in ((0, None), (59, None), (61, "ahead of"), (-61, "behind")):
        monkeypatch.setattr(network_checks, "peer_time", lambda *_, offset=offset: NOW - offset)
        if problem is None:
            assert "of coordinator" in network_checks.check_clock(config, registry, NOW)
        else:
            with pytest.raises(UsageError, match=f"61 s {problem}"):
                network_checks.check_clock(config, registry, NOW)


def test_a_peers_time_comes_over_mutual_tls(ready: SmallFederation) -> None:
    """Certificates are valid from NOW, years ahead; so the peer is asked with certificates of today."""
    from privcredit.federation.node_setup import accept_welcome
    from privcredit.federation.operator import admit, create_federation
    from support.small_federation import ROLES, SCHEME

    today = int(time.time())
    operator = create_federation(ready.root / "today", SCHEME, today, SystemRandomness())
    for name in ROLES:
        (ready.node(name) / "registry.pub").unlink()
        accept_welcome(ready.node(name), admit(operator, ready.join(name), today), today)
    path = publish_registry(operator, ready.publication(), today)
    (ready.node("bank") / "registry.jws").unlink()
    registry = install_registry(ready.node("bank"), path)
    config, hub = load_node(ready.node("bank")), registry.only("coordinator")
    assert network_checks.peer_time(config, hub) is None
    app = make_health_app(Observability("coordinator", "coordinator"), "0", list)
    listener = Listener(app, "127.0.0.1", 7005, load_node(ready.node("coordinator")).server_tls, True)
    with background([listener]):
        assert abs(network_checks.peer_time(config, hub) - time.time()) < 5


def test_strange_dates() -> None:
    assert network_checks._date(b"HTTP/1.1 200 OK\r\nDate: Fri, 15 Jan 2027 08:00:00 GMT\r\n\r\n") == 1_800_000_000
    assert network_checks._date(b"HTTP/1.1 200 OK\r\nDate: soon\r\n\r\n") is None
    assert network_checks._date(b"") is None


def test_slow_arithmetic(ready: SmallFederation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "SLOW_MILLISECONDS", 1e-9)
    level, sentence = found(ready.node("bank"))["arithmetic"]
    assert level == "warn"
    assert "GMP" in sentence
    assert "--only-binary" in sentence
    assert doctor.power_milliseconds(256, SeededRandomness("speed")) > 0


def test_n5_the_audit_log_is_part_of_it(ready: SmallFederation) -> None:
    directory = ready.node("bank")
    config = load_node(directory)
    store = HolderStore(config.database)
    with store.transaction() as records:
        for number in range(4):
            records.log(NOW, "tested", {"number": number})
    store.close()
    assert found(directory)["database"] == ("ok", "opens, audit log intact (4 rows)")
    with create_engine(config.database).begin() as connection:
        connection.execute(text("UPDATE audit SET event = 'changed' WHERE sequence = 3"))
    level, sentence = found(directory)["database"]
    assert (level, "Audit row 3 was changed" in sentence) == ("fail", True)
    with pytest.raises(UsageError, match="keeps no audit log"):
        audit_store(load_node(ready.node("shop")))
