"""Envelopes between authorities: signed by the sender, then sealed to the recipient.

Inside the box stand 64 bytes of signature and the payload. The signature covers, each after its length, the version,
this format's name, sender, recipient, the caller's context (session id, sequence number) and the payload. Sender,
recipient and context do not travel: the recipient states what it expects, and anything else does not verify. Naming
the recipient stops it from passing the signed content on as if meant for a third party (Davis, USENIX 2001).
"""

from typing import Final

from privcredit.crypto.sealed import SealingKey, seal
from privcredit.crypto.signing import SIGNATURE_BYTES, SigningKey, verify_signature
from privcredit.crypto.transcript import VERSION, encode_fields

FORMAT: Final = b"envelope"


def sign_then_seal(
    payload: bytes,
    signing_key: SigningKey,
    sender: str,
    recipient: str,
    recipient_sealing_public: bytes,
    context: bytes,
) -> bytes:
    """Return `payload` signed by `sender` and sealed to `recipient`, 112 bytes longer; the sender runs it.

    context: what makes this message unique between the two (session id, sequence number), injectively encoded; the
    recipient must expect the same bytes. The box shows the payload's length. Raises UsageError for an unusable key.
    """
    signature = signing_key.sign(_signed(payload, sender, recipient, context))
    return seal(recipient_sealing_public, signature + payload)


def open_then_verify(
    box: bytes,
    sealing_key: SealingKey,
    recipient: str,
    sender: str,
    sender_public: bytes,
    context: bytes,
) -> bytes:
    """Return the payload that `sender` sealed to `recipient` in `context`; the recipient runs it.

    sender_public: the sender's 32-byte signing key from the registry. Raises InvalidProofError naming `sender` for a
    box that does not open, another sender, recipient or context, or an altered payload.
    """
    content = sealing_key.open(box, sender)
    signature, payload = content[:SIGNATURE_BYTES], content[SIGNATURE_BYTES:]
    verify_signature(_signed(payload, sender, recipient, context), signature, sender_public, sender)
    return payload


def _signed(payload: bytes, sender: str, recipient: str, context: bytes) -> bytes:
    return encode_fields(VERSION, FORMAT, sender.encode(), recipient.encode(), context, payload)
