"""Free ports on one machine, for several nodes that start later."""

import socket
from pathlib import Path
from typing import Final

from privcredit.crypto.randomness import Randomness, below
from privcredit.errors import UsageError

RANGE_FILE: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
"""Where Linux says which ports it gives to outgoing connections: a node started later could find such a one taken."""

LOWEST: Final = 10_000
FIRST_EPHEMERAL: Final = 32_768
"""Linux's default; other systems start higher (49152)."""


def free_ports(host: str, count: int, randomness: Randomness) -> tuple[int, ...]:
    """Return `count` different ports that are free now, ascending from a random start below the outgoing ones.

    The start is random so that two federations made at the same time get different ports. Raises UsageError if there
    are not enough.
    """
    candidates = range(LOWEST, _first_ephemeral())
    start = below(randomness, len(candidates))
    found: list[int] = []
    for position in range(len(candidates)):
        port = candidates[(start + position) % len(candidates)]
        if is_free(host, port):
            found.append(port)
        if len(found) == count:
            return tuple(found)
    raise UsageError(f"{host} has fewer than {count} free ports from {LOWEST} on; stop other programs.")


def is_free(host: str, port: int) -> bool:
    """Say whether a listener could bind this port now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _first_ephemeral() -> int:
    try:
        first = int(RANGE_FILE.read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return FIRST_EPHEMERAL
    return first if first > 2 * LOWEST else FIRST_EPHEMERAL
