"""What may enter a log line: plain short values only, so that no secret gets there by accident (threat A8).

The rule is an allow-list: text, small numbers, booleans and containers of them. Bytes, big integers, messages, keys and
every other object appear as their type's name, exceptions as their place and, if they are ours, their sentence.
"""

import re
import traceback
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from privcredit.errors import PrivcreditError

REDACTED = "<redacted>"

MAX_NUMBER = 1 << 63
"""Counts, ports, times and durations are below; keys, shares and ciphertexts are not."""

MAX_DEPTH = 4
"""Log values are flat; deeper ones are somebody's data."""

MAX_ITEMS = 32

MAX_FRAMES = 20

SECRET_NAMES = re.compile(r"secret|private|password|token|key_pem|share|seed|opening|exponent|plaintext|points|score")
"""Field names that are never logged, whatever their value looks like."""

_LONG_NUMBER = re.compile(r"\d{40,}|[0-9A-Fa-f]{65,}|[A-Za-z0-9+/_=.-]{97,}")
"""Longer than any id (43 characters base64url, 64 hexadecimal): key material, ciphertexts, signatures."""


def redact(value: Any, depth: int = 0) -> Any:  # noqa: ANN401 - anything can be logged
    """Return what may be written of `value`."""
    if _is_small(value) or isinstance(value, DescribedException):
        return value
    if isinstance(value, str):
        return _LONG_NUMBER.sub(REDACTED, str(value))
    if depth < MAX_DEPTH and isinstance(value, Mapping):
        return redact_fields(value, depth + 1)
    if depth < MAX_DEPTH and isinstance(value, list | tuple | set | frozenset):
        return [redact(item, depth + 1) for item in list(value)[:MAX_ITEMS]]
    return redact(str(value)) if isinstance(value, PrivcreditError) else f"<{type(value).__name__}>"


def _is_small(value: object) -> bool:
    return value is None or type(value) in (bool, float) or (type(value) is int and abs(value) < MAX_NUMBER)


def redact_fields(fields: Mapping[Any, Any], depth: int = 0) -> dict[str, Any]:
    """Return `fields` with every value redacted, and secret names without their values."""
    plain = list(fields.items())[:MAX_ITEMS]
    return {
        str(redact(name)): REDACTED if SECRET_NAMES.search(str(name).lower()) else redact(value, depth)
        for name, value in plain
    }


class DescribedException(list[dict[str, Any]]):
    """What `describe_exception` found safe to write; logged as it is."""


def describe_exception(error: BaseException) -> DescribedException:
    """Return the chain of `error` and its causes: type, place, and the sentence where the error is one of ours.

    Foreign messages are left out: they like to quote the value they choked on.
    """
    chain = DescribedException()
    current: BaseException | None = error
    while current is not None and len(chain) < MAX_DEPTH:
        chain.append(_describe_one(current))
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return chain


def _describe_one(error: BaseException) -> dict[str, Any]:
    described: dict[str, Any] = {"type": type(error).__qualname__, "frames": _frames(error.__traceback__)}
    if isinstance(error, PrivcreditError):
        described["sentence"] = redact(str(error))
    return described


def _frames(trace: TracebackType | None) -> list[str]:
    places = traceback.StackSummary.extract(traceback.walk_tb(trace), limit=-MAX_FRAMES, lookup_lines=False)
    return [f"{place.filename}:{place.lineno} {place.name}" for place in places]
