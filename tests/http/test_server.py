"""Listeners over real sockets: who gets in (threat N2), who is there, and how a node starts and stops."""

import contextlib
import json
import signal
import socket
import ssl
import subprocess
import sys
import textwrap
import threading
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from federation_files import Federation
from litestar import Litestar, Request, get

from privcredit.errors import RefusedError, UnavailableError, UsageError
from privcredit.http import server, tls
from privcredit.http.application import CallingPeer, make_app, require_role
from privcredit.http.client import PeerClient
from privcredit.http.health import Health, make_health_app
from privcredit.http.observability import Observability
from privcredit.http.pki import create_ca
from privcredit.http.server import PEER_SCOPE_KEY, Listener, background
from privcredit.http.tls import ClientTls, ServerTls
from privcredit.messages.codec import Message

DAY = 86_400

pytestmark = pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")


class Who(Message, frozen=True):
    party: str
    role: str


@get("/who", sync_to_thread=True, guards=[require_role("coordinator")])
def who(peer: CallingPeer) -> Who:
    """Who asks."""
    return Who(party=peer.party, role=peer.role)


@get("/open", sync_to_thread=True)
def open_to_all(request: Request[Any, Any, Any]) -> str:
    """Whether the scope names anyone."""
    return repr(request.scope[PEER_SCOPE_KEY])


GET_WHO = b"GET /who HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"


def listener(
    federation: Federation, *, app: Litestar | None = None, mutual: bool = True, files: ServerTls | None = None
) -> Listener:
    return Listener(app or make_app("test", "1", [who]), "127.0.0.1", 0, files or federation.server(), mutual)


def ask(port: int, files: ClientTls, party: str = "bank", path: str = "/who") -> Who:
    with PeerClient(f"https://127.0.0.1:{port}", files, party) as client:
        return client.get(path, Who, 5.0)


def raw_request(port: int, context: ssl.SSLContext, request: bytes = GET_WHO) -> bytes:
    """Returns what a plain TLS client reads; raises ssl.SSLError or ConnectionError when it is refused."""
    with (
        socket.create_connection(("127.0.0.1", port), 5) as raw,
        context.wrap_socket(raw, server_hostname="bank.privcredit.invalid") as connection,
    ):
        connection.sendall(request)
        return read_all(connection)


def is_refused(port: int, context: ssl.SSLContext) -> bool:
    """The handshake fails, or the connection ends without a byte (TLS 1.3 tells the client only then)."""
    try:
        return raw_request(port, context) == b""
    except (ssl.SSLError, ConnectionError):
        return True


def context_of(files: ClientTls) -> ssl.SSLContext:
    return tls.client_context(files)


def test_the_peer_is_known_per_connection(federation: Federation) -> None:
    with background([listener(federation)]) as (port,):
        assert ask(port, federation.client("hub")) == Who(party="hub", role="coordinator")
        assert ask(port, federation.client("hub2")) == Who(party="hub2", role="coordinator")


def test_n2_without_certificate_refused(federation: Federation) -> None:
    files = ClientTls(federation.ca_file)
    with background([listener(federation)]) as (port,):
        assert is_refused(port, context_of(files))
        with pytest.raises(UnavailableError, match="check that this node's certificate is valid"):
            ask(port, files)


def test_n2_without_the_demand_it_would_be_let_through(federation: Federation) -> None:
    with background([listener(federation, mutual=False)]) as (port,):
        reply = raw_request(port, context_of(ClientTls(federation.ca_file)))
    assert reply.startswith(b"HTTP/1.1 403")
    assert b"urn:privcredit:refused:wrong-role" in reply


@pytest.mark.parametrize("case", ["expired", "not yet valid", "wrong authority"])
def test_n2_bad_certificate_refused(federation: Federation, case: str) -> None:
    options = {
        "expired": {"now": federation.now - 20 * DAY, "days": 10},
        "not yet valid": {"now": federation.now + 20 * DAY},
        "wrong authority": {"ca": create_ca("test", federation.now, 30)},
    }[case]
    files = federation.client("hub", "coordinator", **options)
    with background([listener(federation)]) as (port,):
        assert is_refused(port, context_of(files))
        with pytest.raises(UnavailableError, match="check that this node's certificate is valid"):
            ask(port, files)


def test_n2_right_authority_wrong_role_refused(federation: Federation) -> None:
    with background([listener(federation)]) as (port,), pytest.raises(RefusedError) as refusal:
        ask(port, federation.client("lender", "holder"))
    assert refusal.value.reason == "wrong-role"
    assert str(refusal.value) == "This is for coordinator; lender is holder."


def test_n2_a_header_does_not_make_a_peer(federation: Federation) -> None:
    request = (
        b"GET /who HTTP/1.1\r\nhost: x\r\nprivcredit.peer: hub\r\nconnection: close\r\nx-forwarded-for: hub\r\n\r\n"
    )
    with background([listener(federation, mutual=False)]) as (port,):
        assert raw_request(port, context_of(ClientTls(federation.ca_file)), request).startswith(b"HTTP/1.1 403")


def old_tls(federation: Federation, version: ssl.TLSVersion) -> ssl.SSLContext:
    context = context_of(federation.client())
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = version
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


def test_n2_tls_below_1_2_refused(federation: Federation, monkeypatch: pytest.MonkeyPatch) -> None:
    with background([listener(federation)]) as (port,):
        assert is_refused(port, old_tls(federation, ssl.TLSVersion.TLSv1_1))
    monkeypatch.setattr(tls, "MINIMUM_VERSION", ssl.TLSVersion.TLSv1)
    monkeypatch.setattr(tls, "CIPHERS", "ALL:@SECLEVEL=0")
    with background([listener(federation)]) as (port,):  # the guard removed: the old version gets through
        assert raw_request(port, old_tls(federation, ssl.TLSVersion.TLSv1_1)).startswith(b"HTTP/1.1 200")


def test_tls_1_2_is_served(federation: Federation) -> None:
    with background([listener(federation)]) as (port,):
        context = old_tls(federation, ssl.TLSVersion.TLSv1_2)
        assert raw_request(port, context).startswith(b"HTTP/1.1 200")


def test_n2_no_session_can_be_resumed(federation: Federation) -> None:
    context = context_of(federation.client())
    with background([listener(federation)]) as (port,), socket.create_connection(("127.0.0.1", port)) as raw:
        connection = context.wrap_socket(raw, server_hostname="bank.privcredit.invalid")
        connection.sendall(b"GET /who HTTP/1.1\r\nhost: x\r\n\r\n")
        connection.recv(65_536)
        assert connection.session is None or not connection.session.has_ticket


def test_public_and_federation_and_operator_listeners_in_one_process(federation: Federation) -> None:
    files = federation.server()
    public = Listener(make_app("public", "1", [open_to_all]), "127.0.0.1", 0, files)
    health = Listener(make_health_app(Observability("bank", "holder"), "1", list), "127.0.0.1", 0)
    with background([listener(federation, files=files), public, health]) as (mutual_port, public_port, health_port):
        assert ask(mutual_port, federation.client()).party == "hub"
        assert b"\r\n\r\nNone" in raw_request(
            public_port,
            context_of(ClientTls(federation.ca_file)),
            b"GET /open HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        )
        with urllib.request.urlopen(f"http://127.0.0.1:{health_port}/healthz") as reply:
            assert json.load(reply)["status"] == "ok"


def test_no_banner_and_safe_headers(federation: Federation) -> None:
    with background([listener(federation)]) as (port,):
        head = raw_request(port, context_of(federation.client())).lower()
    assert b"\r\nserver:" not in head
    assert b"uvicorn" not in head
    for line in (b"x-content-type-options: nosniff", b"cache-control: no-store", b"default-src 'none'"):
        assert line in head


def test_a_taken_port_is_one_clear_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        sentence = f"cannot listen on 127.0.0.1 port {port}: Address already in use; stop what uses it"
        with (
            pytest.raises(UsageError, match=sentence),
            background([Listener(make_app("t", "1", []), "127.0.0.1", port)]),
        ):
            pass


def test_an_unreadable_certificate_names_the_file(federation: Federation) -> None:
    files = federation.server()
    files.certificate.write_text("rubbish")
    with pytest.raises(UsageError, match=r"bank-holder\.pem"), background([listener(federation, files=files)]):
        pass


def test_an_application_that_cannot_start_is_reported_and_all_listeners_end() -> None:
    def fail(_app: object) -> None:
        raise RuntimeError

    apps = [make_app("good", "1", []), make_app("bad", "1", [], on_startup=[fail])]
    with (
        pytest.raises(UsageError, match="cannot start; the log says why"),
        background([Listener(app, "127.0.0.1", 0) for app in apps]),
    ):
        pass


def test_certificates_cannot_be_demanded_without_tls() -> None:
    app = make_app("t", "1", [])
    with pytest.raises(UsageError, match="no TLS files"), background([Listener(app, "127.0.0.1", 0, None, True)]):
        pass


def test_a_hundred_handlers_block_at_once() -> None:
    """The default pool of a 2-core machine has 6 threads; 100 waiting handlers would never meet."""
    everyone = threading.Barrier(100)

    @get("/meet", sync_to_thread=True)
    def meet() -> str:
        """Wait for all."""
        everyone.wait(20)
        return "met"

    with background([Listener(make_app("t", "1", [meet]), "127.0.0.1", 0)]) as (port,):
        replies: list[int] = []

        def visit() -> None:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/meet") as reply:
                replies.append(reply.status)

        threads = [threading.Thread(target=visit) for _ in range(100)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert replies == [200] * 100


def plain(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), 10)


def read_all(connection: socket.socket) -> bytes:
    data = b""
    with contextlib.suppress(ConnectionError):
        while chunk := connection.recv(65_536):
            data += chunk
    return data


@pytest.mark.parametrize("line", [b"GET /" + b"a" * 100_000, b"GET / HTTP/1.1\r\nx: " + b"a" * 100_000])
def test_w6_an_endless_head_is_cut_off(line: bytes) -> None:
    with background([Listener(make_app("t", "1", []), "127.0.0.1", 0)]) as (port,), plain(port) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(line)
        assert read_all(connection)[:12] in (b"HTTP/1.1 400", b"")  # a reset may overtake the reply


def test_w6_a_slow_head_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.2)
    with background([Listener(make_app("t", "1", []), "127.0.0.1", 0)]) as (port,):
        for begin in (b"", b"GET / HTTP/1.1\r\nx: "):
            with plain(port) as connection:
                connection.sendall(begin)
                assert read_all(connection) == b""


def test_pipelined_requests_are_all_answered() -> None:
    @get("/one", sync_to_thread=True)
    def one() -> str:
        """One."""
        return "one"

    request = b"GET /one HTTP/1.1\r\nhost: x\r\n\r\n"
    with background([Listener(make_app("t", "1", [one]), "127.0.0.1", 0)]) as (port,), plain(port) as connection:
        connection.sendall(request * 2 + request.replace(b"host", b"connection: close\r\nhost"))
        assert read_all(connection).count(b"HTTP/1.1 200") == 3


NODE = textwrap.dedent("""
    import sys, time
    from litestar import get
    from privcredit.http.application import make_app
    from privcredit.http.server import Listener, run

    @get("/slow", sync_to_thread=True)
    def slow() -> str:
        print("busy", flush=True)
        time.sleep(0.5)
        return "done"

    run([Listener(make_app("t", "1", [slow]), "127.0.0.1", 0)] * 2, lambda ports: print(*ports, flush=True))
    print("ended", flush=True)
""")


@pytest.fixture
def node() -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    with subprocess.Popen([sys.executable, "-c", NODE], stdout=subprocess.PIPE, text=True) as process:
        ports = [int(port) for port in process.stdout.readline().split()]
        yield process, ports
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_running_requests_finish(
    node: tuple[subprocess.Popen[str], list[int]], number: signal.Signals
) -> None:
    process, ports = node
    with plain(ports[1]) as connection:
        connection.sendall(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n")
        assert process.stdout.readline() == "busy\n"
        process.send_signal(number)
        assert read_all(connection).endswith(b"done")
    assert process.stdout.readline() == "ended\n"
    assert process.wait(10) == 0
    with pytest.raises(ConnectionRefusedError):
        plain(ports[0])


def test_idle_tls_connections_do_not_delay_the_end(federation: Federation) -> None:
    """Named reproduction: TLS close waits for the peer's farewell, which kept a stopping node for ten seconds."""
    client = PeerClient("https://127.0.0.1:1", federation.client(), "bank")
    with background([listener(federation)]) as (port,):
        client = PeerClient(f"https://127.0.0.1:{port}", federation.client(), "bank")
        client.get("/who", Who)
        begin = time.monotonic()
    assert time.monotonic() - begin < server.GRACE_SECONDS / 2
    with pytest.raises(UnavailableError, match="cannot be reached"):
        client.get("/who", Who)
    client.close()


def test_health_says_why_a_node_is_not_ready() -> None:
    reasons = ["The database is locked."]
    app = make_health_app(Observability("bank", "holder"), "1", lambda: reasons)
    with background([Listener(app, "127.0.0.1", 0)]) as (port,):
        with pytest.raises(urllib.request.HTTPError) as error:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz")
        assert error.value.code == 503
        assert json.load(error.value) == {"node": "bank", "status": "not ready", "reasons": reasons}
        reasons.clear()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz") as reply:
            assert Health(**json.load(reply)).status == "ok"
