"""Messages of the main job, in the order in which they travel (spec section 2).

Payloads that outlive their message (`Request`, `Contribution`, `OutputShare`) are EdDSA JWS; the `typ` constants keep
one purpose from passing for another.
"""

from privcredit.messages.codec import Message
from privcredit.protocols.consent.messages import Presentation, QueryHeader, SealedConsent

REQUEST_TYPE = "privcredit-request+jws"
CONTRIBUTION_TYPE = "privcredit-contribution+jws"
OUTPUT_SHARE_TYPE = "privcredit-output-share+jws"


class Request(Message, frozen=True, kw_only=True):
    """What a verifier asks a wallet for; signed by the verifier. `request_id` is also its nonce (32 bytes)."""

    version: int
    scheme: str
    policy_hash: bytes
    verifier: str
    request_id: bytes
    issued: int
    expires: int


class QuerySubmission(Message, frozen=True, kw_only=True):
    """Verifier to coordinator: the signed request and the wallet's presentation."""

    request: str
    presentation: Presentation


class ContributionRequest(Message, frozen=True, kw_only=True):
    """Coordinator to one holder: the request, the public header, and the consent sealed to that holder."""

    request: str
    header: QueryHeader
    consent: SealedConsent


class Contribution(Message, frozen=True, kw_only=True):
    """One holder's ciphertext for one query; signed by the holder.

    `origin_*` name the query for which the ciphertext was made: a repeated question under the same nullifier is
    answered with the same ciphertext under a new header.
    """

    version: int
    holder: str
    header: QueryHeader
    origin_query: bytes
    origin_point: bytes
    issued: int
    ciphertext: bytes
    proof: bytes


class ContributionReply(Message, frozen=True, kw_only=True):
    """Holder to coordinator: the signed contribution."""

    contribution: str


class EvaluationOrder(Message, frozen=True, kw_only=True):
    """Coordinator to the two evaluators: everything they need to recompute the product and compare."""

    request: str
    header: QueryHeader
    contributions: tuple[str, ...]
    evaluator_1: str
    evaluator_2: str
    attempt: int


class EvaluationResult(Message, frozen=True, kw_only=True):
    """Evaluator to coordinator: `(evaluator, sealed output share)` pairs.

    Evaluator 2 returns both, evaluator 1 none; when the nullifier was answered before, each of `evaluators` returns
    its own, re-signed for the new request.
    """

    evaluators: tuple[str, str]
    shares: tuple[tuple[str, bytes], ...]


class OutputShare(Message, frozen=True, kw_only=True):
    """One evaluator's XOR share of the answer, one bit a tier; signed, then sealed to the verifier. Never E or Q."""

    version: int
    query_id: bytes
    policy_hash: bytes
    verifier: str
    request_id: bytes
    epoch: int
    expires: int
    evaluator_1: str
    evaluator_2: str
    sender: str
    run: bytes
    bits: tuple[int, ...]


class PinNotice(Message, frozen=True, kw_only=True):
    """Evaluator to the third authority: this nullifier now belongs to this verifier, policy and contribution set."""

    nullifier: bytes
    verifier: str
    policy_hash: bytes
    epoch: int
    set_digest: bytes
    evaluator_1: str
    evaluator_2: str
    attempt: int


class PinPage(Message, frozen=True, kw_only=True):
    """Pins an authority holds, oldest first; `next_after` continues the list, None ends it."""

    pins: tuple[PinNotice, ...]
    next_after: int | None


class QueryStatus(Message, frozen=True, kw_only=True):
    """Coordinator to verifier: how far a query is. `shares` is filled when `state` is "answered"."""

    query_id: bytes
    state: str
    shares: tuple[tuple[str, bytes], ...] = ()
    problem: str = ""
    sentence: str = ""


class NamedShare(Message, frozen=True, kw_only=True):
    """An opened output share (JWS) and the authority that signed it."""

    authority: str
    share: str


class Receipt(Message, frozen=True, kw_only=True):
    """What proves an answer afterwards: the verifier's request and both opened output shares, all signed."""

    version: int
    policy_hash: bytes
    verifier: str
    request: str
    shares: tuple[NamedShare, NamedShare]
