"""`privcredit holder code` on a holder's directory: what it stores, and what it refuses."""

import sqlite3
import time
from pathlib import Path

import pytest

from privcredit.crypto.transcript import digest
from privcredit.federation.config import load_node
from privcredit.federation.node_setup import install_registry
from privcredit.federation.publish import publish_registry
from privcredit.storage.holder import HolderStore
from support.cli import done, run
from support.small_federation import NOW, SmallFederation

pytestmark = pytest.mark.xdist_group("cli")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> SmallFederation:
    federation = SmallFederation(tmp_path_factory.mktemp("holder"))
    registry = publish_registry(federation.operator, federation.publication(), NOW)
    for name in ("bank", "shop"):
        install_registry(federation.node(name), registry)
    return federation


@pytest.fixture
def bank(built: SmallFederation) -> Path:
    return built.node("bank")


def stored(bank: Path, code: str) -> object:
    store = HolderStore(load_node(bank).database)
    try:
        with store.transaction() as records:
            return records.code(digest("one-time code", code.encode()))
    finally:
        store.close()


def test_a_code_opens_this_record_for_this_person(bank: Path) -> None:
    result = done("holder", "code", bank, "--record", "1", "--identity", "anna")
    code = result.out.strip()
    found = stored(bank, code)
    assert (found.record_key, found.identity, found.purpose, found.used) == ("1", "anna", "enrolment", False)
    assert 3500 < found.expires - time.time() <= 3600
    assert "For anna alone, until 20" in result.err
    assert "They enter: privcredit wallet enrol DIR bank CODE" in result.err
    assert done("holder", "code", bank, "--record", "1", "--identity", "anna").out.strip() != code


def test_n8_only_the_digest_of_a_code_is_stored_and_its_issue_is_logged(bank: Path) -> None:
    code = done("holder", "code", bank, "--record", "2", "--identity", "ben").out.strip()
    database = Path(load_node(bank).database.removeprefix("sqlite:///"))
    with sqlite3.connect(database) as connection:
        assert code not in "\n".join(connection.iterdump())
        events = [row[0] for row in connection.execute("SELECT details FROM audit WHERE event = 'code issued'")]
    assert events[-1] == '{"for":"enrolment","identity":"ben","record":"2"}'
    assert done("audit", "verify", bank).out.startswith("intact: ")


def test_the_registrar_hands_out_registrations_too(bank: Path) -> None:
    result = done("holder", "code", bank, "--record", "1", "--identity", "anna", "--for", "registration",
                  "--valid-for", "14 days")  # fmt: skip
    found = stored(bank, result.out.strip())
    assert found.purpose == "registration"
    assert 14 * 86400 - 100 < found.expires - time.time() <= 14 * 86400
    assert "They enter: privcredit wallet register DIR CODE" in result.err


@pytest.mark.parametrize(
    ("changes", "code", "sentence"),
    [
        ({"--record": "3"}, 2, "No record has the key '3' in "),
        ({"--record": ""}, 2, "No record has the key '' in "),
        ({"--identity": ""}, 2, "--identity is empty"),
        ({"--identity": " anna"}, 2, "has spaces around it"),
        ({"--valid-for": "soon"}, 2, "--valid-for is 'soon'; write a duration such as"),
        ({"--valid-for": "0 hours"}, 2, "at most 90 days"),
        ({"--valid-for": "91 days"}, 2, "at most 90 days"),
        ({"--valid-for": "٣ days"}, 2, "write a duration such as"),
    ],
)
def test_a_code_that_cannot_be_meant_is_refused(bank: Path, changes: dict[str, str], code: int, sentence: str) -> None:
    options = {"--record": "1", "--identity": "anna"} | changes
    result = run("holder", "code", bank, *(part for pair in options.items() for part in pair))
    assert (result.code, result.out) == (code, "")
    assert sentence in result.sentence


def test_an_unknown_record_names_the_place_to_look(bank: Path) -> None:
    sentence = run("holder", "code", bank, "--record", "3", "--identity", "x").sentence
    assert sentence.endswith(f"{bank / 'records.csv'} (id); look the person's key up there.")


def test_only_holders_hand_out_codes(built: SmallFederation, tmp_path: Path) -> None:
    result = run("holder", "code", built.node("shop"), "--record", "1", "--identity", "anna")
    assert (result.code, "shop is a verifier; only holders have records" in result.sentence) == (2, True)
    nothing = run("holder", "code", tmp_path, "--record", "1", "--identity", "anna")
    assert (nothing.code, "is no node's directory" in nothing.sentence) == (2, True)
    purpose = run("holder", "code", built.node("bank"), "--record", "1", "--identity", "a", "--for", "fun")
    assert purpose.code == 2
