"""Sealed boxes: anyone can seal to a public key, only its owner opens (libsodium `crypto_box_seal`).

A box does not say who sealed it, binds no context, and shows the length of its plaintext. What needs an
author goes through `envelope`; what needs a context carries it inside.

The stated exception to injected randomness: libsodium draws each box's ephemeral key from the operating
system, so sealing takes no `Randomness` and differs from run to run. Long-term keys come from the argument.
"""

from typing import Final, NoReturn

from nacl.bindings import crypto_box_seal, crypto_box_seal_open, crypto_box_SEALBYTES, crypto_box_seed_keypair
from nacl.exceptions import CryptoError

from privcredit.crypto.randomness import Randomness
from privcredit.crypto.signing import decode_base64url, encode_base64url
from privcredit.errors import InvalidProofError, UsageError

PUBLIC_KEY_BYTES: Final = 32
SEED_BYTES: Final = 32

SEAL_OVERHEAD: Final[int] = crypto_box_SEALBYTES
"""48 bytes: the ephemeral public key (32) and the authenticator (16)."""

MAX_BOX_BYTES: Final = 1 << 20
"""The largest message between authorities is below 200 kB; 1 MiB leaves room and stops floods."""

STEP: Final = "open sealed box"


class SealingKey:
    """A party's X25519 secret key: no encoder, a redacted repr; `export_seed` is for key files only."""

    __slots__ = ("_secret", "_seed", "public")

    def __init__(self, seed: bytes) -> None:
        if len(seed) != SEED_BYTES:
            raise UsageError(f"A sealing key's seed has {SEED_BYTES} bytes, not {len(seed)}; check the key file.")
        self._seed = seed
        public, self._secret = crypto_box_seed_keypair(seed)
        self.public: Final[bytes] = public

    @classmethod
    def generate(cls, randomness: Randomness) -> "SealingKey":
        """Return a new key drawn from `randomness`."""
        return cls(randomness.bytes(SEED_BYTES))

    @classmethod
    def from_seed(cls, seed: bytes) -> "SealingKey":
        """Return the key of a stored 32-byte `seed`. Raises UsageError."""
        return cls(seed)

    def export_seed(self) -> bytes:
        """Return the 32 secret bytes for an encrypted key file; nothing else may call this."""
        return self._seed

    def open(self, box: bytes, culprit: str = "sender of a sealed box") -> bytes:
        """Return what is in `box`. Raises InvalidProofError naming `culprit` if it does not open."""
        if not SEAL_OVERHEAD <= len(box) <= MAX_BOX_BYTES:
            raise InvalidProofError(culprit, STEP, f"a sealed box cannot have {len(box)} bytes")
        try:
            return crypto_box_seal_open(box, self.public, self._secret)
        except CryptoError as error:
            sentence = "a sealed box does not open: it is sealed for another key or was altered"
            raise InvalidProofError(culprit, STEP, sentence) from error

    def __repr__(self) -> str:
        return "SealingKey(<secret>)"

    def __reduce__(self) -> NoReturn:
        raise UsageError("A sealing key cannot be pickled or copied; export its seed into an encrypted key file.")


def seal(public_bytes: bytes, plaintext: bytes) -> bytes:
    """Return `plaintext` sealed to the owner of `public_bytes`, 48 bytes longer. Raises UsageError."""
    if len(plaintext) > MAX_BOX_BYTES - SEAL_OVERHEAD:
        raise UsageError(
            f"A message of {len(plaintext)} bytes is too large to seal; a box may have {MAX_BOX_BYTES} bytes."
        )
    if len(public_bytes) != PUBLIC_KEY_BYTES:
        raise UsageError(f"A sealing key has {PUBLIC_KEY_BYTES} bytes, not {len(public_bytes)}; check the registry.")
    try:
        return crypto_box_seal(plaintext, public_bytes)
    except CryptoError as error:  # libsodium refuses points of small order, whose shared secret is known
        raise UsageError("This sealing key is a point of small order; ask its owner for another.") from error


def check_sealing_key(public_bytes: bytes) -> bytes:
    """Return `public_bytes` if one can seal to them; registries ask on registration. Raises UsageError."""
    seal(public_bytes, b"")
    return public_bytes


def sealing_jwk(public_bytes: bytes, kid: str) -> dict[str, str]:
    """Return a sealing key as JWK (RFC 8037, X25519, use `enc`)."""
    return {"kty": "OKP", "crv": "X25519", "use": "enc", "x": encode_base64url(public_bytes), "kid": kid}


def sealing_key_from_jwk(jwk: dict[str, object]) -> bytes:
    """Return the 32 bytes of an X25519 public JWK. Raises UsageError for any other key."""
    x = jwk.get("x")
    if "d" in jwk or jwk.get("kty") != "OKP" or jwk.get("crv") != "X25519" or not isinstance(x, str):
        raise UsageError("This JWK is not a public X25519 key (kty OKP, crv X25519, x); ask its owner for one.")
    try:
        return check_sealing_key(decode_base64url(x))
    except ValueError as error:
        raise UsageError("The field x of this JWK is not canonical base64url; export the key again.") from error
