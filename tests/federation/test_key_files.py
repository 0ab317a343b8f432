from pathlib import Path

import pytest
from nacl.pwhash import argon2id

from privcredit.crypto.randomness import SystemRandomness
from privcredit.errors import UsageError
from privcredit.federation import key_files
from privcredit.federation.key_files import Passphrase, is_encrypted, load_party_keys, read_key, write_key
from privcredit.federation.node_setup import init_node
from support.small_federation import config

CANARY = b"canary secret canary secret 1234"


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_files, "OPERATIONS", argon2id.OPSLIMIT_MIN)
    monkeypatch.setattr(key_files, "MEMORY", argon2id.MEMLIMIT_MIN)


@pytest.mark.parametrize("passphrase", [None, Passphrase("correct horse")])
def test_a_key_survives(tmp_path: Path, passphrase: Passphrase | None) -> None:
    path = tmp_path / "signing.key"
    write_key(path, "signing", CANARY, passphrase, SystemRandomness())
    assert read_key(path, "signing", passphrase) == CANARY
    assert path.stat().st_mode & 0o777 == 0o600
    assert is_encrypted(path) is (passphrase is not None)
    assert (CANARY in path.read_bytes()) is (passphrase is None)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("passphrase", [None, Passphrase("correct horse")])
def test_a10_a_key_of_another_kind_is_refused(tmp_path: Path, passphrase: Passphrase | None) -> None:
    path = tmp_path / "any.key"
    write_key(path, "signing", CANARY, passphrase, SystemRandomness())
    with pytest.raises(UsageError, match="is no sealing key file"):
        read_key(path, "sealing", passphrase)


def test_a10_the_kind_of_an_encrypted_key_cannot_be_rewritten(tmp_path: Path) -> None:
    path, passphrase = tmp_path / "any.key", Passphrase("correct horse")
    write_key(path, "signing", CANARY, passphrase, SystemRandomness())
    path.write_bytes(path.read_bytes().replace(b"signing", b"sealing"))
    with pytest.raises(UsageError, match="of another kind than its first line says"):
        read_key(path, "sealing", passphrase)


def test_wrong_missing_and_damaged(tmp_path: Path) -> None:
    path, passphrase = tmp_path / "signing.key", Passphrase("correct horse")
    write_key(path, "signing", CANARY, passphrase, SystemRandomness())
    with pytest.raises(UsageError, match="does not open with this passphrase"):
        read_key(path, "signing", Passphrase("wrong"))
    with pytest.raises(UsageError, match="is encrypted; set PRIVCREDIT_PASSPHRASE"):
        read_key(path, "signing", None)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(UsageError, match=r"signing.key"):
            read_key(path, "signing", passphrase)
    with pytest.raises(UsageError, match="cannot be read"):
        read_key(tmp_path / "none.key", "signing", None)


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "signing.key"
    write_key(path, "signing", CANARY, None, SystemRandomness())
    path.chmod(0o640)
    with pytest.raises(UsageError, match="chmod 600"):
        read_key(path, "signing", None)


def test_a8_errors_and_reprs_show_no_secret(tmp_path: Path) -> None:
    path, passphrase = tmp_path / "signing.key", Passphrase("canary passphrase")
    write_key(path, "signing", CANARY, None, SystemRandomness())
    with pytest.raises(UsageError) as refusal:
        read_key(path, "dgk", passphrase)
    assert "canary" not in str(refusal.value) + repr(passphrase) + repr(refusal.value)
    with pytest.raises(UsageError):
        passphrase.__reduce__()


def test_where_the_passphrase_comes_from(tmp_path: Path) -> None:
    file = tmp_path / "passphrase"
    file.write_text("from file\nsecond line\n")
    assert Passphrase.find({}) is None
    assert Passphrase.find({"PRIVCREDIT_PASSPHRASE": "e"})._secret == b"e"
    assert Passphrase.find({"PRIVCREDIT_PASSPHRASE": "e"}, file)._secret == b"from file"
    with pytest.raises(UsageError, match="is empty"):
        Passphrase.find({"PRIVCREDIT_PASSPHRASE": ""})


def test_a_node_with_a_passphrase(tmp_path: Path) -> None:
    directory, passphrase = tmp_path / "bank", Passphrase("correct horse")
    join = init_node(config(directory, "bank"), SystemRandomness(), passphrase)
    keys = load_party_keys(directory, passphrase)
    assert (keys.signing.public_bytes, keys.sealing.public) == (join.party.signing_key, join.party.sealing_key)
    with pytest.raises(UsageError, match="is encrypted"):
        load_party_keys(directory, None)
