"""Sealed boxes: round trip against PyNaCl, and every refusal."""

import copy

import msgspec
import pytest
from nacl.public import PrivateKey, PublicKey, SealedBox

from privcredit.crypto.sealed import (
    MAX_BOX_BYTES,
    SEAL_OVERHEAD,
    SealingKey,
    check_sealing_key,
    seal,
    sealing_jwk,
    sealing_key_from_jwk,
)
from privcredit.errors import InvalidProofError, UsageError
from support.seeded import SeededRandomness

KEY = SealingKey.generate(SeededRandomness("sealing"))
SMALL_ORDER = [
    bytes(32),
    (1).to_bytes(32, "little"),
    (2**255 - 20).to_bytes(32, "little"),
    (2**255 - 19).to_bytes(32, "little"),
    bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
]
"""Points of small order of curve25519 (RFC 7748, section 7, and Bernstein's list)."""


@pytest.mark.parametrize("plaintext", [b"", b"x", bytes(1000)])
def test_boxes_open_here_and_with_pynacl(plaintext: bytes) -> None:
    box = seal(KEY.public, plaintext)
    assert len(box) == len(plaintext) + SEAL_OVERHEAD
    assert KEY.open(box) == plaintext
    assert KEY.open(SealedBox(PublicKey(KEY.public)).encrypt(plaintext)) == plaintext
    assert SealedBox(PrivateKey(KEY._secret)).decrypt(box) == plaintext


def test_every_altered_byte_and_another_key_are_refused() -> None:
    box = seal(KEY.public, b"share")
    for at in range(len(box)):
        with pytest.raises(InvalidProofError) as caught:
            KEY.open(box[:at] + bytes([box[at] ^ 1]) + box[at + 1 :], "bank")
        assert caught.value.culprit == "bank"
    with pytest.raises(InvalidProofError, match="another key"):
        SealingKey.generate(SeededRandomness("other")).open(box)


@pytest.mark.parametrize("box", [b"", bytes(SEAL_OVERHEAD - 1), bytes(MAX_BOX_BYTES + 1)])
def test_w1_boxes_of_impossible_length_are_refused(box: bytes) -> None:
    with pytest.raises(InvalidProofError, match="cannot have"):
        KEY.open(box)


@pytest.mark.parametrize("public", SMALL_ORDER)
def test_s2_sealing_to_a_small_order_key_is_refused(public: bytes) -> None:
    with pytest.raises(UsageError, match="small order"):
        check_sealing_key(public)


def test_keys_of_another_length_and_messages_over_the_limit_are_refused() -> None:
    with pytest.raises(UsageError, match="32 bytes"):
        seal(KEY.public + b"x", b"")
    with pytest.raises(UsageError, match="too large"):
        seal(KEY.public, bytes(MAX_BOX_BYTES))
    with pytest.raises(UsageError, match="seed"):
        SealingKey.from_seed(bytes(31))


def test_a8_a_sealing_key_has_no_encoder_and_shows_nothing() -> None:
    assert repr(KEY) == str(KEY) == "SealingKey(<secret>)"
    with pytest.raises(TypeError):
        msgspec.msgpack.encode(KEY)
    with pytest.raises(UsageError):
        copy.deepcopy(KEY)
    assert SealingKey.from_seed(KEY.export_seed()).public == KEY.public


def test_jwk_round_trip_and_refusals() -> None:
    jwk = sealing_jwk(KEY.public, "bank")
    assert sealing_key_from_jwk(jwk) == KEY.public
    for field, value in (("crv", "Ed25519"), ("kty", "EC"), ("x", 7), ("x", jwk["x"] + "="), ("d", jwk["x"])):
        with pytest.raises(UsageError):
            sealing_key_from_jwk({**jwk, field: value})
