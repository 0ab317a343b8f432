"""Secret key files: their kind inside, private to their owner, encrypted when a passphrase is given.

A file is one header line `privcredit key v1 <kind> <protection>` and the body. Protection `plain`: the secret itself.
Protection `argon2id`: a 16-byte salt and libsodium's secretbox of header and secret, under Argon2id of the passphrase
(so that the header cannot be exchanged). A key used for another purpose is refused (threats.md A10).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, NoReturn

from nacl.exceptions import CryptoError
from nacl.pwhash import argon2id
from nacl.secret import SecretBox

from privcredit.crypto.dgk_keys import DgkPrivateKey
from privcredit.crypto.paillier import PublicKey
from privcredit.crypto.randomness import Randomness
from privcredit.crypto.sealed import SealingKey
from privcredit.crypto.signing import SigningKey
from privcredit.crypto.threshold import KeyShare
from privcredit.errors import UsageError
from privcredit.federation.config import load_node
from privcredit.federation.files import read_bytes, read_text
from privcredit.http.tls import check_private, write_private
from privcredit.roles.identity import PartyKeys

KeyKind = Literal["signing", "sealing", "share", "dgk", "registry", "ca", "wallet"]

MAGIC: Final = b"privcredit key v1 "
PLAIN: Final = "plain"
ENCRYPTED: Final = "argon2id"

OPERATIONS: Final = argon2id.OPSLIMIT_MODERATE
MEMORY: Final = argon2id.MEMLIMIT_MODERATE
"""About half a second and 256 MiB per guess (libsodium's "moderate"); a node opens up to four files when it starts."""

PASSPHRASE_VARIABLE: Final = "PRIVCREDIT_PASSPHRASE"  # noqa: S105 - the name of a variable


class Passphrase:
    """What key files are encrypted with; redacted repr, no encoder."""

    __slots__ = ("_secret",)

    def __init__(self, secret: str) -> None:
        if not secret:
            raise UsageError("The passphrase is empty; leave it out for unencrypted key files.")
        self._secret = secret.encode()

    @classmethod
    def find(cls, environment: Mapping[str, str], file: Path | None = None) -> "Passphrase | None":
        """Return the passphrase of `file` (first line) or of PRIVCREDIT_PASSPHRASE, None if neither is given."""
        if file is not None:
            return cls(read_text(file).split("\n", 1)[0])
        secret = environment.get(PASSPHRASE_VARIABLE)
        return None if secret is None else cls(secret)

    def box(self, salt: bytes) -> SecretBox:
        """Return the box that this passphrase opens with `salt`; takes half a second."""
        return SecretBox(argon2id.kdf(SecretBox.KEY_SIZE, self._secret, salt, OPERATIONS, MEMORY))

    def __repr__(self) -> str:
        return "Passphrase(<redacted>)"

    def __reduce__(self) -> NoReturn:
        raise UsageError("A passphrase cannot be pickled or copied.")


def key_path(directory: Path, kind: KeyKind) -> Path:
    """Return where a key of this kind lies in a node's or operator's directory."""
    return directory / "keys" / f"{kind}.key"


def write_key(path: Path, kind: KeyKind, secret: bytes, passphrase: Passphrase | None, randomness: Randomness) -> None:
    """Write a key file with mode 0600, whole or not at all. Raises UsageError naming it."""
    header = _header(kind, PLAIN if passphrase is None else ENCRYPTED)
    if passphrase is None:
        write_private(path, header + secret)
        return
    salt, nonce = randomness.bytes(argon2id.SALTBYTES), randomness.bytes(SecretBox.NONCE_SIZE)
    write_private(path, header + salt + bytes(passphrase.box(salt).encrypt(header + secret, nonce)))


def read_key(path: Path, kind: KeyKind, passphrase: Passphrase | None) -> bytes:
    """Return the secret in a key file.

    Raises UsageError if it is missing, readable by others, of another kind, or does not open with the passphrase.
    """
    check_private(path)
    data = read_bytes(path)
    if data.startswith(_header(kind, PLAIN)):
        return data.removeprefix(_header(kind, PLAIN))
    header = _header(kind, ENCRYPTED)
    if not data.startswith(header):
        raise UsageError(f"{path} is no {kind} key file of this program; restore it from its backup.")
    if passphrase is None:
        raise UsageError(f"{path} is encrypted; set {PASSPHRASE_VARIABLE} or give --passphrase-file.")
    return _decrypt(path, header, data.removeprefix(header), passphrase)


def is_encrypted(path: Path) -> bool:
    """Say whether a key file is encrypted, without opening it. Raises UsageError if it cannot be read."""
    return read_bytes(path).split(b"\n", 1)[0].endswith(ENCRYPTED.encode())


def load_party_keys(directory: Path, passphrase: Passphrase | None) -> PartyKeys:
    """Return a node's signing and sealing key. Raises UsageError."""
    signing, sealing = (read_key(key_path(directory, kind), kind, passphrase) for kind in ("signing", "sealing"))
    return PartyKeys(load_node(directory).name, SigningKey.from_seed(signing), SealingKey.from_seed(sealing))


def load_key_share(directory: Path, passphrase: Passphrase | None, key: PublicKey) -> KeyShare:
    """Return an authority's share of the Paillier key `key`, which the registry lists. Raises UsageError."""
    return KeyShare.from_file_bytes(read_key(key_path(directory, "share"), "share", passphrase), key)


def load_dgk(directory: Path, passphrase: Passphrase | None) -> DgkPrivateKey:
    """Return an authority's DGK key, checked. Raises UsageError."""
    return DgkPrivateKey.from_file_bytes(read_key(key_path(directory, "dgk"), "dgk", passphrase))


def _header(kind: KeyKind, protection: str) -> bytes:
    return MAGIC + f"{kind} {protection}\n".encode()


def _decrypt(path: Path, header: bytes, body: bytes, passphrase: Passphrase) -> bytes:
    salt, box = body[: argon2id.SALTBYTES], body[argon2id.SALTBYTES :]
    try:
        opened = passphrase.box(salt).decrypt(box)
    except (CryptoError, ValueError) as error:
        raise UsageError(f"{path} does not open with this passphrase, or was altered.") from error
    if not opened.startswith(header):
        raise UsageError(f"{path} holds a key of another kind than its first line says; restore it from its backup.")
    return opened.removeprefix(header)
