"""Keys and ciphertexts exchanged with the python-paillier library `phe` (spec.md, section 7).

Keys are JSON Web Keys as its tool `pheutil` writes them (kty DAJ, alg PAI-GN1). Ciphertexts are those of integers:
exponent 0 of phe's EncodedNumber. phe reads plaintexts up to n/3 as positive and from 2n/3 as negative, we split at
n/2: numbers below n/3 in absolute value mean the same to both.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

import phe
from gmpy2 import mpz

from privcredit.crypto.paillier_private import PrivateKey
from privcredit.crypto.paillier_public import (
    MAXIMUM_BITS,
    MINIMUM_BITS,
    Ciphertext,
    FreshCiphertext,
    InvalidCiphertextError,
    InvalidKeyError,
    PublicKey,
)
from privcredit.crypto.transcript import int_bytes

KEY_TYPE = "DAJ"
ALGORITHM = "PAI-GN1"

MAX_NUMBER_CHARACTERS = 2 * MAXIMUM_BITS // 3
"""A decimal of 2 |n| bits takes 0.61 |n| digits, a base64url of |n| bits 0.17 |n| characters; longer is no number."""


def public_key_to_jwk(key: PublicKey, key_id: str) -> dict[str, object]:
    """Return `key` as the JWK that phe's tool reads. key_id: any text for people."""
    return {"kty": KEY_TYPE, "alg": ALGORITHM, "key_ops": ["encrypt"], "n": _to_base64(key.n), "kid": key_id}


def public_key_from_jwk(jwk: Mapping[str, object], *, minimum_bits: int = MINIMUM_BITS) -> PublicKey:
    """Return the key in a public JWK, checked like any modulus.

    Its primes may not be safe: encrypt under it with a `FullRangeEncryptor`. Raises InvalidKeyError naming the field.
    """
    _expect(jwk, "kty", KEY_TYPE)
    _expect(jwk, "alg", ALGORITHM)
    return PublicKey.from_modulus(_from_base64(jwk, "n"), minimum_bits=minimum_bits)


def private_key_to_jwk(private: PrivateKey, key_id: str) -> dict[str, object]:
    """Return a private key as the JWK that phe's tool reads. Secret: write it to a protected file only."""
    p, q = private.primes
    return {
        "kty": KEY_TYPE,
        "key_ops": ["decrypt"],
        "p": _to_base64(p),
        "q": _to_base64(q),
        "pub": public_key_to_jwk(private.key, key_id),
        "kid": key_id,
    }


def private_key_from_jwk(jwk: Mapping[str, object], *, minimum_bits: int = MINIMUM_BITS) -> PrivateKey:
    """Return the key in a private JWK. Raises InvalidKeyError naming the field, or if `pub` does not fit."""
    _expect(jwk, "kty", KEY_TYPE)
    private = PrivateKey(_from_base64(jwk, "p"), _from_base64(jwk, "q"), minimum_bits=minimum_bits)
    public = jwk.get("pub")
    if not isinstance(public, Mapping):
        raise InvalidKeyError("A private Paillier JWK has no field `pub` with the public key; export it again.")
    if public_key_from_jwk(public, minimum_bits=minimum_bits) != private.key:
        raise InvalidKeyError("A private Paillier JWK has primes that do not make the n of its `pub`; export it again.")
    return private


def from_phe(key: PublicKey, encrypted: phe.EncryptedNumber) -> Ciphertext:
    """Return phe's ciphertext as ours. Raises InvalidCiphertextError for another key, an exponent, or no unit."""
    if encrypted.public_key.n != key.n:
        raise InvalidCiphertextError("A phe ciphertext is under another key; encrypt it under ours.")
    return _checked(key, encrypted.ciphertext(be_secure=False), encrypted.exponent)


def from_pheutil(key: PublicKey, written: Mapping[str, object]) -> Ciphertext:
    """Return the ciphertext that `pheutil` wrote as {"v": decimal, "e": exponent}. Raises InvalidCiphertextError."""
    text = written.get("v")
    if not isinstance(text, str) or len(text) > MAX_NUMBER_CHARACTERS or not (text.isascii() and text.isdigit()):
        raise InvalidCiphertextError("A pheutil ciphertext has no decimal number of acceptable length in field `v`.")
    return _checked(key, mpz(text), written.get("e"))


def to_phe(ciphertext: FreshCiphertext) -> phe.EncryptedNumber:
    """Return our ciphertext as phe's, with exponent 0; phe decrypts it to the same integer below n/3."""
    return phe.EncryptedNumber(phe.PaillierPublicKey(int(ciphertext.key.n)), int(ciphertext.value), exponent=0)


def _checked(key: PublicKey, value: int, exponent: object) -> Ciphertext:
    if type(exponent) is not int or exponent != 0:
        raise InvalidCiphertextError("A phe ciphertext has an exponent other than 0; encrypt an int, not a float.")
    if not 0 < value < key.n_squared:
        raise InvalidCiphertextError("A phe ciphertext is not between 1 and n^2 - 1; encrypt it under this key.")
    checked = key.ciphertext(int_bytes(value, key.ciphertext_bytes))
    return Ciphertext(key, checked.value, full_range=True)


def _expect(jwk: Mapping[str, object], field: str, value: str) -> None:
    if jwk.get(field) != value:
        raise InvalidKeyError(f"A Paillier JWK must have `{field}` = `{value}`; this is another kind of key.")


def _to_base64(number: int) -> str:
    data = int_bytes(number, (int(number).bit_length() + 7) // 8)
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _from_base64(jwk: Mapping[str, object], field: str) -> int:
    text = jwk.get(field)
    if not isinstance(text, str) or not 0 < len(text) <= MAX_NUMBER_CHARACTERS:
        raise InvalidKeyError(f"A Paillier JWK has no base64url number of acceptable length in field `{field}`.")
    try:
        return int.from_bytes(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True), "big")
    except (binascii.Error, ValueError) as error:
        raise InvalidKeyError(
            f"A Paillier JWK has a field `{field}` that is not base64url; export it again."
        ) from error
