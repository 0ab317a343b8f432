"""A program's call to the wallet on the same machine (`privcredit wallet serve`)."""

import httpcore

from privcredit.errors import PeerError, UnavailableError, UsageError
from privcredit.http.loopback import is_loopback
from privcredit.http.problems import error_of
from privcredit.http.verifier_app import RequestView
from privcredit.http.wallet_app import ToPresent
from privcredit.messages.codec import MalformedError, decode_json, encode_json
from privcredit.protocols.consent.messages import Presentation

WALLET_SECONDS = 30.0
"""A consent takes milliseconds; a wallet that asks its owner first may take longer."""

SUCCESS = 200


def ask_wallet(address: str, request: RequestView) -> Presentation:
    """Return the presentation by which the wallet at `address` answers a verifier's request.

    address: "http://127.0.0.1:port"; nothing but loopback, since the call is not encrypted. Raises UsageError for other
    addresses, RefusedError with the wallet's reason, UnavailableError if no wallet answers.
    """
    url = _loopback_url(address)
    headers = [(b"content-type", b"application/json")]
    timeouts = {"connect": 1.0, "read": WALLET_SECONDS, "write": WALLET_SECONDS, "pool": WALLET_SECONDS}
    try:
        reply = httpcore.request(
            "POST",
            url,
            headers=headers,
            content=encode_json(ToPresent(request=request)),
            extensions={"timeout": timeouts},
        )
    except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as error:
        raise UnavailableError(f"No wallet answers at {address}; start it with: privcredit wallet serve DIR") from error
    if reply.status != SUCCESS:
        raise error_of(reply.status, reply.content, "The wallet")
    return _presentation(reply.content)


def _loopback_url(address: str) -> httpcore.URL:
    sentence = f"The wallet's address {address!r} must look like http://127.0.0.1:PORT, on this machine."
    try:
        url = httpcore.URL(address)
    except (ValueError, TypeError) as error:  # a port that is none; characters beyond ASCII
        raise UsageError(sentence) from error
    if url.scheme != b"http" or url.target not in (b"", b"/") or not is_loopback(url.host.decode()):
        raise UsageError(sentence)
    return httpcore.URL(scheme=url.scheme, host=url.host, port=url.port, target=b"/v1/presentations")


def _presentation(body: bytes) -> Presentation:
    try:
        return decode_json(body, Presentation)
    except MalformedError as error:
        raise PeerError("wallet", "read a presentation", str(error)) from error
