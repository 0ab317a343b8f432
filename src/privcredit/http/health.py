"""The operator's listener of every node, plain HTTP on loopback: is it alive, is it ready, what does it count."""

from collections.abc import Callable, Sequence

from litestar import Litestar, get
from prometheus_client import CONTENT_TYPE_LATEST

from privcredit.http.application import make_app
from privcredit.http.body import StrictResponse
from privcredit.http.observability import Observability
from privcredit.messages.codec import Message

NotReady = Callable[[], Sequence[str]]
"""Returns why the node cannot do its work now, one sentence each; empty means ready. May block."""


class Health(Message, frozen=True):
    """`status` is "ok" or "not ready"; `reasons` says why."""

    node: str
    status: str
    reasons: tuple[str, ...] = ()


def make_health_app(observability: Observability, version: str, not_ready: NotReady) -> Litestar:
    """Return the application with /healthz, /readyz and /metrics."""
    node = observability.node

    @get("/healthz", sync_to_thread=False)
    def healthz() -> Health:
        """The process serves."""
        return Health(node=node, status="ok")

    @get("/readyz", sync_to_thread=True)
    def readyz() -> StrictResponse:
        """The node can do its work: 200, or 503 with the reasons."""
        reasons = tuple(not_ready())
        health = Health(node=node, status="not ready" if reasons else "ok", reasons=reasons)
        return StrictResponse(health, status_code=503 if reasons else 200)

    @get("/metrics", sync_to_thread=False)
    def metrics() -> StrictResponse:
        """Prometheus metrics, text format."""
        return StrictResponse(observability.exposition(), headers={"content-type": CONTENT_TYPE_LATEST})

    return make_app(f"privcredit {node} health", version, [healthz, readyz, metrics])
