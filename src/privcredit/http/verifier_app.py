"""What a service provider calls: make a request, put a question, get the answer, verify a receipt."""

from litestar import Litestar, Response, get, post, put

from privcredit import __version__
from privcredit.errors import RefusedError, UnavailableError
from privcredit.http.api_token import ApiToken, require_token
from privcredit.http.application import make_app, require_role
from privcredit.http.body import StrictResponse
from privcredit.http.ids import encode_id, parse_id
from privcredit.http.observability import Observability
from privcredit.http.ping import ping
from privcredit.messages.codec import Message
from privcredit.protocols.consent.messages import Presentation
from privcredit.protocols.eligibility.messages import Receipt
from privcredit.roles.registry import TrustedRegistry
from privcredit.roles.verifier import ANSWERED, RUNNING, Answer, SignedRequest, Verifier, verify_receipt

DESCRIPTION = """\
The three calls of a service provider: `POST /v1/requests` for a policy gives a request; hand it to the customer's
wallet, which consents with a presentation; `PUT /v1/questions/{id}` with that gives the answer and its receipt.
Where the node has an API token, every call sends it as `Authorization: Bearer <token>` and is answered 401 without.
"""


class PolicyChoice(Message, frozen=True, kw_only=True):
    """Which published policy to ask under, by its id."""

    policy: str


class RequestView(Message, frozen=True, kw_only=True):
    """A request for the customer's wallet. `id` names the question; `request` is signed by this verifier."""

    id: str
    verifier: str
    policy: str
    question: str
    expires: int
    request: str


class Question(Message, frozen=True, kw_only=True):
    """The wallet's presentation."""

    presentation: Presentation


class AnswerView(Message, frozen=True, kw_only=True, omit_defaults=True):
    """The answer: `eligible`, and the `tier` where the policy has tiers; the receipt proves it to anyone.

    While the question is under way (status 202): only `state`.
    """

    state: str
    eligible: bool | None = None
    tier: str | None = None
    receipt: Receipt | None = None


class ReceiptToVerify(Message, frozen=True, kw_only=True):
    """A receipt as it was given with an answer."""

    receipt: Receipt


class VerifiedReceipt(Message, frozen=True, kw_only=True, omit_defaults=True):
    """What a valid receipt proves."""

    valid: bool
    policy: str
    verifier: str
    eligible: bool
    tier: str | None = None


def public_app(
    verifier: Verifier, registry: TrustedRegistry, observability: Observability, token: ApiToken | None = None
) -> Litestar:
    """Return what the service provider's own systems call.

    token: what they must show; None only where nobody else reaches the listener.
    """

    @post("/v1/requests", status_code=200, sync_to_thread=True)
    def request(data: PolicyChoice) -> RequestView:
        """Make a request for the customer's wallet."""
        return _view(verifier.request(data.policy))

    @put("/v1/questions/{question_id:str}", sync_to_thread=True)
    def ask(question_id: str, data: Question) -> Response[AnswerView]:
        """Put the question (idempotent): 200 with the answer and its receipt, or 202 while it is under way."""
        return _reply(verifier.ask(parse_id(question_id), data.presentation))

    @get("/v1/questions/{question_id:str}", sync_to_thread=True)
    def answer(question_id: str) -> Response[AnswerView]:
        """Return the answer: 200, or 202 while the question is under way."""
        return _reply(verifier.answer(parse_id(question_id)))

    @post("/v1/receipts/verify", status_code=200, sync_to_thread=True)
    def verify(data: ReceiptToVerify) -> VerifiedReceipt:
        """Verify a receipt; anyone can do the same offline with the registry."""
        proven = verify_receipt(data.receipt, registry)
        policy = registry.policy(data.receipt.policy_hash).id
        return VerifiedReceipt(
            valid=True,
            policy=policy,
            verifier=data.receipt.verifier,
            eligible=bool(proven.eligible),
            tier=proven.tier,
        )

    return make_app(
        "privcredit verifier",
        __version__,
        [request, ask, answer, verify],
        observability=observability,
        guards=[] if token is None else [require_token(token)],
        description=DESCRIPTION,
    )


def federation_app(observability: Observability) -> Litestar:
    """Return what other nodes may ask a verifier: only whether it is there."""
    guards = [require_role("coordinator", "authority", "holder")]
    return make_app("privcredit verifier, for peers", __version__, [ping], observability=observability, guards=guards)


def _view(signed: SignedRequest) -> RequestView:
    return RequestView(
        id=encode_id(signed.request.request_id),
        verifier=signed.request.verifier,
        policy=signed.policy.id,
        question=signed.policy.question,
        expires=signed.request.expires,
        request=signed.jws,
    )


def _reply(answer: Answer) -> Response[AnswerView]:
    """An answer or "not yet" is a reply; everything else is a problem with its reason."""
    if answer.state in {ANSWERED, RUNNING}:
        view = AnswerView(state=answer.state, eligible=answer.eligible, tier=answer.tier, receipt=answer.receipt)
        return StrictResponse(view, status_code=200 if answer.state == ANSWERED else 202)
    if answer.problem:
        raise RefusedError(answer.problem, answer.sentence)
    raise UnavailableError(answer.sentence or f"The question is {answer.state}; ask again later.")
