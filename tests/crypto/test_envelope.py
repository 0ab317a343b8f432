"""Envelopes: signature over sender, recipient, context and payload, inside a sealed box."""

import pytest

from privcredit.crypto.envelope import open_then_verify, sign_then_seal
from privcredit.crypto.sealed import SealingKey, seal
from privcredit.crypto.signing import SigningKey
from privcredit.errors import InvalidProofError
from support.seeded import SeededRandomness

SIGNER = SigningKey.generate(SeededRandomness("signer"))
STRANGER = SigningKey.generate(SeededRandomness("stranger"))
SEALER = SealingKey.generate(SeededRandomness("sealer"))
FORWARDED = SealingKey.generate(SeededRandomness("forwarded"))
PAYLOAD, CONTEXT = b"partial decryption", b"session 1, message 2"


def box(signer: SigningKey = SIGNER, recipient: str = "authority-2") -> bytes:
    return sign_then_seal(PAYLOAD, signer, "authority-1", recipient, SEALER.public, CONTEXT)


def test_round_trip_and_length() -> None:
    assert open_then_verify(box(), SEALER, "authority-2", "authority-1", SIGNER.public_bytes, CONTEXT) == PAYLOAD
    assert len(box()) == len(PAYLOAD) + 112


@pytest.mark.parametrize(
    ("recipient", "sender", "context"),
    [
        ("authority-3", "authority-1", CONTEXT),
        ("authority-2", "authority-3", CONTEXT),
        ("authority-2", "authority-1", b"session 1, message 3"),
        ("authority-2authority-1", "", CONTEXT),
        ("authority-2", "authority-1", CONTEXT + b"\x00"),
    ],
)
def test_w4_replay_elsewhere_names_the_sender(recipient: str, sender: str, context: bytes) -> None:
    with pytest.raises(InvalidProofError) as caught:
        open_then_verify(box(), SEALER, recipient, sender, SIGNER.public_bytes, context)
    assert caught.value.culprit == sender


def test_a_forwarded_message_is_refused_by_the_third_party() -> None:
    """The recipient seals the opened content on: the signature names the first recipient."""
    content = SEALER.open(box())
    forwarded = seal(FORWARDED.public, content)
    with pytest.raises(InvalidProofError):
        open_then_verify(forwarded, FORWARDED, "authority-3", "authority-1", SIGNER.public_bytes, CONTEXT)


def test_another_signer_an_altered_payload_and_a_stump_are_refused() -> None:
    content = SEALER.open(box())
    for bad in (box(STRANGER), seal(SEALER.public, content + b"x"), seal(SEALER.public, content[:63]), b"short"):
        with pytest.raises(InvalidProofError) as caught:
            open_then_verify(bad, SEALER, "authority-2", "authority-1", SIGNER.public_bytes, CONTEXT)
        assert caught.value.culprit == "authority-1"


def test_a10_a_signature_for_an_envelope_is_no_signature_of_a_jws() -> None:
    """What is signed differs in its first byte: envelopes start with a length, JWS with base64url text."""
    content = SEALER.open(box())
    assert content[64:] == PAYLOAD
    stranger = seal(SEALER.public, SIGNER.sign(PAYLOAD) + PAYLOAD)
    with pytest.raises(InvalidProofError):
        open_then_verify(stranger, SEALER, "authority-2", "authority-1", SIGNER.public_bytes, CONTEXT)
