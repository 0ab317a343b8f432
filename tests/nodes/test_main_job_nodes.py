"""The main job between real processes: answers, failures, restarts, and what curl sees."""

import json
import subprocess
import time
from pathlib import Path

import pytest
from nodes_support import curl

from privcredit.http.server import Listener, background
from privcredit.http.wallet_app import loopback_app
from privcredit.research.demo.setting import POLICY, VERIFIER
from privcredit.roles.verifier import verify_receipt
from support.site import Site

pytestmark = [pytest.mark.nodes, pytest.mark.xdist_group("nodes")]


def test_answers_equal_the_plaintext_scorecard(site: Site) -> None:
    asked = [site.ask(person) for person in site.people(6)]
    assert [question.problem for question in asked if question.problem] == []
    assert all(question.agrees for question in asked)
    assert len(site.nodes) >= 9


def test_v3_the_same_question_again_gets_the_cached_answer(site: Site) -> None:
    person = site.people(1)[0]
    first, again = site.ask(person), site.ask(person)
    assert first.agrees
    assert again.eligible == first.eligible


def test_an_opt_out_makes_the_answer_not_eligible_and_a_return_undoes_it(site: Site) -> None:
    person = site.people(1)[0]
    site.order(person, "bank", "opt-out")
    assert site.ask(person).eligible is False
    time.sleep(1.1)  # of two orders signed in the same second the holder keeps the opt-out
    site.order(person, "bank", "return")


def test_curl_asks_through_the_documented_api(site: Site, tmp_path: Path) -> None:
    person = site.people(1)[0]
    address = site.federation.nodes[VERIFIER].public.url
    ca = str(site.federation.ca_file)
    with background([Listener(loopback_app(person.wallet), "127.0.0.1", 0)]) as (port,):
        request = curl("--cacert", ca, f"{address}/v1/requests", "--json", json.dumps({"policy": POLICY}))
        wallet = f"http://127.0.0.1:{port}/v1/presentations"
        presentation = curl(wallet, "--json", json.dumps({"request": request}))
        body = tmp_path / "body.json"
        body.write_text(json.dumps({"presentation": presentation}))
        path = f"{address}/v1/questions/{request['id']}"
        answer = curl("--cacert", ca, "-X", "PUT", path, "--json", f"@{body}")
    assert answer["state"] == "answered"
    assert isinstance(answer["eligible"], bool)
    assert curl("--cacert", ca, path) == answer
    receipt = tmp_path / "receipt.json"
    receipt.write_text(json.dumps({"receipt": answer["receipt"]}))
    verified = curl("--cacert", ca, f"{address}/v1/receipts/verify", "--json", f"@{receipt}")
    assert verified["valid"]
    assert verified["eligible"] == answer["eligible"]


def test_openapi_describes_the_service_providers_calls(site: Site) -> None:
    address = site.federation.nodes[VERIFIER].public.url
    schema = curl("--cacert", str(site.federation.ca_file), f"{address}/openapi.json")
    assert {"/v1/requests", "/v1/questions/{question_id}", "/v1/receipts/verify"} <= set(schema["paths"])
    assert schema["openapi"].startswith("3.1")


def test_a_receipt_is_verified_offline(site: Site) -> None:
    person = site.people(1)[0]
    request = site.client.request(POLICY)
    answer = site.client.ask(request, person.wallet.consent(VERIFIER, request.request))
    assert verify_receipt(answer.receipt, site.town.registry).eligible == answer.eligible


def test_observability_is_on_its_own_listener(site: Site) -> None:
    for node in site.federation.nodes.values():
        address = f"http://{node.observability}"
        assert curl(f"{address}/healthz")["status"] == "ok"
        assert curl(f"{address}/readyz")["status"] == "ok"
        metrics = subprocess.run(["curl", "-s", f"{address}/metrics"], capture_output=True, text=True, check=True)
        assert "privcredit_http_request_seconds" in metrics.stdout
        assert "applicant" not in metrics.stdout


@pytest.mark.parametrize("killed", ["authority-1", "authority-2", "authority-3"])
def test_a5_killing_one_authority_still_gives_every_answer(site: Site, killed: str) -> None:
    people = site.people(4)
    assert site.ask(people[0]).agrees
    site.nodes[killed].kill()
    try:
        assert all(site.ask(person).agrees for person in people[1:])
    finally:
        site.revive()


def test_a5_killing_two_authorities_gives_unavailable_and_no_answer(site: Site) -> None:
    people = site.people(2)
    site.nodes["authority-1"].kill()
    site.nodes["authority-3"].kill()
    try:
        for person in people:
            question = site.ask(person)
            assert question.eligible is None
            assert "authorities" in question.problem
    finally:
        site.revive()
    assert site.ask(people[0]).agrees


def test_a5_an_authority_that_hangs_is_replaced_by_the_deadline(site: Site) -> None:
    people = site.people(2)
    site.nodes["authority-2"].pause()
    try:
        assert all(site.ask(person).agrees for person in people)
    finally:
        site.nodes["authority-2"].resume()
        site.revive()


@pytest.mark.parametrize("killed", ["bank", "coordinator"])
def test_h5_a_missing_node_never_lowers_a_score(site: Site, killed: str) -> None:
    person = site.people(1)[0]
    site.nodes[killed].kill()
    try:
        question = site.ask(person)
        assert question.eligible is None
        assert question.problem
    finally:
        site.revive()
    assert site.ask(person).agrees


def test_a_restarted_holder_has_lost_no_enrolment_and_no_opt_out(site: Site) -> None:
    stays, leaves = site.people(2)
    site.order(leaves, "lender", "opt-out")
    site.nodes["lender"].kill()
    site.revive()
    assert site.ask(stays).agrees
    assert site.ask(leaves).eligible is False
