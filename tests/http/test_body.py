"""Bodies (threat W6): strict JSON into message types, limits before reading, nothing lenient left of the framework."""

import contextlib
import http.client
import json
import socket
from collections.abc import Iterator

import pytest
from litestar import post, put
from litestar.params import FromPath, JSONBody

from privcredit.http import body as body_module
from privcredit.http import problems, server
from privcredit.http.application import make_app
from privcredit.http.body import MAX_BODY_BYTES, StrictRequest, StrictResponse
from privcredit.http.server import Listener, background
from privcredit.messages.codec import MalformedError, Message, decode_json

SMALL_LIMIT = 2_000


class Order(Message, frozen=True):
    number: int
    blob: bytes
    parts: tuple[str, ...] = ()


GOOD = {"number": 7, "blob": "AAE=", "parts": ["a"]}


@put("/orders/{key:str}", sync_to_thread=True)
def echo(key: FromPath[str], data: JSONBody[Order]) -> Order:  # noqa: ARG001 - the path has it
    """Give back."""
    return data


@put("/small", sync_to_thread=True, request_max_body_size=SMALL_LIMIT)
def small(data: JSONBody[Order]) -> Order:
    """Give back, but little."""
    return data


@post("/many", sync_to_thread=True)
def many(data: JSONBody[list[Order]]) -> StrictResponse:
    """Count."""
    return StrictResponse({"count": len(data)}, status_code=202)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    app = make_app("test", "1", [echo, small, many])
    with background([Listener(app, "127.0.0.1", 0)]) as (bound,):
        yield bound


def call(port: int, body: bytes, path: str = "/orders/a", method: str = "PUT", **headers: str) -> tuple[int, dict]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, path, body, {"content-type": "application/json", **headers})
        reply = connection.getresponse()
        return reply.status, json.loads(reply.read())
    finally:
        connection.close()


def text(**changes: object) -> bytes:
    return json.dumps({**GOOD, **changes}).encode()


def test_a_message_arrives_and_returns(port: int) -> None:
    assert call(port, text()) == (200, GOOD)


def test_large_bodies_are_decoded_off_the_event_loop(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    big = text(parts=["x" * 1000] * 900)
    assert call(port, big)[0] == 200
    monkeypatch.setattr(body_module, "INLINE_BYTES", len(big))
    assert call(port, big)[0] == 200


def test_lists_and_other_statuses(port: int) -> None:
    assert call(port, b"[" + text() + b"," + text() + b"]", "/many", "POST") == (202, {"count": 2})


BAD = {
    "duplicate key": b'{"number": 7, "number": 8, "blob": ""}',
    "nested duplicate key": b'{"number": 7, "blob": "", "parts": [{"a": 1, "a": 2}]}',
    "NaN": b'{"number": NaN, "blob": ""}',
    "Infinity": b'{"number": -Infinity, "blob": ""}',
    "unknown field": text(extra=1),
    "missing field": b'{"number": 7}',
    "deep nesting": b'{"number": 7, "blob": "", "parts": ' + b"[" * 400_000 + b"]" * 400_000 + b"}",
    "deep nesting without end": b"[" * 1_000_000,
    "a million digits": b'{"blob": "", "number": ' + b"7" * 1_000_000 + b"}",
    "text for a number": text(number="7"),
    "float for a number": text(number=7.0),
    "bool for a number": text(number=True),
    "number for text": text(parts=[1]),
    "number for bytes": text(blob=1),
    "not base64": text(blob="~~~~"),
    "null": b"null",
    "list": b"[]",
    "empty": b"",
    "cut off": text()[:-1],
    "trailing": text() + b"{}",
    "not UTF-8": b'{"number": 7, "blob": "\xff"}',
    "msgpack": b"\x82\xa6number\x07\xa4blob\xc4\x00",
}


@pytest.mark.parametrize("case", list(BAD))
def test_w6_malformed_refused(port: int, case: str) -> None:
    status, problem = call(port, BAD[case])
    assert (status, problem["type"]) == (400, problems.MALFORMED)
    assert len(problem["detail"]) < 1_000


@pytest.mark.parametrize("case", ["duplicate key", "NaN", "text for a number"])
def test_w6_the_framework_alone_would_accept_it(port: int, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    """The guard removed (the framework's own `json`), the same bodies get through or fail only later."""
    monkeypatch.setattr(StrictRequest, "json", StrictRequest.__mro__[1].json)
    assert call(port, BAD[case] if case != "NaN" else b'{"number": 1e0, "blob": ""}')[0] == 200


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/msgpack"]
)
def test_w6_other_content_types_refused(port: int, kind: str) -> None:
    status, problem = call(port, text(), **{"content-type": kind})
    assert (status, problem["type"]) == (400, problems.MALFORMED)
    assert kind in problem["detail"]


@pytest.mark.timeout(5)
def test_w6_many_keys_before_a_repeated_one_are_read_in_linear_time() -> None:
    keys = ",".join(f'"{i:x}":0' for i in range(60_000))
    with pytest.raises(MalformedError, match="twice"):
        decode_json(f'{{{keys},"ea5f":1}}'.encode(), Order)


def head(path: str, *lines: str) -> bytes:
    return "\r\n".join([f"PUT {path} HTTP/1.1", "host: x", "content-type: application/json", *lines, "", ""]).encode()


def first_reply(connection: socket.socket) -> bytes:
    connection.settimeout(5)
    return connection.recv(65_536)


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port))


@pytest.mark.parametrize(("path", "limit"), [("/orders/a", MAX_BODY_BYTES), ("/small", SMALL_LIMIT)])
def test_w6_announced_size_refused_before_a_byte_is_read(port: int, path: str, limit: int) -> None:
    with connect(port) as connection:
        connection.sendall(head(path, f"content-length: {limit + 1}"))
        reply = first_reply(connection)  # not one byte of the body was sent
    assert reply.startswith(b"HTTP/1.1 413")
    assert problems.TOO_LARGE.encode() in reply


def test_w6_a_client_that_asks_first_is_not_told_to_go_on(port: int) -> None:
    with connect(port) as connection:
        connection.sendall(head("/orders/a", "content-length: 100000000", "expect: 100-continue"))
        assert first_reply(connection).startswith(b"HTTP/1.1 413")


def test_w6_chunked_body_is_cut_at_the_limit(port: int) -> None:
    with connect(port) as connection:
        connection.sendall(head("/small", "transfer-encoding: chunked"))
        connection.sendall(b"%x\r\n%s\r\n" % (SMALL_LIMIT, b" " * SMALL_LIMIT))
        connection.sendall(b"1\r\n \r\n")  # one byte too many; the body has not ended
        assert first_reply(connection).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize("framing", ["content-length: 100000000", "transfer-encoding: chunked"])
def test_w6_hundred_megabytes_end_the_connection(port: int, framing: str) -> None:
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    with connect(port) as connection:
        connection.sendall(head("/orders/a", framing))
        sent = 0
        with contextlib.suppress(ConnectionError):
            while sent < 100_000_000:
                sent += connection.send(chunk)
        assert sent < 50_000_000  # what was dropped, plus what fits into the sockets' buffers


def test_w6_without_the_drain_limit_everything_would_be_swallowed(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MAX_DRAIN_BYTES", 1 << 40)
    with connect(port) as connection:
        connection.sendall(head("/orders/a", "content-length: 60000000"))
        connection.sendall(b" " * 60_000_000)
        assert first_reply(connection).startswith(b"HTTP/1.1 413")


def test_w6_one_mebibyte_is_still_read(port: int) -> None:
    padded = text() + b" " * (MAX_BODY_BYTES - len(text()))
    assert call(port, padded)[0] == 200
    assert call(port, padded + b" ")[0] == 413


@pytest.mark.parametrize("length", ["-1", "x", "1e3", "0x10"])
def test_w6_impossible_content_lengths(port: int, length: str) -> None:
    with connect(port) as connection:
        connection.sendall(head("/orders/a", f"content-length: {length}") + text())
        assert first_reply(connection).startswith(b"HTTP/1.1 400")


def test_w6_contradicting_lengths_refused(port: int) -> None:
    for lines in (("content-length: 2", "content-length: 3"), ("content-length: 2", "transfer-encoding: chunked")):
        with connect(port) as connection:
            connection.sendall(head("/orders/a", *lines) + b"{}")
            assert first_reply(connection).startswith(b"HTTP/1.1 400")


def test_the_connection_survives_a_refusal(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    for body, status in ((BAD["NaN"], 400), (text(), 200), (b" " * (SMALL_LIMIT + 1), 400), (text(), 200)):
        connection.request("PUT", "/orders/a", body, {"content-type": "application/json"})
        reply = connection.getresponse()
        reply.read()
        assert reply.status == status
    connection.close()


class Secret:
    """A type without an encoder."""


def test_a8_a_type_without_encoder_is_not_sent() -> None:
    @put("/leak", sync_to_thread=True)
    def leak() -> StrictResponse:
        """Return a secret by mistake."""
        return StrictResponse({"secret": Secret()})

    with background([Listener(make_app("t", "1", [leak]), "127.0.0.1", 0)]) as (port,):
        status, problem = call(port, b"", "/leak")
    assert (status, problem["type"]) == (500, problems.INTERNAL)
    assert "detail" not in problem
