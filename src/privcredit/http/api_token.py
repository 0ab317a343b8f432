"""The bearer token of a verifier's public API (RFC 6750): who has it may ask in the verifier's name.

Asking spends subjects' budgets and carries the verifier's signature, so an address that others can reach demands it.
"""

import re
from base64 import urlsafe_b64encode
from hmac import compare_digest
from pathlib import Path
from typing import Any, Final, NoReturn

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.types import Guard

from privcredit.crypto.randomness import Randomness
from privcredit.errors import RefusedError, UsageError
from privcredit.http.tls import check_private, write_private

TOKEN_BYTES: Final = 32
"""256 bits: nobody guesses it, at any rate of guessing."""

MINIMUM_CHARACTERS: Final = 32
"""A token from elsewhere must be long enough not to be a password that someone made up."""

MAX_FILE_BYTES: Final = 4096

UNAUTHORIZED: Final = "unauthorized"
"""The reason of a refusal for want of the token; problem details with status 401."""

SCHEME: Final = "bearer"

_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")
"""RFC 6750's `b68token`: what may stand in the Authorization header."""


class ApiToken:
    """A bearer token; redacted repr, no encoder."""

    __slots__ = ("_secret",)

    def __init__(self, secret: str) -> None:
        if len(secret) < MINIMUM_CHARACTERS or not _TOKEN.fullmatch(secret):
            raise UsageError(
                f"An API token has at least {MINIMUM_CHARACTERS} letters, digits and -._~+/ and nothing else; "
                "make one with: openssl rand -hex 32"
            )
        self._secret = secret

    @classmethod
    def generate(cls, randomness: Randomness) -> "ApiToken":
        """Return a new token."""
        return cls(urlsafe_b64encode(randomness.bytes(TOKEN_BYTES)).rstrip(b"=").decode("ascii"))

    @classmethod
    def read(cls, path: Path) -> "ApiToken":
        """Return the token in a file's first line. Raises UsageError naming the file; others must not read it."""
        check_private(path)
        try:
            with path.open("rb") as file:
                return cls(file.read(MAX_FILE_BYTES).decode("ascii").split("\n", 1)[0].rstrip("\r"))
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"The API token {path} cannot be read; it is one line of text.") from error
        except UsageError as error:
            raise UsageError(f"{path}: {error}") from error

    def write(self, path: Path) -> None:
        """Write the token to a file that only its owner can read. Raises UsageError naming it."""
        write_private(path, self._secret.encode("ascii") + b"\n")

    @property
    def header(self) -> tuple[bytes, bytes]:
        """The request header that shows this token: for the wire only."""
        return b"authorization", b"Bearer " + self._secret.encode("ascii")

    def check(self, authorization: str) -> None:
        """Raise RefusedError unless the Authorization header shows this token. The comparison takes constant time."""
        scheme, _, shown = authorization.partition(" ")
        if scheme.lower() != SCHEME or not compare_digest(shown.strip().encode(), self._secret.encode()):
            raise RefusedError(
                UNAUTHORIZED, "This API needs its bearer token: send `Authorization: Bearer` and the token."
            )

    def __repr__(self) -> str:
        return "ApiToken(<redacted>)"

    def __reduce__(self) -> NoReturn:
        raise UsageError("An API token cannot be pickled or copied.")


def require_token(token: ApiToken) -> Guard:
    """Return a guard that lets in only requests that show `token`."""

    def guard(connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
        token.check(connection.headers.get("authorization", ""))

    return guard
