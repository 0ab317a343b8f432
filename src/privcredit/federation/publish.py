"""The operator publishes a registry: parties, keys, scorecards, policies; signed, and checked as others will check."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from privcredit.crypto.signing import verify_jws
from privcredit.errors import PeerError, UsageError
from privcredit.federation.ceremony_files import read_threshold_key
from privcredit.federation.config import REGISTRY_FILE
from privcredit.federation.documents import JoinRequest, ThresholdKeyFile
from privcredit.federation.files import make_directory, read_text, write_public
from privcredit.federation.operator import Operator, admitted
from privcredit.messages.codec import PROTOCOL_VERSION, decode_json
from privcredit.roles.registry import (
    STATEMENT_TYPE,
    AuthorityStatement,
    Party,
    RegistryDocument,
    ScorecardEntry,
    TrustedRegistry,
    open_registry,
    sign_policy,
    sign_registry,
    threshold_key_from_bytes,
)
from privcredit.scorecard.model import Scorecard
from privcredit.scorecard.policy import Policy, check_policy
from privcredit.scorecard.policy_toml import policy_from_toml
from privcredit.scorecard.toml_write import write_toml


@dataclass(frozen=True, slots=True)
class PolicySource:
    """A policy as its author wrote it (a file, or its text) and the scorecard that it is about."""

    policy: Path | str
    scorecard: Scorecard


@dataclass(frozen=True, slots=True)
class Publication:
    """What a registry is made from, besides the admitted parties."""

    threshold_key_file: Path
    statement_files: Sequence[Path]
    registrar: str
    policies: Sequence[PolicySource]


def publish_registry(operator: Operator, publication: Publication, now: int) -> Path:
    """Write the next registry and return its file; an archive of all serials lies in `registries/`.

    Run by the federation's operator. The result is opened and checked as every party will, before it is written.
    Raises UsageError naming the policy, scorecard, statement or party that does not fit, InvalidProofError for a wrong
    signature.
    """
    public = read_threshold_key(publication.threshold_key_file)
    joins = admitted(operator)
    document = RegistryDocument(
        version=PROTOCOL_VERSION,
        scheme=operator.scheme,
        serial=_next_serial(operator),
        issued=now,
        registrar=publication.registrar,
        parties=_parties(joins, public),
        threshold_key=public.key,
        statements=_statements(joins, public, publication.statement_files),
        scorecards=_scorecards(publication.policies),
        policies=tuple(
            sign_policy(policy, operator.registry_key) for policy in _policies(public, publication.policies, now)
        ),
    )
    jws = sign_registry(document, operator.registry_key)
    open_registry(jws, operator.registry_key.public_bytes)
    return _write(operator, document.serial, jws)


def published(operator: Operator) -> TrustedRegistry | None:
    """Return the newest registry, None before the first. Raises UsageError or InvalidProofError if it was altered."""
    path = operator.directory / REGISTRY_FILE
    if not path.exists():
        return None
    return open_registry(read_text(path).strip(), operator.registry_key.public_bytes)


def _next_serial(operator: Operator) -> int:
    newest = published(operator)
    return 1 if newest is None else newest.document.serial + 1


def _parties(joins: dict[str, JoinRequest], public: ThresholdKeyFile) -> tuple[Party, ...]:
    """Authorities first, in the order of their shares; the others by name."""
    for name in public.authorities:
        if name not in joins or joins[name].party.role != "authority":
            raise UsageError(f"The key was dealt to {name}, which is not admitted as authority; admit it first.")
    others = [join.party for join in joins.values() if join.party.role != "authority"]
    surplus = [
        name for name, join in joins.items() if join.party.role == "authority" and name not in public.authorities
    ]
    if surplus:
        raise UsageError(f"{surplus[0]} is admitted as authority but has no share of this key; remove its request.")
    return (*(joins[name].party for name in public.authorities), *others)


def _statements(joins: dict[str, JoinRequest], public: ThresholdKeyFile, files: Sequence[Path]) -> tuple[str, ...]:
    """Return the statements in the order of the shares, whatever the order of the files."""
    found = {}
    for path in files:
        jws = read_text(path).strip()
        found[_author(path, jws, joins, public)] = jws
    missing = [name for name in public.authorities if name not in found]
    if missing:
        raise UsageError(f"The statement of {missing[0]} is missing; a registry needs those of all three authorities.")
    return tuple(found[name] for name in public.authorities)


def _author(path: Path, jws: str, joins: dict[str, JoinRequest], public: ThresholdKeyFile) -> str:
    """Return whose statement this is: the authority under whose key it verifies."""
    for name in public.authorities:
        try:
            payload = verify_jws(jws, joins[name].party.signing_key, name, STATEMENT_TYPE, name)
        except PeerError:
            continue
        return decode_json(payload, AuthorityStatement).authority
    raise UsageError(f"{path} is no statement of {', '.join(public.authorities)} under their admitted keys.")


def _policies(public: ThresholdKeyFile, sources: Sequence[PolicySource], now: int) -> list[Policy]:
    if not sources:
        raise UsageError("A registry needs at least one policy; give --policy and --scorecard.")
    key = threshold_key_from_bytes(public.key).key
    policies = [
        policy_from_toml(source.policy, source.scorecard, key.fingerprint, published=now, key_bits=key.bits)
        for source in sources
    ]
    for policy in policies:
        check_policy(policy, key.bits)
    return policies


def _scorecards(sources: Sequence[PolicySource]) -> tuple[ScorecardEntry, ...]:
    """Return each holder's part of each scorecard, once."""
    entries = {}
    for source in sources:
        for holder in source.scorecard.holders:
            entry = holder_document(source.scorecard, holder)
            entries[holder, entry.digest] = entry
    return tuple(entries.values())


def holder_document(scorecard: Scorecard, holder: str) -> ScorecardEntry:
    """Return what the registry publishes of `scorecard` for one holder: a native file with only its characteristics."""
    part = scorecard.for_holder(holder)
    own = Scorecard(
        name=part.name,
        version=part.version,
        fields=part.fields,
        characteristics=part.characteristics,
        scale=part.scale,
    )
    return ScorecardEntry(holder=holder, digest=part.digest, document=write_toml(own))


def _write(operator: Operator, serial: int, jws: str) -> Path:
    data = jws.encode() + b"\n"
    write_public(make_directory(operator.directory / "registries") / f"registry-{serial:04}.jws", data)
    path = operator.directory / REGISTRY_FILE
    write_public(path, data)
    return path
