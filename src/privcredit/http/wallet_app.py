"""The wallet's loopback API: a program on the subject's own machine answers requests through it.

Any page in the subject's browser can send requests to a loopback port, and a page whose name was rebound to 127.0.0.1
can even read the replies. So whatever comes from a browser is refused: it has an Origin or a Sec-Fetch-Site header, a
Host that is not this machine's, or (a "simple" request, sent without asking first) another content type than JSON.
"""

from collections.abc import Callable
from typing import Any

from litestar import Litestar, post
from litestar.connection import ASGIConnection
from litestar.datastructures import Headers
from litestar.handlers import BaseRouteHandler

from privcredit import __version__
from privcredit.errors import RefusedError
from privcredit.http.application import make_app
from privcredit.http.loopback import host_of, is_loopback
from privcredit.http.verifier_app import RequestView
from privcredit.messages.codec import Message
from privcredit.protocols.consent.messages import Presentation
from privcredit.roles.wallet import Wallet

BROWSER_HEADERS = ("origin", "sec-fetch-site")
"""Browsers send at least one of them with every request that a page causes, and no page can leave it out."""

JSON = "application/json"


class ToPresent(Message, frozen=True, kw_only=True):
    """A verifier's request, exactly as `POST /v1/requests` gave it."""

    request: RequestView


def loopback_app(wallet: Wallet, presented: Callable[[RequestView], None] = lambda _request: None) -> Litestar:
    """Return the wallet's application; bind it to a loopback address only. Calling it is the subject's consent.

    presented: told of every request that was answered, so that the subject can see them.
    """

    @post("/v1/presentations", status_code=200, sync_to_thread=True)
    def present(data: ToPresent) -> Presentation:
        """Consent to a request and return the presentation for the verifier."""
        presentation = wallet.consent(data.request.verifier, data.request.request)
        presented(data.request)
        return presentation

    return make_app("privcredit wallet", __version__, [present], guards=[refuse_browsers])


def refuse_browsers(connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
    """Raise RefusedError unless a request comes from a program on this machine that means the wallet."""
    headers = connection.headers
    if any(name in headers for name in BROWSER_HEADERS):
        raise RefusedError("from-a-browser", "A web page may not speak for the wallet; use a program.")
    if not _names_this_machine(headers):
        raise RefusedError("wrong-host", "The Host header is not this machine's; call 127.0.0.1 or localhost.")
    if headers.get("content-type", "").partition(";")[0].strip().lower() != JSON:
        raise RefusedError("wrong-content-type", f"The wallet reads JSON only; send content-type: {JSON}.")


def _names_this_machine(headers: Headers) -> bool:
    return is_loopback(host_of(headers.get("host", "")))
