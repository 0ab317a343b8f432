"""Ids in paths: 32 random bytes, base64url without padding."""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode

from privcredit.errors import UsageError

ID_BYTES = 32
ID_CHARACTERS = 43


def encode_id(identifier: bytes) -> str:
    """Return an id as it stands in a path."""
    return urlsafe_b64encode(identifier).rstrip(b"=").decode("ascii")


def parse_id(text: str) -> bytes:
    """Return the id in a path. Raises UsageError unless it is exactly what `encode_id` writes."""
    try:
        identifier = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError) as error:
        raise UsageError("An id in the path is not base64url; copy it as it was given.") from error
    if len(identifier) != ID_BYTES or encode_id(identifier) != text:
        raise UsageError(f"An id in the path must be {ID_BYTES} bytes in base64url, {ID_CHARACTERS} characters.")
    return identifier
