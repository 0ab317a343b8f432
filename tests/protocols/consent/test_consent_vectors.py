"""Every vector of protocols/consent against the product and against the naive second implementation."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_type_hints

import naive_consent as naive
import pytest

from privcredit.crypto.group import hash_to_group
from privcredit.crypto.sealed import SealingKey
from privcredit.errors import RefusedError
from privcredit.messages.codec import decode, encode
from privcredit.protocols.consent import steps
from privcredit.protocols.consent.messages import (
    Consent,
    Enrolment,
    Presentation,
    QueryHeader,
    Registration,
    SealedConsent,
    SubjectOrder,
)
from privcredit.protocols.consent.wallet import Scalar, WalletSecret

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "protocols" / "consent" / "vectors"
VECTORS = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}
JUDGED = [name for name, vector in VECTORS.items() if vector["step"] in naive.JUDGES]

Json = dict[str, Any]


def message(kind: type, given: Json) -> Any:
    hints = get_type_hints(kind)
    return kind(**{name: bytes.fromhex(value) if hints[name] is bytes else value for name, value in given.items()})


def terms(given: Json) -> steps.QueryTerms:
    return message(steps.QueryTerms, {**given, "verifiers": tuple(given["verifiers"])})


def run_consent(given: Json) -> None:
    header, own = message(QueryHeader, given["header"]), terms(given["terms"])
    steps.check_header(header, own, given["now"])
    steps.check_consent(message(Consent, given["consent"]), header, own.budget_group, given["holder"])


def run_presentation(given: Json) -> None:
    boxes = tuple(message(SealedConsent, consent) for consent in given["consents"])
    presentation = Presentation(header=message(QueryHeader, given["header"]), consents=boxes)
    steps.check_presentation(presentation, terms(given["terms"]), given["holders"], given["now"])


def run_sealed(given: Json) -> None:
    header, own = message(QueryHeader, given["header"]), terms(given["terms"])
    steps.check_header(header, own, given["now"])
    box = SealedConsent(holder=given["holder"], box=bytes.fromhex(given["box"]))
    key = SealingKey.from_seed(bytes.fromhex(given["seed"]))
    steps.open_consent(box, key, header, own.budget_group, given["holder"])


def run_registration(given: Json) -> None:
    registration = message(Registration, given["registration"])
    steps.check_registration(registration, given["scheme"], given["registrar"], given["code"])


def run_enrolment(given: Json) -> None:
    named = {name: given[name] for name in ("scheme", "holder", "registrar", "identity", "code")}
    key = bytes.fromhex(given["registrar_key"])
    steps.check_enrolment(message(Enrolment, given["enrolment"]), registrar_key=key, **named)


def run_order(given: Json) -> None:
    order = message(SubjectOrder, given["order"])
    steps.check_order(order, given["scheme"], given["holder"], given["action"], given["now"])


RUNS: dict[str, Callable[[Json], None]] = {
    "consent": run_consent,
    "presentation": run_presentation,
    "sealed": run_sealed,
    "registration": run_registration,
    "enrolment": run_enrolment,
    "order": run_order,
}


@pytest.mark.parametrize("name", JUDGED)
def test_vector_is_judged_as_expected(name: str) -> None:
    vector = VECTORS[name]
    try:
        RUNS[vector["step"]](vector["input"])
        outcome = "accept"
    except RefusedError as refused:
        outcome = refused.reason
    assert outcome == vector["expect"], vector["comment"]


@pytest.mark.parametrize("name", JUDGED)
def test_naive_implementation_agrees(name: str) -> None:
    vector = VECTORS[name]
    assert naive.judge(vector["step"], vector["input"]) == vector["expect"], vector["comment"]


@pytest.mark.parametrize("name", [name for name, vector in VECTORS.items() if vector["step"] == "hash"])
def test_hash_to_group_vectors(name: str) -> None:
    given, point = VECTORS[name]["input"], VECTORS[name]["output"]["point"]
    fields = [bytes.fromhex(field) for field in given["fields"]]
    assert hash_to_group(given["domain"], *fields).data.hex() == point
    assert naive.hash_to_group(given["domain"], *fields).hex() == point


def test_points_of_a_wallet_vector() -> None:
    given, output = VECTORS["points-of-a-wallet"]["input"], VECTORS["points-of-a-wallet"]["output"]
    k = WalletSecret(Scalar(bytes.fromhex(given["k"])))
    nonces = bytes.fromhex(given["request_id"]), bytes.fromhex(given["wallet_nonce"])
    named = steps.query_id(bytes.fromhex(given["policy_hash"]), given["verifier"], *nonces)
    epoch = (given["scheme"], given["budget_group"], given["epoch"], given["index"])
    ours = {
        "root_point": steps.root_point(k),
        "pseudonym": steps.pseudonym(k, given["scheme"], given["holder"]),
        "query_id": named,
        "query_point": steps.query_point(k, named, given["verifier"]),
        "nullifier": steps.nullifier(k, *epoch),
    }
    assert {name: value.hex() for name, value in ours.items()} == output == naive.derive(given)


def test_wire_bytes_of_the_accepted_consent() -> None:
    vector = VECTORS["consent-accepted"]
    for name, kind in (("header", QueryHeader), ("consent", Consent)):
        wire = bytes.fromhex(vector["wire"][name])
        assert encode(message(kind, vector["input"][name])) == wire
        assert decode(wire, kind) == message(kind, vector["input"][name])
    assert naive.read_consent(bytes.fromhex(vector["wire"]["consent"])) == vector["input"]["consent"]


def test_vectors_are_what_the_generator_writes() -> None:
    sys.path.insert(0, str(ROOT / "tests" / "vectors"))
    import make_consent

    assert dict(make_consent.vectors()) == VECTORS


def test_every_refusal_code_of_the_spec_is_known_to_the_code() -> None:
    spec = (ROOT / "protocols" / "consent" / "spec.md").read_text()
    source = "".join(path.read_text() for path in (ROOT / "src/privcredit/protocols/consent").glob("*.py"))
    codes = {vector["expect"] for vector in VECTORS.values()} - {"accept"}
    assert codes
    assert all(f"`{code}`" in spec and f'"{code}"' in source for code in codes)
