"""The roles' links over HTTPS: one pooled client per peer, and what is known of who is down."""

import threading
import time
from collections.abc import Callable
from functools import partial

from privcredit.channels.interface import Channel
from privcredit.errors import UnavailableError
from privcredit.http.client import PeerClient
from privcredit.http.ids import encode_id
from privcredit.http.replies import Acknowledged
from privcredit.http.session_channel import Inboxes, SessionChannel, SessionMessage
from privcredit.http.tls import ClientTls
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
from privcredit.roles.identity import PartyKeys
from privcredit.roles.registry import TrustedRegistry

PROBE_SECONDS = 1.0
"""A node that does not answer a ping within a second is treated as down."""

SUSPECT_SECONDS = 2.0
"""A party found down is not tried again for this long, so that it costs others nothing."""

PIN_SECONDS = 2.0
SESSION_SECONDS = 5.0
CONTRIBUTION_SECONDS = 15.0
EVALUATION_SECONDS = 28.0
"""Above the wait for a silent peer (10 s) and an exponentiation under load; below the verifier's patience."""

QUERY_SECONDS = 60.0


class Peers:
    """Clients of all parties with some roles, by name; remembers for a moment who was found down."""

    def __init__(self, registry: TrustedRegistry, tls: ClientTls, clock: Callable[[], float] = time.monotonic) -> None:
        self._registry = registry
        self._tls = tls
        self._clock = clock
        self._clients: dict[str, PeerClient] = {}
        self._down: dict[str, float] = {}
        self._lock = threading.Lock()

    def client(self, name: str) -> PeerClient:
        """Return the pooled client of a party."""
        with self._lock:
            if name not in self._clients:
                self._clients[name] = PeerClient(self._registry.parties[name].address, self._tls, name)
            return self._clients[name]

    def is_up(self, name: str) -> bool:
        """Tell whether a party is not known to be down."""
        found_down = self._down.get(name)
        return found_down is None or (self._clock() - found_down >= SUSPECT_SECONDS and self.probe(name))

    def probe(self, name: str) -> bool:
        """Ask a party for a sign of life."""
        try:
            self.client(name).get("/v1/ping", Acknowledged, PROBE_SECONDS)
        except UnavailableError:
            self.mark_down(name)
            return False
        self._down.pop(name, None)
        return True

    def mark_down(self, name: str) -> None:
        """Remember that a party does not answer."""
        self._down[name] = self._clock()

    def require_up(self, name: str) -> PeerClient:
        """Return the client of a party; raises UnavailableError at once if it was just found down."""
        if not self.is_up(name):
            raise UnavailableError(f"{name} is down; it will be tried again in a moment.")
        return self.client(name)

    def close(self) -> None:
        """Close all connections."""
        for client in self._clients.values():
            client.close()


class HttpAuthorityLinks:
    """An authority's links to the other two."""

    def __init__(self, keys: PartyKeys, registry: TrustedRegistry, peers: Peers, inboxes: Inboxes) -> None:
        self._keys = keys
        self._registry = registry
        self._peers = peers
        self._inboxes = inboxes

    def channel(self, session: bytes, peer: str) -> Channel:
        """Return the signed and sealed channel of one run with `peer`."""
        party = self._registry.party(peer, "authority")
        return SessionChannel(session, self._keys, party, self._inboxes, self._post)

    def close(self, session: bytes) -> None:
        """End a run's channel."""
        self._inboxes.close(session)

    def _post(self, peer: str, session: bytes, message: SessionMessage) -> None:
        path = f"/v1/sessions/{encode_id(session)}/messages"
        self._peers.client(peer).post(path, message, Acknowledged, SESSION_SECONDS)

    def pin(self, authority: str, notice: PinNotice) -> None:
        """Tell `authority` that a nullifier is taken."""
        client = self._peers.require_up(authority)
        try:
            client.put("/v1/pins", notice, Acknowledged, PIN_SECONDS)
        except UnavailableError:
            self._peers.mark_down(authority)
            raise

    def pins_of(self, authority: str, after: int) -> PinPage:
        """Return the pins of `authority` after a sequence number."""
        return self._peers.client(authority).get(f"/v1/pins?after={after}", PinPage)


class HttpCoordinatorLinks:
    """The coordinator's links to holders and authorities."""

    def __init__(self, peers: Peers) -> None:
        self._peers = peers
        self.is_up = peers.is_up
        self.probe = peers.probe

    def contribute(self, holder: str, request: ContributionRequest) -> ContributionReply:
        """Ask a holder for its contribution."""
        path = f"/v1/contributions/{encode_id(request.header.query_id)}"
        return self._peers.client(holder).put(path, request, ContributionReply, CONTRIBUTION_SECONDS)

    def evaluate(self, authority: str, order: EvaluationOrder) -> EvaluationResult:
        """Have an authority evaluate; blocks until it is done."""
        path = f"/v1/evaluations/{encode_id(order.header.query_id)}"
        return self._peers.client(authority).put(path, order, EvaluationResult, EVALUATION_SECONDS)


class HttpVerifierLinks:
    """A verifier's links to the coordinator."""

    def __init__(self, peers: Peers, coordinator: str) -> None:
        self._client = partial(peers.client, coordinator)

    def submit(self, query_id: bytes, submission: QuerySubmission) -> QueryStatus:
        """Hand in a query (idempotent) and return its status."""
        return self._client().put(f"/v1/queries/{encode_id(query_id)}", submission, QueryStatus, QUERY_SECONDS)

    def status(self, query_id: bytes) -> QueryStatus:
        """Return a query's status."""
        return self._client().get(f"/v1/queries/{encode_id(query_id)}", QueryStatus)
