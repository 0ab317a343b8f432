"""The service provider's client, three lines:

verifier = VerifierClient("https://127.0.0.1:7101", "rental-platform", ca="ca.pem")
request = verifier.request("deposit-free-rental")         # hand it to the customer's wallet
answer = verifier.ask(request, presentation)              # answer.eligible, answer.receipt
"""

import time
from pathlib import Path
from typing import Self

from privcredit.errors import UnavailableError
from privcredit.http.api_token import ApiToken
from privcredit.http.client import PeerClient
from privcredit.http.tls import ClientTls
from privcredit.http.verifier_app import (
    AnswerView,
    PolicyChoice,
    Question,
    ReceiptToVerify,
    RequestView,
    VerifiedReceipt,
)
from privcredit.protocols.consent.messages import Presentation
from privcredit.protocols.eligibility.messages import Receipt

POLL_SECONDS = 0.2
PATIENCE_SECONDS = 60.0
"""The coordinator gives up before; whoever still waits then should ask again later."""


class VerifierClient:
    """Asks through a verifier node. address: its public listener; name: its party name, which TLS checks.

    ca: the federation's certificate file. token: needed where the node has an `api_token_file`.
    """

    def __init__(self, address: str, name: str, ca: str | Path, token: str | ApiToken | None = None) -> None:
        shown = ApiToken(token) if isinstance(token, str) else token
        self._client = PeerClient(address, ClientTls(Path(ca)), name, token=shown)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def request(self, policy: str) -> RequestView:
        """Return a request under a policy (by id), for the customer's wallet."""
        return self._client.post("/v1/requests", PolicyChoice(policy=policy), RequestView)

    def ask(self, request: RequestView, presentation: Presentation) -> AnswerView:
        """Put the question and wait for the answer. Asking again with the same arguments is harmless.

        Raises RefusedError with the reason, UnavailableError when parties are missing.
        """
        path = f"/v1/questions/{request.id}"
        body = Question(presentation=presentation)
        reply = self._client.send("PUT", path, body, PATIENCE_SECONDS)
        answer = reply.decode(AnswerView)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while answer.eligible is None:
            if time.monotonic() > deadline:
                raise UnavailableError("The question is still under way; ask for its answer later.")
            time.sleep(POLL_SECONDS)
            answer = self._client.get(path, AnswerView)
        return answer

    def answer(self, question_id: str) -> AnswerView:
        """Return how a question stands."""
        return self._client.get(f"/v1/questions/{question_id}", AnswerView)

    def verify(self, receipt: Receipt) -> VerifiedReceipt:
        """Verify a receipt at the node; `privcredit receipt verify` does it offline."""
        return self._client.post("/v1/receipts/verify", ReceiptToVerify(receipt=receipt), VerifiedReceipt)
