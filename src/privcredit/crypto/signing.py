"""Ed25519 signatures: compact JWS for what outsiders read, raw signatures inside envelopes.

A JWS here has exactly the header fields `alg`, `kid` (the party's name) and `typ` (the purpose). The payload
bytes are signed and hashed as they are; nobody re-encodes them. Signing goes through joserfc. Verification
does not: joserfc verifies with `cryptography`, which accepts keys of small order, under which one signature
fits many messages. libsodium refuses those, S + L and non-canonical points; we refuse any other encoding.

Sources: RFC 7515 (JWS), RFC 8037 and RFC 9864 (Ed25519 in JOSE), RFC 8032 (Ed25519).
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NoReturn

from joserfc import jws as jose_jws
from joserfc.jwk import OKPKey
from nacl.bindings import crypto_core_ed25519_is_valid_point
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey as SodiumSigningKey
from nacl.signing import VerifyKey

from privcredit.crypto.randomness import Randomness
from privcredit.errors import InvalidProofError, UsageError

ALGORITHM: Final = "Ed25519"
"""What we sign with: the name of RFC 9864."""

ACCEPTED_ALGORITHMS: Final = frozenset({ALGORITHM, "EdDSA"})
"""`EdDSA` is the older name (RFC 8037) of the same algorithm; other implementations still write it."""

PUBLIC_KEY_BYTES: Final = 32
SEED_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64

MAX_JWS_BYTES: Final = 1 << 20
"""The registry, our largest JWS, stays below 200 kB; 1 MiB leaves room and stops floods."""

MAX_HEADER_BYTES: Final = 512
"""Three short fields; bounds what the JSON parser is given."""

STEP: Final = "verify signature"


class SigningKey:
    """A party's Ed25519 secret key: no encoder, a redacted repr; `export_seed` is for key files only."""

    __slots__ = ("_jose", "_key", "public_bytes")

    def __init__(self, seed: bytes) -> None:
        if len(seed) != SEED_BYTES:
            raise UsageError(f"A signing key's seed has {SEED_BYTES} bytes, not {len(seed)}; check the key file.")
        self._key = SodiumSigningKey(seed)
        self.public_bytes: Final[bytes] = bytes(self._key.verify_key)
        self._jose = OKPKey.import_key({**public_jwk(self.public_bytes), "d": encode_base64url(seed)})

    @classmethod
    def generate(cls, randomness: Randomness) -> "SigningKey":
        """Return a new key drawn from `randomness`."""
        return cls(randomness.bytes(SEED_BYTES))

    @classmethod
    def from_seed(cls, seed: bytes) -> "SigningKey":
        """Return the key of a stored 32-byte `seed`. Raises UsageError."""
        return cls(seed)

    def export_seed(self) -> bytes:
        """Return the 32 secret bytes for an encrypted key file; nothing else may call this."""
        return bytes(self._key)

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte signature of `message`; the caller puts the purpose into the message."""
        return self._key.sign(message).signature

    def sign_compact(self, header: Mapping[str, str], payload: bytes) -> str:
        """Return the compact JWS of `payload` under exactly this protected `header`."""
        return jose_jws.serialize_compact(dict(header), payload, self._jose, algorithms=[ALGORITHM])

    def __repr__(self) -> str:
        return "SigningKey(<secret>)"

    def __reduce__(self) -> NoReturn:
        raise UsageError("A signing key cannot be pickled or copied; export its seed into an encrypted key file.")


def sign_jws(key: SigningKey, kid: str, typ: str, payload: bytes) -> str:
    """Return `payload` as compact JWS signed by the party `kid` for the purpose `typ`.

    Anyone can read the payload. Raises UsageError when the header or the result would be over its limit.
    """
    token = key.sign_compact({"alg": ALGORITHM, "kid": kid, "typ": typ}, payload)
    if len(token) > MAX_JWS_BYTES:
        raise UsageError(
            f"A {typ} of {len(payload)} bytes is too large to sign; the JWS may have {MAX_JWS_BYTES} bytes."
        )
    if token.index(".") > MAX_HEADER_BYTES:
        raise UsageError(f"The party name {kid[:32]!r}... is too long for a JWS header; use a shorter one.")
    return token


def verify_jws(jws: str, public_bytes: bytes, kid: str, typ: str, culprit: str) -> bytes:
    """Return the payload bytes of `jws` if party `kid` signed it with `public_bytes` for the purpose `typ`.

    public_bytes: 32 bytes from the pinned registry, never from the message. culprit: whom to name on failure.
    Raises InvalidProofError.
    """
    if len(jws) > MAX_JWS_BYTES:
        _fail(culprit, f"a signed message of {len(jws)} characters is over the limit of {MAX_JWS_BYTES}")
    parts = jws.split(".")
    if len(parts) != 3:  # noqa: PLR2004 - header, payload, signature
        _fail(culprit, "a signed message does not have the three parts of a compact JWS")
    header, payload, signature = (_decode(part, culprit) for part in parts)
    _check_header(header, kid, typ, culprit)
    verify_signature(jws[: -len(parts[2]) - 1].encode("ascii"), signature, public_bytes, culprit)
    return payload


def verify_signature(message: bytes, signature: bytes, public_bytes: bytes, culprit: str) -> None:
    """Check one Ed25519 signature of 64 bytes. Raises InvalidProofError naming `culprit`."""
    if len(signature) != SIGNATURE_BYTES:
        _fail(culprit, f"a signature has {len(signature)} bytes instead of {SIGNATURE_BYTES}")
    try:
        VerifyKey(check_public_key(public_bytes)).verify(message, signature)
    except UsageError as error:
        raise InvalidProofError(culprit, STEP, "the public key is not an Ed25519 key of full order") from error
    except BadSignatureError as error:
        raise InvalidProofError(culprit, STEP, "a signature does not verify under the registered key") from error


@lru_cache(maxsize=1024)
def check_public_key(public_bytes: bytes) -> bytes:
    """Return `public_bytes` if they are a canonical Ed25519 key of prime order. Raises UsageError.

    Registries call this when a party registers; it refuses the small-order keys under which anything verifies
    and keys with a small-order component.
    """
    if len(public_bytes) != PUBLIC_KEY_BYTES or not crypto_core_ed25519_is_valid_point(public_bytes):
        raise UsageError("This is no Ed25519 public key (32 bytes, prime order); ask its owner for one.")
    return public_bytes


def public_jwk(public_bytes: bytes, kid: str | None = None) -> dict[str, str]:
    """Return a public key as JWK (RFC 8037), with `kid` if given."""
    jwk = {
        "kty": "OKP",
        "crv": "Ed25519",
        "use": "sig",
        "alg": ALGORITHM,
        "x": encode_base64url(public_bytes),
    }
    return jwk if kid is None else {**jwk, "kid": kid}


def public_from_jwk(jwk: Mapping[str, object]) -> bytes:
    """Return the 32 bytes of an Ed25519 public JWK. Raises UsageError for other and for private keys."""
    if "d" in jwk:
        raise UsageError(
            "This JWK holds a private key; publish only the fields kty, crv, x and kid, and replace the key."
        )
    if jwk.get("kty") != "OKP" or jwk.get("crv") != "Ed25519" or jwk.get("use", "sig") != "sig":
        raise UsageError("This JWK is not an Ed25519 signing key (kty OKP, crv Ed25519); ask its owner for one.")
    x = jwk.get("x")
    if not isinstance(x, str):
        raise UsageError("This JWK lacks the text field x, the public key in base64url; add it.")
    try:
        return check_public_key(decode_base64url(x))
    except ValueError as error:
        raise UsageError("The field x of this JWK is not canonical base64url; export the key again.") from error


def jwks(keys: Mapping[str, bytes]) -> dict[str, list[dict[str, str]]]:
    """Return the JWK set of `keys` (party name -> 32 bytes), in the order given."""
    return {"keys": [public_jwk(public, kid) for kid, public in keys.items()]}


def decode_base64url(text: str) -> bytes:
    """Return the bytes of unpadded, canonical base64url `text`. Raises ValueError for any other spelling."""
    data = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    if encode_base64url(data) != text:
        raise ValueError("not canonical base64url")
    return data


def encode_base64url(data: bytes) -> str:
    """Return `data` in unpadded base64url."""
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _decode(part: str, culprit: str) -> bytes:
    try:
        return decode_base64url(part)
    except ValueError:
        _fail(culprit, "a part of a signed message is not canonical base64url")


def _check_header(header: bytes, kid: str, typ: str, culprit: str) -> None:
    if len(header) > MAX_HEADER_BYTES:
        _fail(culprit, f"a JWS header of {len(header)} bytes is over the limit of {MAX_HEADER_BYTES}")
    fields = _header_fields(header, culprit)
    if set(fields) != {"alg", "kid", "typ"}:
        _fail(culprit, "a JWS header has other fields than alg, kid and typ")
    if fields["alg"] not in ACCEPTED_ALGORITHMS:
        _fail(culprit, "a JWS names another algorithm than Ed25519")
    if fields["typ"] != typ:
        _fail(culprit, f"a JWS is signed for another purpose than {typ}")
    if fields["kid"] != kid:
        _fail(culprit, f"a JWS is signed in another name than {kid}")


def _header_fields(header: bytes, culprit: str) -> dict[str, str]:
    try:
        pairs = json.loads(header.decode("utf-8"), object_pairs_hook=tuple)
    except (ValueError, RecursionError):
        _fail(culprit, "a JWS header is not JSON")
    if not isinstance(pairs, tuple) or not all(isinstance(value, str) for _, value in pairs):
        _fail(culprit, "a JWS header is not an object of texts")
    fields = dict(pairs)
    if len(fields) != len(pairs):
        _fail(culprit, "a JWS header has a field twice")
    return fields


def _fail(culprit: str, sentence: str) -> NoReturn:
    raise InvalidProofError(culprit, STEP, sentence)
