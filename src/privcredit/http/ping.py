"""A sign of life for peers on the federation listener (operators use /healthz on the other one)."""

from litestar import get

from privcredit.http.replies import Acknowledged


@get("/v1/ping", sync_to_thread=False)
def ping() -> Acknowledged:
    """Say that this node answers."""
    return Acknowledged()
