"""The wallet's side of the consent protocol: everything that needs the secret k. Pure; randomness is an argument."""

from base64 import b32encode
from collections.abc import Mapping
from typing import Final, NoReturn

from msgspec.structs import replace

from privcredit.crypto.equality import Pair, prove_equal_logs
from privcredit.crypto.group import SCALAR_BYTES, Point, Scalar
from privcredit.crypto.randomness import Randomness
from privcredit.crypto.sealed import seal
from privcredit.errors import UsageError
from privcredit.messages.codec import PROTOCOL_VERSION, encode
from privcredit.protocols.consent.checks import check_terms
from privcredit.protocols.consent.messages import (
    Consent,
    Enrolment,
    Presentation,
    QueryHeader,
    Registration,
    SealedConsent,
    SubjectOrder,
)
from privcredit.protocols.consent.statements import (
    QueryTerms,
    consent_context,
    enrolment_context,
    epoch_base,
    epoch_of,
    header_digest,
    holder_base,
    order_context,
    query_base,
    query_id,
    registration_context,
    root_base,
)

FILE_MAGIC: Final = b"pcwallt1"
"""First bytes of a stored wallet secret; the last is the format's version."""

NONCE_BYTES: Final = 32
CODE_BYTES: Final = 20
"""160 bits: an enrolment proof lets who sees it test guesses of the code, so it must not be guessable."""

UNPROVEN: Final = bytes(64)
"""Stands in the proof field of a message while its own proof is being made; never valid as a proof."""


class WalletSecret:
    """The one secret k of a subject: no encoder, a redacted repr; `to_file_bytes` is for encrypted files only."""

    __slots__ = ("scalar",)

    def __init__(self, scalar: Scalar) -> None:
        self.scalar = scalar

    @classmethod
    def generate(cls, randomness: Randomness) -> "WalletSecret":
        """Return a uniformly random secret."""
        return cls(Scalar.generate(randomness))

    @classmethod
    def from_file_bytes(cls, data: bytes) -> "WalletSecret":
        """Return the secret stored by `to_file_bytes`. Raises UsageError if the bytes are damaged."""
        body = data.removeprefix(FILE_MAGIC)
        if len(data) - len(body) != len(FILE_MAGIC) or len(body) != 2 * SCALAR_BYTES:
            raise UsageError("This is not a wallet secret of version 1; check the wallet file.")
        secret = cls(Scalar(body[:SCALAR_BYTES]))
        if root_point(secret) != body[SCALAR_BYTES:]:
            raise UsageError("The wallet secret is damaged: it does not give its own root point; restore a backup.")
        return secret

    def to_file_bytes(self) -> bytes:
        """Return 72 secret bytes: magic, k (little-endian), N_0 as a check. The caller encrypts the file."""
        return FILE_MAGIC + self.scalar.export_secret() + root_point(self)

    def __repr__(self) -> str:
        return "WalletSecret(<secret>)"

    def __reduce__(self) -> NoReturn:
        raise UsageError("A wallet secret cannot be pickled or copied; store it with to_file_bytes, encrypted.")


def one_time_code(randomness: Randomness) -> str:
    """Return a code of 32 letters and digits, which a registrar or holder gives to one person, once (2)."""
    return b32encode(randomness.bytes(CODE_BYTES)).decode("ascii")


def root_point(k: WalletSecret) -> bytes:
    """Return N_0 = k G_0; the registrar and, at enrolment, each holder see it (1)."""
    return k.scalar.times(root_base()).data


def pseudonym(k: WalletSecret, scheme: str, holder: str) -> bytes:
    """Return N_h = k G_h; `holder` alone sees it (1)."""
    return k.scalar.times(holder_base(scheme, holder)).data


def query_point(k: WalletSecret, query_id: bytes, verifier: str) -> bytes:
    """Return Q = k G_q; public in one query, unlinkable between queries (3.1)."""
    return k.scalar.times(query_base(query_id, verifier)).data


def nullifier(k: WalletSecret, scheme: str, budget_group: str, epoch: int, index: int) -> bytes:
    """Return E = k G_e; public, the same for the same epoch and index (3.2)."""
    return k.scalar.times(epoch_base(scheme, budget_group, epoch, index)).data


def register(k: WalletSecret, scheme: str, registrar: str, code: str, randomness: Randomness) -> Registration:
    """Return N_0 with the proof that this wallet knows its k, bound to registrar and one-time code (2.1)."""
    context = registration_context(scheme, registrar, code)
    return Registration(root_point=root_point(k), proof=_prove(k, [root_base()], context, randomness))


def enrol(k: WalletSecret, scheme: str, holder: str, credential: str, code: str, randomness: Randomness) -> Enrolment:
    """Return N_h with the proof that it has the k of the credential's N_0, bound to the one-time code (2.2)."""
    draft = Enrolment(
        holder=holder,
        pseudonym=pseudonym(k, scheme, holder),
        root_point=root_point(k),
        credential=credential,
        proof=UNPROVEN,
    )
    bases = [root_base(), holder_base(scheme, holder)]
    return replace(draft, proof=_prove(k, bases, enrolment_context(draft, scheme, code), randomness))


def order(k: WalletSecret, scheme: str, holder: str, action: str, issued: int, randomness: Randomness) -> SubjectOrder:
    """Return an order in the pseudonym's name; the proof is a Schnorr signature under (G_h, N_h) (4)."""
    draft = SubjectOrder(
        holder=holder,
        pseudonym=pseudonym(k, scheme, holder),
        action=action,
        nonce=randomness.bytes(NONCE_BYTES),
        issued=issued,
        proof=UNPROVEN,
    )
    return replace(draft, proof=_prove(k, [holder_base(scheme, holder)], order_context(draft, scheme), randomness))


def make_header(
    k: WalletSecret,
    terms: QueryTerms,
    verifier: str,
    request_id: bytes,
    index: int,
    expires: int,
    randomness: Randomness,
) -> QueryHeader:
    """Return the header that answers the verifier's request under the wallet's own copy of the policy (3.3).

    index: which evaluation of this epoch, below the budget. A repeat of the same question in the same epoch takes the
    same index (it is answered from the cache), another question a fresh one. Raises RefusedError if terms forbid it.
    """
    nonce = randomness.bytes(NONCE_BYTES)
    named = query_id(terms.policy_hash, verifier, request_id, nonce)
    epoch = epoch_of(expires, terms)
    header = QueryHeader(
        version=PROTOCOL_VERSION,
        scheme=terms.scheme,
        policy_hash=terms.policy_hash,
        key_fingerprint=terms.key_fingerprint,
        verifier=verifier,
        request_id=request_id,
        wallet_nonce=nonce,
        query_id=named,
        epoch=epoch,
        index=index,
        expires=expires,
        query_point=query_point(k, named, verifier),
        nullifier=nullifier(k, terms.scheme, terms.budget_group, epoch, index),
    )
    check_terms(header, terms)
    return header


def make_consent(
    k: WalletSecret, header: QueryHeader, budget_group: str, holder: str, randomness: Randomness
) -> Consent:
    """Return the consent for `holder`: one proof over (G_h, N_h), (G_q, Q), (G_e, E) (3.4).

    Raises UsageError when the header's points are not this wallet's.
    """
    identity = header_digest(header)
    pairs = _consent_pairs(k, header, budget_group, holder)
    proof = prove_equal_logs(k.scalar, pairs, consent_context(identity, budget_group, holder), randomness)
    return Consent(header_digest=identity, holder=holder, pseudonym=pairs[0][1].data, proof=proof.to_bytes())


def present(
    k: WalletSecret, header: QueryHeader, budget_group: str, holders: Mapping[str, bytes], randomness: Randomness
) -> Presentation:
    """Return the header with one sealed consent for each holder (name -> sealing key), in the order given (3.5)."""
    consents = {holder: make_consent(k, header, budget_group, holder, randomness) for holder in holders}
    boxes = (
        SealedConsent(holder=holder, box=seal(holders[holder], encode(consent))) for holder, consent in consents.items()
    )
    return Presentation(header=header, consents=tuple(boxes))


def _consent_pairs(k: WalletSecret, header: QueryHeader, budget_group: str, holder: str) -> list[Pair]:
    base = holder_base(header.scheme, holder)
    return [
        (base, k.scalar.times(base)),
        (query_base(header.query_id, header.verifier), Point(header.query_point)),
        (epoch_base(header.scheme, budget_group, header.epoch, header.index), Point(header.nullifier)),
    ]


def _prove(k: WalletSecret, bases: list[Point], context: bytes, randomness: Randomness) -> bytes:
    pairs = [(base, k.scalar.times(base)) for base in bases]
    return prove_equal_logs(k.scalar, pairs, context, randomness).to_bytes()
