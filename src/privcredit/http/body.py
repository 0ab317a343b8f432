"""Request and response bodies: the project's codec, with a size limit, in place of the framework's lenient one.

A handler writes `data: SomeMessage`; the body is decoded by `messages.codec.decode_json` and nothing else. The limit is
the route's `request_max_body_size`: a larger Content-Length is refused before a byte is read, a chunked body as soon as
it passes the limit.
"""

from typing import Any

from litestar import Request, Response
from litestar.concurrency import sync_to_thread
from litestar.exceptions import ClientException
from litestar.types import Serializer

from privcredit.messages.codec import MAX_MESSAGE_BYTES, MalformedError, decode_json, encode_json

MAX_BODY_BYTES = MAX_MESSAGE_BYTES
"""Default limit of a route; a route that needs more says `request_max_body_size=`."""

INLINE_BYTES = 32 << 10
"""Bodies up to this size take well under a millisecond to decode; larger ones must not hold up the event loop."""

JSON_TYPES = ("application/json", "application/problem+json", "")
"""Content types read as JSON; none at all counts as JSON, as curl users expect."""


class StrictRequest(Request[Any, Any, Any]):
    """A request whose JSON body becomes the handler's message type, strictly."""

    async def json(self) -> Any:  # noqa: ANN401 - the framework's signature
        """Return the body as the type that the handler declares for `data`. Raises MalformedError."""
        if self.content_type[0] not in JSON_TYPES:
            raise MalformedError(f"The body is {self.content_type[0]}; send application/json.")
        body = await self.body()
        field = self.route_handler.parsed_data_field
        kind = Any if field is None else field.annotation
        limit = self.route_handler.resolve_request_max_body_size() or MAX_BODY_BYTES
        if len(body) <= INLINE_BYTES:
            return decode_json(body, kind, limit)
        return await sync_to_thread(decode_json, body, kind, limit)

    @property
    def content_length(self) -> int | None:
        """Return the announced length; a negative or repeated one is refused."""
        length = super().content_length
        if length is not None and length < 0:
            raise ClientException("The Content-Length is negative.")
        return length


class StrictResponse(Response[Any]):
    """A response whose content is bytes, text or a message; messages go through the codec and nothing else.

    Types without an encoder (secrets among them) end in an error, where the framework would try harder.
    """

    def render(self, content: Any, media_type: Any, enc_hook: Serializer = str) -> bytes:  # noqa: ANN401, ARG002 - its signature
        """Return the bytes of `content`."""
        if content is None:
            return b""
        if isinstance(content, bytes):
            return content
        if isinstance(content, str) and not str(media_type).endswith("json"):
            return content.encode()
        return encode_json(content)
