"""Messages of the main job, in the order in which they travel (spec section 2).

Payloads that outlive their message (`Request`, `Contribution`, `OutputShare`) are EdDSA JWS; the `typ` constants keep
one purpose from passing for another. The types carry lengths and bounds, so what exceeds them is refused while it is
decoded.
"""

from typing import Annotated, Final

import msgspec

from privcredit.messages.codec import Message
from privcredit.protocols.consent.messages import (
    MAX_HOLDERS,
    Bytes32,
    Count,
    Name,
    Presentation,
    QueryHeader,
    SealedConsent,
)

REQUEST_TYPE: Final = "privcredit-request+jws"
CONTRIBUTION_TYPE: Final = "privcredit-contribution+jws"
OUTPUT_SHARE_TYPE: Final = "privcredit-output-share+jws"

LAST_ATTEMPT: Final = 1
"""Runs are counted from 0: at most one rerun for a nullifier (`protocols.md` 2a)."""

MAX_SIGNED: Final = 1 << 15
"""Characters of a JWS: a contribution has 4300 at 3072 bits and 12000 at 8192, the longest key."""

MAX_SEALED: Final = 4096
"""Bytes of a sealed output share, as in `paillier_dgk`."""

MAX_TIERS: Final = 1024
"""Above what a ciphertext of the longest key has slots for."""

MAX_PINS: Final = 1000
"""Pins of one page."""

Signed = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_SIGNED)]
Attempt = Annotated[int, msgspec.Meta(ge=0, le=LAST_ATTEMPT)]
Bit = Annotated[int, msgspec.Meta(ge=0, le=1)]
SealedShare = tuple[Name, Annotated[bytes, msgspec.Meta(min_length=1, max_length=MAX_SEALED)]]
"""(authority, its output share sealed to the verifier)."""

SealedShares = Annotated[tuple[SealedShare, ...], msgspec.Meta(max_length=2)]


class Request(Message, frozen=True, kw_only=True):
    """What a verifier asks a wallet for; signed by the verifier. `request_id` is also its nonce (32 bytes)."""

    version: Count
    scheme: Name
    policy_hash: Bytes32
    verifier: Name
    request_id: Bytes32
    issued: Count
    expires: Count


class QuerySubmission(Message, frozen=True, kw_only=True):
    """Verifier to coordinator: the signed request and the wallet's presentation."""

    request: Signed
    presentation: Presentation


class ContributionRequest(Message, frozen=True, kw_only=True):
    """Coordinator to one holder: the request, the public header, and the consent sealed to that holder."""

    request: Signed
    header: QueryHeader
    consent: SealedConsent


class Contribution(Message, frozen=True, kw_only=True):
    """One holder's ciphertext for one query; signed by the holder.

    `origin_*` name the query for which the ciphertext was made: a repeated question under the same nullifier is
    answered with the same ciphertext under a new header.
    """

    version: Count
    holder: Name
    header: QueryHeader
    origin_query: Bytes32
    origin_point: Bytes32
    issued: Count
    ciphertext: bytes
    proof: bytes


class ContributionReply(Message, frozen=True, kw_only=True):
    """Holder to coordinator: the signed contribution."""

    contribution: Signed


class EvaluationOrder(Message, frozen=True, kw_only=True):
    """Coordinator to the two evaluators: everything they need to recompute the product and compare."""

    request: Signed
    header: QueryHeader
    contributions: Annotated[tuple[Signed, ...], msgspec.Meta(max_length=MAX_HOLDERS)]
    evaluator_1: Name
    evaluator_2: Name
    attempt: Attempt


class EvaluationResult(Message, frozen=True, kw_only=True):
    """Evaluator to coordinator: whose answer this is, and sealed output shares.

    Evaluator 2 returns both, evaluator 1 none; when the nullifier was answered before, each of `evaluators` returns
    its own, re-signed for the new request. Other `evaluators` than the order's: ask those.
    """

    evaluators: tuple[Name, Name]
    shares: SealedShares


class OutputShare(Message, frozen=True, kw_only=True):
    """One evaluator's XOR share of the answer, one bit a tier; signed, then sealed to the verifier. Never E or Q."""

    version: Count
    query_id: Bytes32
    policy_hash: Bytes32
    verifier: Name
    request_id: Bytes32
    epoch: Count
    expires: Count
    evaluator_1: Name
    evaluator_2: Name
    sender: Name
    run: Bytes32
    bits: Annotated[tuple[Bit, ...], msgspec.Meta(max_length=MAX_TIERS)]

    def __repr__(self) -> str:
        return f"<OutputShare of {self.sender}, redacted>"


class PinNotice(Message, frozen=True, kw_only=True):
    """Evaluator to the third authority: this nullifier now belongs to this verifier, policy and contribution set."""

    nullifier: Bytes32
    verifier: Name
    policy_hash: Bytes32
    epoch: Count
    set_digest: Bytes32
    evaluator_1: Name
    evaluator_2: Name
    attempt: Attempt


class PinPage(Message, frozen=True, kw_only=True):
    """Pins an authority holds, oldest first; `next_after` continues the list, None ends it."""

    pins: Annotated[tuple[PinNotice, ...], msgspec.Meta(max_length=MAX_PINS)]
    next_after: Count | None


class QueryStatus(Message, frozen=True, kw_only=True):
    """Coordinator to verifier: how far a query is. `shares` is filled when `state` is "answered"."""

    query_id: Bytes32
    state: Name
    shares: SealedShares = ()
    problem: str = ""
    sentence: str = ""


class NamedShare(Message, frozen=True, kw_only=True):
    """An opened output share (JWS) and the authority that signed it."""

    authority: Name
    share: Signed


class Receipt(Message, frozen=True, kw_only=True):
    """What proves an answer afterwards: the verifier's request and both opened output shares, all signed."""

    version: Count
    policy_hash: Bytes32
    verifier: Name
    request: Signed
    shares: tuple[NamedShare, NamedShare]
