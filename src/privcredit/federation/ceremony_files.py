"""The key ceremony as files: the dealer's on an offline machine, the installation at each authority.

The dealer gets three join requests, writes one sealed share file per authority and `threshold-key.json` for everyone,
and ends; the primes exist in its memory only. Each authority checks its share and the public key against each other,
makes its DGK key, and signs a statement. The dealer signs nothing: people compare the fingerprint that it shows.
"""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from privcredit.crypto.ceremony import Dealing, check_dealing, deal
from privcredit.crypto.dgk_keys import DgkPrivateKey
from privcredit.crypto.modulus_proof import ModulusProof, Progress
from privcredit.crypto.randomness import Randomness
from privcredit.crypto.sealed import seal
from privcredit.crypto.threshold import KeyShare, ThresholdKey
from privcredit.errors import UsageError
from privcredit.federation.config import STATEMENT_FILE, NodeConfig, load_node
from privcredit.federation.documents import (
    SHARE_FORMAT,
    THRESHOLD_KEY_FORMAT,
    JoinRequest,
    ShareFile,
    ThresholdKeyFile,
    check_format,
    grouped,
    read_join,
)
from privcredit.federation.files import make_directory, read_document, write_document, write_public
from privcredit.federation.key_files import Passphrase, key_path, load_dgk, load_party_keys, write_key
from privcredit.messages.codec import PROTOCOL_VERSION
from privcredit.roles.registry import (
    AUTHORITIES,
    AuthorityStatement,
    sign_statement,
    threshold_key_bytes,
    threshold_key_digest,
    threshold_key_from_bytes,
)

THRESHOLD_KEY_FILE: Final = "threshold-key.json"

COMPARISON_BITS: Final = 64
"""DGK keys are made before any policy; this covers the widest (48 score bits, 15 bits for the number of required
holders, one of packing) for nothing: their prime u is 193 then, still one byte."""

DEALER: Final = "dealer"

MakeDealing = Callable[[int, Randomness, Progress | None], Dealing]


@dataclass(frozen=True, slots=True)
class CeremonyResult:
    """Where the files are, and the fingerprint that the dealer's screen shows and every authority compares."""

    threshold_key_file: Path
    share_files: tuple[Path, ...]
    fingerprint: str


def hold_ceremony(
    directory: Path,
    join_files: Sequence[Path],
    bits: int,
    randomness: Randomness,
    progress: Progress | None = None,
    make_dealing: MakeDealing = deal,
) -> CeremonyResult:
    """Deal a key of `bits` bits to the three authorities of `join_files`, in this order, and write their files.

    Run by the dealer on an offline machine, in a process that ends afterwards. All files appear together or none does;
    no file ever holds a prime or an unsealed share. Raises UsageError; 4 seconds at 3072 bits on two cores.
    """
    joins = _three_authorities(join_files)
    if directory.exists():
        raise UsageError(f"{directory} exists already; choose a new directory for the ceremony's files.")
    dealing = make_dealing(bits, randomness, progress)
    partial = directory.with_name(directory.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    make_directory(partial)
    _write_public_key(partial, joins, dealing, bits)
    names = [
        _write_share(partial, join, share, dealing.threshold_key)
        for join, share in zip(joins, dealing.shares, strict=True)
    ]
    partial.replace(directory)
    return CeremonyResult(
        directory / THRESHOLD_KEY_FILE,
        tuple(directory / name for name in names),
        grouped(dealing.threshold_key.fingerprint),
    )


def install_share(
    directory: Path,
    sealed_share: Path,
    threshold_key_file: Path,
    randomness: Randomness,
    passphrase: Passphrase | None = None,
    fingerprint: str | None = None,
    progress: Progress | None = None,
) -> Path:
    """Check a share against its key, keep it, make the DGK key, and return the file of the signed statement.

    Run by the authority on its node. fingerprint: what the dealer's screen showed; refused if the key has another.
    Nothing is kept if a check fails (threats.md A6). Raises UsageError for files of another node, scheme or kind,
    InvalidProofError with culprit "dealer" for a share or key that is not what it should be.
    """
    config = load_node(directory)
    if config.role != "authority":
        raise UsageError(f"{directory} is the node of a {config.role}; only authorities hold key shares.")
    public = read_threshold_key(threshold_key_file)
    key = threshold_key_from_bytes(public.key)
    _check_fingerprint(key, fingerprint)
    share = _open_share(config, sealed_share, public, key, passphrase)
    proof = ModulusProof.from_bytes(public.modulus_proof, int(key.key.n), DEALER)
    check_dealing(key, proof, share, public.authorities.index(config.name) + 1, progress=progress)
    write_key(key_path(directory, "share"), "share", share.to_file_bytes(key.key), passphrase, randomness)
    dgk = _dgk_key(directory, public.bits, passphrase, randomness)
    return _write_statement(config, public, dgk, passphrase)


def read_threshold_key(path: Path) -> ThresholdKeyFile:
    """Return the public result of a ceremony, its format checked. Raises UsageError."""
    public = read_document(path, ThresholdKeyFile, "the public key of a ceremony")
    check_format(path, public.format, THRESHOLD_KEY_FORMAT)
    return public


def threshold_fingerprint(path: Path) -> str:
    """Return the fingerprint of the key in a ceremony's public file, as people compare it."""
    return grouped(threshold_key_from_bytes(read_threshold_key(path).key).fingerprint)


def share_file(directory: Path, authority: str) -> Path:
    """Return where a ceremony puts the sealed share of `authority`."""
    return directory / f"share-{authority}.json"


def _three_authorities(join_files: Sequence[Path]) -> tuple[JoinRequest, ...]:
    joins = tuple(map(read_join, join_files))
    if len({join.party.name for join in joins}) != AUTHORITIES or len(joins) != AUTHORITIES:
        raise UsageError(f"A key is dealt to {AUTHORITIES} different authorities; give {AUTHORITIES} join requests.")
    for join, path in zip(joins, join_files, strict=True):
        if join.party.role != "authority":
            raise UsageError(f"{path} is from {join.party.name}, a {join.party.role}; only authorities get shares.")
    if len({join.scheme for join in joins}) != 1:
        raise UsageError("The three join requests are for different schemes; use those of one federation.")
    return joins


def _write_public_key(directory: Path, joins: Sequence[JoinRequest], dealing: Dealing, bits: int) -> None:
    first, second, third = (join.party.name for join in joins)
    public = ThresholdKeyFile(
        scheme=joins[0].scheme,
        bits=bits,
        authorities=(first, second, third),
        key=threshold_key_bytes(dealing.threshold_key),
        modulus_proof=dealing.modulus_proof.to_bytes(int(dealing.threshold_key.key.n)),
    )
    write_document(directory / THRESHOLD_KEY_FILE, public)


def _write_share(directory: Path, join: JoinRequest, share: KeyShare, key: ThresholdKey) -> str:
    file = ShareFile(
        scheme=join.scheme,
        authority=join.party.name,
        index=share.index,
        key_fingerprint=key.fingerprint.hex(),
        box=seal(join.party.sealing_key, share.to_file_bytes(key.key)),
    )
    path = share_file(directory, join.party.name)
    write_document(path, file)
    return path.name


def _check_fingerprint(key: ThresholdKey, fingerprint: str | None) -> None:
    found = grouped(key.fingerprint)
    if fingerprint is not None and fingerprint.replace(" ", "").lower() != found.replace(" ", ""):
        raise UsageError(
            f"The threshold key has the fingerprint {found}, not {fingerprint}; somebody exchanged it on the way."
        )


def _open_share(
    config: NodeConfig, path: Path, public: ThresholdKeyFile, key: ThresholdKey, passphrase: Passphrase | None
) -> KeyShare:
    file = read_document(path, ShareFile, "a key share")
    check_format(path, file.format, SHARE_FORMAT)
    if (file.authority, file.scheme, public.scheme) != (config.name, config.scheme, config.scheme):
        raise UsageError(f"{path} is for {file.authority} in {file.scheme}, not for this node; use its own.")
    if file.key_fingerprint != key.fingerprint.hex() or config.name not in public.authorities:
        raise UsageError(f"{path} belongs to another ceremony than the threshold key; use files of one ceremony.")
    sealing = load_party_keys(config.directory, passphrase).sealing
    return KeyShare.from_file_bytes(sealing.open(file.box, DEALER), key.key)


def _dgk_key(directory: Path, bits: int, passphrase: Passphrase | None, randomness: Randomness) -> DgkPrivateKey:
    """Return this authority's DGK key, made now unless an earlier, interrupted installation made it."""
    path = key_path(directory, "dgk")
    if path.exists():
        return load_dgk(directory, passphrase)
    key = DgkPrivateKey.generate(bits, COMPARISON_BITS, randomness)
    write_key(path, "dgk", key.to_file_bytes(), passphrase, randomness)
    return key


def _write_statement(
    config: NodeConfig, public: ThresholdKeyFile, dgk: DgkPrivateKey, passphrase: Passphrase | None
) -> Path:
    statement = AuthorityStatement(
        version=PROTOCOL_VERSION,
        scheme=config.scheme,
        authority=config.name,
        threshold_key_digest=threshold_key_digest(config.scheme, public.key),
        dgk_key=dgk.public.to_bytes(),
    )
    path = config.directory / STATEMENT_FILE
    jws = sign_statement(statement, load_party_keys(config.directory, passphrase).signing)
    write_public(path, jws.encode() + b"\n")
    return path
