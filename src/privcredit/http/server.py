"""Several listeners of one node in one process and one event loop (uvicorn with uvloop).

The federation listener demands client certificates; uvicorn hides them, so `PeerProtocol` reads the certificate after
the handshake and puts the `Peer` into every request's scope under `PEER_SCOPE_KEY`.
"""

import asyncio
import contextlib
import errno
import os
import signal
import socket
import threading
from asyncio import TimerHandle
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, cast

import uvicorn
import uvloop
from litestar.types import ASGIApp
from uvicorn._types import ASGIApplication
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from privcredit.errors import UsageError
from privcredit.http.pki import Peer, read_identity
from privcredit.http.tls import ServerTls, server_context

PEER_SCOPE_KEY = "privcredit.peer"
"""Where a request's scope carries the `Peer`, or None on listeners that ask for no certificate."""

HANDLER_THREADS = 128
"""Handlers block while they wait for peers and databases; 128 keep a node busy and cost only stacks."""

MAX_HEAD_BYTES = 32 << 10
"""Request line and headers: ours are below 1 kB; the parser itself has no limit."""

HEAD_SECONDS = 20.0
"""Time for a complete request head, from the connection's or the request's first byte."""

MAX_DRAIN_BYTES = 4 << 20
"""Body bytes read and dropped after an early refusal, so that the sender can read why, before the connection closes."""

KEEP_ALIVE_SECONDS = 75
"""Longer than the client's 60 s, so the client closes idle connections, never the server under its feet."""

GRACE_SECONDS = 10
"""Time for running requests after SIGTERM."""

MAX_CONNECTIONS = 1000
"""Above this many open connections a listener answers 503."""

BACKLOG = 1024

STARTUP_SECONDS = 60.0
"""For `background`: opening databases and tables takes a few seconds at most."""

Announce = Callable[[tuple[int, ...]], None]
"""Called once, with the bound port of each listener in order, when all of them accept connections."""


@dataclass(frozen=True, slots=True)
class Listener:
    """One address with its application. `port` 0 takes a free one; `tls` None is plain HTTP, for loopback only."""

    app: ASGIApp
    host: str
    port: int
    tls: ServerTls | None = None
    require_client_certificate: bool = False


def run(listeners: Sequence[Listener], announce: Announce | None = None) -> None:
    """Serve until SIGTERM or SIGINT, then finish running requests. Raises UsageError if a listener cannot start."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve_until_signal(listeners, announce))


@contextlib.contextmanager
def background(listeners: Sequence[Listener]) -> Iterator[tuple[int, ...]]:
    """Serve from a thread for the time of a `with` block, which receives the bound ports; for tests and embedding."""
    thread = _ServerThread(listeners)
    thread.start()
    try:
        yield thread.wait_until_ready()
    finally:
        thread.stop()


async def serve(listeners: Sequence[Listener], stop: asyncio.Event, announce: Announce | None = None) -> None:
    """Serve `listeners` until `stop` is set. Raises UsageError if one of them cannot start."""
    executor = ThreadPoolExecutor(HANDLER_THREADS, thread_name_prefix="handler")
    asyncio.get_running_loop().set_default_executor(executor)
    sockets = _bind_all(listeners)
    try:
        servers = [_Server(_config(listener)) for listener in listeners]
        await _serve_all(servers, sockets, stop, announce)
    finally:
        for bound in sockets:
            bound.close()


async def _serve_all(
    servers: Sequence["_Server"], sockets: Sequence[socket.socket], stop: asyncio.Event, announce: Announce | None
) -> None:
    ports = tuple(bound.getsockname()[1] for bound in sockets)
    tasks = [asyncio.create_task(server.serve(sockets=[bound])) for server, bound in zip(servers, sockets, strict=True)]
    started = asyncio.create_task(_all_ready(servers))
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({started, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        if started.done() and announce is not None:
            announce(ports)
        await asyncio.wait({stopped, *tasks}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        started.cancel()
        stopped.cancel()
        for server in servers:
            server.should_exit = True
        await asyncio.gather(*tasks)


async def _all_ready(servers: Sequence["_Server"]) -> None:
    for server in servers:
        await server.ready.wait()


async def _serve_until_signal(listeners: Sequence[Listener], announce: Announce | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await serve(listeners, stop, announce)


def _config(listener: Listener) -> uvicorn.Config:
    config = uvicorn.Config(
        cast("ASGIApplication", listener.app),
        http=PeerProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
        backlog=BACKLOG,
    )
    config.load()
    if listener.tls is not None:
        config.ssl = server_context(listener.tls, require_client_certificate=listener.require_client_certificate)
    elif listener.require_client_certificate:
        raise UsageError(f"The listener on port {listener.port} demands certificates but has no TLS files; name them.")
    return config


def _bind_all(listeners: Sequence[Listener]) -> list[socket.socket]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(contextlib.closing(_bind(listener))) for listener in listeners]
        stack.pop_all()
    return sockets


def _bind(listener: Listener) -> socket.socket:
    family = socket.AF_INET6 if ":" in listener.host else socket.AF_INET
    try:
        return socket.create_server((listener.host, listener.port), family=family, backlog=BACKLOG)
    except OSError as error:
        code = error.errno or 0
        reason = os.strerror(code) if code in errno.errorcode else error.strerror
        raise UsageError(
            f"The node cannot listen on {listener.host} port {listener.port}: {reason}; "
            "stop what uses it or choose another."
        ) from error


class _Server(uvicorn.Server):
    """A uvicorn server that leaves signals to the process and tells when it accepts connections."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets=sockets)
        except SystemExit as error:  # how uvicorn reports a failing application
            raise UsageError("A node's application cannot start; the log says why.") from error
        self.ready.set()


class _ServerThread(threading.Thread):
    """Runs `serve` with an event loop of its own."""

    def __init__(self, listeners: Sequence[Listener]) -> None:
        super().__init__(name="listeners", daemon=True)
        self._listeners = listeners
        self._ready = threading.Event()
        self._ports: tuple[int, ...] = ()
        self._error: BaseException | None = None
        self._stop_server: Callable[[], object] = lambda: None

    def run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._main())
        except BaseException as error:  # noqa: BLE001 - carried to the caller's thread
            self._error = error
        finally:
            self._ready.set()

    async def _main(self) -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._stop_server = lambda: loop.call_soon_threadsafe(stop.set)
        await serve(self._listeners, stop, self._announce)

    def _announce(self, ports: tuple[int, ...]) -> None:
        self._ports = ports
        self._ready.set()

    def wait_until_ready(self) -> tuple[int, ...]:
        """Return the bound ports, or raise what kept the listeners from starting."""
        if not self._ready.wait(STARTUP_SECONDS):
            raise UsageError("The listeners did not start within a minute; the log says why.")
        if self._error is not None:
            raise self._error
        return self._ports

    def stop(self) -> None:
        """Stop accepting, finish running requests, end the thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed already
            self._stop_server()
        self.join()


class PeerProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 protocol plus the peer's identity and limits on heads and on refused bodies."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - uvicorn's own constructor
        super().__init__(*args, **kwargs)
        self._peer: Peer | None = None
        self._reading_head = True
        self._head_bytes = 0
        self._drained_bytes = 0
        self._head_timer: TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Read who is there (TLS has checked the chain) and start the clock for the first request."""
        super().connection_made(transport)
        self._peer = peer_of(transport)
        self._start_head_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the clock."""
        self._stop_head_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, refusing a head that goes on and on."""
        inside_head = self._reading_head
        super().data_received(data)
        if inside_head and self._reading_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
                self.send_400_response("The request's headers are too long.")

    def on_message_begin(self) -> None:
        """Name the peer in the new request's scope."""
        super().on_message_begin()
        self._head_bytes = 0
        self._drained_bytes = 0
        self._start_head_timer()
        cast("dict[str, Any]", self.scope)[PEER_SCOPE_KEY] = self._peer

    def on_headers_complete(self) -> None:
        """The head is in time and whole."""
        self._reading_head = False
        self._stop_head_timer()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Pass the body on; once the answer is out, drop it, and give up on a sender that does not stop."""
        super().on_body(body)
        if self.cycle.response_complete:
            self._drained_bytes += len(body)
            if self._drained_bytes > MAX_DRAIN_BYTES:
                self.transport.close()

    def on_message_complete(self) -> None:
        """The next bytes are a new head."""
        self._reading_head = True
        super().on_message_complete()

    def shutdown(self) -> None:
        """Let a running request finish; drop an idle connection at once.

        Closing it would wait for the peer's TLS farewell, which an idle peer does not send.
        """
        super().shutdown()
        if self.transport.is_closing():
            self.transport.abort()

    def _start_head_timer(self) -> None:
        self._stop_head_timer()
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self.timeout_keep_alive_handler)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


def peer_of(transport: asyncio.BaseTransport) -> Peer | None:
    """Return whom the client's certificate names, or None without TLS, without certificate or without our names."""
    tls = transport.get_extra_info("ssl_object")
    certificate = tls.getpeercert(binary_form=True) if tls is not None else None
    if not certificate:
        return None
    with contextlib.suppress(UsageError):
        return read_identity(certificate)
    return None
