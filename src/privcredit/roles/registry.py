"""The registry: the one signed list of parties, keys, scorecards and policies that every party pins.

A `TrustedRegistry` exists only after every signature in the document was verified, so whoever holds one may rely on it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from privcredit.crypto.dgk import DgkPublicKey
from privcredit.crypto.sealed import check_sealing_key
from privcredit.crypto.signing import SigningKey, check_public_key, sign_jws, verify_jws
from privcredit.crypto.threshold import ThresholdKey
from privcredit.crypto.transcript import digest
from privcredit.errors import RefusedError, UsageError
from privcredit.messages.codec import PROTOCOL_VERSION, Message, decode_json, encode_json
from privcredit.protocols.eligibility.steps import layout_of
from privcredit.scorecard.policy import Policy, check_policy, policy_hash

REGISTRY_TYPE = "privcredit-registry+jws"
POLICY_TYPE = "privcredit-policy+jws"
STATEMENT_TYPE = "privcredit-authority-statement+jws"
REGISTRY_SIGNER = "registry"
MAX_REGISTRY_BYTES = 1 << 20
"""Hundreds of policies and scorecards fit; a larger document is refused before it is parsed."""

MAX_KEY_BYTES = 1 << 16
"""A threshold key of 16384 bits takes 28 kB as JSON."""

ROLES = ("holder", "coordinator", "authority", "verifier")

AUTHORITIES = 3
"""Keys are shared 2 of 3 (`protocols/threshold-paillier/spec.md`)."""


class Party(Message, frozen=True, kw_only=True):
    """A party: one name, one role, its keys and where it listens (`public_address`: for wallets and providers)."""

    name: str
    role: str
    signing_key: bytes
    sealing_key: bytes
    address: str
    public_address: str = ""


class ScorecardEntry(Message, frozen=True, kw_only=True):
    """One holder's published scorecard in its native format."""

    holder: str
    digest: bytes
    document: str


class AuthorityStatement(Message, frozen=True, kw_only=True):
    """An authority's word on the key material: it checked its share of exactly this key. Signed."""

    version: int
    scheme: str
    authority: str
    threshold_key_digest: bytes
    dgk_key: bytes


class RegistryDocument(Message, frozen=True, kw_only=True):
    """The registry's payload; signed by the registry key. `policies` and `statements` are JWS of their own.

    Authorities stand among the parties in the order of their shares; `statements` follow the same order.
    """

    version: int
    scheme: str
    serial: int
    issued: int
    registrar: str
    parties: tuple[Party, ...]
    threshold_key: bytes
    statements: tuple[str, ...]
    scorecards: tuple[ScorecardEntry, ...]
    policies: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TrustedRegistry:
    """A verified registry, with everything looked up by name."""

    document: RegistryDocument
    parties: Mapping[str, Party]
    threshold_key: ThresholdKey
    dgk_keys: Mapping[str, DgkPublicKey]
    policies: Mapping[bytes, Policy]

    @property
    def scheme(self) -> str:
        """Return the scheme's name."""
        return self.document.scheme

    @property
    def authorities(self) -> tuple[str, ...]:
        """Return the three authorities' names in share order."""
        return tuple(party.name for party in self.document.parties if party.role == "authority")

    def party(self, name: str, role: str) -> Party:
        """Return the party of this name and role; refuses unknown ones."""
        party = self.parties.get(name)
        if party is None or party.role != role:
            raise RefusedError("unknown-party", f"{name} is not a {role} in the registry; check the name.")
        return party

    def only(self, role: str) -> Party:
        """Return the one party of a role that exists once (coordinator)."""
        found = [party for party in self.document.parties if party.role == role]
        if len(found) != 1:
            raise UsageError(f"The registry lists {len(found)} parties with the role {role}; it needs exactly one.")
        return found[0]

    def policy(self, wanted: bytes) -> Policy:
        """Return the policy with this hash; refuses unknown ones."""
        policy = self.policies.get(wanted)
        if policy is None:
            raise RefusedError("unknown-policy", f"No policy with hash {wanted.hex()[:16]} is in the registry.")
        return policy

    def policy_named(self, name: str) -> tuple[bytes, Policy]:
        """Return the hash and the policy with this id; refuses unknown ones."""
        for hashed, policy in self.policies.items():
            if policy.id == name:
                return hashed, policy
        known = ", ".join(sorted(policy.id for policy in self.policies.values()))
        raise RefusedError("unknown-policy", f"No policy is called {name!r}; the registry has: {known}.")

    def scorecard(self, holder: str, wanted: bytes) -> ScorecardEntry:
        """Return a holder's published scorecard by its digest."""
        for entry in self.document.scorecards:
            if entry.holder == holder and entry.digest == wanted:
                return entry
        raise RefusedError("unknown-scorecard", f"The registry has no scorecard {wanted.hex()[:16]} for {holder}.")


def sign_registry(document: RegistryDocument, key: SigningKey) -> str:
    """Sign the registry. Who runs it: the registry operator."""
    return sign_jws(key, REGISTRY_SIGNER, REGISTRY_TYPE, encode_json(document))


def sign_policy(policy: Policy, key: SigningKey) -> str:
    """Check and sign a policy. Who runs it: the registry operator. Raises UsageError if it could wrap."""
    check_policy(policy)
    return sign_jws(key, REGISTRY_SIGNER, POLICY_TYPE, encode_json(policy))


def sign_statement(statement: AuthorityStatement, key: SigningKey) -> str:
    """Sign what an authority found at key installation. Who runs it: each authority."""
    return sign_jws(key, statement.authority, STATEMENT_TYPE, encode_json(statement))


def threshold_key_bytes(key: ThresholdKey) -> bytes:
    """Return the canonical JSON by which a registry lists the shared key."""
    return msgspec.json.encode(key.to_dict(), order="sorted")


def threshold_key_from_bytes(data: bytes) -> ThresholdKey:
    """Return the key that `threshold_key_bytes` wrote.

    Raises UsageError for any other bytes, InvalidProofError for verification values that do not fit the key.
    """
    plain = decode_json(data, dict[str, str | list[str]], MAX_KEY_BYTES)
    if msgspec.json.encode(plain, order="sorted") != data:
        raise UsageError("The registry's threshold key is not in canonical form; publish it again.")
    return ThresholdKey.from_dict(plain)


def threshold_key_digest(scheme: str, threshold_key: bytes) -> bytes:
    """Return what the authorities' statements name the key by."""
    return digest("threshold key", scheme.encode(), threshold_key)


def open_registry(jws: str, registry_key: bytes) -> TrustedRegistry:
    """Verify every signature in a registry and return it ready for use.

    Raises InvalidProofError when a signature fails, UsageError when the document contradicts itself.
    """
    payload = verify_jws(jws, registry_key, REGISTRY_SIGNER, REGISTRY_TYPE, REGISTRY_SIGNER)
    document = decode_json(payload, RegistryDocument, MAX_REGISTRY_BYTES)
    if document.version != PROTOCOL_VERSION:
        raise UsageError(f"The registry has version {document.version}; this program reads {PROTOCOL_VERSION}.")
    parties = _checked_parties(document)
    dgk_keys = _check_statements(document, parties)
    policies = _open_policies(document, registry_key)
    threshold_key = threshold_key_from_bytes(document.threshold_key)
    registry = TrustedRegistry(document, parties, threshold_key, dgk_keys, policies)
    for policy in policies.values():
        _check_terms(registry, policy)
        _check_sizes(registry, policy)
    _check_groups(policies.values())
    return registry


def _checked_parties(document: RegistryDocument) -> dict[str, Party]:
    parties = {party.name: party for party in document.parties}
    if len(parties) != len(document.parties):
        raise UsageError("The registry lists a party twice; every name must be unique.")
    for party in document.parties:
        check_party(party)
    keys = [key for party in document.parties for key in (party.signing_key, party.sealing_key)]
    if len(set(keys)) != len(keys):
        raise UsageError("The registry lists a key twice; every party needs a signing and a sealing key of its own.")
    if document.registrar not in parties or parties[document.registrar].role != "holder":
        raise UsageError(f"The registrar {document.registrar!r} is not a holder of the registry; name one that is.")
    return parties


def check_party(party: Party) -> None:
    """Raise UsageError unless the party has a known role and keys that signatures and boxes can rely on."""
    if party.role not in ROLES:
        raise UsageError(f"{party.name} has the role {party.role!r}; the roles are {', '.join(ROLES)}.")
    try:
        check_public_key(party.signing_key)
        check_sealing_key(party.sealing_key)
    except UsageError as error:
        raise UsageError(f"A key of {party.name} cannot be used: {error}") from error


def _check_statements(document: RegistryDocument, parties: Mapping[str, Party]) -> dict[str, DgkPublicKey]:
    """The key material counts only with all three authorities' signatures."""
    names = [party.name for party in document.parties if party.role == "authority"]
    if len(names) != AUTHORITIES or len(document.statements) != AUTHORITIES:
        raise UsageError(f"The registry needs {AUTHORITIES} authorities, each with its signed statement.")
    expected = threshold_key_digest(document.scheme, document.threshold_key)
    keys = {}
    for name, jws in zip(names, document.statements, strict=True):
        payload = verify_jws(jws, parties[name].signing_key, name, STATEMENT_TYPE, name)
        statement = decode_json(payload, AuthorityStatement)
        if (statement.version, statement.scheme, statement.authority) != (PROTOCOL_VERSION, document.scheme, name):
            raise UsageError(f"The statement of authority {name} is about another version, scheme or authority.")
        if statement.threshold_key_digest != expected:
            raise UsageError(f"Authority {name} signed another Paillier key than the registry lists.")
        keys[name] = DgkPublicKey.from_bytes(statement.dgk_key)
    return keys


def _open_policies(document: RegistryDocument, registry_key: bytes) -> dict[bytes, Policy]:
    policies: dict[bytes, Policy] = {}
    for jws in document.policies:
        payload = verify_jws(jws, registry_key, REGISTRY_SIGNER, POLICY_TYPE, REGISTRY_SIGNER)
        policy = decode_json(payload, Policy)
        check_policy(policy)
        if any(policy.id == other.id for other in policies.values()):
            raise UsageError(f"The registry lists policy {policy.id!r} twice; every id must be unique.")
        policies[policy_hash(payload)] = policy
    return policies


def _check_terms(registry: TrustedRegistry, policy: Policy) -> None:
    """Every name in a policy must be in the registry, and its key must be the registry's."""
    if policy.scheme != registry.scheme:
        raise UsageError(f"Policy {policy.id} belongs to scheme {policy.scheme}, not {registry.scheme}.")
    if policy.key_fingerprint != registry.threshold_key.key.fingerprint:
        raise UsageError(f"Policy {policy.id} was made for another Paillier key; publish it again.")
    for term in policy.holders:
        registry.party(term.holder, "holder")
        registry.scorecard(term.holder, term.scorecard)
    for verifier in policy.verifiers:
        registry.party(verifier, "verifier")


def _check_sizes(registry: TrustedRegistry, policy: Policy) -> None:
    """A policy that some key cannot compare would only fail when a subject's budget is already spent on it."""
    layout = layout_of(policy, registry.threshold_key.key)
    for name, key in registry.dgk_keys.items():
        if layout.compare_bits > key.comparison_bits:
            raise UsageError(
                f"Policy {policy.id} compares {layout.compare_bits} bits and the DGK key of {name} only "
                f"{key.comparison_bits}; make a wider key."
            )


def _check_groups(policies: Iterable[Policy]) -> None:
    """Nullifiers count evaluations of a group: with another epoch length a policy would have a budget of its own."""
    terms: dict[str, Policy] = {}
    for policy in policies:
        first = terms.setdefault(policy.budget_group, policy)
        if (first.budget, first.epoch_seconds) != (policy.budget, policy.epoch_seconds):
            raise UsageError(
                f"Policies {first.id} and {policy.id} share budget group {policy.budget_group} with another budget or "
                "epoch; give both the same."
            )
