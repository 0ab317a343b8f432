"""Which hosts are this machine and nobody else."""

from ipaddress import ip_address


def is_loopback(host: str) -> bool:
    """Say whether `host` (a name or an address, without port) can only be this machine.

    Of names only `localhost`: resolvers answer it themselves (RFC 6761), any other name belongs to someone.
    """
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def host_of(authority: str) -> str:
    """Return the host in `host`, `host:port` or `[host]:port`, as in an HTTP Host header."""
    if authority.startswith("["):
        return authority[1:].partition("]")[0]
    return authority.partition(":")[0]
