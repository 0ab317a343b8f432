"""A node's view of one peer: pooled keep-alive mutual TLS, the peer's name checked, errors back as errors.

httpcore, the engine under httpx, is used directly: its network backend is the one place where a total deadline can be
enforced on every read and write.
"""

import ssl
import time
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import httpcore
import msgspec

from privcredit.errors import PeerError, PrivcreditError, RefusedError, UnavailableError, UsageError
from privcredit.http.api_token import ApiToken
from privcredit.http.pki import party_host
from privcredit.http.problems import error_of
from privcredit.http.tls import ClientTls, client_context
from privcredit.messages.codec import MalformedError, decode_json, encode_json

CONNECT_SECONDS = 1.0
"""A node that does not accept within a second is down; the deadline is for its work."""

DEADLINE_SECONDS = 30.0
"""Default time for one call, from the first byte sent to the last byte received."""

MAX_REPLY_BYTES = 4 << 20
"""Default limit of a reply; the largest regular one, a batch's shares, stays below 1 MiB."""

IDLE_SECONDS = 60.0
"""Idle connections are closed after this; the server waits longer, so it never closes first."""

MAX_CONNECTIONS = 64
"""Parallel calls to one peer; more wait for a free connection."""

IDEMPOTENT = frozenset({"GET", "PUT", "DELETE"})
"""Methods that may be repeated when the connection broke."""

M = TypeVar("M")

_deadline: ContextVar[float] = ContextVar("privcredit-call-deadline")


@dataclass(frozen=True, slots=True)
class Reply:
    """A successful reply (status 2xx) and its undecoded body."""

    status: int
    body: bytes
    party: str

    def decode(self, kind: type[M], limit: int = MAX_REPLY_BYTES) -> M:
        """Return the body as a `kind`. Raises PeerError naming the party."""
        try:
            return decode_json(self.body, kind, limit)
        except MalformedError as error:
            raise PeerError(self.party, "read a reply", str(error)) from error


class PeerClient:
    """Calls one party at `base_url`; safe to share between threads.

    base_url: "https://host:port". tls: our files; without certificate we are a wallet or a service provider.
    expected_party: whose certificate must answer, whatever the address (checked in the TLS handshake).
    token: shown with every call, for an API that demands one.
    All calls raise: RefusedError and UsageError (the peer said so), PeerError (the peer misbehaves or blames someone),
    UnavailableError (no connection, no reply before the deadline).
    """

    def __init__(
        self,
        base_url: str,
        tls: ClientTls,
        expected_party: str,
        max_reply_bytes: int = MAX_REPLY_BYTES,
        token: ApiToken | None = None,
    ) -> None:
        self.party = expected_party
        self._origin = _origin(base_url)
        self._max_reply_bytes = max_reply_bytes
        self._host = party_host(expected_party)
        self._headers = [(b"host", self._origin.netloc), (b"accept", b"application/json")]
        if token is not None:
            self._headers.append(token.header)
        self._pool = httpcore.ConnectionPool(
            ssl_context=client_context(tls),
            max_connections=MAX_CONNECTIONS,
            max_keepalive_connections=MAX_CONNECTIONS,
            keepalive_expiry=IDLE_SECONDS,
            network_backend=_DeadlineBackend(),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()

    def get(self, path: str, kind: type[M], deadline: float = DEADLINE_SECONDS) -> M:
        """GET `path` and return the reply as a `kind`."""
        return self.send("GET", path, None, deadline).decode(kind, self._max_reply_bytes)

    def put(self, path: str, body: msgspec.Struct, kind: type[M], deadline: float = DEADLINE_SECONDS) -> M:
        """PUT `body` to `path` and return the reply as a `kind`."""
        return self.send("PUT", path, body, deadline).decode(kind, self._max_reply_bytes)

    def post(self, path: str, body: msgspec.Struct, kind: type[M], deadline: float = DEADLINE_SECONDS) -> M:
        """POST `body` to `path` and return the reply as a `kind`; never repeated."""
        return self.send("POST", path, body, deadline).decode(kind, self._max_reply_bytes)

    def delete(self, path: str, kind: type[M], deadline: float = DEADLINE_SECONDS) -> M:
        """DELETE `path` and return the reply as a `kind`."""
        return self.send("DELETE", path, None, deadline).decode(kind, self._max_reply_bytes)

    def send(
        self, method: str, path: str, body: msgspec.Struct | None = None, deadline: float = DEADLINE_SECONDS
    ) -> Reply:
        """Make one call and return the reply undecoded, for routes with several outcomes (200 or 202)."""
        content = None if body is None else encode_json(body)
        token = _deadline.set(time.monotonic() + deadline)
        try:
            status, reply = self._attempts(method, path, content)
        finally:
            _deadline.reset(token)
        if status >= 300:  # noqa: PLR2004 - everything but success; peers do not redirect
            raise error_of(status, reply, self.party)
        return Reply(status, reply, self.party)

    def _attempts(self, method: str, path: str, content: bytes | None) -> tuple[int, bytes]:
        try:
            return self._attempt(method, path, content)
        except _BROKEN as error:
            if method not in IDEMPOTENT or isinstance(self._explain(error), PeerError | RefusedError):
                raise self._explain(error) from error
        except _FAILED as error:
            raise self._explain(error) from error
        try:
            return self._attempt(method, path, content)
        except (*_BROKEN, *_FAILED) as error:
            raise self._explain(error) from error

    def _attempt(self, method: str, path: str, content: bytes | None) -> tuple[int, bytes]:
        remaining = _remaining()
        headers = self._headers if content is None else [*self._headers, *_content_headers(content)]
        timeouts = {"connect": CONNECT_SECONDS, "read": remaining, "write": remaining, "pool": remaining}
        extensions = {"timeout": timeouts, "sni_hostname": self._host}
        url = httpcore.URL(
            scheme=self._origin.scheme, host=self._origin.host, port=self._origin.port, target=path.encode("ascii")
        )
        with self._pool.stream(method, url, headers=headers, content=content, extensions=extensions) as response:
            return response.status, self._read(response.iter_stream())

    def _read(self, chunks: Iterable[bytes]) -> bytes:
        body = bytearray()
        for chunk in chunks:
            body += chunk
            if len(body) > self._max_reply_bytes:
                raise PeerError(self.party, "read a reply", f"The reply is over {self._max_reply_bytes} bytes.")
        return bytes(body)

    def _explain(self, error: Exception) -> PrivcreditError:
        where = f"{self.party} at {self._origin.netloc.decode()}"
        cause = _tls_error(error)
        if isinstance(cause, ssl.SSLCertVerificationError):
            sentence = f"The server at {self._origin.netloc.decode()} is not {self.party}: {cause.verify_message}."
            return PeerError(self.party, "verify TLS certificate", sentence)
        if cause is not None and "alert" in str(cause).lower():
            return RefusedError("bad-certificate", f"{where} refuses this node's certificate ({cause.reason}).")
        if isinstance(error, httpcore.TimeoutException):
            return UnavailableError(f"{where} did not answer in time; try again later.")
        if isinstance(error, httpcore.ConnectError):
            return UnavailableError(f"{where} cannot be reached ({error}); see whether it runs.")
        return UnavailableError(
            f"{where} closed the connection without a reply; "
            "if it runs, check that this node's certificate is valid and of its federation."
        )


_BROKEN = (httpcore.ConnectError, httpcore.ReadError, httpcore.WriteError, httpcore.RemoteProtocolError)
"""The connection failed or fell; the call may be repeated if its method is idempotent."""

_FAILED = (httpcore.TimeoutException, httpcore.ProtocolError, httpcore.UnsupportedProtocol)
"""Repeating would not help or not be in time."""


def _origin(base_url: str) -> "_Origin":
    sentence = f"The address {base_url!r} of a peer must look like https://host:port."
    try:
        url = httpcore.URL(base_url)
    except (ValueError, TypeError) as error:  # a port that is none; characters beyond ASCII
        raise UsageError(sentence) from error
    if url.scheme != b"https" or not url.host or url.target not in (b"/", b""):
        raise UsageError(sentence)
    return _Origin(url.scheme, url.host, url.port or 443)


@dataclass(frozen=True, slots=True)
class _Origin:
    scheme: bytes
    host: bytes
    port: int

    @property
    def netloc(self) -> bytes:
        host = b"[%s]" % self.host if b":" in self.host else self.host
        return b"%s:%d" % (host, self.port)


def _content_headers(content: bytes) -> list[tuple[bytes, bytes]]:
    return [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(content))]


def _tls_error(error: BaseException) -> ssl.SSLError | None:
    current: BaseException | None = error
    while current is not None:
        if isinstance(current, ssl.SSLError):
            return current
        current = current.__cause__ or current.__context__
    return None


def _remaining() -> float:
    remaining = _deadline.get() - time.monotonic()
    if remaining <= 0:
        raise httpcore.ReadTimeout("deadline")
    return remaining


def _bounded(timeout: float | None) -> float:
    remaining = _remaining()
    return remaining if timeout is None else min(timeout, remaining)


class _DeadlineStream(httpcore.NetworkStream):
    """A connection whose every read and write ends at the calling thread's deadline."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _bounded(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _bounded(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _DeadlineStream(self._stream.start_tls(ssl_context, server_hostname, _bounded(timeout)))

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - httpcore's signature
        return self._stream.get_extra_info(info)


class _DeadlineBackend(httpcore.SyncBackend):
    """Opens `_DeadlineStream`s."""

    def connect_tcp(self, *args: Any, **kwargs: Any) -> httpcore.NetworkStream:  # noqa: ANN401 - httpcore's signature
        kwargs["timeout"] = _bounded(kwargs.get("timeout"))
        return _DeadlineStream(super().connect_tcp(*args, **kwargs))
