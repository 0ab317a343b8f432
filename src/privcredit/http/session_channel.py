"""The channel of one comparison between two authorities' nodes: signed, sealed, numbered, blocking.

A program runs in a thread of its own, so this channel blocks instead of suspending (`channels.drive`).
"""

import queue
import threading
import time
from collections.abc import Callable
from typing import Protocol, TypeVar

import msgspec

from privcredit.channels.interface import Address
from privcredit.crypto.envelope import open_then_verify, sign_then_seal
from privcredit.crypto.transcript import encode_fields, int_bytes
from privcredit.errors import PeerError, RefusedError, UnavailableError
from privcredit.messages.codec import MalformedError, Message, decode, encode
from privcredit.roles.identity import PartyKeys
from privcredit.roles.registry import Party

RECEIVE_SECONDS = 10.0
"""The longest regular wait, a peer's partial decryption, takes a third of a second on an idle machine."""

MAX_WAITING = 8
"""Messages of one session that may wait; a comparison has two from evaluator 1 before evaluator 2 answers."""

MAX_SESSIONS = 4096
"""Open inboxes; more means a flood, and the oldest is dropped."""

SESSION_SECONDS = 120.0
"""An inbox whose run never came is dropped after this."""

W = TypeVar("W", bound=msgspec.Struct)


class SessionMessage(Message, frozen=True, kw_only=True):
    """One sealed message of a run; `sequence` counts from 0 in each direction."""

    sequence: int
    box: bytes


class Post(Protocol):
    """Carries one sealed message to a peer's node."""

    def __call__(self, peer: str, session: bytes, message: SessionMessage) -> None:
        """Deliver, or raise UnavailableError."""
        ...


class Inboxes:
    """Sealed messages that arrived, by session and sender; a run may start after its first message came."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._boxes: dict[tuple[bytes, str], queue.Queue[SessionMessage | None]] = {}
        self._opened: dict[tuple[bytes, str], float] = {}
        self._closed: dict[bytes, float] = {}

    def put(self, session: bytes, sender: str, message: SessionMessage) -> None:
        """Keep a message for the run; refuses messages of a run that has ended, and floods."""
        inbox = self._inbox(session, sender)
        if inbox is None:
            raise RefusedError("session-ended", "This run has ended.")
        try:
            inbox.put_nowait(message)
        except queue.Full:
            raise RefusedError("session-flooded", "Too many messages wait in this run.") from None

    def get(self, session: bytes, sender: str, seconds: float) -> SessionMessage:
        """Return the next message from `sender`. Raises UnavailableError when none comes, or the run was closed."""
        inbox = self._inbox(session, sender)
        if inbox is None:
            raise UnavailableError("This run was replaced by a rerun.")
        try:
            message = inbox.get(timeout=seconds)
        except queue.Empty:
            raise UnavailableError(f"{sender} is silent; order a rerun with another authority.") from None
        if message is None:
            raise UnavailableError("This run was replaced by a rerun.")
        return message

    def close(self, session: bytes) -> None:
        """End a session: whoever waits is woken, late messages are refused."""
        with self._lock:
            self._closed[session] = self._clock()
            for key in [key for key in self._boxes if key[0] == session]:
                _wake(self._boxes.pop(key))
                self._opened.pop(key, None)
            self._prune()

    def _inbox(self, session: bytes, sender: str) -> "queue.Queue[SessionMessage | None] | None":
        """Return the inbox, made if need be; None for a run that has ended, which must not begin to wait again."""
        with self._lock:
            if session in self._closed:
                return None
            if (session, sender) not in self._boxes:
                self._prune()
                self._boxes[session, sender] = queue.Queue(MAX_WAITING)
                self._opened[session, sender] = self._clock()
            return self._boxes[session, sender]

    def _prune(self) -> None:
        horizon = self._clock() - SESSION_SECONDS
        for key in [key for key, opened in self._opened.items() if opened < horizon][:MAX_SESSIONS]:
            _wake(self._boxes.pop(key))
            del self._opened[key]
        for session in [session for session, closed in self._closed.items() if closed < horizon]:
            del self._closed[session]
        while len(self._boxes) >= MAX_SESSIONS:
            oldest = next(iter(self._boxes))
            _wake(self._boxes.pop(oldest))
            del self._opened[oldest]


def _wake(inbox: "queue.Queue[SessionMessage | None]") -> None:
    while True:
        try:
            inbox.put_nowait(None)
        except queue.Full:
            inbox.get_nowait()
        else:
            return


class SessionChannel:
    """One authority's end of one run."""

    def __init__(self, session: bytes, keys: PartyKeys, peer: Party, inboxes: Inboxes, post: Post) -> None:
        self._session = session
        self._keys = keys
        self._peer = peer
        self._inboxes = inboxes
        self._post = post
        self._sent = 0
        self._received = 0

    async def send(self, recipient: Address[W], message: W) -> None:
        """Sign, seal and deliver `message` to the peer. Raises UnavailableError."""
        recipient.check(message)
        context = _context(self._session, self._sent)
        box = sign_then_seal(
            encode(message), self._keys.signing, self._keys.name, self._peer.name, self._peer.sealing_key, context
        )
        try:
            self._post(self._peer.name, self._session, SessionMessage(sequence=self._sent, box=box))
        except RefusedError as error:  # it has ended this run: no rule says no to the question itself
            raise UnavailableError(f"{self._peer.name} takes no message of this run any more.") from error
        self._sent += 1

    async def receive(self, sender: str, kind: type[W]) -> W:
        """Return the peer's next message. Raises InvalidProofError, PeerError or UnavailableError."""
        message = self._inboxes.get(self._session, sender, RECEIVE_SECONDS)
        if message.sequence != self._received:
            raise PeerError(sender, "receive message", f"message {message.sequence} came before {self._received}")
        context = _context(self._session, self._received)
        payload = open_then_verify(
            message.box, self._keys.sealing, self._keys.name, sender, self._peer.signing_key, context
        )
        self._received += 1
        try:
            return decode(payload, kind)
        except MalformedError as error:
            raise PeerError(sender, "receive message", str(error)) from error


def _context(session: bytes, sequence: int) -> bytes:
    return encode_fields(b"comparison message", session, int_bytes(sequence, 8))
