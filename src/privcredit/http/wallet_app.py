"""The wallet's loopback API: a program on the subject's own machine answers requests through it."""

from litestar import Litestar, post

from privcredit import __version__
from privcredit.http.application import make_app
from privcredit.http.verifier_app import RequestView
from privcredit.messages.codec import Message
from privcredit.protocols.consent.messages import Presentation
from privcredit.roles.wallet import Wallet


class ToPresent(Message, frozen=True, kw_only=True):
    """A verifier's request, exactly as `POST /v1/requests` gave it."""

    request: RequestView


def loopback_app(wallet: Wallet) -> Litestar:
    """Return the wallet's application; bind it to a loopback address only. Calling it is the subject's consent."""

    @post("/v1/presentations", status_code=200, sync_to_thread=True)
    def present(data: ToPresent) -> Presentation:
        """Consent to a request and return the presentation for the verifier."""
        return wallet.consent(data.request.verifier, data.request.request)

    return make_app("privcredit wallet", __version__, [present])
