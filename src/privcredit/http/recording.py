"""Recording what a node's listeners receive and reply, byte for byte: for demonstrations and leakage tests only.

Every exchange is stored once, by the server: its request is what the node saw, its reply what the client saw.
"""

import threading
from base64 import b64encode
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from privcredit.http.pki import Peer
from privcredit.http.server import PEER_SCOPE_KEY
from privcredit.messages.codec import Message, encode_json

OUTSIDE = "outside"
"""Who calls without a federation certificate: wallets and service providers."""


class Exchange(Message, frozen=True, kw_only=True):
    """One HTTP exchange; bodies as base64."""

    server: str
    client: str
    method: str
    path: str
    status: int
    request: str
    reply: str


class Recorder:
    """Appends exchanges to a JSON lines file."""

    def __init__(self, path: Path, node: str) -> None:
        self._node = node
        self._file = path.open("ab", buffering=0)
        self._lock = threading.Lock()

    def wrap(self, app: ASGIApp) -> ASGIApp:
        """Return `app`, recorded."""

        async def recorded(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != ScopeType.HTTP:
                await app(scope, receive, send)
                return
            tap = _Tap(receive, send)
            try:
                await app(scope, tap.receive, tap.send)
            finally:
                self._write(scope, tap)

        return recorded

    def _write(self, scope: Scope, tap: "_Tap") -> None:
        peer = scope.get(PEER_SCOPE_KEY)
        exchange = Exchange(
            server=self._node,
            client=peer.party if isinstance(peer, Peer) else OUTSIDE,
            method=scope["method"],  # type: ignore[typeddict-item]  # http scopes have a method
            path=scope["path"],
            status=tap.status,
            request=b64encode(tap.request).decode("ascii"),
            reply=b64encode(tap.reply).decode("ascii"),
        )
        with self._lock:
            self._file.write(encode_json(exchange) + b"\n")


class _Tap:
    """Copies what passes through one exchange."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self.request = bytearray()
        self.reply = bytearray()
        self.status = 0

    async def receive(self) -> Any:  # noqa: ANN401 - ASGI messages are of many types
        message: MutableMapping[str, Any] = await self._receive()  # type: ignore[assignment]  # a typed dict is a mapping
        self.request += message.get("body", b"")
        return message

    async def send(self, message: Any) -> None:  # noqa: ANN401 - ASGI messages are of many types
        if message["type"] == "http.response.start":
            self.status = message["status"]
        self.reply += message.get("body", b"")
        await self._send(message)
