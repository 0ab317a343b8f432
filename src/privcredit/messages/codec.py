"""One codec: msgpack between programs, JSON on HTTP, both strict, both bounded.

Every message is a frozen `Message`; numbers of cryptography travel as bytes of fixed length, never as decimals.
"""

import json
import re
from typing import Any, Final, TypeVar

import msgspec

from privcredit.errors import UsageError

MAX_MESSAGE_BYTES = 1 << 20
"""A program message of one question is below 100 kB; 1 MiB leaves room and stops floods."""

MAX_QUOTED = 64
"""Characters of a sender's text that an error repeats."""

MAX_EXPLAINED = 200
"""Characters of a parser's explanation that an error repeats; it may quote what it could not read."""

SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")
"""Half of a character outside the basic plane; JSON can spell one without the other, UTF-8 cannot."""

PROTOCOL_VERSION = 1
"""Bound into every signature, proof and envelope."""


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of all wire types: frozen, no unknown fields."""


M = TypeVar("M")


class MalformedError(UsageError):
    """Bytes that are not the message they should be; the sentence names the field."""


def encode(message: msgspec.Struct) -> bytes:
    """Return the canonical msgpack bytes of `message` (field order is declaration order)."""
    return msgspec.msgpack.encode(message)


def decode(data: bytes, kind: type[M], limit: int = MAX_MESSAGE_BYTES) -> M:
    """Return the message in `data`, refusing whatever would not encode to the very same bytes.

    The comparison with the re-encoding refuses duplicate keys, reordered fields and trailing bytes in one rule.
    """
    _check_size(data, limit)
    try:
        message = msgspec.msgpack.decode(data, type=kind)
    except (msgspec.DecodeError, RecursionError) as error:
        raise MalformedError(f"A {kind.__name__} message cannot be read: {_explained(error)}.") from error
    if msgspec.msgpack.encode(message) != data:
        raise MalformedError(f"A {kind.__name__} message is not in canonical form; send it as the codec wrote it.")
    return message


def encode_json(message: object) -> bytes:
    """Return `message` as JSON; bytes fields become base64."""
    return msgspec.json.encode(message)


def decode_json(data: bytes, kind: type[M], limit: int = MAX_MESSAGE_BYTES) -> M:
    """Return the message in JSON `data`; refuses duplicate keys, NaN, unknown fields, deep nesting, other encodings.

    Nesting beyond the interpreter's recursion limit ends in RecursionError inside the parser, refused here.
    """
    _check_size(data, limit)
    try:
        text = data.decode("utf-8")  # json.loads would also take UTF-16 and encoded surrogates
        plain = json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_no_constants)
        _check_surrogates(text, plain)
        return msgspec.convert(plain, kind, builtin_types=())
    except MalformedError:
        raise
    except (ValueError, RecursionError) as error:  # msgspec.ValidationError and json.JSONDecodeError are ValueErrors
        name = getattr(kind, "__name__", "JSON")
        raise MalformedError(f"A {name} body cannot be read: {_explained(error)}.") from error


def _explained(error: Exception) -> str:
    return str(error)[:MAX_EXPLAINED]


def _check_size(data: bytes, limit: int) -> None:
    if len(data) > limit:
        raise MalformedError(
            f"A message of {len(data)} bytes is over the limit of {limit}; split it or check the sender."
        )


def _check_surrogates(text: str, plain: object) -> None:
    """A text with half a character cannot be encoded again, so it would fail later, far from who sent it."""
    if SURROGATE.search(text):
        msgspec.json.encode(plain)  # raises UnicodeEncodeError, a ValueError


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    for key, value in pairs:
        if key in seen:
            raise MalformedError(f"A JSON body has the key {key[:MAX_QUOTED]!r} twice; send it once.")
        seen[key] = value
    return seen


def _no_constants(name: str) -> Any:  # noqa: ANN401 - json's hook demands it
    raise MalformedError(f"A JSON body holds {name}, which is not a JSON number.")
