"""The federation's operator: its certificate authority and registry key, and who is admitted.

The operator can name any party, so it is trusted with the list of parties and policies; it holds no decryption key,
and the Paillier key counts only with all three authorities' signatures.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from privcredit.crypto.randomness import Randomness
from privcredit.crypto.sealed import seal
from privcredit.crypto.signing import SigningKey, public_jwk
from privcredit.errors import UsageError
from privcredit.federation.config import CA_FILE, REGISTRY_KEY_FILE
from privcredit.federation.documents import JoinRequest, Welcome, address_of, check_format, read_join
from privcredit.federation.files import (
    make_directory,
    read_bytes,
    read_document,
    write_document,
    write_public,
)
from privcredit.federation.key_files import Passphrase, key_path, read_key, write_key
from privcredit.http.pki import CaMaterial, check_name, create_ca, issue
from privcredit.messages.codec import Message, encode_json
from privcredit.roles.registry import REGISTRY_SIGNER

OPERATOR_FILE: Final = "operator.json"
OPERATOR_FORMAT: Final = "privcredit-operator/1"

CA_DAYS: Final = 3650
"""Ten years: replacing it means new certificates for all nodes."""

NODE_DAYS: Final = 397
"""Thirteen months, so that a yearly renewal has a month to spare."""


class _Operator(Message, frozen=True, kw_only=True):
    format: str = OPERATOR_FORMAT
    scheme: str


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator's opened directory: scheme, registry key, certificate authority. Secret; redacted repr."""

    directory: Path
    scheme: str
    registry_key: SigningKey
    ca: CaMaterial

    def __repr__(self) -> str:
        return f"Operator({self.scheme}, <redacted>)"


def create_federation(
    directory: Path, scheme: str, now: int, randomness: Randomness, passphrase: Passphrase | None = None
) -> Operator:
    """Make an operator's directory with a certificate authority and a registry key.

    Raises UsageError if the directory already has one.
    """
    check_name(scheme, "scheme")
    if (make_directory(directory) / OPERATOR_FILE).exists():
        raise UsageError(f"{directory} holds a federation already; use another directory.")
    make_directory(directory / "keys")
    key, ca = SigningKey.generate(randomness), create_ca(scheme, now, CA_DAYS)
    write_key(key_path(directory, "registry"), "registry", key.export_seed(), passphrase, randomness)
    write_key(key_path(directory, "ca"), "ca", ca.key_pem, passphrase, randomness)
    write_public(directory / CA_FILE, ca.certificate_pem)
    write_public(directory / REGISTRY_KEY_FILE, encode_json(public_jwk(key.public_bytes, REGISTRY_SIGNER)))
    write_document(directory / OPERATOR_FILE, _Operator(scheme=scheme))
    return Operator(directory, scheme, key, ca)


def load_operator(directory: Path, passphrase: Passphrase | None = None) -> Operator:
    """Return the operator whose directory this is. Raises UsageError."""
    path = directory / OPERATOR_FILE
    if not path.exists():
        raise UsageError(f"{directory} is no operator's directory; run `privcredit federation create {directory}`.")
    settings = read_document(path, _Operator, "an operator's file")
    check_format(path, settings.format, OPERATOR_FORMAT)
    key = SigningKey.from_seed(read_key(key_path(directory, "registry"), "registry", passphrase))
    ca = CaMaterial(read_bytes(directory / CA_FILE), read_key(key_path(directory, "ca"), "ca", passphrase))
    return Operator(directory, settings.scheme, key, ca)


def admit(operator: Operator, join_file: Path, now: int) -> Path:
    """Admit a party: remember its keys, issue its certificate, write and return its welcome file.

    The operator has checked before, by its own means, that the request is from whom it names: compare fingerprints.
    Admitting the same request again renews the certificate.
    Raises UsageError for another scheme or a name that is taken by other keys, InvalidProofError for a bad signature.
    """
    join = read_join(join_file)
    if join.scheme != operator.scheme:
        raise UsageError(f"{join_file} is for scheme {join.scheme}; this federation is {operator.scheme}.")
    _remember(operator, join)
    hosts = {address_of(url, str(join_file)).host for url in (join.party.address, join.party.public_address) if url}
    certificate, key = issue(operator.ca, join.party.name, join.party.role, sorted(hosts), now, NODE_DAYS)
    welcome = Welcome(
        scheme=operator.scheme,
        party=join.party.name,
        certificate=certificate.decode(),
        ca=operator.ca.certificate_pem.decode(),
        registry_key=operator.registry_key.public_bytes,
        sealed_tls_key=seal(join.party.sealing_key, key),
    )
    path = make_directory(operator.directory / "welcome") / f"{join.party.name}.json"
    write_document(path, welcome)
    return path


def admitted(operator: Operator) -> dict[str, JoinRequest]:
    """Return the admitted parties' requests by name, in alphabetical order, checked again."""
    files = sorted((operator.directory / "parties").glob("*.json"))
    return {join.party.name: join for join in map(read_join, files)}


def _remember(operator: Operator, join: JoinRequest) -> None:
    path = make_directory(operator.directory / "parties") / f"{join.party.name}.json"
    if path.exists() and read_join(path) != join:
        raise UsageError(
            f"{join.party.name} is admitted with other keys or addresses; delete {path} to replace it on purpose."
        )
    write_document(path, join)
