"""The coordinator's application: queries from verifiers; the registry for whoever is in the federation."""

from litestar import Litestar, delete, get, put

from privcredit import __version__
from privcredit.errors import RefusedError
from privcredit.http.application import make_app, require_role
from privcredit.http.ids import parse_id
from privcredit.http.observability import Observability
from privcredit.http.ping import ping
from privcredit.http.pki import Peer
from privcredit.protocols.eligibility.messages import QueryStatus, QuerySubmission
from privcredit.roles.coordinator import Coordinator


def federation_app(coordinator: Coordinator, observability: Observability) -> Litestar:
    """Return what verifiers talk to."""
    from_verifier = require_role("verifier")

    @put("/v1/queries/{query_id:str}", guards=[from_verifier], sync_to_thread=True)
    def submit(query_id: str, data: QuerySubmission, peer: Peer) -> QueryStatus:
        """Carry a query to its end (idempotent); the reply holds the sealed output shares, or says what is missing."""
        if data.presentation.header.verifier != peer.party:
            raise RefusedError("wrong-verifier", "A verifier submits only its own queries.")
        return coordinator.submit(parse_id(query_id), data)

    @get("/v1/queries/{query_id:str}", guards=[from_verifier], sync_to_thread=True)
    def status(query_id: str, peer: Peer) -> QueryStatus:
        """Return how far a query of this verifier is."""
        return coordinator.status(parse_id(query_id), peer.party)

    @delete("/v1/queries/{query_id:str}", guards=[from_verifier], status_code=200, sync_to_thread=True)
    def cancel(query_id: str, peer: Peer) -> QueryStatus:
        """Cancel what has not been opened; does not free the nullifier."""
        return coordinator.cancel(parse_id(query_id), peer.party)

    return make_app(
        "privcredit coordinator",
        __version__,
        [submit, status, cancel, ping],
        observability=observability,
        guards=[require_role("verifier", "holder", "authority")],
    )
