"""What each party saw, taken from the recording of all listeners."""

import json
from base64 import b64decode
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from privcredit.http.recording import OUTSIDE, Exchange
from privcredit.messages.codec import decode_json

OPENS: Mapping[str, str] = {
    "holder": "its own sealed consent: the subject's pseudonym at this holder, and the proof",
    "coordinator": "nothing: every box is sealed to someone else, every number is encrypted",
    "authority": "messages of the comparison sealed to it: a masked sum or encrypted bits, both uniformly random",
    "verifier": "both output shares, whose XOR is the answer",
    OUTSIDE: "its own answers and acknowledgements",
}
"""What a party's own keys open, by role."""

MAX_RECORD_BYTES = 8 << 20


@dataclass
class Seen:
    """One kind of message that a party saw."""

    what: str
    count: int = 0
    bytes: int = 0
    fields: tuple[str, ...] = ()


@dataclass
class View:
    """All that one party saw on the wire, by kind of message."""

    party: str
    role: str
    opens: str
    seen: dict[str, Seen] = field(default_factory=dict)

    def add(self, what: str, body: bytes) -> None:
        """Count one message."""
        entry = self.seen.setdefault(what, Seen(what, fields=tuple(field_names(body))))
        entry.count += 1
        entry.bytes += len(body)

    @property
    def rows(self) -> list[Seen]:
        """All kinds of messages, the largest traffic first."""
        return sorted(self.seen.values(), key=lambda entry: -entry.bytes)


def read_recording(folder: Path) -> Iterator[Exchange]:
    """Yield every exchange of every node."""
    for path in sorted(folder.glob("*.jsonl")):
        with path.open("rb") as lines:
            for line in lines:
                yield decode_json(line, Exchange, MAX_RECORD_BYTES)


def views(exchanges: Iterable[Exchange], roles: Mapping[str, str]) -> list[View]:
    """Return each party's view: requests that its listeners received, replies that its calls got."""
    names = [*roles, OUTSIDE]
    made = {name: View(name, roles.get(name, OUTSIDE), OPENS[roles.get(name, OUTSIDE)]) for name in names}
    for exchange in exchanges:
        route = route_of(exchange.path)
        made[exchange.server].add(
            f"{exchange.method} {route} from {_who(exchange.client, roles)}", request_of(exchange)
        )
        made[exchange.client].add(f"reply to {route} from {_who(exchange.server, roles)}", reply_of(exchange))
    return list(made.values())


def request_of(exchange: Exchange) -> bytes:
    """Return the body that the server received."""
    return b64decode(exchange.request)


def reply_of(exchange: Exchange) -> bytes:
    """Return the body that the client received."""
    return b64decode(exchange.reply)


def route_of(path: str) -> str:
    """Return a path without its ids."""
    return "/".join("{id}" if len(part) > 40 else part for part in path.split("/"))  # noqa: PLR2004 - ids have 43


def _who(party: str, roles: Mapping[str, str]) -> str:
    return {OUTSIDE: "outside"}.get(party, roles.get(party, party))


def field_names(body: bytes) -> list[str]:
    """Return the names of a JSON body's fields, nested ones dotted, without lists' indices."""
    try:
        plain = json.loads(body)
    except ValueError:
        return []
    return list(Counter(_names(plain, "")))


def _names(plain: object, prefix: str) -> Iterator[str]:
    if isinstance(plain, dict):
        for key, value in plain.items():
            yield from _names(value, f"{prefix}.{key}" if prefix else key)
    elif isinstance(plain, list) and plain and isinstance(plain[0], dict | list):
        yield from _names(plain[0], prefix)
    elif prefix:
        yield prefix
