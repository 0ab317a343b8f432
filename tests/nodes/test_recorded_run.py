"""The recording of a run: no message to coordinator, holder or verifier holds a plaintext score, record or pseudonym.

Every body is searched as it came over the wire, with all base64 in it decoded, down to whatever JWS and boxes show
without a key; and again with everything that the receiving party's own keys open.
"""

import json

import pytest
from wire import everything_in, numbers, seen_by

from privcredit.federation.key_files import load_party_keys
from privcredit.protocols.consent.steps import pseudonym
from privcredit.research import german_credit
from privcredit.research.demo.setting import Person
from privcredit.research.demo.views import read_recording, request_of
from support.site import Site

pytestmark = [pytest.mark.nodes, pytest.mark.xdist_group("nodes")]

BLIND = ("coordinator", "bank", "employer", "housing-registry", "lender", "rental-platform")


@pytest.fixture(scope="module")
def run(site: Site) -> list[Person]:
    people = site.people(3)
    for person in people:
        assert site.ask(person).agrees
    return people


def secrets_of(site: Site, person: Person) -> dict[str, dict[str, bytes]]:
    """What only `owner` may see of a person, by owner: pseudonym, record key, records."""
    found = {}
    for holder in german_credit.holders():
        row = {name: str(person.applicant[name]) for name in german_credit.COLUMNS[holder]}
        texts = {f"record {name}": value.encode() for name, value in row.items() if len(value) > 6}
        found[holder] = texts | {
            "pseudonym": pseudonym(person.wallet._secret, german_credit.SCHEME, holder),
            "record key": site.town._keys[holder][person.identity].encode(),
        }
    return found


@pytest.mark.parametrize("party", BLIND)
def test_nobody_sees_what_belongs_to_others(site: Site, run: list[Person], party: str) -> None:
    keys = load_party_keys(site.federation.nodes[party].directory, None)
    bodies = list(seen_by(site.recordings, party))
    assert bodies
    for person in run:
        for owner, secrets in secrets_of(site, person).items():
            for body in bodies:
                for piece in everything_in(body, keys.sealing):
                    assert_absent(piece, secrets, foreign=owner != party)


def assert_absent(piece: bytes, secrets: dict[str, bytes], foreign: bool) -> None:
    for name, secret in secrets.items():
        if name != "pseudonym" or foreign:  # a holder may see its own pseudonym, inside its sealed box
            assert secret not in piece, f"{name} in the clear"


PUBLIC_NUMBERS = {"version", "epoch", "index", "expires", "issued", "attempt", "origin", "bits", "status", "sequence"}
"""Fields that hold numbers. Whatever is a score, a sum or a threshold would be a number under another name."""


@pytest.mark.usefixtures("run")
@pytest.mark.parametrize("party", BLIND)
def test_no_message_holds_a_number_that_could_be_a_score(site: Site, party: str) -> None:
    keys = load_party_keys(site.federation.nodes[party].directory, None)
    for body in seen_by(site.recordings, party):
        for piece in everything_in(body, keys.sealing):
            assert {name for name, _ in numbers(piece)} <= PUBLIC_NUMBERS
            assert all(value in {0, 1} for name, value in numbers(piece) if name == "bits")


def test_the_search_finds_what_is_there(site: Site, run: list[Person]) -> None:
    """The same search does find a holder's own pseudonym, inside its own sealed consents: it is not blind."""
    keys = load_party_keys(site.federation.nodes["bank"].directory, None)
    own = secrets_of(site, run[0])["bank"]["pseudonym"]
    pieces = [piece for body in seen_by(site.recordings, "bank") for piece in everything_in(body, keys.sealing)]
    assert any(own in piece for piece in pieces)


def test_v4_two_questions_share_no_identifier(site: Site, run: list[Person]) -> None:
    """Every value that the coordinator sees of a question belongs to that question alone."""
    headers = {}
    for exchange in read_recording(site.recordings):
        if exchange.server == "coordinator" and exchange.method == "PUT":
            header = json.loads(request_of(exchange))["presentation"]["header"]
            headers[header["query_id"]] = header
    assert len(headers) >= len(run)
    for name in ("request_id", "wallet_nonce", "query_id", "query_point"):
        assert len({header[name] for header in headers.values()}) == len(headers)
