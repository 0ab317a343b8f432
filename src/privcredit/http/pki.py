"""The federation's certificates: one authority, one certificate per node, the party and its role written inside.

A certificate names its owner twice: URI names `urn:privcredit:party:<name>` and `urn:privcredit:role:<role>` for the
server's checks, and the DNS name `<party>.privcredit.invalid` (RFC 2606) so that a client's ordinary TLS host name
check proves which party answers, even when all nodes share one address. Keys are EC P-256, drawn by OpenSSL.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from privcredit.errors import UsageError

PARTY_URN = "urn:privcredit:party:"
ROLE_URN = "urn:privcredit:role:"
DNS_SUFFIX = ".privcredit.invalid"
"""Never resolves (RFC 2606), so it cannot collide with a real host."""

MAX_NAME = 63
"""A party's name is one DNS label (RFC 1035)."""

BACKDATE = timedelta(minutes=10)
"""Certificates start ten minutes early, the clock error that nodes must survive (threat N1)."""

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end of a connection, as its certificate says: `party` and `role` are lower-case names."""

    party: str
    role: str


@dataclass(frozen=True, slots=True)
class CaMaterial:
    """The federation's certificate authority; whoever holds `key_pem` can name any party."""

    certificate_pem: bytes
    key_pem: bytes

    def __repr__(self) -> str:
        return "CaMaterial(<redacted>)"


def party_host(party: str) -> str:
    """Return the DNS name that stands for `party` in its certificate."""
    return check_name(party, "party") + DNS_SUFFIX


def check_name(name: str, what: str) -> str:
    """Return `name` if it can stand in a certificate, else raise UsageError."""
    if len(name) > MAX_NAME or _NAME.fullmatch(name) is None:
        raise UsageError(
            f"The {what} name {name!r} cannot stand in a certificate; use a-z, 0-9 and hyphens, {MAX_NAME} at most."
        )
    return name


def create_ca(name: str, now: int, days: int) -> CaMaterial:
    """Return a new certificate authority called `name`, valid for `days` from `now` (Unix seconds)."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"privcredit federation {name}")])
    builder = _builder(subject, subject, key.public_key(), now, days)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_key_usage(ca=True), critical=True)
    certificate = builder.sign(key, SHA256())
    return CaMaterial(certificate.public_bytes(Encoding.PEM), _key_pem(key))


def issue(ca: CaMaterial, party: str, role: str, hosts: Iterable[str], now: int, days: int) -> tuple[bytes, bytes]:
    """Return `(certificate PEM, key PEM)` for the node of `party` that plays `role` at `hosts` (names or addresses).

    The certificate serves both as server's and as client's. Raises UsageError for names that cannot be written.
    """
    issuer, issuer_key = _load_ca(ca)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, check_name(party, "party"))])
    builder = _builder(subject, issuer.subject, key.public_key(), now, days)
    builder = builder.add_extension(_names(party, check_name(role, "role"), hosts), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_key_usage(ca=False), critical=True)
    uses = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    builder = builder.add_extension(uses, critical=False)
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    certificate = builder.add_extension(authority, critical=False).sign(issuer_key, SHA256())
    return certificate.public_bytes(Encoding.PEM), _key_pem(key)


def read_identity(certificate: bytes) -> Peer:
    """Return who a certificate (PEM or DER) names. The chain is TLS's business and must have been checked before.

    Raises UsageError unless there is exactly one party and one role, both well-formed.
    """
    names = _uris(_load_certificate(certificate, "A certificate"))
    return Peer(_the_one(names, PARTY_URN, "party"), _the_one(names, ROLE_URN, "role"))


def check_identity(ca_pem: bytes, certificate_pem: bytes, key_pem: bytes, now: int) -> Peer:
    """Return who the certificate names after checking issuer, dates and key; what `doctor` runs before TLS does.

    Raises UsageError with the one thing to put right.
    """
    certificate = _load_certificate(certificate_pem, "The node's certificate")
    authority = _load_certificate(ca_pem, "The federation's certificate")
    peer = read_identity(certificate_pem)
    _check_issuer(certificate, authority, peer.party)
    _check_dates(certificate, now, f"The certificate of {peer.party}")
    _check_dates(authority, now, "The federation's certificate")
    _check_key(certificate, key_pem, peer.party)
    return peer


def _check_issuer(certificate: x509.Certificate, authority: x509.Certificate, party: str) -> None:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature) as error:
        raise UsageError(
            f"The certificate of {party} was not issued by this federation; ask its operator for a new one."
        ) from error


def _check_dates(certificate: x509.Certificate, now: int, what: str) -> None:
    moment = datetime.fromtimestamp(now, UTC)
    if moment < certificate.not_valid_before_utc:
        raise UsageError(f"{what} is valid only from {certificate.not_valid_before_utc:%F %T}Z; check the clock.")
    if moment > certificate.not_valid_after_utc:
        raise UsageError(f"{what} expired on {certificate.not_valid_after_utc:%F %T}Z; have a new one issued.")


def _check_key(certificate: x509.Certificate, key_pem: bytes, party: str) -> None:
    key = _load_key(key_pem, f"The private key of {party}")
    if key.public_key() != certificate.public_key():
        raise UsageError(f"The private key of {party} does not belong to its certificate; install the pair together.")


def _load_ca(ca: CaMaterial) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    certificate = _load_certificate(ca.certificate_pem, "The federation's certificate")
    return certificate, _load_key(ca.key_pem, "The federation's private key")


def _load_certificate(data: bytes, what: str) -> x509.Certificate:
    try:
        if data.lstrip().startswith(b"-----BEGIN"):
            return x509.load_pem_x509_certificate(data)
        return x509.load_der_x509_certificate(data)
    except ValueError as error:
        raise UsageError(f"{what} cannot be read; it must be one X.509 certificate in PEM form.") from error


def _load_key(pem: bytes, what: str) -> ec.EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise UsageError(f"{what} cannot be read; it must be an unencrypted EC key in PEM form.") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise UsageError(f"{what} is not an elliptic-curve key; have a new pair issued.")
    return key


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _builder(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, now: int, days: int
) -> x509.CertificateBuilder:
    start = datetime.fromtimestamp(now, UTC)
    builder = x509.CertificateBuilder(subject_name=subject, issuer_name=issuer, public_key=public)
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(start - BACKDATE).not_valid_after(start + timedelta(days=days))
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)


def _names(party: str, role: str, hosts: Iterable[str]) -> x509.SubjectAlternativeName:
    urns = [x509.UniformResourceIdentifier(PARTY_URN + party), x509.UniformResourceIdentifier(ROLE_URN + role)]
    return x509.SubjectAlternativeName([*urns, x509.DNSName(party_host(party)), *map(_host_name, hosts)])


def _host_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        pass
    if "*" in host or host.lower().rstrip(".").endswith(DNS_SUFFIX):
        raise UsageError(f"The host {host!r} could stand for another party; give the node's real name or address.")
    try:
        return x509.DNSName(host)
    except ValueError as error:
        raise UsageError(f"The host {host!r} is neither an address nor an ASCII host name; correct it.") from error


def _key_usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        key_cert_sign=ca,
        crl_sign=ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _uris(certificate: x509.Certificate) -> Sequence[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, ValueError):
        return ()
    return names.value.get_values_for_type(x509.UniformResourceIdentifier)


def _the_one(uris: Sequence[str], prefix: str, what: str) -> str:
    found = [uri.removeprefix(prefix) for uri in uris if uri.startswith(prefix)]
    if len(found) != 1:
        raise UsageError(f"A certificate names {len(found)} {what} names where privcredit needs exactly one.")
    return check_name(found[0], what)
