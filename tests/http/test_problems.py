"""Problem details: every error has one look on the wire and comes back as the same error; faults say nothing."""

import http.client
import io
import json
import urllib.request

import pytest
from litestar import get
from litestar.exceptions import (
    HTTPException,
    MethodNotAllowedException,
    NotAuthorizedException,
    NotFoundException,
    PermissionDeniedException,
    ServiceUnavailableException,
    TooManyRequestsException,
)

from privcredit.errors import (
    InvalidProofError,
    PeerError,
    PrivcreditError,
    RefusedError,
    UnavailableError,
    UsageError,
)
from privcredit.http import problems
from privcredit.http.application import make_app
from privcredit.http.observability import Observability, configure_logging
from privcredit.http.problems import MAX_DETAIL, Problem, error_of, problem_of
from privcredit.http.server import Listener, background
from privcredit.messages.codec import MalformedError, encode_json

CANARY = "c4n4ry-0123456789"

ROUND_TRIPS = [
    (
        RefusedError("wrong-policy", "This policy is not ours."),
        403,
        "urn:privcredit:refused:wrong-policy",
        RefusedError,
    ),
    (RefusedError("not-found", "No such query."), 404, "urn:privcredit:refused:not-found", RefusedError),
    (RefusedError("conflict", "Other body, same id."), 409, "urn:privcredit:refused:conflict", RefusedError),
    (RefusedError("too-many-requests", "Wait."), 429, "urn:privcredit:refused:too-many-requests", RefusedError),
    (UsageError("The field is missing."), 400, "urn:privcredit:malformed", UsageError),
    (MalformedError("The field is missing."), 400, "urn:privcredit:malformed", UsageError),
    (PeerError("bank", "verify consent", "It is forged."), 422, "urn:privcredit:peer-fault", PeerError),
    (InvalidProofError("a2", "verify share", "It is wrong."), 422, "urn:privcredit:peer-fault", PeerError),
    (UnavailableError("Two authorities are silent."), 503, "urn:privcredit:unavailable", UnavailableError),
]


@pytest.mark.parametrize(("error", "status", "urn", "kind"), ROUND_TRIPS, ids=lambda value: str(value)[:30])
def test_errors_survive_the_wire(error: PrivcreditError, status: int, urn: str, kind: type[PrivcreditError]) -> None:
    problem = problem_of(error)
    assert (problem.status, problem.type) == (status, urn)
    back = error_of(status, encode_json(problem), "hub")
    assert type(back) is kind
    sentence = error.sentence if isinstance(error, PeerError) else str(error)
    assert sentence in str(back)


def test_refusals_keep_their_reason() -> None:
    back = error_of(403, encode_json(problem_of(RefusedError("wrong-policy", "No."))), "hub")
    assert isinstance(back, RefusedError)
    assert back.reason == "wrong-policy"


def test_blame_keeps_culprit_and_step() -> None:
    back = error_of(422, encode_json(problem_of(PeerError("bank", "verify consent", "It is forged."))), "hub")
    assert isinstance(back, PeerError)
    assert (back.culprit, back.step, back.sentence) == ("bank", "verify consent", "It is forged.")


@pytest.mark.parametrize(
    ("error", "status", "urn"),
    [
        (NotFoundException(), 404, "urn:privcredit:refused:not-found"),
        (MethodNotAllowedException(), 405, "urn:privcredit:method-not-allowed"),
        (NotAuthorizedException(), 403, "urn:privcredit:refused:wrong-role"),
        (PermissionDeniedException(), 403, "urn:privcredit:refused:wrong-role"),
        (ServiceUnavailableException(), 503, "urn:privcredit:unavailable"),
        (TooManyRequestsException(), 429, "urn:privcredit:malformed"),
        (HTTPException(status_code=413), 413, "urn:privcredit:too-large"),
        (HTTPException(detail=CANARY, status_code=500), 500, "urn:privcredit:internal"),
        (HTTPException(detail=CANARY, status_code=502), 500, "urn:privcredit:internal"),
        (ValueError(CANARY), 500, "urn:privcredit:internal"),
        (PrivcreditError(CANARY), 500, "urn:privcredit:internal"),
        (MemoryError(CANARY), 500, "urn:privcredit:internal"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_foreign_errors(error: Exception, status: int, urn: str) -> None:
    problem = problem_of(error)
    assert (problem.status, problem.type) == (status, urn)
    assert CANARY not in encode_json(problem).decode()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b"Internal Server Error"),
        (404, b"{}"),
        (400, b'{"type": "urn:privcredit:malformed", "type": "x", "title": "", "status": 400}'),
        (302, b""),
        (418, encode_json(Problem(type="urn:other:thing", title="Tea", status=418))),
        (500, encode_json(Problem(type=problems.INTERNAL, title="Internal error", status=500, instance="urn:x"))),
    ],
)
def test_a_reply_that_is_no_problem_of_ours_blames_the_party(status: int, body: bytes) -> None:
    error = error_of(status, body, "hub")
    assert isinstance(error, PeerError)
    assert error.culprit == "hub"


def test_the_servers_own_overload_answer_means_unavailable() -> None:
    assert isinstance(error_of(503, b"Service Unavailable", "hub"), UnavailableError)


def test_w6_long_sentences_are_cut() -> None:
    """Parsers quote unknown field names, which can be a whole body."""
    detail = problem_of(MalformedError("x" * 900_000)).detail
    assert detail is not None
    assert len(detail) <= MAX_DETAIL + 3


def test_only_what_is_set_is_sent() -> None:
    assert json.loads(encode_json(problem_of(UsageError("x")))) == {
        "type": "urn:privcredit:malformed",
        "title": "Malformed request",
        "status": 400,
        "detail": "x",
    }


def fetch(port: int, path: str, method: str = "GET") -> tuple[int, str, dict]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request(method, path)
    reply = connection.getresponse()
    answer = reply.status, reply.headers["content-type"], json.load(reply)
    connection.close()
    return answer


@pytest.mark.usefixtures("_restored_logging")
def test_a8_a_fault_shows_an_id_and_logs_no_secret() -> None:
    @get("/fault", sync_to_thread=True)
    def fault() -> str:
        """Fail while holding a secret."""
        secret = CANARY
        raise ValueError(secret)

    log = io.StringIO()
    configure_logging("bank", log)
    observability = Observability("bank", "holder")
    with background([Listener(make_app("t", "1", [fault], observability=observability), "127.0.0.1", 0)]) as (port,):
        status, kind, problem = fetch(port, "/fault")
    assert (status, kind) == (500, "application/problem+json")
    assert problem["instance"].startswith("urn:privcredit:fault:")
    entry = next(json.loads(line) for line in log.getvalue().splitlines() if problem["instance"] in line)
    assert entry["failure"][0]["type"] == "ValueError"
    assert entry["failure"][0]["frames"][-1].endswith(" fault")
    assert CANARY not in log.getvalue()
    assert CANARY not in json.dumps(problem)
    assert b'privcredit_http_problems_total{type="urn:privcredit:internal"} 1.0' in observability.exposition()


def test_a8_a_fault_logs_no_secret_before_logging_is_configured(capsys: pytest.CaptureFixture[str]) -> None:
    """Structlog's default prints the local variables of every frame."""

    @get("/fault", sync_to_thread=True)
    def fault() -> str:
        """Fail while holding a secret."""
        secret = CANARY
        raise ValueError(secret)

    with background([Listener(make_app("t", "1", [fault]), "127.0.0.1", 0)]) as (port,):
        _, _, problem = fetch(port, "/fault")
    written = "".join(capsys.readouterr())
    assert problem["instance"] in written
    assert CANARY not in written


def test_unknown_paths_and_methods_are_problems_too() -> None:
    @get("/here", sync_to_thread=True)
    def here() -> str:
        """Here."""
        return ""

    with background([Listener(make_app("t", "1", [here]), "127.0.0.1", 0)]) as (port,):
        assert fetch(port, "/nowhere")[:2] == (404, "application/problem+json")
        assert fetch(port, "/here", "DELETE")[:2] == (405, "application/problem+json")


def test_the_api_describes_itself() -> None:
    @get("/here", sync_to_thread=True)
    def here() -> Problem:
        """Say where we are."""
        return Problem(type="a", title="b", status=1)

    app = make_app("bank", "1.2", [here])
    with (
        background([Listener(app, "127.0.0.1", 0)]) as (port,),
        urllib.request.urlopen(f"http://127.0.0.1:{port}/openapi.json") as reply,
    ):
        schema = json.load(reply)
    assert schema["openapi"].startswith("3.1")
    assert schema["info"]["title"] == "bank"
    assert list(schema["paths"]) == ["/here"]
    responses = schema["paths"]["/here"]["get"]["responses"]
    assert set(responses) == {"200", "default"}
    assert "application/problem+json" in responses["default"]["content"]
