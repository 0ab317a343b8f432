"""The client against good, wrong, dead, slow and lying peers, over real TLS."""

import dataclasses
import socket
import ssl
import threading
import time
from collections.abc import Iterator

import pytest
from cryptography import x509
from federation_files import Federation, scripted_server
from litestar import delete, get, post, put
from litestar.params import FromPath, JSONBody

from privcredit.errors import PeerError, PrivcreditError, RefusedError, UnavailableError, UsageError
from privcredit.http import client as client_module
from privcredit.http import pki
from privcredit.http.application import make_app
from privcredit.http.body import StrictResponse
from privcredit.http.client import PeerClient
from privcredit.http.pki import create_ca, issue
from privcredit.http.server import Listener, background
from privcredit.http.tls import ClientTls
from privcredit.messages.codec import Message


class Item(Message, frozen=True):
    name: str
    blob: bytes = b""


ITEM = Item(name="x", blob=b"\x00\xff")


@put("/items/{key:str}", sync_to_thread=True)
def store(key: FromPath[str], data: JSONBody[Item]) -> StrictResponse:
    """Store."""
    return StrictResponse(data, status_code=202 if key == "later" else 200)


@get("/items/{key:str}", sync_to_thread=True)
def fetch(key: FromPath[str]) -> Item:
    """Fetch."""
    return Item(name=key)


@post("/items", sync_to_thread=True)
def add(data: JSONBody[Item]) -> Item:
    """Add."""
    return data


@delete("/items/{key:str}", sync_to_thread=True, status_code=200)
def drop(key: FromPath[str]) -> Item:
    """Drop."""
    return Item(name=key)


ERRORS: dict[str, PrivcreditError] = {
    "refused": RefusedError("no-consent", "The subject did not consent."),
    "usage": UsageError("The id is too short."),
    "peer": PeerError("lender", "verify contribution", "Its proof is wrong."),
    "unavailable": UnavailableError("Two authorities are silent."),
}


@get("/errors/{key:str}", sync_to_thread=True)
def fail(key: FromPath[str]) -> Item:
    """Fail as told."""
    raise ERRORS.get(key, ValueError("canary"))


@pytest.fixture
def port(federation: Federation) -> Iterator[int]:
    app = make_app("bank", "1", [store, fetch, add, drop, fail])
    with background([Listener(app, "127.0.0.1", 0, federation.server(), True)]) as (bound,):
        yield bound


@pytest.fixture
def client(federation: Federation, port: int) -> Iterator[PeerClient]:
    with PeerClient(f"https://127.0.0.1:{port}", federation.client(), "bank") as connected:
        yield connected


def test_every_method_returns_a_message(client: PeerClient) -> None:
    assert client.put("/items/a", ITEM, Item) == ITEM
    assert client.post("/items", ITEM, Item) == ITEM
    assert client.get("/items/a", Item) == client.delete("/items/a", Item) == Item(name="a")


def test_handlers_that_share_a_path_run_in_one_thread_each(client: PeerClient) -> None:
    """Named reproduction: Litestar wraps a handler once per method of its path, and a PUT returned a coroutine."""
    assert client.send("PUT", "/items/a", ITEM).decode(Item) == ITEM
    schema = client.send("GET", "/openapi.json").body
    assert b"AsyncCallable" not in schema


def test_the_status_of_a_success_is_visible(client: PeerClient) -> None:
    reply = client.send("PUT", "/items/later", ITEM)
    assert (reply.status, reply.decode(Item)) == (202, ITEM)


@pytest.mark.parametrize("name", list(ERRORS))
def test_errors_come_back_as_themselves(client: PeerClient, name: str) -> None:
    with pytest.raises(type(ERRORS[name])) as caught:
        client.get(f"/errors/{name}", Item)
    if name == "refused":
        assert caught.value.reason == "no-consent"
    if name == "peer":
        assert (caught.value.culprit, caught.value.step) == ("lender", "verify contribution")


def test_a_fault_blames_the_party_and_names_the_log_entry(client: PeerClient) -> None:
    with pytest.raises(PeerError, match=r"bank: .*500 \(urn:privcredit:fault:") as caught:
        client.get("/errors/unforeseen", Item)
    assert "canary" not in str(caught.value)


def test_connections_are_kept(federation: Federation) -> None:
    def answer(connection: ssl.SSLSocket, _number: int) -> None:
        while connection.recv(65_536):
            connection.sendall(reply(b'{"name": "x"}'))

    with scripted_server(federation.server(), answer) as (port, seen), connect(federation, port) as client:
        for _ in range(5):
            client.get("/", Item)
        assert seen == [0]


def connect(federation: Federation, port: int, **options: int) -> PeerClient:
    return PeerClient(f"https://127.0.0.1:{port}", federation.client(), "bank", **options)


def reply(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def answering(data: bytes):  # noqa: ANN201 - a script
    def answer(connection: ssl.SSLSocket, _number: int) -> None:
        while connection.recv(65_536):
            connection.sendall(data)

    return answer


def test_n2_another_party_at_the_address_is_refused(federation: Federation, port: int) -> None:
    """All nodes share 127.0.0.1: only the certificate tells the bank from the lender."""
    with (
        PeerClient(f"https://127.0.0.1:{port}", federation.client(), "lender") as client,
        pytest.raises(PeerError, match=f"server at 127.0.0.1:{port} is not lender") as caught,
    ):
        client.get("/items/a", Item)
    assert (caught.value.culprit, caught.value.step) == ("lender", "verify TLS certificate")


def test_n2_without_the_name_check_it_would_be_believed(
    federation: Federation, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = client_module.client_context

    def unchecked(tls: ClientTls) -> ssl.SSLContext:
        context = make(tls)
        context.check_hostname = False
        return context

    monkeypatch.setattr(client_module, "client_context", unchecked)
    with PeerClient(f"https://127.0.0.1:{port}", federation.client(), "lender") as client:
        assert client.get("/items/a", Item)


def test_n2_a_certificate_with_another_partys_name_would_be_believed(
    federation: Federation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Why `issue` refuses hosts under privcredit.invalid: with the guard removed the bank passes for the lender."""
    with pytest.raises(UsageError, match="another party"):
        issue(federation.ca, "bank", "holder", ["lender.privcredit.invalid"], federation.now, 1)
    monkeypatch.setattr(pki, "_host_name", x509.DNSName)
    pair = issue(federation.ca, "bank", "holder", ["lender.privcredit.invalid"], federation.now, 1)
    tls = dataclasses.replace(
        federation.server(), **dict(zip(("certificate", "key"), federation.store("two", *pair), strict=True))
    )
    with (
        background([Listener(make_app("bank", "1", [fetch]), "127.0.0.1", 0, tls, True)]) as (port,),
        PeerClient(f"https://127.0.0.1:{port}", federation.client(), "lender") as client,
    ):
        assert client.get("/items/a", Item)


@pytest.mark.parametrize("case", ["wrong authority", "expired"])
def test_n2_bad_server_certificates_are_refused(federation: Federation, case: str) -> None:
    options = {
        "wrong authority": {"ca": create_ca("test", federation.now, 30)},
        "expired": {"now": federation.now - 30 * 86_400, "days": 10},
    }[case]
    tls = federation.server("bank", "holder", **options)
    app = make_app("bank", "1", [fetch])
    with (
        background([Listener(app, "127.0.0.1", 0, tls, True)]) as (port,),
        connect(federation, port) as client,
        pytest.raises(PeerError, match="verify TLS certificate"),
    ):
        client.get("/items/a", Item)


def test_an_alert_about_our_certificate_is_told_apart(federation: Federation) -> None:
    """A server that says why (OpenSSL's blocking sockets do) is understood."""
    files = federation.client("hub", "coordinator", ca=create_ca("other", federation.now, 30))
    with (
        scripted_server(federation.server(), answering(b"")) as (port, _),
        PeerClient(f"https://127.0.0.1:{port}", files, "bank") as client,
        pytest.raises(RefusedError, match="refuses this node's certificate") as caught,
    ):
        client.get("/", Item)
    assert caught.value.reason == "bad-certificate"


def test_nobody_listens(federation: Federation) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with (
        connect(federation, port) as client,
        pytest.raises(UnavailableError, match=f"bank at 127.0.0.1:{port} cannot be reached"),
    ):
        client.get("/", Item)


def test_a5_a_peer_that_accepts_and_hangs_costs_no_more_than_the_connect_time(
    federation: Federation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "CONNECT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent, connect(federation, silent.getsockname()[1]) as client:
        begin = time.monotonic()
        with pytest.raises(UnavailableError, match="did not answer in time"):
            client.get("/", Item, 30.0)
        assert time.monotonic() - begin < 5


def drip(connection: ssl.SSLSocket, data: bytes) -> None:
    for byte in data:
        connection.sendall(bytes([byte]))
        time.sleep(0.05)


@pytest.mark.parametrize("part", ["nothing", "head", "body"])
def test_a5_the_deadline_is_total_also_for_a_dripping_peer(federation: Federation, part: str) -> None:
    """A timeout per read would never end here: a byte arrives every 50 ms."""
    stop = threading.Event()

    def answer(connection: ssl.SSLSocket, _number: int) -> None:
        connection.recv(65_536)
        if part == "nothing":
            stop.wait(10)
        if part == "body":
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
        drip(connection, b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200)

    with scripted_server(federation.server(), answer) as (port, seen), connect(federation, port) as client:
        begin = time.monotonic()
        with pytest.raises(UnavailableError, match="did not answer in time"):
            client.get("/", Item, 0.4)
        assert 0.3 < time.monotonic() - begin < 3
        stop.set()
        assert seen == [0]  # a timeout is not retried


def hang_up_first(connection: ssl.SSLSocket, number: int) -> None:
    connection.recv(65_536)
    if number > 0:
        connection.sendall(reply(b'{"name": "second"}'))


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_idempotent_calls_are_repeated_once_when_the_connection_falls(federation: Federation, method: str) -> None:
    with scripted_server(federation.server(), hang_up_first) as (port, seen), connect(federation, port) as client:
        assert client.send(method, "/").decode(Item).name == "second"
        assert seen == [0, 1]


def test_post_is_never_repeated(federation: Federation) -> None:
    with scripted_server(federation.server(), hang_up_first) as (port, seen), connect(federation, port) as client:
        with pytest.raises(UnavailableError, match="closed the connection without a reply"):
            client.post("/", ITEM, Item)
        assert seen == [0]


def test_a_call_is_repeated_only_once(federation: Federation) -> None:
    def hang_up(connection: ssl.SSLSocket, _number: int) -> None:
        connection.recv(65_536)

    with scripted_server(federation.server(), hang_up) as (port, seen), connect(federation, port) as client:
        with pytest.raises(UnavailableError):
            client.get("/", Item)
        assert seen == [0, 1]


def test_a_restarted_node_is_found_again(federation: Federation) -> None:
    """The pooled connection is dead after the restart; the next call must not notice."""
    app = make_app("bank", "1", [fetch])
    tls = federation.server()
    with background([Listener(app, "127.0.0.1", 0, tls, True)]) as (port,):
        client = connect(federation, port)
        client.get("/items/a", Item)
    with background([Listener(app, "127.0.0.1", port, tls, True)]):
        assert client.get("/items/b", Item).name == "b"
    client.close()


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b'{"name": 1}', b'{"name": "a", "name": "b"}', b'{"name": "a", "more": 1}', b"<html>", b"[" * 100_000],
    ids=range(7),
)
def test_w6_a_reply_that_is_not_the_message_blames_the_party(federation: Federation, body: bytes) -> None:
    with scripted_server(federation.server(), answering(reply(body))) as (port, _), connect(federation, port) as client:
        with pytest.raises(PeerError, match="read a reply") as caught:
            client.get("/", Item)
        assert caught.value.culprit == "bank"


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_w6_a_reply_over_the_limit_is_not_read(federation: Federation, framing: str) -> None:
    def answer(connection: ssl.SSLSocket, _number: int) -> None:
        connection.recv(65_536)
        header = "content-length: 100000000" if framing == "length" else "transfer-encoding: chunked"
        connection.sendall(f"HTTP/1.1 200 OK\r\n{header}\r\n\r\n".encode())
        while True:
            connection.sendall(b"1000\r\n" + b" " * 0x1000 + b"\r\n")

    with (
        scripted_server(federation.server(), answer) as (port, _),
        connect(federation, port, max_reply_bytes=50_000) as client,
        pytest.raises(PeerError, match="over 50000 bytes"),
    ):
        client.get("/", Item, 5.0)


@pytest.mark.parametrize("data", [b"rubbish\r\n\r\n", b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000])
def test_w6_a_reply_that_is_not_http(federation: Federation, data: bytes) -> None:
    with (
        scripted_server(federation.server(), answering(data)) as (port, _),
        connect(federation, port) as client,
        pytest.raises(UnavailableError, match="without a reply"),
    ):
        client.get("/", Item, 5.0)


def test_redirects_are_not_followed(federation: Federation) -> None:
    data = reply(b"", "307 Temporary Redirect", "location: https://127.0.0.1:1/")
    with scripted_server(federation.server(), answering(data)) as (port, seen), connect(federation, port) as client:
        with pytest.raises(PeerError, match="307"):
            client.get("/", Item)
        assert seen == [0]


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "https://", "127.0.0.1:80", "https://host/path", "ftp://x"])
def test_addresses_must_be_https_origins(federation: Federation, url: str) -> None:
    with pytest.raises(UsageError, match=r"must look like https://host:port"):
        PeerClient(url, federation.client(), "bank")


def test_threads_share_a_client(client: PeerClient) -> None:
    names: list[str] = []

    def work(number: int) -> None:
        names.extend(client.get(f"/items/{number}-{i}", Item).name for i in range(10))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(names) == sorted(f"{number}-{i}" for number in range(16) for i in range(10))


def test_proxies_of_the_environment_are_ignored(client: PeerClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    assert client.get("/items/a", Item).name == "a"
