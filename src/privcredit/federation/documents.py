"""What parties of a federation hand to each other while it is set up, as JSON files.

A join request is signed with the key that it announces: whoever changes a name, an address or the sealing key on the
way has to change the signing key too, and its fingerprint is what people compare.
"""

from pathlib import Path
from typing import Final

from privcredit.crypto.signing import SigningKey, verify_signature
from privcredit.crypto.transcript import digest
from privcredit.errors import UsageError
from privcredit.federation.config import Address
from privcredit.federation.files import read_document
from privcredit.http.pki import check_name
from privcredit.messages.codec import Message, encode
from privcredit.roles.registry import Party, check_party

JOIN_FORMAT: Final = "privcredit-join/1"
WELCOME_FORMAT: Final = "privcredit-welcome/1"
THRESHOLD_KEY_FORMAT: Final = "privcredit-threshold-key/1"
SHARE_FORMAT: Final = "privcredit-key-share/1"

JOIN_DOMAIN: Final = "privcredit join request"
FINGERPRINT_DOMAIN: Final = "privcredit key fingerprint"


class JoinRequest(Message, frozen=True, kw_only=True):
    """A party's public keys and addresses, for the federation's operator and, from authorities, for the dealer."""

    format: str = JOIN_FORMAT
    scheme: str
    party: Party
    signature: bytes = b""


class Welcome(Message, frozen=True, kw_only=True):
    """The operator's answer: certificates (PEM), the registry's key, the TLS key sealed to the party."""

    format: str = WELCOME_FORMAT
    scheme: str
    party: str
    certificate: str
    ca: str
    registry_key: bytes
    sealed_tls_key: bytes


class ThresholdKeyFile(Message, frozen=True, kw_only=True):
    """The public result of a key ceremony. authorities: in the order of their shares; key: canonical JSON."""

    format: str = THRESHOLD_KEY_FORMAT
    scheme: str
    bits: int
    authorities: tuple[str, str, str]
    key: bytes
    modulus_proof: bytes


class ShareFile(Message, frozen=True, kw_only=True):
    """One authority's key share, sealed to its sealing key. key_fingerprint names the threshold key."""

    format: str = SHARE_FORMAT
    scheme: str
    authority: str
    index: int
    key_fingerprint: str
    box: bytes


def make_join(scheme: str, party: Party, key: SigningKey) -> JoinRequest:
    """Return the signed join request of `party`, whose signing key is `key`."""
    unsigned = JoinRequest(scheme=scheme, party=party)
    return JoinRequest(scheme=scheme, party=party, signature=key.sign(_join_bytes(unsigned)))


def read_join(path: Path) -> JoinRequest:
    """Return the join request in `path`, checked: names, keys, addresses, signature.

    Raises UsageError naming the file, InvalidProofError naming the party if the signature does not verify.
    """
    join = read_document(path, JoinRequest, "a join request")
    check_format(path, join.format, JOIN_FORMAT)
    check_name(join.scheme, "scheme")
    check_name(join.party.name, "party")
    check_party(join.party)
    for url in filter(None, (join.party.address, join.party.public_address)):
        address_of(url, str(path))
    verify_signature(_join_bytes(join), join.signature, join.party.signing_key, join.party.name)
    return join


def check_format(path: Path, found: str, expected: str) -> None:
    """Raise UsageError unless a file has the format that this program reads."""
    if found != expected:
        raise UsageError(f"{path} has the format {found!r}; this program reads {expected!r}.")


def address_of(url: str, where: str) -> Address:
    """Return the address in `https://host:port`. Raises UsageError naming `where`."""
    if not url.startswith("https://"):
        raise UsageError(f"{where}: the address {url!r} must look like https://host:port.")
    return Address.parse(url.removeprefix("https://"), f"{where}: an address")


def key_fingerprint(public_bytes: bytes) -> str:
    """Return 128 bits of a public key's digest in groups of four digits, for people to compare by telephone."""
    return grouped(digest(FINGERPRINT_DOMAIN, public_bytes))


def grouped(data: bytes) -> str:
    """Return the first 16 bytes in hexadecimal, in groups of four digits."""
    text = data[:16].hex()
    return " ".join(text[start : start + 4] for start in range(0, len(text), 4))


def _join_bytes(join: JoinRequest) -> bytes:
    return digest(JOIN_DOMAIN, encode(JoinRequest(format=join.format, scheme=join.scheme, party=join.party)))
