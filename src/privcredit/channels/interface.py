"""The abstract channel: all that a program may await, and the types that say what may go to whom."""

from collections.abc import Callable
from typing import Generic, NoReturn, Protocol, TypeVar

import msgspec

from privcredit.errors import UsageError

W = TypeVar("W", bound=msgspec.Struct)
W_contra = TypeVar("W_contra", bound=msgspec.Struct, contravariant=True)


class Address(Generic[W_contra]):
    """A party together with the messages that may be sent to it.

    The type parameter is checked by the type checker, `accepts` again when a program runs. An ordinary party is an
    `Address[Message]`; a message that only one party may ever see is no `Message`, and names its own address type.
    """

    __slots__ = ("accepts", "name")

    def __init__(self, name: str, *accepts: type[W_contra]) -> None:
        self.name = name
        self.accepts = accepts

    def check(self, message: W_contra) -> None:
        """Raise UsageError if `message` must not go to this party (A11)."""
        if not isinstance(message, self.accepts):
            raise UsageError(
                f"A {type(message).__name__} must never be sent to {self.name}; correct the program that tries to."
            )

    def __repr__(self) -> str:
        return f"Address({self.name!r})"


class Channel(Protocol):
    """Delivers each message once, in order per pair of parties, whole.

    A carrier between machines must also keep it confidential to, and authentic for, the named peer
    (signed and sealed end to end): programs rely on it.
    """

    async def send(self, recipient: Address[W], message: W) -> None:
        """Hand `message` to the carrier; returns before the recipient has it.

        Every carrier calls `recipient.check(message)` first. Raises UnavailableError.
        """
        ...

    async def receive(self, sender: str, kind: type[W]) -> W:
        """Return the next message from `sender`; it must be a `kind`. Raises PeerError or UnavailableError."""
        ...


class Kept:
    """What must stay with its party: no encoder, no copy, no repr. The opposite of a message.

    Subclasses are plain classes with slots, never dataclasses: msgspec would encode those.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}, redacted>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"A {type(self).__name__} stays where it is: it cannot be pickled or copied.")


Clock = Callable[[], float]
"""Seconds of processor time; given by the caller, because programs and channels read no clock."""
