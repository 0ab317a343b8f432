"""An authority's application: orders from the coordinator, messages and pins from the other two authorities."""

from litestar import Litestar, get, post, put

from privcredit import __version__
from privcredit.errors import UsageError
from privcredit.http.application import make_app, require_role
from privcredit.http.ids import parse_id
from privcredit.http.observability import Observability
from privcredit.http.ping import ping
from privcredit.http.pki import Peer
from privcredit.http.replies import Acknowledged
from privcredit.http.session_channel import Inboxes, SessionMessage
from privcredit.protocols.eligibility.messages import EvaluationOrder, EvaluationResult, PinNotice, PinPage
from privcredit.roles.authority import Authority


def federation_app(authority: Authority, inboxes: Inboxes, observability: Observability) -> Litestar:
    """Return what coordinator and authorities talk to."""
    from_coordinator = require_role("coordinator")
    from_authority = require_role("authority")

    @put("/v1/evaluations/{query_id:str}", guards=[from_coordinator], sync_to_thread=True)
    def evaluate(query_id: str, data: EvaluationOrder) -> EvaluationResult:
        """Take part in one comparison; evaluator 2 replies with both sealed output shares (idempotent)."""
        if data.header.query_id != parse_id(query_id):
            raise UsageError("The query id in the path is not the one in the body.")
        return authority.evaluate(data)

    @post("/v1/sessions/{session:str}/messages", guards=[from_authority], status_code=200)
    async def deliver(session: str, data: SessionMessage, peer: Peer) -> Acknowledged:
        """Take one sealed message of a run; its program, in a thread of its own, opens it."""
        inboxes.put(parse_id(session), peer.party, data)
        return Acknowledged()

    @put("/v1/pins", guards=[from_authority], sync_to_thread=True)
    def pin(data: PinNotice, peer: Peer) -> Acknowledged:
        """Learn that a nullifier is taken."""
        authority.accept_pin(data, peer.party)
        return Acknowledged()

    @get("/v1/pins", guards=[from_authority], sync_to_thread=True)
    def pins(after: int) -> PinPage:
        """Return a page of the nullifiers taken, for an authority that was away."""
        return authority.pins_after(after)

    return make_app(
        "privcredit authority",
        __version__,
        [evaluate, deliver, pin, pins, ping],
        observability=observability,
        guards=[require_role("coordinator", "authority")],
    )
