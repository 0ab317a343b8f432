"""What the proofs of the consent protocol are about: identifiers, base points and contexts. Public mathematics only.

Sections cite `protocols/consent/spec.md`, which is normative.
"""

from dataclasses import dataclass
from typing import Final

from privcredit.crypto.group import Point, hash_to_group
from privcredit.crypto.transcript import digest, encode_fields, int_bytes
from privcredit.messages.codec import PROTOCOL_VERSION
from privcredit.protocols.consent.messages import Enrolment, QueryHeader, SubjectOrder

NUMBER_BYTES: Final = 8
"""Every number in a hash is big-endian of this length."""

CLOCK_SKEW_SECONDS: Final = 60
"""How far the clocks of honest parties may be apart."""


@dataclass(frozen=True, slots=True)
class QueryTerms:
    """What the signed policy says about a query; each party fills it from its own copy, never from the header."""

    scheme: str
    policy_hash: bytes
    key_fingerprint: bytes
    verifiers: tuple[str, ...]
    budget_group: str
    budget: int
    epoch_seconds: int
    request_seconds: int


def query_id(policy_hash: bytes, verifier: str, request_id: bytes, wallet_nonce: bytes) -> bytes:
    """Return the 32 bytes that name a query. Verifier and wallet both contribute, so neither can choose it (3.1)."""
    return digest("consent: query id", policy_hash, verifier.encode(), request_id, wallet_nonce)


def epoch_of(expires: int, terms: QueryTerms) -> int:
    """Return the epoch a header with this expiry belongs to (3.2).

    A function of the header alone: parties whose clocks differ at an epoch's border still agree.
    """
    return (expires - terms.request_seconds) // terms.epoch_seconds


def root_base() -> Point:
    """Return G_0, the base of N_0 (1)."""
    return hash_to_group("person")


def holder_base(scheme: str, holder: str) -> Point:
    """Return G_h, the base of the pseudonyms at `holder` (1)."""
    return hash_to_group("holder", scheme.encode(), holder.encode())


def query_base(query_id: bytes, verifier: str) -> Point:
    """Return G_q, the base of the query point (3.1)."""
    return hash_to_group("query", query_id, verifier.encode())


def epoch_base(scheme: str, budget_group: str, epoch: int, index: int) -> Point:
    """Return G_e, the base of the nullifier (3.2)."""
    numbers = (int_bytes(number, NUMBER_BYTES) for number in (epoch, index))
    return hash_to_group("epoch", scheme.encode(), budget_group.encode(), *numbers)


def header_digest(header: QueryHeader) -> bytes:
    """Return the 32 bytes that identify a header: SHA-256 over all of its fields in order (3.3)."""
    return digest("consent: header", *(_field(getattr(header, name)) for name in QueryHeader.__struct_fields__))


def code_digest(code: str) -> bytes:
    """Return what a proof binds of a one-time code (2)."""
    return digest("consent: one-time code", code.encode())


def consent_context(header: bytes, budget_group: str, holder: str) -> bytes:
    """Return the context of a consent proof; `header` is the header's digest (3.4)."""
    return _context("consent", header, budget_group.encode(), holder.encode())


def registration_context(scheme: str, registrar: str, code: str) -> bytes:
    """Return the context of a registration proof (2.1)."""
    return _context("registration", scheme.encode(), registrar.encode(), code_digest(code))


def enrolment_context(enrolment: Enrolment, scheme: str, code: str) -> bytes:
    """Return the context of an enrolment proof (2.2)."""
    names = (scheme.encode(), enrolment.holder.encode())
    return _context("enrolment", *names, code_digest(code), enrolment.credential.encode())


def order_context(order: SubjectOrder, scheme: str) -> bytes:
    """Return the context of the proof under a subject's order (4)."""
    names = (scheme.encode(), order.holder.encode(), order.action.encode())
    return _context("order", *names, order.nonce, int_bytes(order.issued, NUMBER_BYTES))


def _context(purpose: str, *fields: bytes) -> bytes:
    return encode_fields(purpose.encode(), int_bytes(PROTOCOL_VERSION, NUMBER_BYTES), *fields)


def _field(value: str | bytes | int) -> bytes:
    if isinstance(value, bytes):
        return value
    return value.encode() if isinstance(value, str) else int_bytes(value, NUMBER_BYTES)
