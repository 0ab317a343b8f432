"""A wrapper that keeps every message, for tests and for measuring what a party saw.

An instrument, not a log: what it keeps includes what only one party may see (A11). Production nodes never wrap with it;
the demo publishes `summary`, which holds no content.
"""

from dataclasses import dataclass
from typing import Literal, TypeVar

import msgspec

from privcredit.channels.interface import Address, Channel
from privcredit.messages.codec import Message, encode

W = TypeVar("W", bound=msgspec.Struct)

Direction = Literal["sent", "received"]


class Recorded(Message, frozen=True, kw_only=True):
    """One message as one party saw it. kind: the type's name; data: its bytes as the codec wrote them."""

    party: str
    direction: Direction
    sender: str
    recipient: str
    kind: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Line:
    """One message without its content."""

    sender: str
    recipient: str
    kind: str
    size: int


class Recording:
    """What wrapped channels saw, in order. One may serve all parties of a process."""

    def __init__(self) -> None:
        self.messages: list[Recorded] = []

    def wrap(self, channel: Channel, party: str) -> "RecordingChannel":
        """Return `channel` with every message of `party` kept here."""
        return RecordingChannel(channel, party, self)

    def transfers(self) -> list[Recorded]:
        """Return each message once, as its sender saw it."""
        return [message for message in self.messages if message.direction == "sent"]

    def view(self, *coalition: str) -> list[Recorded]:
        """Return all that the parties of `coalition` sent or received."""
        return [message for message in self.messages if message.party in coalition]

    def received_by(self, party: str) -> list[Recorded]:
        """Return what `party` received."""
        return [message for message in self.view(party) if message.direction == "received"]

    def summary(self) -> list[Line]:
        """Return who sent what kind of message of what size to whom."""
        return [Line(seen.sender, seen.recipient, seen.kind, len(seen.data)) for seen in self.transfers()]


class RecordingChannel:
    """Passes everything on unchanged."""

    def __init__(self, inner: Channel, party: str, recording: Recording) -> None:
        self._inner = inner
        self._party = party
        self._recording = recording

    async def send(self, recipient: Address[W], message: W) -> None:
        """Send through the inner channel, then keep the message."""
        await self._inner.send(recipient, message)
        self._keep("sent", self._party, recipient.name, message)

    async def receive(self, sender: str, kind: type[W]) -> W:
        """Receive through the inner channel and keep the message."""
        message = await self._inner.receive(sender, kind)
        self._keep("received", sender, self._party, message)
        return message

    def _keep(self, direction: Direction, sender: str, recipient: str, message: msgspec.Struct) -> None:
        self._recording.messages.append(
            Recorded(
                party=self._party,
                direction=direction,
                sender=sender,
                recipient=recipient,
                kind=type(message).__name__,
                data=encode(message),
            )
        )
