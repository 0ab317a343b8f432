"""A wrapper that misbehaves by script, to test that programs end in a typed error and never in a wrong answer."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar

import msgspec

from privcredit.channels.in_process import open_parcel
from privcredit.channels.interface import Address, Channel
from privcredit.crypto.randomness import Randomness, below
from privcredit.messages.codec import encode

W = TypeVar("W", bound=msgspec.Struct)


class Fault(Enum):
    """What happens to one message."""

    DROP = "drop"
    """It never arrives."""
    DUPLICATE = "duplicate"
    """It arrives twice."""
    REORDER = "reorder"
    """It arrives after the next message to the same party; if there is none, never."""
    CORRUPT = "corrupt"
    """One bit of it flips."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """A fault and, for a corruption, which bit flips (taken modulo the message's length)."""

    fault: Fault
    bit: int = 0


Script = Mapping[int, Trouble]
"""Which of a party's messages suffers what: the first one that it sends has the number 0."""


def random_script(randomness: Randomness, messages: int, faults: int) -> dict[int, Trouble]:
    """Return a script of at most `faults` faults among the first `messages` messages."""
    kinds = list(Fault)
    return {
        below(randomness, messages): Trouble(kinds[below(randomness, len(kinds))], below(randomness, 1 << 20))
        for _ in range(faults)
    }


class FaultyChannel:
    """A party's end of a channel whose outgoing messages suffer the faults of a script.

    Corruption acts on bytes: the recipient's decoder meets it as between machines. For that both ends of a
    connection must be a FaultyChannel of the same `Wire`.
    """

    def __init__(self, inner: Channel, party: str, wire: "Wire", script: Script) -> None:
        self._inner = inner
        self._party = party
        self._wire = wire
        self._script = script
        self._sent = 0
        self._held: dict[str, list[tuple[Address[Any], msgspec.Struct]]] = {}

    async def send(self, recipient: Address[W], message: W) -> None:
        """Send `message` as the script wants."""
        trouble = self._script.get(self._sent)
        self._sent += 1
        held = self._held.pop(recipient.name, [])
        await self._send_troubled(recipient, message, trouble)
        for address, late in held:
            await self._pass_on(address, late, None)

    async def receive(self, sender: str, kind: type[W]) -> W:
        """Receive the next message; raises PeerError if it was corrupted beyond decoding."""
        message = await self._inner.receive(sender, kind)
        bit = self._wire.next_bit(sender, self._party)
        if bit is None:
            return message
        return open_parcel(sender, kind.__name__, flip_bit(encode(message), bit), kind)

    async def _send_troubled(self, recipient: Address[W], message: W, trouble: Trouble | None) -> None:
        fault = trouble.fault if trouble else None
        if fault is Fault.DROP:
            return
        if fault is Fault.REORDER:
            self._held.setdefault(recipient.name, []).append((recipient, message))
            return
        await self._pass_on(recipient, message, trouble.bit if trouble and fault is Fault.CORRUPT else None)
        if fault is Fault.DUPLICATE:
            await self._pass_on(recipient, message, None)

    async def _pass_on(self, recipient: Address[W], message: W, bit: int | None) -> None:
        self._wire.announce(self._party, recipient.name, bit)
        await self._inner.send(recipient, message)


class Wire:
    """Remembers which messages on their way are corrupted, and where."""

    def __init__(self) -> None:
        self._bits: dict[tuple[str, str], deque[int | None]] = {}

    def announce(self, sender: str, recipient: str, bit: int | None) -> None:
        """Note that the next message from `sender` to `recipient` has its `bit` flipped, or none."""
        self._bits.setdefault((sender, recipient), deque()).append(bit)

    def next_bit(self, sender: str, recipient: str) -> int | None:
        """Return which bit of the message just received is to be flipped."""
        return self._bits[sender, recipient].popleft()


def flip_bit(data: bytes, bit: int) -> bytes:
    """Return `data` with one bit flipped; `bit` is taken modulo its length in bits."""
    place, offset = divmod(bit % (8 * len(data)), 8)
    return data[:place] + bytes([data[place] ^ (1 << offset)]) + data[place + 1 :]
