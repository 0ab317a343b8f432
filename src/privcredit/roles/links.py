"""What roles need from the network, as interfaces: the HTTP layer implements them, tests do it in process."""

from typing import Protocol

from privcredit.channels.interface import Channel
from privcredit.protocols.eligibility.messages import (
    ContributionReply,
    ContributionRequest,
    EvaluationOrder,
    EvaluationResult,
    PinNotice,
    PinPage,
    QueryStatus,
    QuerySubmission,
)


class AuthorityLinks(Protocol):
    """How an authority reaches the other two; every call raises UnavailableError when the peer is down."""

    def channel(self, session: bytes, peer: str) -> Channel:
        """Return the signed and sealed channel of one run with `peer`."""
        ...

    def close(self, session: bytes) -> None:
        """End a run's channel: whoever waits on it gets UnavailableError, late messages are dropped."""
        ...

    def pin(self, authority: str, notice: PinNotice) -> None:
        """Tell `authority` that a nullifier is taken."""
        ...

    def pins_of(self, authority: str, after: int) -> PinPage:
        """Return the pins of `authority` after a sequence number."""
        ...


class CoordinatorLinks(Protocol):
    """How the coordinator reaches holders and authorities."""

    def contribute(self, holder: str, request: ContributionRequest) -> ContributionReply:
        """Ask a holder for its contribution."""
        ...

    def evaluate(self, authority: str, order: EvaluationOrder) -> EvaluationResult:
        """Have an authority evaluate; blocks until it is done."""
        ...

    def is_up(self, authority: str) -> bool:
        """Tell whether an authority is not known to be down."""
        ...

    def probe(self, authority: str) -> bool:
        """Ask an authority for a sign of life."""
        ...


class VerifierLinks(Protocol):
    """How a verifier reaches the coordinator."""

    def submit(self, query_id: bytes, submission: QuerySubmission) -> QueryStatus:
        """Hand in a query (idempotent) and return its status."""
        ...

    def status(self, query_id: bytes) -> QueryStatus:
        """Return a query's status."""
        ...
