"""Taking a recorded body apart: JSON, base64 in it, JWS in that, sealed boxes where a key is given."""

import json
from base64 import b64decode, urlsafe_b64decode
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from privcredit.crypto.sealed import SealingKey
from privcredit.errors import PrivcreditError
from privcredit.research.demo.views import read_recording, reply_of, request_of


def seen_by(recordings: Path, party: str) -> Iterator[bytes]:
    """Every body that a party received, as server or as client."""
    for exchange in read_recording(recordings):
        if exchange.server == party:
            yield request_of(exchange)
        if exchange.client == party:
            yield reply_of(exchange)


def everything_in(body: bytes, key: SealingKey | None) -> Iterator[bytes]:
    """The body, every string in it, every decoding of a string, and what `key` opens, all the way down."""
    yield body
    with suppress(ValueError):
        for text in strings(json.loads(body)):
            yield text.encode()
            for decoded in decodings(text):
                yield from everything_in(decoded, key)
    if key is not None:
        with suppress(PrivcreditError):
            yield from everything_in(key.open(body), key)


def strings(plain: object) -> Iterator[str]:
    if isinstance(plain, str):
        yield plain
    elif isinstance(plain, dict):
        for key, value in plain.items():
            yield from strings(key)
            yield from strings(value)
    elif isinstance(plain, list):
        for value in plain:
            yield from strings(value)


def decodings(text: str) -> Iterator[bytes]:
    """Base64 of either alphabet; each part of a JWS."""
    if text.count(".") == 2:
        for part in text.split("."):
            yield from decodings(part)
        return
    if len(text) < 8:
        return
    for decode in (b64decode, urlsafe_b64decode):
        with suppress(ValueError):
            yield decode(text + "=" * (-len(text) % 4))
            return


def numbers(piece: bytes) -> Iterator[tuple[str, float]]:
    """Every number in a JSON piece with the name of the field that holds it; digits in text count too."""
    with suppress(ValueError):
        yield from _numbers(json.loads(piece), "")


def _numbers(plain: object, name: str) -> Iterator[tuple[str, float]]:
    if isinstance(plain, dict):
        for key, value in plain.items():
            yield from _numbers(value, key)
    elif isinstance(plain, list):
        for value in plain:
            yield from _numbers(value, name)
    elif isinstance(plain, int | float) and not isinstance(plain, bool):
        yield name, plain
    elif isinstance(plain, str) and plain.lstrip("-").isdecimal():
        yield name, float(plain)
