"""Logs and metrics: what an operator sees, and what nobody sees (threat A8)."""

import io
import json
import logging
import urllib.request

import gmpy2
import pytest
import structlog
from federation_files import Federation
from litestar import get
from litestar.params import FromPath

from privcredit.errors import PeerError, UsageError
from privcredit.http import redaction
from privcredit.http.application import make_app
from privcredit.http.client import PeerClient
from privcredit.http.observability import Observability, configure_logging
from privcredit.http.redaction import REDACTED, describe_exception, redact, redact_fields
from privcredit.http.server import Listener, background
from privcredit.messages.codec import Message

CANARY_INT = 0xC0FFEE << 3000
CANARY_BYTES = b"canary-secret-bytes"


class Secret:
    """A careless secret type: its repr shows everything."""

    def __repr__(self) -> str:
        return "canary-secret-bytes"


class Envelope(Message, frozen=True):
    blob: bytes


LEAKS = {
    "bytes": CANARY_BYTES,
    "bytearray": bytearray(CANARY_BYTES),
    "memoryview": memoryview(CANARY_BYTES),
    "big integer": CANARY_INT,
    "gmpy2 integer": gmpy2.mpz(12345678901234567890),
    "secret object": Secret(),
    "message": Envelope(blob=CANARY_BYTES),
    "hexadecimal": CANARY_BYTES.hex() * 3,
    "decimal": str(CANARY_INT),
    "decimal in a sentence": f"the share {CANARY_INT} is wrong",
    "nested": {"a": [{"b": (CANARY_BYTES, Secret())}]},
    "exception": ValueError("canary-secret-bytes"),
    "key": {CANARY_BYTES: 1},
}


def leaks(text: str) -> bool:
    return any(trace in text for trace in ("canary", CANARY_BYTES.hex(), str(CANARY_INT)[:60], "1234567890123"))


@pytest.fixture
def log() -> io.StringIO:
    return io.StringIO()


@pytest.mark.usefixtures("_restored_logging")
@pytest.mark.parametrize("case", list(LEAKS))
def test_a8_canaries_are_never_logged(log: io.StringIO, case: str) -> None:
    configure_logging("bank", log)
    structlog.get_logger("test").warning("event", field=LEAKS[case])
    structlog.get_logger("test").bind(bound=LEAKS[case]).warning("bound")
    assert len(log.getvalue().splitlines()) == 2
    assert not leaks(log.getvalue())


def test_a8_without_redaction_every_canary_would_show() -> None:
    for case, value in LEAKS.items():
        assert leaks(f"{value} {value!r} {bytes(value)!r}" if case == "memoryview" else f"{value} {value!r}"), case


@pytest.mark.usefixtures("_restored_logging")
def test_a8_tracebacks_name_places_but_quote_nothing(log: io.StringIO) -> None:
    configure_logging("bank", log)

    def fail(secret: str) -> None:
        try:
            {}[secret]
        except KeyError as error:
            raise ValueError(f"bad {secret}") from error

    try:
        fail("canary")
    except ValueError:
        structlog.get_logger("test").exception("failed")
        logging.getLogger("library").exception("failed too")
    for line in log.getvalue().splitlines():
        chain = json.loads(line)["failure"]
        assert [item["type"] for item in chain] == ["ValueError", "KeyError"]
        assert chain[0]["frames"][-1].endswith(" fail")
    assert not leaks(log.getvalue())


def test_our_own_errors_keep_their_sentence() -> None:
    described = describe_exception(PeerError("bank", "verify share", "It does not verify."))
    assert described[0]["sentence"] == "bank: It does not verify. (verify share)"


def test_exception_chains_end() -> None:
    error: Exception = UsageError("first")
    for _ in range(10):
        following = UsageError("next")
        following.__cause__ = error
        error = following
    assert len(describe_exception(error)) == redaction.MAX_DEPTH


@pytest.mark.parametrize("name", ["secret", "Private_Key", "api_token", "share", "points", "score", "seed"])
def test_a8_secret_names_have_no_value(name: str) -> None:
    assert redact_fields({name: "short"}) == {name: REDACTED}


def test_plain_values_pass() -> None:
    plain = {
        "party": "bank",
        "port": 8443,
        "ready": True,
        "seconds": 0.25,
        "none": None,
        "list": ["a", 1],
        "id": "A" * 43,
    }
    assert redact_fields(plain) == plain


def test_depth_and_length_are_bounded() -> None:
    nested: list = []
    for _ in range(50):
        nested = [nested]
    assert json.dumps(redact(nested)).count("[") <= redaction.MAX_DEPTH
    assert len(redact(list(range(1000)))) == redaction.MAX_ITEMS


@pytest.mark.usefixtures("_restored_logging")
@pytest.mark.parametrize("case", list(LEAKS))
def test_a8_canaries_in_a_librarys_arguments_are_never_logged(log: io.StringIO, case: str) -> None:
    configure_logging("bank", log)
    logging.getLogger("library").warning("value %s", LEAKS[case])
    logging.getLogger("library").warning("number %d", LEAKS[case])
    logging.getLogger("library").warning("named %(value)s", {"value": LEAKS[case]})
    assert [json.loads(line)["event"].split()[0] for line in log.getvalue().splitlines()] == [
        "value",
        "number",
        "named",
    ]
    assert not leaks(log.getvalue())


@pytest.mark.usefixtures("_restored_logging")
def test_lines_of_libraries_and_ours_look_the_same(log: io.StringIO) -> None:
    configure_logging("bank", log)
    structlog.get_logger("ours").info("up", port=1)
    logging.getLogger("theirs").warning("slow %s %d", "peer", 3)
    logging.getLogger("httpx").info("GET https://canary")
    ours, theirs = map(json.loads, log.getvalue().splitlines())
    assert ours | {"timestamp": 0} == {
        "event": "up",
        "port": 1,
        "level": "info",
        "logger": "ours",
        "node": "bank",
        "timestamp": 0,
    }
    assert theirs["event"] == "slow peer 3"
    assert (theirs["level"], theirs["logger"], theirs["node"]) == ("warning", "theirs", "bank")


@get("/v1/items/{item:str}", sync_to_thread=True)
def item_route(item: FromPath[str]) -> str:
    """Give back."""
    return item


@pytest.mark.usefixtures("_restored_logging")
def test_requests_are_logged_and_counted_by_template_with_the_peer(federation: Federation, log: io.StringIO) -> None:
    configure_logging("bank", log)
    observability = Observability("bank", "holder")
    app = make_app("t", "1", [item_route], observability=observability)
    with (
        background([Listener(app, "127.0.0.1", 0, federation.server(), True)]) as (port,),
        PeerClient(f"https://127.0.0.1:{port}", federation.client(), "bank") as client,
    ):
        assert client.send("GET", "/v1/items/canary?q=canary").body == b"canary"
        with pytest.raises(Exception, match="nothing at this path"):
            client.send("GET", "/canary")
    first, second = map(json.loads, log.getvalue().splitlines())
    assert (first["event"], first["route"], first["status"], first["peer"]) == (
        "request",
        "/v1/items/{item}",
        200,
        "hub",
    )
    assert (second["route"], second["problem"]) == ("unmatched", "urn:privcredit:refused:not-found")
    text = observability.exposition().decode()
    assert 'http_request_seconds_count{method="GET",route="/v1/items/{item}",status="200"} 1.0' in text
    assert 'http_request_seconds_count{method="GET",route="unmatched",status="404"} 1.0' in text
    assert not leaks(log.getvalue() + text)


def test_every_metric_is_prefixed_and_has_a_base_unit() -> None:
    observability = Observability("bank", "holder")
    observability.histogram("step_seconds", "A step.", ("step",)).labels("encrypt").observe(0.1)
    observability.counter("queries_total", "Queries.").inc()
    observability.gauge("pool_size", "Ready randomness.").set(3)
    names = [line.split()[2] for line in observability.exposition().decode().splitlines() if line.startswith("# TYPE")]
    assert names
    assert all(name.startswith("privcredit_") for name in names)
    assert not any(name.endswith(("_ms", "_created")) for name in names)


def test_nodes_do_not_share_metrics() -> None:
    first, second = Observability("a", "holder"), Observability("b", "holder")
    first.counter("x_total", "X.").inc()
    assert b"privcredit_x_total" not in second.exposition()


def test_metrics_are_served() -> None:
    from privcredit.http.health import make_health_app

    app = make_health_app(Observability("bank", "holder"), "1", list)
    with (
        background([Listener(app, "127.0.0.1", 0)]) as (port,),
        urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as reply,
    ):
        assert reply.headers["content-type"].startswith("text/plain")
        assert b'privcredit_node_info{node="bank",role="holder"} 1.0' in reply.read()
