"""JWS: interoperable with joserfc and cryptography, and stricter than both."""

import copy
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from joserfc import jws as jose
from joserfc.jwk import OKPKey
from nacl.bindings import crypto_core_ed25519_add, crypto_core_ed25519_is_valid_point
from nacl.signing import VerifyKey

from privcredit.crypto import signing
from privcredit.crypto.signing import (
    MAX_JWS_BYTES,
    SigningKey,
    check_public_key,
    jwks,
    public_from_jwk,
    public_jwk,
    sign_jws,
    verify_jws,
    verify_signature,
)
from privcredit.errors import InvalidProofError, UsageError
from support.seeded import SeededRandomness

KEY = SigningKey.generate(SeededRandomness("jws"))
TYPE = "privcredit-test+jws"
PAYLOAD = b'{"a":1}'
ORDER = 2**252 + 27742317777372353535851937790883648493
IDENTITY_KEY = (1).to_bytes(32, "little")
SMALL_ORDER = [
    IDENTITY_KEY,
    bytes(32),
    (2**255 - 20).to_bytes(32, "little"),
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
]
NON_CANONICAL = [(2**255 - 19 + 1).to_bytes(32, "little"), b"\xff" * 32, (1 | 1 << 255).to_bytes(32, "little")]


def b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def token(header: object, payload: bytes = PAYLOAD, *, key: SigningKey = KEY) -> str:
    text = header if isinstance(header, str) else json.dumps(header)
    signed = f"{b64(text.encode())}.{b64(payload)}"
    return f"{signed}.{b64(key.sign(signed.encode()))}"


def header(**changes: object) -> dict[str, object]:
    fields = {"alg": "Ed25519", "kid": "bank", "typ": TYPE, **changes}
    return {name: value for name, value in fields.items() if value is not None}


def verify(jws: str, *, public: bytes = KEY.public_bytes, kid: str = "bank", typ: str = TYPE) -> bytes:
    return verify_jws(jws, public, kid, typ, "bank")


def refuse(jws: str, match: str | None = None) -> None:
    with pytest.raises(InvalidProofError, match=match) as caught:
        verify(jws)
    assert caught.value.culprit == "bank"


def test_round_trip_gives_the_payload_bytes_back() -> None:
    for payload in (b"", PAYLOAD, b'{ "a" : 1.0 }', bytes(range(256))):
        assert verify(sign_jws(KEY, "bank", TYPE, payload)) == payload


def test_joserfc_reads_ours_and_we_read_joserfcs() -> None:
    public = OKPKey.import_key(public_jwk(KEY.public_bytes, "bank"))
    ours = jose.deserialize_compact(sign_jws(KEY, "bank", TYPE, PAYLOAD), public, algorithms=["Ed25519"])
    assert (ours.payload, ours.protected) == (PAYLOAD, header())
    private = OKPKey.import_key({**public_jwk(KEY.public_bytes), "d": b64(KEY.export_seed())})
    for fields in (header(), dict(reversed(header().items()))):
        assert verify(jose.serialize_compact(fields, PAYLOAD, private, algorithms=["Ed25519"])) == PAYLOAD


def test_the_older_algorithm_name_is_accepted() -> None:
    assert verify(token(header(alg="EdDSA"))) == PAYLOAD


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        (header(alg="none"), "algorithm"),
        (header(alg="HS256"), "algorithm"),
        (header(alg="Ed448"), "algorithm"),
        (header(alg="ed25519"), "algorithm"),
        (header(typ="privcredit-other+jws"), "purpose"),
        (header(kid="court"), "name"),
        (header(kid=None), "other fields"),
        (header(typ=None), "other fields"),
        (header(crit="b64"), "other fields"),
        (header(jwk="x"), "other fields"),
        (header(jwk={"kty": "OKP"}), "object of texts"),
        (header(b64=False), "object of texts"),
        ([["alg", "Ed25519"], ["kid", "bank"], ["typ", TYPE]], "object of texts"),
        ("null", "object of texts"),
        ('"text"', "object of texts"),
        (json.dumps(header())[:-1] + ', "kid": "bank"}', "twice"),
        ("{", "not JSON"),
        ("[" * 500, "not JSON"),
        (header(kid="x" * 600), "over the limit"),
    ],
)
def test_s2_every_other_header_is_refused(fields: object, match: str) -> None:
    refuse(token(fields), match)


def test_a10_a_signature_for_one_purpose_or_name_is_not_one_for_another() -> None:
    signed = sign_jws(KEY, "bank", TYPE, PAYLOAD)
    with pytest.raises(InvalidProofError, match="purpose"):
        verify(signed, typ="privcredit-policy+jws")
    with pytest.raises(InvalidProofError, match="name"):
        verify(signed, kid="court")
    with pytest.raises(InvalidProofError, match="does not verify"):
        verify(signed, public=SigningKey.generate(SeededRandomness("other")).public_bytes)


def test_w2_every_altered_character_is_refused() -> None:
    signed = sign_jws(KEY, "bank", TYPE, PAYLOAD)
    for at, character in enumerate(signed):
        other = "A" if character != "A" else "B"
        refuse(signed[:at] + other + signed[at + 1 :])


def test_s2_other_spellings_of_the_same_bytes_are_refused() -> None:
    signed = sign_jws(KEY, "bank", TYPE, PAYLOAD)
    last = signed[-1]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    twin = signed[:-1] + alphabet[alphabet.index(last) ^ 1]
    assert urlsafe_b64decode(twin.split(".")[2] + "==") == urlsafe_b64decode(signed.split(".")[2] + "==")
    for spelling in (twin, signed + "=", signed + "==", signed + "\n", " " + signed, signed + "AA", signed + "é"):
        refuse(spelling)
    refuse(signed + ".AA", "three parts")
    refuse("", "three parts")
    refuse("..")


def test_s2_s_plus_l_is_refused() -> None:
    head, payload, signature = sign_jws(KEY, "bank", TYPE, PAYLOAD).split(".")
    raw = signing.decode_base64url(signature)
    lifted = raw[:32] + (int.from_bytes(raw[32:], "little") + ORDER).to_bytes(32, "little")
    refuse(f"{head}.{payload}.{b64(lifted)}", "does not verify")
    refuse(f"{head}.{payload}.{b64(raw + bytes(1))}", "65 bytes")


def test_s2_small_order_key_verifies_anything_with_cryptography_and_joserfc_but_not_here() -> None:
    """Key = R = identity, S = 0: a signature of every message, for anyone who relies on `cryptography` alone."""
    signed = f"{b64(json.dumps(header()).encode())}.{b64(PAYLOAD)}"
    forged = IDENTITY_KEY + bytes(32)
    Ed25519PublicKey.from_public_bytes(IDENTITY_KEY).verify(forged, signed.encode())
    key = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": b64(IDENTITY_KEY)})
    accepted = jose.deserialize_compact(f"{signed}.{b64(forged)}", key, algorithms=["Ed25519"])
    assert accepted.payload == PAYLOAD
    with pytest.raises(InvalidProofError, match="full order"):
        verify(f"{signed}.{b64(forged)}", public=IDENTITY_KEY)
    with pytest.raises(UsageError):
        public_from_jwk({"kty": "OKP", "crv": "Ed25519", "x": b64(IDENTITY_KEY)})


@pytest.mark.parametrize("public", [*SMALL_ORDER, *NON_CANONICAL, b"", bytes(31), KEY.public_bytes + b"x"])
def test_s2_bad_public_keys_are_refused_on_registration(public: bytes) -> None:
    with pytest.raises(UsageError):
        check_public_key(public)


def test_s2_a_key_with_a_small_order_part_is_refused_although_libsodium_verifies_under_some() -> None:
    torsion = SMALL_ORDER[3]
    mixed = crypto_core_ed25519_add(KEY.public_bytes, torsion)
    assert mixed != KEY.public_bytes
    assert not crypto_core_ed25519_is_valid_point(mixed)
    with pytest.raises(UsageError):
        check_public_key(mixed)


def test_w6_a_large_message_is_refused_before_it_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing, "_decode", lambda *_: pytest.fail("parsed"))
    refuse("A" * (MAX_JWS_BYTES + 1), "over the limit")
    monkeypatch.undo()
    with pytest.raises(UsageError, match="too large"):
        sign_jws(KEY, "bank", TYPE, bytes(MAX_JWS_BYTES))
    with pytest.raises(UsageError, match="too long"):
        sign_jws(KEY, "b" * 600, TYPE, b"")


def test_raw_signatures_agree_with_pynacl() -> None:
    signature = KEY.sign(b"message")
    VerifyKey(KEY.public_bytes).verify(b"message", signature)
    verify_signature(b"message", signature, KEY.public_bytes, "bank")
    for message, altered in ((b"messagE", signature), (b"message", signature[:-1]), (b"message", bytes(64))):
        with pytest.raises(InvalidProofError):
            verify_signature(message, altered, KEY.public_bytes, "bank")


def test_a8_a_signing_key_has_no_encoder_and_shows_nothing() -> None:
    assert repr(KEY) == str(KEY) == "SigningKey(<secret>)"
    for encoder in (msgspec.msgpack.encode, msgspec.json.encode):
        with pytest.raises(TypeError):
            encoder(KEY)
    with pytest.raises(UsageError):
        copy.copy(KEY)
    assert SigningKey.from_seed(KEY.export_seed()).public_bytes == KEY.public_bytes
    with pytest.raises(UsageError):
        SigningKey.from_seed(bytes(33))


def test_jwk_round_trip_sets_and_refusals() -> None:
    jwk = public_jwk(KEY.public_bytes, "bank")
    assert public_from_jwk(jwk) == KEY.public_bytes
    assert jwks({"bank": KEY.public_bytes}) == {"keys": [jwk]}
    bad = (("kty", "EC"), ("crv", "X25519"), ("use", "enc"), ("x", None), ("x", jwk["x"] + "="), ("d", jwk["x"]))
    for field, value in bad:
        with pytest.raises(UsageError):
            public_from_jwk({**jwk, field: value})
