"""Paillier encryption: one door to its types. The scheme is in protocols/paillier/spec.md.

Public side: `PublicKey`, `Ciphertext`, `FreshCiphertext`, `aggregate`. Sending side: `Encryptor`, `Opening`.
Key holder: `PrivateKey`.
"""

from privcredit.crypto.paillier_encryption import Encryptor, FullRangeEncryptor, Opening
from privcredit.crypto.paillier_private import PrivateKey
from privcredit.crypto.paillier_public import (
    MINIMUM_BITS,
    Ciphertext,
    FreshCiphertext,
    InvalidCiphertextError,
    InvalidKeyError,
    PublicKey,
    aggregate,
)

__all__ = [
    "MINIMUM_BITS",
    "Ciphertext",
    "Encryptor",
    "FreshCiphertext",
    "FullRangeEncryptor",
    "InvalidCiphertextError",
    "InvalidKeyError",
    "Opening",
    "PrivateKey",
    "PublicKey",
    "aggregate",
]
