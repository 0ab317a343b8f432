"""Messages of the consent protocol; `protocols/consent/spec.md` is normative.

Points and proofs are raw bytes: a point has 32, an equality proof 64; ids, digests and nonces have 32. The types
carry these lengths, so a message with another length is refused while it is decoded.
"""

from typing import Annotated, Final

import msgspec

from privcredit.messages.codec import Message

MAX_NAME: Final = 128
"""Characters of a party's, scheme's or group's name: room for a readable one, none for a flood."""

MAX_IDENTITY: Final = 256
"""Characters of an identity as the registrar writes it (a civil number, a company number)."""

MAX_HOLDERS: Final = 64
"""Holders of one policy; also bounds the proofs that one presentation makes others check."""

MAX_BOX: Final = 1024
"""A sealed consent has about 225 bytes and a holder name."""

MAX_CREDENTIAL: Final = 4096
"""A credential is a JWS of about 350 characters and three names."""

MAX_TIME: Final = 1 << 53
"""Unix seconds and epochs: what JSON numbers carry exactly."""

TEXT: Final = r"^[^\x00-\x1f\x7f\ud800-\udfff]+\Z"
"""No control characters, which spoil logs, and no lone surrogates, which JSON can write but UTF-8 cannot."""

Name = Annotated[str, msgspec.Meta(max_length=MAX_NAME, pattern=TEXT)]
Bytes32 = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
Proof = Annotated[bytes, msgspec.Meta(min_length=64, max_length=64)]
Count = Annotated[int, msgspec.Meta(ge=0, lt=MAX_TIME)]


class QueryHeader(Message, frozen=True):
    """The public part of a presentation; every signature and proof of one query covers it.

    Made by the wallet, seen by the verifier, the coordinator, the policy's holders and the authorities.
    """

    version: Count
    scheme: Name
    policy_hash: Bytes32
    key_fingerprint: Bytes32
    """Of the authorities' Paillier key."""
    verifier: Name
    request_id: Bytes32
    """The verifier's nonce."""
    wallet_nonce: Bytes32
    query_id: Bytes32
    epoch: Count
    index: Count
    """Which of the `budget` evaluations of this epoch."""
    expires: Count
    """Unix seconds; at this time and later the header is void."""
    query_point: Bytes32
    """Q."""
    nullifier: Bytes32
    """E."""


class Consent(Message, frozen=True):
    """One holder's consent: the proof that pseudonym, Q and E have one secret. Seen by that holder alone."""

    header_digest: Bytes32
    holder: Name
    pseudonym: Bytes32
    proof: Proof


class SealedConsent(Message, frozen=True):
    """A `Consent` in a sealed box for `holder`; verifier and coordinator carry it unread."""

    holder: Name
    box: Annotated[bytes, msgspec.Meta(min_length=1, max_length=MAX_BOX)]


class Presentation(Message, frozen=True):
    """The wallet's answer to a verifier's request."""

    header: QueryHeader
    consents: Annotated[tuple[SealedConsent, ...], msgspec.Meta(min_length=1, max_length=MAX_HOLDERS)]


class Registration(Message, frozen=True):
    """Wallet to registrar, with the one-time code that the person got there: N_0 and the proof of k."""

    root_point: Bytes32
    proof: Proof


class Credential(Message, frozen=True):
    """What the registrar signs (payload of a JWS): this person has this N_0."""

    version: Count
    scheme: Name
    registrar: Name
    identity: Annotated[str, msgspec.Meta(max_length=MAX_IDENTITY, pattern=TEXT)]
    root_point: Bytes32
    issued: Count


class Enrolment(Message, frozen=True):
    """Wallet to holder, with the one-time code that the person got there: N_h has the k of N_0."""

    holder: Name
    pseudonym: Bytes32
    root_point: Bytes32
    credential: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_CREDENTIAL)]
    proof: Proof


class SubjectOrder(Message, frozen=True):
    """Wallet to holder: an order in the pseudonym's name, such as an opt-out. The nonce is accepted once."""

    holder: Name
    pseudonym: Bytes32
    action: Name
    nonce: Bytes32
    issued: Count
    proof: Proof
