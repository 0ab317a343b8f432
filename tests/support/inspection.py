"""Looking at what roles stored, and making dishonest messages, for tests of a whole federation."""

import base64
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from msgspec.structs import replace
from sqlalchemy import func, select

from privcredit.crypto.signing import verify_jws
from privcredit.errors import PrivcreditError, RefusedError
from privcredit.messages.codec import decode_json
from privcredit.protocols.consent.messages import Presentation, QueryHeader
from privcredit.protocols.consent.steps import WalletSecret, make_consent, make_header, present
from privcredit.protocols.eligibility.messages import (
    CONTRIBUTION_TYPE,
    Contribution,
    ContributionRequest,
    EvaluationOrder,
    EvaluationResult,
    OutputShare,
    Receipt,
    Request,
)
from privcredit.protocols.eligibility.steps import open_output_share, sign_contribution, sign_request, terms_of
from privcredit.roles.authority import Authority
from privcredit.roles.verifier import SignedRequest
from privcredit.storage import tables
from privcredit.storage.authority import Pin
from support.federation import AUTHORITIES, HOLDERS, Town, party_keys
from support.seeded import SeededRandomness

Rows = dict[str, int]


# --- what is stored --------------------------------------------------------------------------------------------------


def engine_of(store: Any) -> Any:
    return store._database._engine


def rows(store: Any, role: str) -> Rows:
    """How many rows each table has, the audit log left out."""
    metadata = getattr(tables, role)
    with engine_of(store).begin() as connection:
        return {
            name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for name, table in metadata.tables.items()
            if name != "audit"
        }


def audit_log(store: Any, role: str) -> list[tuple[str, Mapping[str, Any]]]:
    """(event, details) of every audit row."""
    table = tables.audits[role]
    with engine_of(store).begin() as connection:
        return [(row.event, json.loads(row.details)) for row in connection.execute(select(table).order_by("sequence"))]


def last_reason(store: Any, role: str) -> str:
    """Why the last refusal was refused, as only this party's log says."""
    event, details = audit_log(store, role)[-1]
    assert event == "refused"
    return str(details["reason"])


@contextmanager
def stores_only_the_refusal(store: Any, role: str) -> Iterator[None]:
    """What a refusal may leave behind: one audit row and nothing else."""
    before, log = rows(store, role), len(audit_log(store, role))
    yield
    assert rows(store, role) == before
    assert [event for event, _ in audit_log(store, role)[log:]] == ["refused"]


def refused(reason: str, call: Callable[[], object]) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        call()
    assert caught.value.reason == reason
    return caught.value


def raises(kind: type[PrivcreditError], call: Callable[[], object]) -> PrivcreditError:
    with pytest.raises(kind) as caught:
        call()
    return caught.value


# --- dishonest parties -----------------------------------------------------------------------------------------------


def requests_to_holders(request: SignedRequest, presentation: Presentation) -> dict[str, ContributionRequest]:
    """What an honest coordinator sends to each holder."""
    return {
        consent.holder: ContributionRequest(request=request.jws, header=presentation.header, consent=consent)
        for consent in presentation.consents
    }


def opened(contribution: str, holder: str) -> Contribution:
    payload = verify_jws(contribution, party_keys(holder).signing.public_bytes, holder, CONTRIBUTION_TYPE, holder)
    return decode_json(payload, Contribution)


def resigned(contribution: str, holder: str, **changes: object) -> str:
    """What a dishonest holder sends: its own contribution, altered and signed again."""
    return sign_contribution(replace(opened(contribution, holder), **changes), party_keys(holder).signing)


def with_contribution(order: EvaluationOrder, holder: str, contribution: str) -> EvaluationOrder:
    place = HOLDERS.index(holder)
    return replace(order, contributions=(*order.contributions[:place], contribution, *order.contributions[place + 1 :]))


def signed_request(town: Town, verifier: str = "shop", **changes: object) -> tuple[Request, str]:
    """A request that this verifier signs, with whatever terms it likes."""
    request = replace(town.verifiers[verifier].request("deposit-free").request, **changes)
    return request, sign_request(request, party_keys(request.verifier).signing)


def header_of(town: Town, secret: WalletSecret, request: Request, index: int = 0, **changes: object) -> QueryHeader:
    """A header of this wallet, with whatever other fields it likes."""
    policy = town.registry.policy(request.policy_hash)
    terms = terms_of(policy, request.policy_hash)
    header = make_header(
        secret, terms, request.verifier, request.request_id, index, request.expires, SeededRandomness("header")
    )
    return replace(header, **changes)


def presentation_of(town: Town, secret: WalletSecret, header: QueryHeader) -> Presentation:
    policy = town.registry.policy(header.policy_hash)
    keys = {term.holder: party_keys(term.holder).sealing.public for term in policy.holders}
    return present(secret, header, policy.budget_group, keys, SeededRandomness("present"))


def secret_of(town: Town, person: str) -> WalletSecret:
    return town.wallet(person)._secret


def consent_bytes(town: Town, person: str, header: QueryHeader, holder: str) -> Any:
    return make_consent(secret_of(town, person), header, "town", holder, SeededRandomness("consent"))


# --- authorities -----------------------------------------------------------------------------------------------------

ONE, TWO, THREE = AUTHORITIES


def evaluator(town: Town, name: str = ONE) -> Authority:
    return town.authorities[name]


@contextmanager
def zero_shares(town: Town) -> Iterator[None]:
    """The attack ends in a refusal at evaluator 1, of which nothing is left but the audit entry."""
    with stores_only_the_refusal(town.authority_stores[ONE], "authority"):
        yield


def read_share(result: EvaluationResult, name: str) -> OutputShare:
    """What the verifier finds in this authority's box."""
    jws = party_keys("shop").sealing.open(dict(result.shares)[name], name).decode()
    return open_output_share(jws, name, party_keys(name).signing.public_bytes)


def answer_of(result: EvaluationResult) -> int:
    """What the verifier would read: the XOR of both opened shares."""
    first, second = (read_share(result, name) for name, _ in result.shares)
    return first.bits[0] ^ second.bits[0]


def opened_shares(receipt: Receipt) -> list[OutputShare]:
    return [
        open_output_share(one.share, one.authority, party_keys(one.authority).signing.public_bytes)
        for one in receipt.shares
    ]


def pin_at(town: Town, name: str, order: EvaluationOrder) -> Pin | None:
    with town.authority_stores[name].transaction() as records:
        return records.pin(order.header.nullifier)


def restart(town: Town, name: str) -> Authority:
    """The authority dies and comes back over the same database."""
    town.authorities[name] = back = town.start_authority(name)
    back.keep_up()
    return back


# --- what a secret looks like ----------------------------------------------------------------------------------------


def spellings(secret: bytes) -> list[str]:
    """How bytes may show up in a text."""
    return [
        secret.hex(),
        base64.b64encode(secret).decode().rstrip("="),
        base64.urlsafe_b64encode(secret).decode().rstrip("="),
        repr(secret)[2:-1],
    ]


# --- PostgreSQL ------------------------------------------------------------------------------------------------------

POSTGRES = os.environ.get("PRIVCREDIT_TEST_POSTGRES", "postgresql://root@127.0.0.1:5432/test")


@contextmanager
def postgres_schemas() -> Iterator[Callable[[str], str]]:
    """A URL for each name, every one a schema of its own; skips the test where no server answers."""
    try:
        connection = psycopg.connect(POSTGRES, autocommit=True, connect_timeout=3)
    except psycopg.OperationalError as error:
        pytest.skip(f"no PostgreSQL at {POSTGRES.rpartition('@')[2]}: {error}")
    prefix, made = f"privcredit_{uuid4().hex[:8]}", set()

    def url(name: str) -> str:
        schema = f"{prefix}_{name.replace('-', '_')}"
        if schema not in made:
            connection.execute(f"CREATE SCHEMA {schema}")
            made.add(schema)
        return f"{POSTGRES}?options=-csearch_path%3D{schema}"

    with connection:
        yield url
        for schema in made:
            connection.execute(f"DROP SCHEMA {schema} CASCADE")


def next_epoch(town: Town) -> None:
    town.time.now += 30 * 86400
