"""The abstract channel: all that a program may await."""

from typing import Protocol, TypeVar

from privcredit.messages.codec import Message

M = TypeVar("M", bound=Message)


class Channel(Protocol):
    """Delivers each message once, in order per pair of parties, whole.

    A carrier between machines must also keep it confidential to, and authentic for, the named peer
    (signed and sealed end to end): programs rely on it.
    """

    async def send(self, recipient: str, message: Message) -> None:
        """Hand `message` to the carrier; returns before the recipient has it. Raises UnavailableError."""
        ...

    async def receive(self, sender: str, kind: type[M]) -> M:
        """Return the next message from `sender`; it must be a `kind`. Raises PeerError or UnavailableError."""
        ...
