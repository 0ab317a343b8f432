"""Two of doctor's checks that look outside the node's directory: the clock, by its peers, and the ports."""

import socket
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from typing import Final

import httpx

from privcredit.errors import UsageError
from privcredit.federation.config import Address, NodeConfig
from privcredit.federation.documents import address_of
from privcredit.federation.ports import is_free
from privcredit.http.pki import party_host
from privcredit.http.tls import client_context
from privcredit.roles.registry import Party, TrustedRegistry

MAX_SKEW_SECONDS: Final = 60
"""What honest parties' clocks may differ by (`protocols/eligibility/spec.md`)."""

PEER_SECONDS: Final = 1.0
"""A peer that does not answer within a second is not asked for the time."""

MAX_ASKED: Final = 3
"""Peers asked for the time: the first that answers settles it."""

MAX_HEAD: Final = 8192


def check_clock(config: NodeConfig, registry: TrustedRegistry, now: int) -> str:
    """Compare this clock with the registry's date and with the first peer that answers. Raises UsageError."""
    if now + MAX_SKEW_SECONDS < registry.document.issued:
        raise UsageError("This clock is before the registry's date; set it, and keep it right with NTP.")
    others = [party for party in registry.document.parties if party.name != config.name]
    for party in sorted(others, key=lambda party: party.role != "coordinator")[:MAX_ASKED]:
        theirs = peer_time(config, party)
        if theirs is not None:
            return _compared(party.name, now, theirs)
    return "not before the registry's date; no peer answered to compare more"


def _compared(name: str, now: int, theirs: int) -> str:
    if abs(now - theirs) > MAX_SKEW_SECONDS:
        ahead = "ahead of" if now > theirs else "behind"
        raise UsageError(f"This clock is {abs(now - theirs)} s {ahead} that of {name}; keep it right with NTP.")
    return f"within {max(1, abs(now - theirs))} s of {name}"


def peer_time(config: NodeConfig, party: Party) -> int | None:
    """Return the unix time in a peer's reply, over mutual TLS; None if it does not answer properly."""
    address, host = address_of(party.address, party.name), party_host(party.name)
    request = f"GET /v1/ping HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n".encode()
    try:
        with (
            socket.create_connection((address.host, address.port), PEER_SECONDS) as raw,
            client_context(config.client_tls).wrap_socket(raw, server_hostname=host) as connection,
        ):
            connection.sendall(request)
            return _date(connection.recv(MAX_HEAD))
    except OSError:
        return None


def _date(head: bytes) -> int | None:
    for line in head.decode("latin-1").split("\r\n"):
        name, _, value = line.partition(":")
        if name.lower() == "date":
            try:
                return int(parsedate_to_datetime(value.strip()).timestamp())
            except ValueError:
                return None
    return None


def check_ports(config: NodeConfig) -> str:
    """Say whether the node's listeners can start, or already run. Raises UsageError naming the first that cannot."""
    addresses = [address for address in (config.federation, config.public, config.observability) if address]
    taken = [address for address in addresses if not is_free(address.host, address.port)]
    if not taken:
        return f"free: {_list(addresses)}"
    if running_node(config.observability) == config.name:
        return f"this node is running on {_list(addresses)}"
    raise UsageError(f"{taken[0]} cannot be bound: another program listens there, or the host is not this machine's.")


def running_node(observability: Address) -> str | None:
    """Return the name of the node that answers at this observability address, None if none does."""
    try:
        reply = httpx.get(f"http://{observability}/healthz", timeout=PEER_SECONDS, trust_env=False)
        return str(reply.json()["node"])
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return None


def _list(addresses: Sequence[Address]) -> str:
    return ", ".join(str(address) for address in addresses)
