import json
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from privcredit.cli.main import main
from privcredit.federation import ceremony_files
from privcredit.federation.config import load_node, load_registry
from privcredit.federation.local import AUTHORITY_NAMES, load_local
from privcredit.storage.holder import HolderStore
from support.small_federation import CARD, POLICY, RECORDS, ROLES, fixed_dealing, plan

PORTS = {name: str(7401 + position) for position, name in enumerate(ROLES)}


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return ended.value.code or 0


@pytest.fixture(scope="session")
def party_by_party(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every party runs its own commands; only the dealer's primes are the fixed test primes."""
    root = tmp_path_factory.mktemp("commands")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ceremony_files.hold_ceremony, "__defaults__", (None, fixed_dealing))
        set_up(root)
    return root


def set_up(root: Path) -> None:
    for name, role in ROLES.items():
        source = ("--source", "kind=csv,location=records.csv,key_column=id") if role == "holder" else ()
        listen = f"127.0.0.1:{PORTS[name]}"
        settings = ("--name", name, "--role", role, "--scheme", "town", "--listen", listen, *source)
        assert run("node", "init", root / name, *settings) == 0
    (root / "bank" / "records.csv").write_text(RECORDS)
    joins = [root / name / "join.json" for name in ROLES]
    assert run("federation", "create", root / "operator", "--scheme", "town") == 0
    assert run("federation", "admit", root / "operator", *joins) == 0
    for name in ROLES:
        assert run("node", "accept", root / name, root / "operator" / "welcome" / f"{name}.json") == 0
    assert run("authority", "ceremony", "--bits", 2048, "--out", root / "deal", *joins[:3]) == 0
    for name in AUTHORITY_NAMES:
        files = (root / "deal" / f"share-{name}.json", root / "deal" / "threshold-key.json")
        assert run("authority", "install", root / name, *files) == 0
    (root / "policy.toml").write_text(POLICY)
    (root / "card.toml").write_text(CARD)
    assert publish(root) == 0
    for name in ROLES:
        assert run("node", "install-registry", root / name, root / "operator" / "registry.jws") == 0


def publish(root: Path, *more: object) -> int:
    statements = [part for name in AUTHORITY_NAMES for part in ("--statement", root / name / "statement.jws")]
    sources = ("--policy", root / "policy.toml", "--scorecard", root / "card.toml")
    key = ("--threshold-key", root / "deal" / "threshold-key.json")
    return run("federation", "publish", root / "operator", *sources, *statements, *key, "--registrar", "bank", *more)


def test_all_parties_pinned_one_registry(party_by_party: Path) -> None:
    registries = [load_registry(party_by_party / name) for name in ROLES]
    assert len({registry.document for registry in registries}) == 1
    bank = load_node(party_by_party / "bank")
    assert (bank.federation.port, bank.public.port, bank.observability.port) == (7404, 7504, 7604)


def test_registry_commands(party_by_party: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("registry", "show", party_by_party / "bank") == 0
    assert "deposit-free" in capsys.readouterr().out
    assert run("registry", "show", party_by_party / "operator", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["serial"], len(shown["parties"]), shown["policies"][0]["tiers"]) == (1, 6, {"eligible": 105})
    file, key = party_by_party / "operator" / "registry.jws", party_by_party / "bank" / "registry.pub"
    assert run("registry", "verify", file, "--key", key) == 0
    assert capsys.readouterr().out.startswith("valid: registry 1 of town")


def test_registry_verify_with_another_key(
    party_by_party: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("federation", "create", tmp_path / "other", "--scheme", "town") == 0
    capsys.readouterr()
    file, key = party_by_party / "operator" / "registry.jws", tmp_path / "other" / "registry.pub"
    assert run("registry", "verify", file, "--key", key) == 5
    assert capsys.readouterr().err.startswith("error: registry: a signature does not verify")


def test_trust(party_by_party: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(party_by_party / "shop")
    assert run("trust") == 0
    assert "any two authorities" in capsys.readouterr().out
    assert run("trust", "--json") == 0
    assert json.loads(capsys.readouterr().out)["format"] == "privcredit-trust/1"


def test_doctor(party_by_party: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run("doctor", party_by_party / "bank") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if "source" in line] == ["ok"]
    assert run("doctor", party_by_party / "authority-1", "--json") == 0
    assert {finding["level"] for finding in json.loads(capsys.readouterr().out)} <= {"ok", "warn"}
    assert run("doctor", tmp_path) == 1


def test_n5_audit_verify_names_the_first_bad_row(party_by_party: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = load_node(party_by_party / "bank")
    store = HolderStore(config.database)
    with store.transaction() as records:
        for number in range(3):
            records.log(number, "tested", {"number": number})
    store.close()
    assert run("audit", "verify", party_by_party / "bank") == 0
    assert capsys.readouterr().out == "intact: 3 rows\n"
    with create_engine(config.database).begin() as connection:
        connection.execute(text("DELETE FROM audit WHERE sequence = 2"))
    assert run("audit", "verify", party_by_party / "bank") == 1
    assert capsys.readouterr().err.startswith("error: Audit row 2 is missing")
    with create_engine(config.database).begin() as connection:
        connection.execute(text("DELETE FROM audit"))
    assert run("audit", "verify", party_by_party / "coordinator") == 2


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (("--role", "king"), "--role is 'king'; choose one of"),
        (("--listen", "7001"), "--listen is '7001'; write host:port"),
        (("--listen", "127.0.0.1:65500"), "--public, by default 100 above --listen, is"),
        (("--name", "The Bank"), "party name 'The Bank' cannot stand in a certificate"),
        (("--source", "kind=csv,place=x"), "--source has 'place=x'; write KEY=VALUE"),
        (("--source", "kind=csv,location=x"), "missing required field `key_column`"),
        (("--source", "kind=excel,location=x,key_column=id"), "Invalid enum value 'excel'"),
        (("--reach", "http://bank"), "must look like https://host:port"),
        (("--passphrase-file", "/nonexistent"), "/nonexistent cannot be read"),
    ],
)
def test_wrong_options_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: tuple[str, str], sentence: str
) -> None:
    good = {"--name": "bank", "--role": "holder", "--scheme": "town", "--listen": "127.0.0.1:7001"}
    arguments = [part for pair in {**good, changes[0]: changes[1]}.items() for part in pair]
    assert run("node", "init", tmp_path / "n", *arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ")
    assert sentence in captured.err
    assert captured.err.count("\n") == 1
    assert not (tmp_path / "n" / "keys" / "signing.key").exists()


def test_policies_and_scorecards_must_pair(party_by_party: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    more = ("--policy", party_by_party / "policy.toml", "--policy", party_by_party / "policy.toml")
    assert publish(party_by_party, *more, "--scorecard", party_by_party / "card.toml") == 2
    assert "3 policies and 2 scorecards" in capsys.readouterr().err


def test_encrypted_key_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRIVCREDIT_PASSPHRASE", "correct horse")
    assert run("federation", "create", tmp_path / "operator", "--scheme", "town") == 0
    monkeypatch.delenv("PRIVCREDIT_PASSPHRASE")
    assert run("federation", "admit", tmp_path / "operator", tmp_path / "operator" / "operator.json") == 2
    assert "is encrypted; set PRIVCREDIT_PASSPHRASE" in capsys.readouterr().err


def test_federation_init(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from privcredit.cli import federation
    from privcredit.federation import local

    monkeypatch.setattr(federation, "_local_plan", lambda *_: plan())
    monkeypatch.setitem(local.make_local.__kwdefaults__, "make_dealing", fixed_dealing)
    out = tmp_path / "f"
    assert run("federation", "init", "--out", out, "--bits", 2048, "--scheme", "town", "--json") == 0
    captured = capsys.readouterr()
    shown = json.loads(captured.out)
    assert {node["name"] for node in shown["nodes"]} == set(ROLES)
    assert "for trials only" in captured.err
    assert load_local(out).bits == 2048
    assert run("federation", "init", "--out", out, "--bits", 2048) == 2
    assert "holds a finished federation" in capsys.readouterr().err


def test_an_interrupted_init_says_how_to_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from privcredit.cli import federation
    from privcredit.federation import local

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(federation, "_local_plan", lambda *_: plan())
    with monkeypatch.context() as patch:
        patch.setattr(local, "_deal", interrupted)
        assert run("federation", "init", "--out", tmp_path / "f", "--bits", 2048) == 130
    assert "run the same command again" in capsys.readouterr().err
    monkeypatch.setitem(local.make_local.__kwdefaults__, "make_dealing", fixed_dealing)
    assert run("federation", "init", "--out", tmp_path / "f", "--bits", 2048) == 0


def test_an_unknown_scheme(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("federation", "init", "--out", tmp_path / "f", "--scheme", "sesame") == 2
    assert "There is no scheme 'sesame'" in capsys.readouterr().err
    assert not (tmp_path / "f").exists()
