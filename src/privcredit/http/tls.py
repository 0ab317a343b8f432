"""TLS settings of both ends: at least TLS 1.2, only the federation's authority, no session tickets.

Contexts are built once per listener or client and shared by all its connections.
"""

import os
import ssl
from dataclasses import dataclass
from pathlib import Path

from privcredit.errors import UsageError

MINIMUM_VERSION = ssl.TLSVersion.TLSv1_2
"""TLS 1.0 and 1.1 are withdrawn (RFC 8996)."""

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""For TLS 1.2: forward secrecy and authenticated encryption only. TLS 1.3 knows nothing else."""

PRIVATE_MODE = 0o600
"""Owner may read and write, nobody else anything."""


@dataclass(frozen=True, slots=True)
class ServerTls:
    """Files of a listener: its certificate and key, and the authority that must have issued client certificates."""

    ca: Path
    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class ClientTls:
    """Files of a client: the authority that must have issued the server's certificate, and its own pair or None."""

    ca: Path
    certificate: Path | None = None
    key: Path | None = None


def server_context(tls: ServerTls, *, require_client_certificate: bool) -> ssl.SSLContext:
    """Return the settings of a listener; with `require_client_certificate` nobody connects without one of the CA's."""
    context = _hardened(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), tls.ca)
    context.options |= ssl.OP_NO_TICKET | ssl.OP_CIPHER_SERVER_PREFERENCE
    # A resumed session would outlive the check of the client's certificate.
    context.num_tickets = 0
    context.verify_mode = ssl.CERT_REQUIRED if require_client_certificate else ssl.CERT_NONE
    _load_pair(context, tls.certificate, tls.key)
    return context


def client_context(tls: ClientTls) -> ssl.SSLContext:
    """Return the settings of a client: server certificate and host name are always checked."""
    context = _hardened(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), tls.ca)
    if tls.certificate is not None and tls.key is not None:
        _load_pair(context, tls.certificate, tls.key)
    return context


def write_private(path: Path, data: bytes) -> None:
    """Write a secret file that only its owner can read, whole or not at all. Raises UsageError naming the file."""
    partial = path.with_name(path.name + ".partial")
    try:
        partial.unlink(missing_ok=True)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_MODE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}; check the directory and its rights.") from error


def check_private(path: Path) -> None:
    """Raise UsageError unless `path` exists and only its owner can read it."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise UsageError(f"The private key {path} cannot be read: {error.strerror}.") from error
    if mode & 0o077:
        raise UsageError(f"The private key {path} can be read by others; run: chmod 600 {path}")


def _hardened(context: ssl.SSLContext, ca: Path) -> ssl.SSLContext:
    context.minimum_version = MINIMUM_VERSION
    context.set_ciphers(CIPHERS)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    try:
        context.load_verify_locations(cafile=ca)
    except OSError as error:  # ssl.SSLError is one too
        raise UsageError(f"The federation's certificate {ca} cannot be read; it must be a PEM file.") from error
    return context


def _load_pair(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    check_private(key)
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except OSError as error:
        raise UsageError(
            f"The certificate {certificate} and the key {key} cannot be used; they must be PEM files of one pair."
        ) from error


def _no_password() -> str:
    raise UsageError("The private key is encrypted; store it unencrypted, readable by its owner only.")
